"""A recipe of classes from end to end: learn, evaluate, promote, report.

As in other recipes everything is in one folder, `1-classify/`, `evaluations/`, `classifier/`, `report.json`,
`report.md`; the same command given again goes on where it stands, and the folder of another recipe is refused.

The start is the head as it begins: the probe of the frozen base, so that what learning adds is told from what a
logistic regression gives.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.evaluation.suite import spread
from core.files import write_atomic
from core.models.adapters import Measurement
from core.models.locate import locate
from core.progress import ProgressCallback
from core.training.data.records import SPLITS
from core.training.loop import LoopReport
from core.training.pipeline.bench import EVALUATIONS
from core.training.pipeline.classes.bench import ClassBench
from core.training.pipeline.classes.evaluation import ClassEvaluation, evaluated, shown
from core.training.pipeline.classes.recipe import KIND
from core.training.pipeline.folder import alone_in, begin_folder, room_in
from core.training.pipeline.progress import RecipeProgress
from core.training.pipeline.promotion import Verdict, decided
from core.training.pipeline.report import START, about_data, make_report, write_report
from core.training.pipeline.results import RESULT, StageResult, drop_checkpoints, last_figures, read_result
from core.training.pipeline.results import weights_sha256 as sha256_of_weights
from core.training.pipeline.run import Outcome
from core.training.pipeline.stages import measurements
from core.training.supervised.classifier import Classifier
from core.training.supervised.classifier_card import ClassifierCard, read_classifier_card
from core.training.supervised.classifier_store import (
    copy_classifier,
    load_classifier,
    named_classifiers,
    promote_classifier,
)
from core.training.supervised.classify import begin_classifier, calibrated, learn, with_card
from core.training.team import by_first

STAGE = f"1-{KIND}"
CLASSIFIER = "classifier"
_HELD_OUT = ("validation", "test")


def run_class_recipe(bench: ClassBench, *, restart: bool = False, quiet: bool = False) -> Outcome:
    """Run what is not done yet.

    Args:
        restart: throw away what another recipe left in the folder, instead of refusing it.

    Raises:
        InputError: the folder is of another recipe, in use, or something else; or the data has not what it takes.
        TrainingFault: it cannot go on; the same command goes on from what was saved.
    """
    key = bench.key(locate(bench.recipe.model).fingerprint)
    team, folder = bench.team, bench.folder / STAGE
    _check_name(bench)
    with room_in(bench.folder), alone_in(bench.folder) if team.rank == 0 else contextlib.nullcontext():
        by_first(team, lambda: begin_folder(bench.folder, bench.recipe, {STAGE: key}, restart=restart))
        result = by_first(team, lambda: read_result(folder))
        if result is None:
            progress = None if quiet or team.rank else RecipeProgress([KIND], [1.0])
            result = _stage(bench, key, progress.stage(1) if progress else None)
            if progress:
                progress.close()
        done = result
        return by_first(team, lambda: _conclude(bench, done))


def _stage(bench: ClassBench, key: str, progress: ProgressCallback | None) -> StageResult:
    """Learn, save, and say so in the result, which is written last."""
    started = time.monotonic()
    stage, folder = bench.stage, bench.folder / STAGE
    splits = {name: bench.data.split(name) for name in SPLITS}
    base, family = bench.load()
    probe = folder / "probe.safetensors"
    classifier = begin_classifier(base, splits, stage, family=family, seed=bench.seed, probe=probe, team=bench.team)
    by_first(bench.team, lambda: _measure_start(bench, key, classifier))
    loop = LoopReport(0, None, None, 0)
    if stage.steps:
        loop = learn(
            classifier,
            splits,
            stage,
            stage.looping,
            folder,
            metric=bench.recipe.choice,
            seed=bench.seed,
            progress=progress,
            team=bench.team,
        )

    def finish() -> StageResult:
        about = {"data_sha256": bench.data_sha256, "config": bench.recipe.model_dump(mode="json")}
        card = with_card(calibrated(classifier, splits["validation"]), **about).save(folder / CLASSIFIER)
        result = StageResult(
            kind=stage.kind,
            key=key,
            artefact=CLASSIFIER,
            sha256=sha256_of_weights(folder / CLASSIFIER),
            steps=loop.steps,
            best_step=loop.best_step,
            best_value=loop.best_value,
            seconds=round(time.monotonic() - started, 3),
            policy_key=_key_of(card),
            figures=last_figures(folder),
        )
        write_atomic(folder / RESULT, result.model_dump_json(indent=1))
        drop_checkpoints(folder)
        return result

    return by_first(bench.team, finish)


def _measure_start(bench: ClassBench, key: str, classifier: Classifier) -> None:
    """What the head finds as it begins; a run that resumes finds it measured."""
    begun: list[Classifier] = []

    def start() -> Classifier:
        if not begun:
            begun.append(calibrated(classifier, bench.data.validation))
        return begun[0]

    for split in _HELD_OUT:
        evaluated(bench.data.split(split), f"start {key}", bench.folder / EVALUATIONS / split, start)


def _conclude(bench: ClassBench, result: StageResult) -> Outcome:
    """The look at test, the result in its place, promoted or not, and the report."""
    made = bench.folder / STAGE / CLASSIFIER
    loaded: list[Classifier] = []

    def learned() -> Classifier:
        if not loaded:
            base, _ = bench.load()
            loaded.append(load_classifier(made, base=base))
        return loaded[0]

    def begun() -> Classifier:
        raise InputError(f"The findings of the start are gone from '{bench.folder}'.", hint="Run with --restart.")

    def look(split: str) -> dict[str, ClassEvaluation]:
        records, kept = bench.data.split(split), bench.folder / EVALUATIONS / split
        return {
            START: evaluated(records, f"start {result.key}", kept, begun),
            STAGE: evaluated(records, result.policy_key, kept, learned),
        }

    validation, both = look("validation"), look("test")
    test = {START: both[START], "end": both[STAGE]}
    artefact = bench.folder / CLASSIFIER
    card = read_classifier_card(made)
    figures = (*_figures(bench, validation[STAGE], "validation"), *_figures(bench, test["end"], "test"))
    copy_classifier(made, artefact, card.model_copy(update={"report": figures}))
    verdict = _promoted(bench, artefact, validation) if bench.recipe.promoted_name else None
    about = about_data(bench.data, bench.data_sha256)
    report = make_report(bench.recipe, about, [result], validation, test, verdict, _samples(bench, test))
    write_report(bench.folder, report)
    return Outcome(report, artefact, verdict)


def _figures(bench: ClassBench, evaluation: ClassEvaluation, split: str) -> tuple[Measurement, ...]:
    """For the card; how honest its probabilities are is told of test alone, since they were fitted on validation."""
    measures = {metric: evaluation.measure(metric) for metric in bench.recipe.metrics}
    n = len(evaluation.records)
    error = evaluation.calibration_error if split != "validation" else None
    more = () if error is None else (Measurement(metric=f"{split}: calibration_error", value=error, n=n),)
    return (*measurements(measures, n, split), *more)


def _check_name(bench: ClassBench) -> None:
    """Raises `InputError` where the name stands for a classifier of another kind, with which there is no comparing."""
    name = bench.recipe.promoted_name
    folder = named_classifiers().folder(name) if name else None
    if folder is not None and read_classifier_card(folder).task != bench.data.task:
        raise InputError(
            f"The classifier '{name}' is one of another kind than this data is for.",
            hint="Choose another [promote] name.",
        )


def _promoted(bench: ClassBench, artefact: Path, validation: dict[str, ClassEvaluation]) -> Verdict:
    """Whether the classifier takes the name: if it is better on validation than the one of this name, else than what
    it began as, by an interval above 0."""
    name, metric = bench.recipe.promoted_name, bench.recipe.choice
    rival, against = validation[START], "the head as it began"
    folder = named_classifiers().folder(name)
    if folder is not None:
        old, new = read_classifier_card(folder), read_classifier_card(artefact)
        if _key_of(old) == _key_of(new):
            return Verdict(True, name, metric, "itself", None, f"'{name}' stands for this classifier already.")
        kept = bench.folder / EVALUATIONS / "validation"
        rival = evaluated(bench.data.validation, _key_of(old), kept, lambda: load_classifier(folder))
        against = f"the classifier '{name}' of {old.created:%Y-%m-%d}"
    verdict = decided(name, metric, against, validation[STAGE].over(rival, metric))
    if verdict.promoted:
        promote_classifier(artefact, name)
    return verdict


def _key_of(card: ClassifierCard) -> str:
    """Which classifier it is: base, weights, and what of the card decides its answers."""
    return f"classifier {card.base_fingerprint} {card.sha256} {card.temperature!r} {card.threshold!r}"


def _samples(bench: ClassBench, test: dict[str, ClassEvaluation]) -> list[dict[str, Any]]:
    from core.training.supervised.classify import truth_of

    return [
        {
            "id": record.id,
            "question": " | ".join(record.texts()),
            "reference": shown(record, truth_of(record)),
            **{name: shown(record, evaluation.findings[place].items) for name, evaluation in test.items()},
        }
        for place in spread(len(bench.data.test), bench.recipe.evaluate.samples)
        for record in [bench.data.test[place]]
    ]
