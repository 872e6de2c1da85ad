from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from killed import killed_at
from safetensors.torch import load_file

from core.cli import main
from core.errors import InputError, UnknownName
from core.training.journal import read_journal
from core.training.launch import launch_command
from core.training.pipeline.classes import run as class_run
from core.training.pipeline.classes.bench import open_class_bench
from core.training.pipeline.classes.labelled import LabelledData, check_labelled
from core.training.pipeline.classes.recipe import ClassRecipe
from core.training.pipeline.classes.run import run_class_recipe
from core.training.pipeline.reading import read_any, read_recipe
from core.training.pipeline.run import Outcome
from core.training.supervised.classifier_card import read_classifier_card
from core.training.supervised.classifier_store import load_classifier, named_classifiers

KEYS = {"card": "stolen", "price": "fee", "door": "open"}
FILLERS = ("my", "the", "a", "why", "so", "is", "was", "pay", "lost", "high")
STAGE = (
    'kind = "classify"\nsteps = 6\nbatch = 8\nmax_tokens = 16\nweights = "full"\nlearning_rate = 0.003\n'
    "loop = { evaluate_every = 2, checkpoint_every = 2, trackers = [] }"
)
UNTAUGHT = STAGE.replace("steps = 6", "steps = 8").replace("0.003", "0.001") + '\nstart = "untaught"'
"""The probe finds all of these classes; what is learned from nothing is told by its last weights."""
WriteRecipe = Callable[..., Path]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT with its tokenizer."""
    torch.manual_seed(0)
    tokenizer = tiny_models.word_tokenizer([*KEYS.values(), *FILLERS, *"卡费门的丢了高开"])
    model = tiny_models.bert_encoder(len(tokenizer), max_position_embeddings=64, initializer_range=0.2)
    folder: Path = tiny_models.save(tmp_path_factory.mktemp("bert"), model, tokenizer)
    return folder


def rows() -> list[dict[str, Any]]:
    """A word gives the class away, in two languages; each pair of fillers is a group."""
    return [
        {"text": f"{one} {word} {other}", "label": label, "group": f"{one} {other} {label}"}
        for one in FILLERS
        for other in FILLERS[:5]
        for label, word in KEYS.items()
    ]


@pytest.fixture
def write_recipe(tmp_path: Path, encoder: Path, fresh_settings: Callable[..., None]) -> WriteRecipe:
    fresh_settings(device="cpu", cache_dir=tmp_path / "cache")

    def write(
        stage: str = STAGE,
        *,
        data: Sequence[dict[str, Any]] | None = None,
        tail: str = '[promote]\nmetric = "accuracy"',
        name: str = "kinds",
    ) -> Path:
        source = tmp_path / f"{name}.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) for row in (rows() if data is None else data))
        source.write_text("\n".join(lines), encoding="utf-8")
        parts = [f'model = "{encoder}"', "seed = 3", f'[data]\nfile = "{source}"', f"[[stage]]\n{stage}", tail]
        path = tmp_path / f"{name}.toml"
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path

    return write


def run(path: Path, out: Path, *overrides: str, restart: bool = False) -> Outcome:
    recipe = read_any(path, overrides)
    assert isinstance(recipe, ClassRecipe)
    return run_class_recipe(open_class_bench(recipe, out), restart=restart, quiet=True)


def weights(out: Path) -> bytes:
    return (out / "classifier" / "classifier.safetensors").read_bytes()


def test_a_recipe_of_classes_runs_from_end_to_end(write_recipe: WriteRecipe, tmp_path: Path, run_cli: Any) -> None:
    path, out = write_recipe(), tmp_path / "out"
    code, printed, err = run_cli("train", "run", path, "--dry-run", "--out", out)
    assert code == 0, err
    assert "3 classes" in printed and "6 steps of 8" in printed and "begins as a probe" in printed
    assert not out.exists()
    code, printed, err = run_cli("train", "run", path, "--out", out)
    assert code == 0, err
    report = json.loads((out / "report.json").read_text())
    assert list(report["validation"]) == ["start", "1-classify"] and list(report["test"]) == ["start", "end"]
    sizes = report["data"]["examples"]
    assert sum(sizes.values()) == 150 and min(sizes.values()) > 10
    over = report["test"]["end"]["accuracy"]["over_start"]
    assert over["low"] <= over["value"] <= over["high"]
    assert "looked at once" in printed and "Promotion" in printed
    card = read_classifier_card(out / "classifier")
    assert {one.metric for one in card.report} == {"accuracy", "test: accuracy", "test: calibration_error"}
    assert card.data_sha256 == report["data"]["sha256"]
    evaluations = [row["evaluation"] for row in read_journal(out / "1-classify") if "evaluation" in row]
    start = report["validation"]["start"]["accuracy"]["measure"]["value"]
    assert len(evaluations) == 4 and evaluations[0] == pytest.approx(start), "it begins as the probe"
    assert report["validation"]["1-classify"]["accuracy"]["measure"]["value"] == pytest.approx(max(evaluations))
    assert not list((out / "1-classify").glob("step-*"))


@pytest.mark.parametrize("call", [1, 4, 8, 12])
def test_a_run_killed_at_any_step_goes_on_to_the_same_classifier(
    call: int, write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe(UNTAUGHT)
    whole = run(path, tmp_path / "whole").report
    assert whole["stages"][0]["best_step"] > 0, "there is something to compare"
    with killed_at(call, monkeypatch):
        run(path, tmp_path / "killed")
    report = run(path, tmp_path / "killed").report
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert (report["validation"], report["test"]) == (whole["validation"], whole["test"])
    steps = [row["step"] for row in read_journal(tmp_path / "killed" / "1-classify") if "loss" in row]
    assert steps == list(range(1, 9))


def test_a_finished_run_loads_no_model_and_another_recipe_is_refused(
    write_recipe: WriteRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = write_recipe(), tmp_path / "out"
    first = run(path, out)
    with monkeypatch.context() as patch:
        patch.setattr(class_run, "begin_classifier", lambda *_: pytest.fail("it learned again"))
        patch.setattr("core.training.pipeline.classes.bench.load_encoder", lambda *_: pytest.fail("a model was loaded"))
        again = run(path, out, "stage.1.samples_every=1")  # how often is written down changes no result
    assert {**again.report, "recipe": None, "promotion": None} == {**first.report, "recipe": None, "promotion": None}
    with pytest.raises(InputError, match="of another recipe: stage 1"):
        run(path, out, "stage.1.steps=2")
    run(path, out, "stage.1.steps=2", restart=True)
    assert json.loads((out / "1-classify" / "result.json").read_text())["steps"] == 2


def test_the_better_classifier_takes_the_name(write_recipe: WriteRecipe, tmp_path: Path, run_cli: Any) -> None:
    path = write_recipe(STAGE.replace("steps = 6", "steps = 40") + '\nstart = "untaught"')
    outcome = run(path, tmp_path / "out")
    assert outcome.verdict is not None and outcome.verdict.promoted, outcome.verdict
    assert load_classifier("kinds").predict(["my stolen so"])[0].label == "card"
    code, printed, err = run_cli("train", "label", "kinds", "why fee the", "so open")
    assert code == 0, err
    assert [line.split("\t")[0] for line in printed.splitlines()] == ["price", "door"]
    folder = named_classifiers().folder("kinds")
    worse = run(path, tmp_path / "worse", "stage.1.steps=1", "stage.1.learning_rate=1e-6")
    assert worse.verdict is not None and not worse.verdict.promoted and "over the classifier" in worse.verdict.reason
    assert named_classifiers().folder("kinds") == folder
    spans = [{"text": row["text"], "spans": [[0, 1, "x"]]} for row in rows()]
    with pytest.raises(InputError, match="another kind"):
        run(write_recipe(data=spans, tail='[promote]\nmetric = "entity_f1"'), tmp_path / "spans")


def test_the_probe_alone_is_learned_without_a_step(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    path = write_recipe(STAGE.replace('"full"', '"none"'))
    outcome = run(path, tmp_path / "out", "stage.1.steps=0")
    assert outcome.report["test"]["end"]["accuracy"]["over_start"]["value"] == 0
    assert outcome.verdict is not None and not outcome.verdict.promoted
    assert load_classifier(outcome.artefact).card.labels == ("card", "door", "price")


def test_two_processes_come_to_the_same(write_recipe: WriteRecipe, tmp_path: Path, encoder: Path) -> None:
    """Where nothing is dropped out: what is depends on how a batch is parted."""
    path = write_recipe(UNTAUGHT + "\ndropout = 0.0")
    shutil.copytree(encoder, tmp_path / "whole")
    config = re.sub(r'(_dropout_prob": )[0-9.]+', r"\g<1>0.0", (encoder / "config.json").read_text())
    (tmp_path / "whole" / "config.json").write_text(config)
    path.write_text(path.read_text().replace(str(encoder), str(tmp_path / "whole")))
    assert main(["train", "run", str(path), "--out", str(tmp_path / "alone")]) == 0
    command = ["-m", "core.cli", "train", "run", str(path), "--out", str(tmp_path / "two")]
    arguments, environment = launch_command("ddp-cpu", command, processes=2)
    root = str(Path(__file__).parents[5])
    environment = {**os.environ, **environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("Result: ") == 1
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    assert report["stages"][0]["best_step"] > 0, "there is something to compare"
    alone, two = (load_file(tmp_path / one / "classifier" / "classifier.safetensors") for one in ("alone", "two"))
    for name, value in alone.items():
        if name.endswith("key.bias"):  # attention does not depend on it: its gradient is rounding alone
            continue
        assert two[name].numpy() == pytest.approx(value.numpy(), abs=1e-4), name


def test_pairs_sets_and_spans(write_recipe: WriteRecipe, tmp_path: Path) -> None:
    pairs = [
        {
            "first": one,
            "second": f"{other} {word}",
            "label": "same" if one == word else "other",
            "group": f"{other} {word}",
        }
        for one in KEYS.values()
        for word in KEYS.values()
        for other in FILLERS
    ]
    sets = [
        {"text": f"{filler} {' '.join(KEYS[label] for label in labels)} {other}", "labels": labels}
        for filler in FILLERS
        for other in FILLERS[:4]
        for labels in (["card"], ["card", "price"], [], ["door"])
    ]
    spans = [
        {"text": row["text"], "spans": [[row["text"].index(" ") + 1, row["text"].rindex(" "), "key"]]} for row in rows()
    ]
    for name, data, metric in (("pairs", pairs, "macro_f1"), ("sets", sets, "micro_f1"), ("spans", spans, "entity_f1")):
        path = write_recipe(data=data, name=name, tail=f'[evaluate]\nmetrics = ["{metric}"]')
        report = run(path, tmp_path / name).report
        assert report["promotion"] is None
        assert 0 <= report["test"]["end"][metric]["measure"]["value"] <= 1
        assert report["validation"]["1-classify"][metric]["over_start"]["value"] >= 0, "the best is kept"
    assert (tmp_path / "sets" / "1-classify" / "probe.safetensors").is_file()
    assert report["samples"][0]["reference"].startswith("key: ")


def test_what_is_wrong_is_said_before_anything_is_loaded(
    write_recipe: WriteRecipe, tmp_path: Path, run_cli: Any
) -> None:
    path = write_recipe()
    with pytest.raises(InputError, match="recipe of classes"):
        read_recipe(path)
    for setting, said in (
        ("stage.1.batchs=4", "Did you mean 'batch'"),
        ("stage.1.steps=-1", "greater than or equal to 0"),
        ("adapter.rank=8", "'adapter' is no setting"),
        ("promote.metric=acuracy", "acuracy"),
        ("stage.1.max_tokens=512", "reads 64 tokens at most"),
        ("stage.1.kind=classified", "classify"),
    ):
        code, _, err = run_cli("train", "run", path, "--dry-run", "--set", setting)
        assert code == 1 and said in err, (setting, err)
    path.write_text(path.read_text() + '[[stage]]\nkind = "sft"\n')
    code, _, err = run_cli("train", "run", path, "--dry-run")
    assert code == 1 and "stands alone" in err
    with pytest.raises(UnknownName):
        run(write_recipe(tail='[evaluate]\nmetrics = ["entity_f1"]'), tmp_path / "out")
    prompts = write_recipe()
    prompts.write_text(re.sub(r"file = .*", 'suite = "customer-answers"', prompts.read_text()))
    code, _, err = run_cli("train", "run", prompts, "--dry-run")
    assert code == 1 and "prompts with responses" in err


def labelled(*splits: Sequence[tuple[str, str, str]]) -> LabelledData:
    from core.training.data.records import Labelled

    made = [
        tuple(Labelled(text=text, label=label, group=group or None) for text, label, group in rows) for rows in splits
    ]
    return LabelledData("x", *made)


def test_splits_must_be_there_apart_and_of_the_classes_learned() -> None:
    train = [("a", "x", "g"), ("b", "y", "")]
    held, test = [("c", "x", ""), ("d", "y", "")], [("e", "x", ""), ("f", "y", "")]
    check_labelled(labelled(train, held, test))
    with pytest.raises(InputError, match="no test records"):
        check_labelled(labelled(train, held, []))
    with pytest.raises(InputError, match="of one group"):
        check_labelled(labelled(train, held, [("e", "x", "h"), ("f", "y", "h")]))
    with pytest.raises(InputError, match="'z' is in test and not among the classes learned"):
        check_labelled(labelled(train, held, [*test, ("h", "z", "")]))
    with pytest.raises(InputError, match="text of 'a' is in train and in validation"):
        check_labelled(labelled(train, [*held, ("a", "y", "")], test))
    with pytest.raises(InputError, match="group of 'h' is in train and in test"):
        check_labelled(labelled(train, held, [*test, ("h", "x", "g")]))
    with pytest.raises(InputError, match="one class"):
        check_labelled(labelled([("a", "x", "")], [("c", "x", ""), ("d", "x", "")], [("e", "x", ""), ("f", "x", "")]))
