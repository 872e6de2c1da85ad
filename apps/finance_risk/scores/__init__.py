"""Distress scores: formula, substituted numbers, and the cell of each number."""

from apps.finance_risk.scores.altman import Score, Term, altman_z_double_prime

__all__ = ["Score", "Term", "altman_z_double_prime"]
