from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError
from core.inference import Sampling, load_generator
from core.models.adapter_store import adapter_names
from core.models.adapters import WEIGHTS, read_adapter
from core.training.pipeline.reading import read_recipe
from core.training.pipeline.run import Outcome, open_bench, run_recipe

WriteRecipe = Callable[..., Path]
SAME = 'kind = "sft"\nsteps = {}\nrows = 4\nrow_tokens = 128\nlearning_rate = 0.02\nevaluate_every = 0'
HEAD = 'adapter = {{ rank = {}, targets = "all" }}'


@pytest.fixture
def greetings(tmp_path: Path) -> Path:
    """Whatever is asked, the answer is the same: soon learnt."""
    splits = ("train", "train", "validation", "test")
    rows = [
        {"prompt": f"ask {number}", "response": "ok", "split": splits[number % 4], "id": f"q{number}"}
        for number in range(40)
    ]
    path = tmp_path / "greetings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(path: Path, out: Path) -> Outcome:
    return run_recipe(open_bench(read_recipe(path), path, out), quiet=True)


def test_an_adapter_is_promoted_only_if_it_is_better_than_the_one_before(
    write_recipe: WriteRecipe, greetings: Path, tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    tail = '[promote]\nmetric = "exact_match"\nname = "greet"'
    weak = write_recipe(SAME.format(1), name="weak", data=greetings, tail=tail)
    outcome = run(weak, tmp_path / "weak")
    assert outcome.verdict is not None and not outcome.verdict.promoted
    assert "the interval of the difference reaches 0" in outcome.verdict.reason
    assert adapter_names() == []

    good = write_recipe(SAME.format(40), name="good", head=HEAD.format(4), data=greetings, tail=tail)
    outcome = run(good, tmp_path / "good")
    assert outcome.verdict is not None and outcome.verdict.promoted, outcome.report["validation"]
    assert outcome.verdict.difference is not None and outcome.verdict.difference.low > 0
    kept = read_adapter("greet")
    assert kept.card.files[WEIGHTS] == read_adapter(tmp_path / "good" / "adapter").card.files[WEIGHTS]
    measured = kept.card.measurement("exact_match")
    assert measured is not None and measured.n == 10 and measured.value > 0.5

    generator = load_generator(f"{tiny_folders['qwen2']}+greet")
    assert generator.generate([[{"role": "user", "content": "ask 99"}]], Sampling(max_tokens=6))[0].text == "ok"

    again = run(good, tmp_path / "good")
    assert again.verdict is not None and "already" in again.verdict.reason

    outcome = run(weak, tmp_path / "weak")  # now it is compared with the adapter, not with the bare model
    assert outcome.verdict is not None and not outcome.verdict.promoted
    assert "the adapter 'greet'" in outcome.verdict.against
    assert read_adapter("greet").card.files[WEIGHTS] == kept.card.files[WEIGHTS]


def test_the_name_of_another_models_adapter_is_refused_before_anything_is_learnt(
    write_recipe: WriteRecipe, greetings: Path, tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    tail = '[promote]\nmetric = "exact_match"\nname = "greet"'
    good = write_recipe(SAME.format(40), name="good", head=HEAD.format(4), data=greetings, tail=tail)
    run(good, tmp_path / "good")
    good.write_text(good.read_text().replace(str(tiny_folders["qwen2"]), str(tiny_folders["gpt2"])))
    with pytest.raises(InputError, match="another model"):
        run(good, tmp_path / "other")
    assert not (tmp_path / "other").exists()
