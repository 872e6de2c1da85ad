"""The suites of the medical product."""

from __future__ import annotations

from apps.medical.evaluation import gsc, negex, note_fields, own_set, phenopackets
from core.evaluation.suite import Suite


def suites() -> tuple[Suite, ...]:
    """Own test set first."""
    return (own_set.SUITE, phenopackets.SUITE, negex.SUITE, gsc.SUITE, *note_fields.SUITES)
