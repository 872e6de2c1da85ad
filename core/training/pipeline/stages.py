"""One stage in its folder: learn, save, measure, and say so in `result.json`, which is written last.

A stage with a result is not repeated; one without goes on from its newest checkpoint. The result names what it came
from, so that a folder never mixes two recipes.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.evaluation.intervals import Measure
from core.files import write_atomic
from core.models.adapters import AdapterCard, Measurement
from core.progress import ProgressCallback
from core.training.journal import read_journal
from core.training.loop import LoopConfig, LoopReport, run
from core.training.memory import fit_to_memory, free_memory_bytes
from core.training.pipeline.bench import Bench, Place, prompt_items
from core.training.pipeline.evaluation import Evaluation
from core.training.pipeline.learners import Work, key_of, make_work, put_together
from core.training.pipeline.recipe import EvolutionStage, Stage
from core.training.pipeline.results import RESULT, StageResult, drop_checkpoints, last_figures, weights_sha256
from core.training.reward import HackingSigns, Sample, hacking_signs
from core.training.team import by_first

ADAPTER_FOLDER, MODEL_FOLDER, REWARD_FOLDER = "adapter", "model", "reward"


def stage_folder(bench: Bench, number: int) -> Path:
    """Where stage `number` (from 1) works."""
    return bench.folder / f"{number}-{bench.recipe.stage[number - 1].kind}"


def stage_key(bench: Bench, number: int, fingerprint: str) -> str:
    """Hash of all that decides what comes of stage `number`. How often things are written down is not among it."""
    recipe = bench.recipe
    stages = [
        stage.model_dump(mode="json", exclude={"loop": {"checkpoint_every", "samples_every", "keep", "trackers"}})
        for stage in recipe.stage[:number]
    ]
    adapter = recipe.adapter if recipe.adapter is False else recipe.adapter.model_dump(mode="json")
    what = [fingerprint, bench.data_sha256, adapter, recipe.seed, recipe.choice, recipe.evaluate.max_tokens, stages]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def run_stage(
    bench: Bench, place: Place, key: str, piece_tokens: float, progress: ProgressCallback | None = None
) -> StageResult:
    """Do the stage, from wherever it stands; of several processes the first saves and measures.

    Args:
        piece_tokens: that go through the model together; see `core.training.memory`.

    Raises:
        InputError: the data has not what the stage takes.
        TrainingFault: it cannot go on; what was saved is intact.
    """
    stage = bench.recipe.stage[place.number - 1]
    started = time.monotonic()
    work = make_work(stage, bench, place)
    config = LoopConfig(steps=work.steps, **stage.loop.model_dump())
    notes = _fitted(stage, work, bench, piece_tokens)
    loop = run(
        work.learner, config, place.folder, evaluate=work.held_out, progress=progress, team=bench.team, notes=notes
    )
    work = put_together(work, bench, place)

    def finish() -> StageResult:
        result = _finish(bench, place, stage, work, loop, key, time.monotonic() - started)
        write_atomic(place.folder / RESULT, result.model_dump_json(indent=1))
        drop_checkpoints(place.folder)
        return result

    return by_first(bench.team, finish)


def _fitted(stage: Stage, work: Work, bench: Bench, piece_tokens: float) -> Mapping[str, float]:
    """Checkpointing switched on where a step needs it, and what was measured; nothing where there is no gradient, or
    the weights are in parts over processes."""
    if work.policy is None or isinstance(stage, EvolutionStage) or bench.team.sharding:
        return {}
    device = work.loaded.placement.device
    free = free_memory_bytes(device)
    if free is not None and device == "cpu":
        free //= bench.team.size  # processes on other machines are taken to be on this one, too
    with work.policy.in_force():
        return fit_to_memory(work.loaded.model, round(piece_tokens), device=device, free_bytes=free).figures()


def _finish(
    bench: Bench, place: Place, stage: Stage, work: Work, loop: LoopReport, key: str, seconds: float
) -> StageResult:
    measures: dict[str, Measure] = {}
    signs: HackingSigns | None = None
    artefact = REWARD_FOLDER
    if work.policy is not None:
        artefact = MODEL_FOLDER if bench.recipe.adapter is False else ADAPTER_FOLDER
        after = bench.evaluator("validation")(work.loaded, key_of(work.policy), work.policy.in_force())
        measures = {metric: after.measure(metric) for metric in bench.recipe.metrics}
        if work.reward is not None:
            signs = _signs(bench, stage, work, place, after)
    card = AdapterCard(
        name=bench.recipe.name,
        base=bench.recipe.model,
        base_fingerprint=work.loaded.fingerprint,
        data_sha256=bench.data_sha256,
        config={"recipe": bench.recipe.model_dump(mode="json"), "stage": place.number, "key": key},
        seed=bench.recipe.seed,
        report=measurements(measures, len(bench.data.validation), "validation"),
    )
    work.save(place.folder / artefact, card)
    return StageResult(
        kind=stage.kind,
        key=key,
        artefact=artefact,
        sha256=weights_sha256(place.folder / artefact),
        steps=loop.steps,
        best_step=loop.best_step,
        best_value=loop.best_value,
        seconds=round(seconds, 3),
        policy_key=key_of(work.policy) if work.policy is not None else "",
        figures=last_figures(place.folder),
        signs=_plain(signs),
        warnings=signs.warnings if signs else (),
    )


def measurements(measures: dict[str, Measure], n: int, split: str) -> tuple[Measurement, ...]:
    """Figures for an adapter's card. Those on validation carry the metric's bare name, others the split's before it."""
    prefix = "" if split == "validation" else f"{split}: "
    return tuple(
        Measurement(metric=prefix + name, value=one.value, interval=(one.low, one.high), n=n)
        for name, one in measures.items()
    )


def _signs(bench: Bench, stage: Stage, work: Work, place: Place, after: Evaluation) -> HackingSigns:
    """Looked for in the answers to the validation prompts; the metric chosen by is the held-out measure."""
    choice = bench.recipe.choice
    other = choice != stage.expression.strip()
    practice = getattr(stage, "practice", None)
    kl = [row["policy/kl"] for row in read_journal(place.folder) if "policy/kl" in row]
    return hacking_signs(
        [answer.text for answer in after.answers],
        _rewards(bench, work, after),
        first_reward=statistics.fmean(_rewards(bench, work, place.before)),
        held_out=[answer.values[choice] for answer in after.answers] if other else None,
        first_held_out=place.before.mean(choice) if other else None,
        kl=statistics.fmean(kl[-5:]) if kl else None,
        kl_budget=practice.kl.target if practice is not None and not isinstance(stage, EvolutionStage) else None,
        unrewarded={
            metric: after.mean(metric) - place.before.mean(metric)
            for metric in bench.recipe.metrics
            if metric.isidentifier() and metric not in re.findall(r"\w+", stage.expression)
        },
    )


def _rewards(bench: Bench, work: Work, evaluation: Evaluation) -> list[float]:
    items = prompt_items(bench.data.validation, work.loaded, 1)
    samples = [
        Sample(item.id, item.text, answer.text, item.context, answer.finished, item.token_ids, answer.token_ids)
        for item, answer in zip(items, evaluation.answers, strict=True)
    ]
    assert work.reward is not None
    return work.reward(samples)


def _plain(signs: HackingSigns | None) -> dict[str, Any]:
    if signs is None:
        return {}
    return {
        "length_correlation": signs.length_correlation,
        "repetition_correlation": signs.repetition_correlation,
        "gain": signs.gain,
        "held_out_gain": signs.held_out_gain,
        "kl": signs.kl,
    }
