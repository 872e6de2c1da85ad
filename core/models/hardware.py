"""What this machine can run: device, number format, memory. Every choice comes with its reason, to be shown."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import settings
from core.errors import ConfigError

if TYPE_CHECKING:
    import torch

BYTES_PER_NUMBER = {"float32": 4, "bfloat16": 2, "float16": 2}
_BF16_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs and in which number format ("float32", "bfloat16", "float16"), and why."""

    device: str
    dtype: str
    reason: str

    @property
    def torch_dtype(self) -> torch.dtype:
        import torch

        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[self.dtype]


def choose_placement() -> Placement:
    """The placement for inference: what the settings say, else what the machine has.

    bfloat16 on a CPU only where it computes in it (AVX512-BF16 or AMX): elsewhere it is emulated and slower than
    float32. float32 on Apple's GPUs: small models overflow in float16 there. For training:
    `choose_training_placement`.

    Raises:
        ConfigError: the settings name a device this machine lacks.
    """
    device, device_reason = _choose_device(settings().device)
    wanted = settings().dtype
    if wanted != "auto":
        return Placement(device, wanted, f"{device_reason}; {wanted} by setting")
    dtype, dtype_reason = _choose_dtype(device)
    return Placement(device, dtype, f"{device_reason}; {dtype_reason}")


def choose_training_placement() -> Placement:
    """The placement for training: bfloat16 where the machine computes in it, with masters in float32 (Micikevicius et
    al. 2018, section 3.1), else float32; never float16, in which gradients vanish unless losses are scaled.

    Raises:
        ConfigError: as `choose_placement`.
    """
    placement = choose_placement()
    if placement.dtype == "float16":
        reason = f"{placement.reason}, in which gradients vanish: float32 to train"
        return Placement(placement.device, "float32", reason)
    masters = ", with masters in float32" if placement.dtype == "bfloat16" else ""
    return Placement(placement.device, placement.dtype, placement.reason + masters)


def memory_bytes() -> int:
    """Physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _choose_device(wanted: str) -> tuple[str, str]:
    import torch

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        if present["cuda"]:
            return "cuda", f"GPU {torch.cuda.get_device_name(0)}"
        return ("mps", "Apple GPU") if present["mps"] else ("cpu", "no GPU found")
    if not present[wanted]:
        raise ConfigError(
            f"The setting device = '{wanted}' cannot be used: this machine has no such device.",
            hint="Set TRIVIUM_DEVICE to auto or cpu.",
        )
    return wanted, f"{wanted} by setting"


def _choose_dtype(device: str) -> tuple[str, str]:
    import torch

    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "the GPU computes in bfloat16"
        return "float16", "the GPU has no bfloat16"
    if device == "mps":
        return "float32", "float16 overflows in small models"
    flags = [flag for flag in _BF16_CPU_FLAGS if flag in cpu_flags()]
    if flags:
        return "bfloat16", f"the CPU has {', '.join(flags)}"
    return "float32", "the CPU does not compute in bfloat16"


@cache
def cpu_flags() -> frozenset[str]:
    """Instruction-set flags of the CPU as Linux names them; empty elsewhere (no other system's CPUs concern us yet)."""
    if platform.system() != "Linux":
        return frozenset()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
