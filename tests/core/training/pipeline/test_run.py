from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from killed import killed_at

from core.errors import InputError
from core.models.adapters import WEIGHTS, read_adapter
from core.training.faults import CheckpointFailed, RewardFailed
from core.training.journal import read_journal
from core.training.pipeline import run as run_module
from core.training.pipeline import stages
from core.training.pipeline.bench import Bench, Place
from core.training.pipeline.folder import alone_in
from core.training.pipeline.reading import read_recipe
from core.training.pipeline.results import StageResult
from core.training.pipeline.run import Outcome, open_bench, run_recipe

WriteRecipe = Callable[..., Path]
SFT = 'kind = "sft"\nsteps = 2\nrows = 2\nrow_tokens = 128\nloop = { trackers = [] }'


def run(path: Path, out: Path, *overrides: str, restart: bool = False) -> Outcome:
    return run_recipe(open_bench(read_recipe(path, overrides), path, out), restart=restart, quiet=True)


def weights(out: Path) -> bytes:
    return (out / "adapter" / WEIGHTS).read_bytes()


def test_a_recipe_runs_from_end_to_end(write_recipe: WriteRecipe, tmp_path: Path, run_cli) -> None:
    out = tmp_path / "out"
    code, printed, err = run_cli("train", "run", write_recipe(), "--out", out)
    assert code == 0, err
    report = json.loads((out / "report.json").read_text())
    assert list(report["validation"]) == ["start", "1-sft", "2-grpo"]
    assert list(report["test"]) == ["start", "end"]
    assert [stage["steps"] for stage in report["stages"]] == [6, 4]
    assert report["data"]["examples"] == {"train": 12, "validation": 8, "test": 4}
    over = report["validation"]["2-grpo"]["chrf"]["over_start"]
    assert over["low"] <= over["value"] <= over["high"]
    assert "On test (4 examples" in printed
    card = read_adapter(out / "adapter").card
    assert {one.metric for one in card.report} == {"chrf", "rouge_l", "test: chrf", "test: rouge_l"}
    assert card.config["recipe"]["stage"][1]["algorithm"]["samples"] == 3  # type: ignore[index,call-overload]
    losses = [row["loss"] for row in read_journal(out / "1-sft") if "loss" in row]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("call", [1, 5, 9, 14])
def test_a_run_killed_at_any_step_goes_on_to_the_same_adapter(
    call: int, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps and evaluations are counted through both stages: the sixteen calls cover both."""
    path = write_recipe()
    fast = ("stage.1.checkpoint_every=2", "stage.2.checkpoint_every=2")
    whole = never_killed(path, tmp_path, *fast)
    with killed_at(call, monkeypatch):
        run(path, tmp_path / "killed", *fast)
    run(path, tmp_path / "killed", *fast)
    assert weights(tmp_path / "killed") == whole
    for stage, steps, evaluations in (("1-sft", 6, 3), ("2-grpo", 4, 3)):
        rows = read_journal(tmp_path / "killed" / stage)
        assert [row["step"] for row in rows if "reward/mean" in row or "loss" in row] == list(range(1, steps + 1))
        assert len([row for row in rows if "evaluation" in row]) == evaluations


_WHOLE: dict[str, bytes] = {}


def never_killed(path: Path, tmp_path: Path, *overrides: str) -> bytes:
    """The adapter of an uninterrupted run; the same whichever test asks first."""
    key = " ".join(overrides)
    if key not in _WHOLE:
        run(path, tmp_path / "whole", *overrides)
        _WHOLE[key] = weights(tmp_path / "whole")
    return _WHOLE[key]


@pytest.mark.parametrize("where", ["stage 1", "stage 2", "test", "promotion"])
def test_a_run_killed_between_stages_repeats_nothing(
    where: str, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe()
    whole = never_killed(path, tmp_path)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if where.startswith("stage"):
            number, write = int(where[-1]), stages.write_atomic

            def killed_there(target: Path, content: str) -> None:
                if f"{number}-" in str(target.parent.name):
                    raise KeyboardInterrupt
                write(target, content)

            patch.setattr(stages, "write_atomic", killed_there)
        else:
            patch.setattr(run_module, "_conclude" if where == "test" else "promote", killed)
        with pytest.raises(KeyboardInterrupt):
            run(path, tmp_path / "killed")
    seen: list[int] = []
    do = run_module.run_stage

    def counted(bench: Bench, place: Place, *rest: Any) -> StageResult:
        seen.append(place.number)
        return do(bench, place, *rest)

    monkeypatch.setattr(run_module, "run_stage", counted)
    run(path, tmp_path / "killed")
    assert weights(tmp_path / "killed") == whole
    assert seen == {"stage 1": [1, 2], "stage 2": [2]}.get(where, [])


def test_a_finished_run_is_not_run_again_and_loads_no_model(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe()
    first = run(path, tmp_path / "out")
    monkeypatch.setattr("core.training.pipeline.bench.load_causal", lambda *_: pytest.fail("a model was loaded"))
    assert run(path, tmp_path / "out").report == first.report


def test_a_folder_of_another_recipe_is_refused_until_told_to_begin_anew(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    path, out = write_recipe(), tmp_path / "out"
    run(path, out)
    supervised = (out / "1-sft" / "result.json").read_bytes()
    with pytest.raises(InputError, match="stage 2") as caught:
        run(path, out, "stage.2.steps=2")
    assert "--restart" in str(caught.value)
    run(path, out, "stage.2.steps=2", restart=True)
    assert (out / "1-sft" / "result.json").read_bytes() == supervised
    assert json.loads((out / "2-grpo" / "result.json").read_text())["steps"] == 2
    run(path, out, "stage.2.steps=2", "stage.2.samples_every=1")  # how often is written down changes no result


def test_two_processes_do_not_share_a_folder(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    path = write_recipe()
    with alone_in(tmp_path / "out"), pytest.raises(InputError, match="Another process"):
        run(path, tmp_path / "out")


def test_a_folder_with_something_else_is_left_alone(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    (out / "1-notes").mkdir(parents=True)
    with pytest.raises(InputError, match="something else"):
        run(write_recipe(), out, restart=True)
    assert (out / "1-notes").is_dir()


def test_a_full_disk_is_said_in_words_and_the_run_goes_on(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe()
    whole = never_killed(path, tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place in ("core.training.pipeline.evaluation.write_atomic", "core.training.pipeline.stages.write_atomic"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(CheckpointFailed, match="No space left"):
                run(path, tmp_path / "full")
    run(path, tmp_path / "full")
    assert weights(tmp_path / "full") == whole


def test_prepared_data_in_two_languages(write_recipe: WriteRecipe, tmp_path: Path, run_cli) -> None:
    rows = [
        {"prompt": f"{'问' if number % 2 else 'ask'} {chr(97 + number % 26)}{number}", "response": f"{number}"}
        for number in range(40)
    ]
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    folder = tmp_path / "prepared"
    code, _, err = run_cli("train", "prepare", source, "--out", folder, "--similarity", "0", "--validation", "0.2")
    assert code == 0, err
    path = write_recipe(SFT)
    path.write_text(re.sub(r"file = .*", 'prepared = "prepared"', path.read_text()))
    assert run(path, tmp_path / "out", "data.test=2").report["data"]["examples"]["test"] == 2


REWARD = 'kind = "reward"\nsteps = 3\npairs = 4\nadapter = { rank = 2 }\nlearning_rate = 0.01\nevaluate_every = 2'
PPO = 'kind = "ppo"\nmetric = "reward_model + 0.5*chrf"\nsteps = 2\nprompts = 2\nsamples = 2\nmax_tokens = 5'
KINDS = {
    "ppo": (REWARD, PPO),
    "rloo": ('kind = "rloo"\nmetric = "chrf"\nsteps = 2\nprompts = 2\nsamples = 2\nmax_tokens = 5',),
    "dpo": ('kind = "dpo"\nsteps = 2\npairs = 2',),
    "kto": ('kind = "kto"\nmetric = "brevity"\nsteps = 2\npairs = 2\nsamples = 3\nmax_tokens = 8',),
    "ift": ('kind = "ift"\nsteps = 3\nprompts = 2\nsamples = 2\nmax_tokens = 5\nalternation = { warm_up = 1 }',),
    "ift with a head": (
        'kind = "ift"\nlearned_reward = "head"\nsteps = 3\nprompts = 2\nsamples = 2\nmax_tokens = 5\nwarm_up = 1',
    ),
    "ift judged by a reward model": (
        REWARD,
        'kind = "ift"\nmetric = "reward_model"\nsteps = 3\nprompts = 2\nsamples = 2\nmax_tokens = 5\nwarm_up = 1',
    ),
    "ift after sft": (
        'kind = "sft"\nsteps = 2',
        'kind = "ift"\nsteps = 3\nprompts = 2\nsamples = 2\nmax_tokens = 5\nwarm_up = 1',
    ),
    "evolution": (
        'kind = "evolution"\nmetric = "chrf"\nsteps = 2\nevolution = { pairs = 2, prompts = 2, max_tokens = 5 }',
    ),
}


LORA, WHOLE = "adapter = { rank = 2 }", "adapter = false"


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        *((kind, LORA) for kind in KINDS),
        *((kind, WHOLE) for kind in ("ppo", "dpo", "ift", "ift after sft", "ift judged by a reward model")),
    ],
)
def test_every_kind_of_stage_runs(kind: str, head: str, write_recipe: WriteRecipe, tmp_path: Path) -> None:
    outcome = run(write_recipe(*KINDS[kind], head=head, tail='[promote]\nmetric = "chrf"'), tmp_path / "out")
    assert [stage["kind"] for stage in outcome.report["stages"]][-1] == kind.split()[0]
    assert (outcome.artefact / ("config.json" if "false" in head else "adapter.json")).is_file()
    assert (outcome.verdict is None) == ("false" in head)


def test_a_reward_that_fails_names_the_sample_and_the_run_goes_on_when_it_is_mended(
    write_recipe: WriteRecipe, tmp_path: Path
) -> None:
    code = tmp_path / "my_rewards.py"
    code.write_text(
        "def bad(sample):\n    raise ValueError('no')\n\n\ndef good(sample):\n    return len(sample.text)\n"
    )
    stage = 'kind = "grpo"\nmetric = "my_rewards:{}"\nsteps = 2\nprompts = 2\nsamples = 2\nmax_tokens = 5'
    forbidden = write_recipe(stage.format("good"), name="forbidden")
    with pytest.raises(InputError, match="does not allow"):
        run(forbidden, tmp_path / "out")
    head = "run_code = true\nadapter = { rank = 2 }"
    with pytest.raises(RewardFailed, match=r"ValueError: no.*Sample: prompt"):
        run(write_recipe(stage.format("bad"), head=head), tmp_path / "bad")
    assert run(write_recipe(stage.format("good"), head=head), tmp_path / "good").report["stages"][0]["steps"] == 2
    with pytest.raises(InputError, match="no function 'missing'"):
        run(write_recipe(stage.format("missing"), head=head), tmp_path / "missing")
