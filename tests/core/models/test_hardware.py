from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from core.errors import ConfigError
from core.models import choose_placement, hardware
from core.models.hardware import choose_training_placement


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, fresh_settings: Callable[..., None]):
    """Pretend to be another machine."""

    def pretend(
        *, flags: str = "", cuda: bool = False, cuda_bf16: bool = False, mps: bool = False, **values: str
    ) -> None:
        fresh_settings(**values)
        monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(flags.split()))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Test GPU")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: cuda_bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("given", "device", "dtype", "reason"),
    [
        ({}, "cpu", "float32", "does not compute in bfloat16"),
        ({"flags": "avx2 avx512f"}, "cpu", "float32", "does not compute in bfloat16"),
        ({"flags": "avx512f avx512_bf16"}, "cpu", "bfloat16", "avx512_bf16"),
        ({"flags": "amx_bf16 amx_tile"}, "cpu", "bfloat16", "amx_bf16"),
        ({"cuda": True, "cuda_bf16": True}, "cuda", "bfloat16", "Test GPU"),
        ({"cuda": True}, "cuda", "float16", "no bfloat16"),
        ({"mps": True}, "mps", "float32", "Apple"),
        ({"cuda": True, "device": "cpu"}, "cpu", "float32", "by setting"),
        ({"flags": "amx_bf16", "dtype": "float32"}, "cpu", "float32", "float32 by setting"),
    ],
)
def test_the_machine_decides_and_settings_overrule(machine, given: dict, device: str, dtype: str, reason: str):
    machine(**given)
    placement = choose_placement()
    assert (placement.device, placement.dtype) == (device, dtype)
    assert reason in placement.reason
    assert str(placement.torch_dtype) == f"torch.{dtype}"


@pytest.mark.parametrize(
    ("given", "dtype", "reason"),
    [
        ({}, "float32", "does not compute in bfloat16"),
        ({"flags": "avx512_bf16"}, "bfloat16", "avx512_bf16, with masters in float32"),
        ({"cuda": True, "cuda_bf16": True}, "bfloat16", "Test GPU; the GPU computes in bfloat16, with masters"),
        ({"cuda": True}, "float32", "no bfloat16, in which"),
        ({"dtype": "float16"}, "float32", "float16 by setting, in which gradients vanish: float32 to train"),
        ({"flags": "amx_bf16", "dtype": "float32"}, "float32", "float32 by setting"),
    ],
)
def test_training_never_takes_float16_and_says_why(machine, given: dict, dtype: str, reason: str):
    machine(**given)
    placement = choose_training_placement()
    assert placement.dtype == dtype
    assert reason in placement.reason


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(machine, device: str):
    machine(device=device)
    with pytest.raises(ConfigError, match=device) as raised:
        choose_placement()
    assert "TRIVIUM_DEVICE" in str(raised.value.hint)
