"""Whether a new adapter takes the name: only if it is better on validation than what the name stands for now, by more
than chance may give."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.evaluation.intervals import Measure
from core.models.adapter_set import AdapterSet
from core.models.adapter_store import named_folder, promote_adapter
from core.models.adapters import WEIGHTS, Adapter, read_adapter
from core.training.pipeline.bench import Bench
from core.training.pipeline.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about an adapter.

    Attributes:
        against: what it was compared with.
        difference: of the metric on validation, paired, with its 95 % interval; None where nothing was compared.
    """

    promoted: bool
    name: str
    metric: str
    against: str
    difference: Measure | None
    reason: str


def check_name(bench: Bench, fingerprint: str) -> None:
    """Raises `InputError` where the name stands for an adapter of another model, with which there is no comparing."""
    name = promoted_name(bench)
    folder = named_folder(name) if name else None
    if folder is not None and read_adapter(name).card.base_fingerprint != fingerprint:
        raise InputError(
            f"The adapter '{name}' was made for another model than '{bench.recipe.model}'.",
            hint="Choose another [promote] name, or remove the old one: trivium adapters remove.",
        )


def promoted_name(bench: Bench) -> str:
    """The name an adapter of this recipe would take; "" where none is promoted."""
    choice = bench.recipe.promote
    if choice is None or bench.recipe.adapter is False:
        return ""
    return choice.name or bench.recipe.name


def promote(bench: Bench, adapter: Adapter, final: Evaluation, base: Evaluation) -> Verdict:
    """Compare `adapter` with the one of its name, else with the base model, and let it take the name if it is better.

    Better means: the lower end of the 95 % interval of the paired difference is above 0.

    Args:
        final, base: evaluations on validation, of the adapter and of the base model.
    """
    name, metric = promoted_name(bench), bench.recipe.choice
    rival, against = base, f"'{bench.recipe.model}' without an adapter"
    if named_folder(name) is not None:
        old = read_adapter(name)
        if old.card.files[WEIGHTS] == adapter.card.files[WEIGHTS]:
            return Verdict(True, name, metric, "itself", None, f"'{name}' stands for this adapter already.")
        rival, against = _evaluated(bench, old), f"the adapter '{name}' of {old.card.created:%Y-%m-%d}"
    verdict = decided(name, metric, against, final.over(rival, metric))
    if verdict.promoted:
        promote_adapter(adapter, name)
    return verdict


def decided(name: str, metric: str, against: str, difference: Measure) -> Verdict:
    """The verdict on what is by `difference` better than what it was compared with."""
    told = f"{metric}: {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}] over {against}"
    if difference.low <= 0:
        return Verdict(
            False, name, metric, against, difference, f"Not promoted, the interval of the difference reaches 0. {told}."
        )
    return Verdict(True, name, metric, against, difference, f"'{name}' now stands for this adapter. {told}.")


def _evaluated(bench: Bench, adapter: Adapter) -> Evaluation:
    """The adapter on validation; it is run only where it was not measured on this data before."""
    evaluator = bench.evaluator("validation")
    key = f"adapter {adapter.card.base_fingerprint} {adapter.card.files[WEIGHTS]}"
    kept = evaluator.kept(key)
    if kept is not None:
        return kept
    adapters = AdapterSet(bench.load(None))
    name = adapters.attach(adapter)
    return evaluator(adapters.loaded, key, adapters.using(name))
