"""What a completion must look like: a JSON schema, a regular expression, one of several choices.

At each step, tokens that no valid text could go on with get no probability (Willard and Louf 2023), so that even the
smallest model writes a valid object. The grammar's work is done by llguidance.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InputError, InternalError

if TYPE_CHECKING:
    import torch
    from pydantic import BaseModel

_SEPARATORS: Any = {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False}
"""JSON on one line, as models usually write it; free white space would let a model fill its budget with it."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A form that completions must have; `grammar` is JSON Schema, a regular expression, or the choices as JSON."""

    kind: Literal["schema", "regex", "choice"]
    grammar: str


def matching_schema(schema: Mapping[str, Any] | type[BaseModel]) -> Constraint:
    """JSON objects of a schema, or of a pydantic model. Properties come in the schema's order, and no others.

    Only where the schema says `additionalProperties` itself may there be others. Bound strings and lists (`maxLength`,
    `maxItems`): a text that is cut at `max_tokens` is not valid.
    """
    found = schema if isinstance(schema, Mapping) else schema.model_json_schema()
    return Constraint("schema", json.dumps(_closed(found), ensure_ascii=False))


def matching_regex(pattern: str) -> Constraint:
    """Texts that match the pattern from beginning to end. No look-around and no back-references.

    As in Python, `\\d` and `\\w` take the digits and letters of every script; write `[0-9]` for ours.
    """
    return Constraint("regex", pattern)


def matching_choice(choices: Sequence[str]) -> Constraint:
    """One of the choices, character by character. Raises `InputError` without any, or with an empty one."""
    if isinstance(choices, str) or not choices or not all(choices):
        raise InputError("The choices must be texts that are not empty.", hint='Give a list such as ["yes", "no"].')
    return Constraint("choice", json.dumps(list(dict.fromkeys(choices)), ensure_ascii=False))


class Matcher:
    """Where one completion stands in its grammar."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    @property
    def finished(self) -> bool:
        """Whether nothing may follow but the end."""
        return bool(self._matcher.is_stopped())

    def allow(self, bits: Any) -> None:
        """Write which tokens may follow into `bits`, ``(V / 32,)`` int32, least significant bit first."""
        self._matcher.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        self._check()

    def take(self, token: int) -> None:
        """Go on by a token that was allowed."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise InternalError(f"The grammar of a completion broke off: {self._matcher.get_error()}")


class Grammars:
    """The constraints of a model's vocabulary, each compiled once."""

    def __init__(self, tokenizer: Any, vocabulary: int, end_ids: frozenset[int]) -> None:
        self._tokenizer, self._vocabulary, self._end_ids = tokenizer, vocabulary, end_ids
        self._turn = threading.Lock()
        self._tokens: Any = None
        self._compiled = lru_cache(maxsize=64)(self._compile)

    def matcher(self, constraint: Constraint) -> Matcher:
        """At the beginning of the grammar. Raises `InputError` for one that cannot be used."""
        with self._turn:
            return Matcher(self._compiled(constraint).deep_copy())

    def _compile(self, constraint: Constraint) -> Any:
        from llguidance import LLMatcher

        compiled = LLMatcher(self._vocabulary_tokens(), _grammar_of(constraint), log_level=0)
        if compiled.is_error():
            reason = " ".join(compiled.get_error().split())
            raise InputError(
                f"The {constraint.kind} cannot be used: {reason[:300]}",
                hint="Look-around, back-references and some JSON Schema keywords are not supported.",
            )
        return compiled

    def _vocabulary_tokens(self) -> Any:
        if self._tokens is None:
            from llguidance.hf import from_tokenizer

            if not self._tokenizer.is_fast:
                raise InputError(
                    "This model's tokenizer cannot be constrained.", hint="Choose a model with a tokenizer.json."
                )
            self._tokens = from_tokenizer(self._tokenizer, n_vocab=self._vocabulary, eos_token=sorted(self._end_ids))
        return self._tokens


def _grammar_of(constraint: Constraint) -> str:
    from llguidance import LLMatcher

    if constraint.kind == "schema":
        return str(LLMatcher.grammar_from_json_schema(constraint.grammar, overrides=_SEPARATORS))
    if constraint.kind == "regex":
        return str(LLMatcher.grammar_from_regex(constraint.grammar))
    choices = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in json.loads(constraint.grammar))
    return str(LLMatcher.grammar_from_lark(f"start: {choices}"))


def _closed(schema: Any) -> Any:
    """The schema with every object that lists its properties closed to others."""
    if isinstance(schema, Mapping):
        closed = {key: _closed(value) for key, value in schema.items()}
        if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
            closed.setdefault("additionalProperties", False)
        return closed
    return [_closed(part) for part in schema] if isinstance(schema, list) else schema


def only_allowed(logits: torch.Tensor, matchers: Sequence[Matcher]) -> torch.Tensor:
    """Logits ``(B, V)`` with -inf where a row's matcher does not allow the token."""
    import numpy as np
    import torch

    bits = np.zeros((len(matchers), -(-logits.shape[1] // 32)), dtype=np.int32)
    for row, matcher in zip(bits, matchers, strict=True):
        matcher.allow(row)
    allowed = np.unpackbits(bits.view(np.uint8), axis=1, count=logits.shape[1], bitorder="little")  # (B, V)
    return logits.masked_fill(torch.from_numpy(allowed).to(logits.device) == 0, float("-inf"))
