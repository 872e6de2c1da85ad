from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

_KERNELS_OF_MANY_SHAPES = """
import json, torch
from core.models.held_memory import bound_kernels
from core.training.memory import resident_memory
bound_kernels()
weights = torch.zeros(64, 64, dtype=torch.bfloat16)
def over(rows):
    for row in rows:
        torch.mm(torch.zeros(row, 64, dtype=torch.bfloat16), weights)
over(range(100, 200))
before = resident_memory()["memory/resident_mib"]
over(range(200, 600))
print(json.dumps(resident_memory()["memory/resident_mib"] - before))
"""
_FREED_AMONG_KEPT = """
import json, torch
from core.models.held_memory import give_freed_back
from core.training.memory import resident_memory
torch.zeros(2**22).mul_(2)  # 16 MiB, freed: from now on such pieces lie side by side
kept = []
large = []
for number in range(100):
    large.append(torch.zeros(2**19))  # 2 MiB
    kept.append(bytearray(100_000))
del large
before = resident_memory()["memory/resident_mib"]
give_freed_back()
print(json.dumps(before - resident_memory()["memory/resident_mib"]))
"""


def printed(text: str, **environment: str) -> float:
    keep = {key: value for key, value in os.environ.items() if "CACHE_CAPACITY" not in key and "MALLOC" not in key}
    found = subprocess.run(
        [sys.executable, "-c", text], env={**keep, **environment}, capture_output=True, text=True, check=True
    )
    return float(json.loads(found.stdout))


linux = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="bounded with glibc only")


@linux
def test_new_shapes_do_not_fill_memory() -> None:
    assert printed(_KERNELS_OF_MANY_SHAPES) < 30


@linux
def test_what_is_freed_goes_back() -> None:
    assert printed(_FREED_AMONG_KEPT) > 150


def test_what_the_environment_says_stays() -> None:
    script = "import json, os\nfrom core.models.held_memory import bound_kernels\nbound_kernels()\n"
    script += "print(json.dumps(int(os.environ['LRU_CACHE_CAPACITY'])))"
    assert printed(script, LRU_CACHE_CAPACITY="7") == 7
    assert printed(script) > 7
