"""What a process on a CPU holds beside its tensors, bounded: kernels prepared for shapes, and memory that was freed.

oneDNN, and torch's layer above it, prepare a kernel for each shape of a product in bfloat16 and keep 1,024 each, some
.27 MB apiece. Sampling and texts of ever different length come upon new shapes without end, so a process grows by half
a gigabyte. glibc keeps what is freed between pieces that are still in use, such as those kernels, until it is told to
give it back.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from typing import Any

_KERNELS = 64
"""Kept of each kind; a model's layers, which are alike, use about ten at a time. Preparing one takes about a
millisecond."""
_KERNEL_CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def bound_kernels() -> None:
    """Bound the kernels that this process keeps; call it before a model runs. What the environment says stays."""
    for name in _KERNEL_CACHES:
        os.environ.setdefault(name, str(_KERNELS))


def give_freed_back() -> None:
    """Give freed memory back to the system, on Linux with glibc. What is needed again has to be fetched page by page,
    which takes about a second for each 2 GB: not for every step."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
