"""How far a ranking can be trusted: scores turned into shares, and when findings are too few to say anything.

Naive-Bayes scores of correlated findings are overconfident. A softmax with the temperature TEMPERATURE * sqrt(number of
findings present) makes them honest: on the masked published cases, ranked among OMIM diseases, of rankings whose first
disease had a share between .2 and .35, .42 were right; between .5 and .7, .64; above .9, .97. The temperature was
chosen on the half of the diseases with an even hash, by log loss, and holds on the other half.

A share is what this knowledge base and these findings give a disease among all listed ones, every disease counted as
equally frequent beforehand. It is no probability of disease.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

TEMPERATURE = 1.4
STRONG, MODERATE = 0.5, 0.2
LEAST_FINDINGS = 2
LEAST_SHARE_OF_TEN = 0.2
"""Below this joint share of the first ten, a quarter of the published cases had the diagnosis among them."""

Band = Literal["strong", "moderate", "weak"]


def shares(scores: NDArray[np.float64], findings_present: int) -> NDArray[np.float64]:
    """Shares that sum to 1, in the order of `scores` (natural log likelihood ratios)."""
    scaled = scores / (TEMPERATURE * np.sqrt(max(1, findings_present)))
    powers = np.exp(scaled - scaled.max())
    result: NDArray[np.float64] = powers / powers.sum()
    return result


def band(share: float) -> Band:
    """A word for a share."""
    return "strong" if share >= STRONG else "moderate" if share >= MODERATE else "weak"


def insufficient(ordered_shares: NDArray[np.float64], findings_present: int) -> str | None:
    """Why the ranking should not be relied on: "no findings", "few findings", "unspecific findings", or None."""
    if findings_present == 0:
        return "no findings"
    if findings_present < LEAST_FINDINGS:
        return "few findings"
    return "unspecific findings" if float(ordered_shares[:10].sum()) < LEAST_SHARE_OF_TEN else None
