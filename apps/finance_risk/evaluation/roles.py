"""Roles of matters on our own sentences: rules alone, and rules with the model asked for what they leave empty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from apps.finance_risk.matters import Matter, MatterReading
from apps.finance_risk.matters.filling import fill_roles
from apps.finance_risk.matters.reading import kind_of, read_matter
from core.evaluation import Measure, Outcome, f1_measure, proportion, spread
from core.inference import load_generator
from core.progress import ProgressCallback

CASES = Path(__file__).with_name("own_matters.yaml")
_MOST_FAILURES = 20


@cache
def cases() -> tuple[dict[str, Any], ...]:
    """All sentences, in file order."""
    return tuple(yaml.safe_load(CASES.read_text(encoding="utf-8")))


def read_case(case: dict[str, Any]) -> Matter | None:
    """What rules read of a sentence; None where it tells of no matter."""
    kind = kind_of(case["text"])
    return read_matter(kind, case["text"], "case", 0) if kind else None


def counts(case: dict[str, Any], matter: Matter | None, *, model_only: bool = False) -> tuple[int, int, int]:
    """Roles that are right, wrong, and missed. A value in another role, or cut short, is wrong and its role missed."""
    wanted = {name: folded(value) for name, value in case.get("roles", {}).items()}
    if matter is None or matter.kind.name != case["kind"]:
        return 0, len(matter.terms) if matter else 0, len(wanted)
    terms = [term for term in matter.terms if term.read_by == "model" or not model_only]
    right = sum(wanted.get(term.role.name) == folded(term.evidence.quote) for term in terms)
    return right, len(terms) - right, len(wanted) - right


def folded(value: str) -> str:
    """A value without articles, the forms of "the company" and marks at its ends."""
    bare = re.sub(r"^(?:the|its)\s+", "", value.strip(' ,.，。"'), flags=re.IGNORECASE).casefold()
    return "公司" if bare in ("本公司", "company") else bare


def run(limit: int | None, progress: ProgressCallback) -> Outcome:
    """Precision, recall and F1 of roles, by rules and with the model."""
    chosen = [cases()[index] for index in spread(len(cases()), limit)]
    by_rules = [read_case(case) for case in chosen]
    found = [index for index, matter in enumerate(by_rules) if matter is not None]
    reading = MatterReading(tuple(matter for matter in by_rules if matter is not None))
    filled = fill_roles(reading, load_generator(), progress)
    with_model: list[Matter | None] = [None] * len(chosen)
    for index, matter in zip(found, filled.matters, strict=True):
        with_model[index] = matter
    metrics: dict[str, Measure] = {}
    for name, matters in (("rules", by_rules), ("rules_and_model", with_model)):
        rows = [counts(case, matter) for case, matter in zip(chosen, matters, strict=True)]
        metrics |= _measures(name, rows)
    own = [counts(case, matter, model_only=True) for case, matter in zip(chosen, with_model, strict=True)]
    right, wrong = sum(row[0] for row in own), sum(row[1] for row in own)
    metrics["model_precision"] = proportion(right, right + wrong)
    kinds_right = sum(
        (matter.kind.name if matter else "none") == case["kind"] for case, matter in zip(chosen, by_rules, strict=True)
    )
    metrics["kind_accuracy"] = proportion(kinds_right, len(chosen))
    return Outcome(
        n=len(chosen),
        metrics=metrics,
        notes=(
            f"Model: {filled.model}. It filled {right + wrong} roles, {right} of them right; {filled.dropped} values "
            f"were dropped since they do not stand in the sentence or do not fit; {filled.failed} answers not valid.",
            "A role counts as right only with the whole value. Sentences and rules have the same author.",
        ),
        failures=tuple(_failures(chosen, with_model))[:_MOST_FAILURES],
    )


def _measures(name: str, rows: Sequence[tuple[int, int, int]]) -> dict[str, Measure]:
    right, wrong, missed = (sum(column) for column in zip(*rows, strict=True)) if rows else (0, 0, 0)
    return {
        f"{name}_precision": proportion(right, right + wrong),
        f"{name}_recall": proportion(right, right + missed),
        f"{name}_f1": f1_measure(rows),
    }


def _failures(chosen: Sequence[dict[str, Any]], matters: Sequence[Matter | None]) -> list[str]:
    found = []
    for case, matter in zip(chosen, matters, strict=True):
        wanted = case.get("roles", {})
        if (matter.kind.name if matter else "none") != case["kind"]:
            found.append(f"{case['text'][:50]!r} is {case['kind']}, was {matter.kind.name if matter else 'none'}")
            continue
        for term in matter.terms if matter else ():
            if folded(wanted.get(term.role.name, "")) != folded(term.evidence.quote):
                found.append(
                    f"{case['text'][:50]!r}: {term.role.name} by {term.read_by} is {term.evidence.quote!r}, "
                    f"not {wanted.get(term.role.name)!r}"
                )
    return found
