from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.training.advantages import (
    generalised_advantages,
    group_relative,
    leave_one_out,
    self_critical,
    token_rewards,
)
from core.training.kl_control import KLControl


def ragged(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    rewards, values = (torch.randn(4, 6, generator=source, dtype=torch.float64) for _ in range(2))
    lengths = torch.tensor([6, 3, 0, int(torch.randint(1, 7, (1,), generator=source))])
    return rewards, values, torch.arange(6) < lengths[:, None]


@given(st.integers(0, 10_000), st.floats(0.1, 1.0), st.floats(0.0, 1.0))
def test_generalised_advantages_equal_the_backward_recursion(seed: int, discount: float, trace: float) -> None:
    rewards, values, mask = ragged(seed)
    rewards = rewards * mask
    advantages, returns = generalised_advantages(rewards, values, mask, discount=discount, trace=trace)
    for row in range(4):
        length = int(mask[row].sum())
        running, following = 0.0, 0.0
        for column in reversed(range(length)):
            surprise = float(rewards[row, column]) + discount * following - float(values[row, column])
            running = surprise + discount * trace * running
            following = float(values[row, column])
            assert float(advantages[row, column]) == pytest.approx(running, abs=1e-9)
            assert float(returns[row, column]) == pytest.approx(running + following, abs=1e-9)
        assert not advantages[row, length:].any()


def test_trace_1_gives_returns_that_are_the_sum_of_what_follows() -> None:
    rewards, values, mask = ragged(0)
    _, returns = generalised_advantages(rewards * mask, values, mask, trace=1.0)
    following = (rewards * mask).flip(1).cumsum(1).flip(1) * mask
    assert torch.allclose(returns, following)


def test_token_rewards_put_the_score_at_the_last_token() -> None:
    mask = torch.tensor([[True, True, False], [False, False, False]])
    rewards = token_rewards(
        torch.tensor([2.0, 5.0]), torch.full((2, 3), -1.0), torch.full((2, 3), -1.5), mask, kl_coefficient=0.1
    )
    assert torch.allclose(rewards, torch.tensor([[-0.05, 1.95, 0.0], [0.0, 0.0, 0.0]]))


def test_group_relative_is_the_z_score_and_0_for_equal_scores() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    found = group_relative(scores)
    assert torch.allclose(found[0], torch.tensor([-1.0, 0.0, 1.0]), atol=1e-3)
    assert not found[1].any()
    assert torch.equal(group_relative(scores, scale=False)[0], torch.tensor([-1.0, 0.0, 1.0]))


def test_leave_one_out_compares_with_the_others() -> None:
    found = leave_one_out(torch.tensor([[1.0, 2.0, 6.0]]))
    assert torch.allclose(found, torch.tensor([[-3.0, -1.5, 4.5]]))
    with pytest.raises(ValueError, match="responses"):
        leave_one_out(torch.ones(3, 1))


def test_self_critical_compares_with_the_greedy_response() -> None:
    found = self_critical(torch.tensor([[1.0, 2.0], [0.0, 4.0]]), torch.tensor([1.5, 1.0]))
    assert found.tolist() == [[-0.5, 0.5], [-1.0, 3.0]]


@pytest.mark.parametrize("start", [0.001, 0.05, 3.0])
def test_the_controller_holds_its_target(start: float) -> None:
    """A toy policy whose KL is inverse to the coefficient, with noise: the mean KL must settle within 5 %."""
    control = KLControl(start, target=6.0, horizon=640)
    noise = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(2000):
        kl = 0.6 / control.coefficient * (1 + 0.1 * float(torch.randn((), generator=noise)))
        control = control.after(kl, samples=16)
        seen.append(kl)
    settled = seen[-500:]
    assert sum(settled) / len(settled) == pytest.approx(6.0, rel=0.05)


def test_without_a_target_the_coefficient_stays() -> None:
    assert KLControl(0.1).after(100.0, 16) == KLControl(0.1)


def test_the_coefficient_never_turns_negative() -> None:
    assert KLControl(0.1, target=1.0, horizon=1.0).after(0.0, 10_000).coefficient > 0
    with pytest.raises(InputError, match="target"):
        KLControl(0.1, target=0.0)
    with pytest.raises(InputError, match="stays 0"):
        KLControl(0.0, target=6.0)
