"""Evaluation suites, the runner, confidence intervals and reports."""

from core.evaluation.intervals import Measure, bootstrap, f1_measure, proportion
from core.evaluation.suite import Outcome, Published, Suite, spread

__all__ = ["Measure", "Outcome", "Published", "Suite", "bootstrap", "f1_measure", "proportion", "spread"]
