"""Seeds that depend on what they are for and on nothing else, so that work resumes as if it had never stopped."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, *names: object) -> int:
    """A seed from 0 to 2^63 - 1, fixed by `seed` and what it is for: a step, or names such as ``("stage", 2)``."""
    key = "\0".join([str(seed), *map(str, names)]).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1
