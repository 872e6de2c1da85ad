"""Random numbers that depend on what they are drawn for, and on nothing drawn before."""

from __future__ import annotations

import numpy as np

from core.seeds import derived_seed


def generator(seed: int, *names: object) -> np.random.Generator:
    """A generator fixed by `seed` and the names, for instance ``("rows", epoch)``."""
    return np.random.default_rng(derived_seed(seed, *names))
