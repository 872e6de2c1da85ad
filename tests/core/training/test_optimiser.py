from __future__ import annotations

import pytest
import torch

from core.errors import InputError
from core.training.optimiser import Optimiser, OptimiserConfig


def parameter(values: list[float], dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=dtype))


def test_float32_parameters_step_as_torch_does() -> None:
    mine, theirs = parameter([1.0, -2.0]), parameter([1.0, -2.0])
    config = OptimiserConfig(learning_rate=0.1, weight_decay=0.01, max_grad_norm=1e9)
    ours, anchor = Optimiser({"w": mine}, config), torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.01)
    for number in range(5):
        mine.grad, theirs.grad = (torch.tensor([0.3, -0.1]) * (number + 1) for _ in range(2))
        ours.step(0.1)
        anchor.step()
    assert torch.allclose(mine, theirs, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_chunks_step_as_torch_does_on_the_whole(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.optimiser._CHUNK_NUMBERS", 7)
    torch.manual_seed(0)
    mine, turned = torch.randn(5, 6).to(dtype), torch.randn(4, 5).to(dtype).T
    parameters = {"w": torch.nn.Parameter(mine), "v": torch.nn.Parameter(turned)}
    theirs = [torch.nn.Parameter(one.detach().float().clone()) for one in parameters.values()]
    ours = Optimiser(parameters, OptimiserConfig(learning_rate=0.1, weight_decay=0.01, max_grad_norm=1.0))
    anchor = torch.optim.AdamW(theirs, lr=0.1, weight_decay=0.01)
    for _ in range(4):
        for one, other in zip(parameters.values(), theirs, strict=True):
            one.grad = torch.randn(one.shape).to(dtype)
            other.grad = one.grad.float().clone()
        norm = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
        assert ours.step(0.1) == pytest.approx(float(norm), rel=1e-5)
        anchor.step()
    for name, other in zip(parameters, theirs, strict=True):
        assert torch.allclose(ours.state()[f"master/{name}"], other, atol=1e-6)
        assert torch.equal(parameters[name], ours.state()[f"master/{name}"].to(dtype))


def test_steps_below_the_resolution_of_bfloat16_are_not_lost() -> None:
    low = parameter([1.0], torch.bfloat16)
    optimiser = Optimiser({"w": low}, OptimiserConfig(learning_rate=1e-4))
    for _ in range(100):
        low.grad = torch.ones_like(low)
        optimiser.step(1e-4)
    assert low.item() == pytest.approx(0.99, abs=0.004)
    assert float(optimiser.state()["master/w"]) == pytest.approx(0.99, abs=1e-4)


def test_the_norm_is_clipped_and_reported_unclipped() -> None:
    one = parameter([0.0])
    optimiser = Optimiser({"w": one}, OptimiserConfig(learning_rate=1.0, epsilon=1.0, max_grad_norm=0.5))
    one.grad = torch.tensor([40.0])
    assert optimiser.step(1.0) == pytest.approx(40)
    assert float(one) == pytest.approx(-0.5 / 1.5, rel=1e-4)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    one = parameter([3.0])
    optimiser = Optimiser({"w": one}, OptimiserConfig())
    one.grad = torch.tensor([float("nan")])
    assert optimiser.step(1.0) != optimiser.step(1.0)
    assert float(one) == 3


def test_it_goes_on_from_its_state() -> None:
    config = OptimiserConfig(learning_rate=0.05)
    whole, first, second = (parameter([1.0, 2.0], torch.bfloat16) for _ in range(3))

    def go(optimiser: Optimiser, one: torch.nn.Parameter, steps: range) -> None:
        for number in steps:
            one.grad = torch.tensor([0.1, -0.2], dtype=torch.bfloat16) * (number + 1)
            optimiser.step(0.05)

    go(Optimiser({"w": whole}, config), whole, range(6))
    before = Optimiser({"w": first}, config)
    go(before, first, range(3))
    after = Optimiser({"w": second}, config)
    after.load({name: tensor.clone() for name, tensor in before.state().items()})
    go(after, second, range(3, 6))
    assert torch.equal(whole, second)
    with pytest.raises(InputError, match="other parameters"):
        Optimiser({"v": parameter([1.0])}, config).load(before.state())


def test_the_schedule() -> None:
    config = OptimiserConfig(learning_rate=1.0, warmup_steps=4, schedule="linear")
    assert [config.rate(step, 12) for step in (0, 3, 4, 8, 12)] == [0.25, 1.0, 1.0, 0.5, 0.0]
    cosine = OptimiserConfig(learning_rate=1.0, schedule="cosine")
    assert cosine.rate(5, 10) == pytest.approx(0.5)
    assert OptimiserConfig(learning_rate=2.0).rate(99, 100) == 2.0


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing to train"):
        Optimiser({}, OptimiserConfig())
