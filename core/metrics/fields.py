"""F1 over the fields of a JSON object: how much of what a text states was read from it, and how much was made up."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InputError
from core.metrics.json_prefixes import closed_prefixes
from core.metrics.metric import NO_CONTEXT, Context, Contexts, Milestone, Need, Part, Score, f_measure, matched_contexts

Stated = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FieldF1:
    """F1 of the values that the candidate states, against the reference that it fits best; both are JSON objects.

    A value counts with its place: the key it stands under and, in a list of entries, the entry, which is known by its
    first value. Empty values state nothing. Values are compared without regard to case, width and white space. Where
    neither states anything the score is 1; a candidate that is no JSON object has 0.

    Needs references. Parts: `parses`, `precision`, `recall`.

    Attributes:
        entries_only: in lists, count the entries by their first values and leave the other values out.
    """

    name: str = "field_f1"
    entries_only: bool = False
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        """One score a candidate. Raises `InputError` for a reference that is no JSON object."""
        return [
            max((self._against(candidate, reference) for reference in context.references), key=lambda one: one.value)
            for candidate, context in zip(candidates, matched_contexts(self, candidates, contexts), strict=True)
        ]

    def milestones(self, candidate: str, context: Context = NO_CONTEXT) -> list[Milestone]:
        """The score with each further value. See `Stepwise`; raises as `score` does."""
        ends, prefixes = zip(*found, strict=True) if (found := list(closed_prefixes(candidate))) else ((), ())
        scores = self.score(prefixes, context) if prefixes else []
        return [Milestone(end, score.value) for end, score in zip(ends, scores, strict=True)]

    def _against(self, candidate: str, reference: str) -> Score:
        wanted = self._stated(reference)
        if wanted is None:
            raise InputError(
                f"{self.name}: the reference is no JSON object: {reference[:80]!r}.", hint="Mend the references."
            )
        given = self._stated(candidate)
        if given is None:
            return Score(0.0, (Part("parses", 0.0),), "this is no JSON object")
        right = len(given & wanted)
        precision = right / len(given) if given else float(not wanted)
        recall = right / len(wanted) if wanted else float(not given)
        parts = (Part("parses", 1.0), Part("precision", precision), Part("recall", recall))
        return Score(f_measure(precision, recall), parts, _difference(given, wanted))

    def _stated(self, text: str) -> Stated | None:
        """What the object in `text` states; None where there is none."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return frozenset(self._leaves(value, ())) if isinstance(value, dict) else None

    def _leaves(self, value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from self._leaves(inner, (*path, str(key)))
        elif isinstance(value, list):
            for entry in value:
                yield from self._entry(entry, path)
        elif value is not None and (folded := _folded(value)):
            yield (*path, folded)

    def _entry(self, entry: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """An entry without a first value states nothing: nobody could say what the others are values of."""
        if not isinstance(entry, Mapping):
            yield from self._leaves(entry, path)
            return
        name = next((value for value in entry.values()), None)
        folded = _folded(name) if isinstance(name, str | int | float) else ""
        if folded and self.entries_only:
            yield (*path, folded)
        elif folded:
            yield from self._leaves(entry, (*path, folded))


def _folded(value: object) -> str:
    """A text, number or truth value as compared."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", str(value))).casefold()


def _difference(given: Stated, wanted: Stated) -> str:
    told = [f"not stated: {' '.join(one)}" for one in sorted(given - wanted)]
    return "; ".join(told + [f"missing: {' '.join(one)}" for one in sorted(wanted - given)])
