"""Rules about the form of a text: its length, a pattern it matches, a JSON schema it satisfies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import InputError
from core.metrics.metric import NO_CONTEXT, Contexts, Need, Part, Score, matched_contexts
from core.metrics.segmentation import units


@dataclass(frozen=True, slots=True)
class Length:
    """1 where the length lies within bounds, else how near it comes: length over minimum, or maximum over length.

    The length counts words, numbers and single Chinese characters.
    """

    minimum: int = 1
    maximum: int = 10**9
    name: str = "length"
    needs: frozenset[Need] = frozenset()

    def __post_init__(self) -> None:
        """Raises `InputError` for bounds that nothing can meet."""
        if not 0 <= self.minimum <= self.maximum or not self.maximum:
            raise InputError(
                f"Length: from {self.minimum} to {self.maximum} units.", hint="Use 0 <= minimum <= maximum."
            )

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched_contexts(self, candidates, contexts)
        return [self._score(len(units(candidate))) for candidate in candidates]

    def _score(self, length: int) -> Score:
        if length < self.minimum:
            return Score(length / self.minimum, reason=f"{length} units, at least {self.minimum} are wanted")
        if length > self.maximum:
            return Score(self.maximum / length, reason=f"{length} units, at most {self.maximum} are wanted")
        return Score(1.0)


@dataclass(frozen=True, slots=True)
class Brevity:
    """1 where the candidate is no longer than the longest reference, else that length over its own. Needs references.

    An empty candidate has 0: nothing said is not said briefly.
    """

    name: str = "brevity"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        scores = []
        for candidate, context in zip(candidates, matched_contexts(self, candidates, contexts), strict=True):
            own, most = len(units(candidate)), max(len(units(reference)) for reference in context.references)
            scores.append(Score(min(1.0, most / own) if own else 0.0, reason=f"{own} units, the reference has {most}"))
        return scores


@dataclass(frozen=True, slots=True)
class Pattern:
    """1 where the whole text, white space around it aside, matches a regular expression, else 0."""

    expression: str
    name: str = "pattern"
    needs: frozenset[Need] = frozenset()
    compiled: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises `InputError` for an expression that is none."""
        try:
            object.__setattr__(self, "compiled", re.compile(self.expression))
        except re.error as error:
            raise InputError(f"'{self.expression}' is no regular expression: {error}.") from error

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched_contexts(self, candidates, contexts)
        return [self._score(candidate) for candidate in candidates]

    def _score(self, candidate: str) -> Score:
        fits = self.compiled.fullmatch(candidate.strip()) is not None
        return Score(float(fits), reason="" if fits else f"the text does not match '{self.expression}'")


@dataclass(frozen=True, slots=True, eq=False)
class JsonSchema:
    """1 where the text is JSON that satisfies the schema (draft 2020-12), else 0. Parts: `parses` and `valid`.

    References are resolved inside the schema alone; nothing is fetched.
    """

    schema: Mapping[str, Any]
    name: str = "json"
    needs: frozenset[Need] = frozenset()
    validator: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises `InputError` for a schema that is none."""
        from jsonschema import Draft202012Validator, SchemaError
        from referencing import Registry

        try:
            Draft202012Validator.check_schema(self.schema)
        except SchemaError as error:
            raise InputError(f"This is no JSON schema: {error.message}.") from error
        registry: Registry[Any] = Registry()
        object.__setattr__(self, "validator", Draft202012Validator(self.schema, registry=registry))

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        matched_contexts(self, candidates, contexts)
        return [self._score(candidate) for candidate in candidates]

    def _score(self, candidate: str) -> Score:
        from referencing.exceptions import Unresolvable

        try:
            value = json.loads(candidate, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            return Score(0.0, (Part("parses", 0.0, str(error)), Part("valid", 0.0)), f"this is no JSON: {error}")
        try:
            fault = next(self.validator.iter_errors(value), None)
        except Unresolvable as missing:
            raise InputError(f"The JSON schema refers to what it does not hold: {missing}.") from missing
        if fault is None:
            return Score(1.0, (Part("parses", 1.0), Part("valid", 1.0)))
        reason = f"{fault.json_path}: {fault.message}"
        return Score(0.0, (Part("parses", 1.0), Part("valid", 0.0, reason)), reason)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
