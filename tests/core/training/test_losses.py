from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.training.losses import clipped_policy_loss, clipped_value_loss, kl_estimate, score_function_loss
from core.training.masked import EmptyBatchError, last_index, masked_mean, masked_variance, whiten


def tables(seed: int, rows: int = 3, columns: int = 5, count: int = 3) -> tuple[torch.Tensor, ...]:
    source = torch.Generator().manual_seed(seed)
    values = [torch.randn(rows, columns, generator=source, dtype=torch.float64) for _ in range(count)]
    lengths = torch.randint(0, columns + 1, (rows,), generator=source)
    lengths[0] = columns
    return *values, torch.arange(columns) < lengths[:, None]


@given(st.integers(0, 10_000))
def test_clipped_policy_loss_equals_a_loop_over_tokens(seed: int) -> None:
    now, old, advantages, mask = tables(seed)
    expected, cut, count = 0.0, 0, 0
    for row in range(3):
        for column in range(5):
            if mask[row, column]:
                ratio = math.exp(now[row, column] - old[row, column])
                gain = float(advantages[row, column])
                bounded = min(max(ratio, 0.8), 1.2)
                expected -= min(ratio * gain, bounded * gain)
                cut += bounded * gain < ratio * gain
                count += 1
    loss, share = clipped_policy_loss(now, old, advantages, mask)
    assert float(loss) == pytest.approx(expected / count, abs=1e-12)
    assert float(share) == pytest.approx(cut / count)


def test_a_padded_column_changes_no_loss() -> None:
    now, old, advantages, mask = tables(1)
    padded = [torch.cat([part, torch.full((3, 1), 7.0, dtype=part.dtype)], dim=1) for part in (now, old, advantages)]
    wider = torch.cat([mask, torch.zeros(3, 1, dtype=torch.bool)], dim=1)
    assert torch.equal(clipped_policy_loss(*padded, wider)[0], clipped_policy_loss(now, old, advantages, mask)[0])


def test_equal_policies_give_minus_the_mean_advantage() -> None:
    now, _, advantages, mask = tables(2)
    loss, cut = clipped_policy_loss(now, now, advantages, mask)
    assert float(loss) == pytest.approx(-float(masked_mean(advantages, mask)))
    assert float(cut) == 0


def test_the_bound_stops_the_gradient_of_a_gain_and_not_of_a_loss() -> None:
    old = torch.zeros(1, 2)
    now = torch.tensor([[1.0, 1.0]], requires_grad=True)  # both far above the bound
    loss, _ = clipped_policy_loss(now, old, torch.tensor([[1.0, -1.0]]), torch.ones(1, 2, dtype=torch.bool))
    loss.backward()
    assert now.grad[0, 0] == 0
    assert now.grad[0, 1] > 0


def test_a_higher_upper_bound_lets_more_through() -> None:
    old, now = torch.zeros(1, 1), torch.full((1, 1), math.log(1.25))
    mask, gain = torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 1)
    assert float(clipped_policy_loss(now, old, gain, mask)[0]) == pytest.approx(-1.2)
    assert float(clipped_policy_loss(now, old, gain, mask, clip_high=0.3)[0]) == pytest.approx(-1.25)


def test_score_function_gradient_is_minus_the_advantage_over_the_count() -> None:
    now, advantages, _, mask = tables(3)
    now.requires_grad_(True)
    score_function_loss(now, advantages, mask).backward()
    assert torch.allclose(now.grad, -advantages * mask / mask.sum())


@given(st.integers(0, 10_000))
def test_clipped_value_loss_equals_a_loop(seed: int) -> None:
    now, old, returns, mask = tables(seed)
    worst = []
    for row in range(3):
        for column in range(5):
            if mask[row, column]:
                free, before, target = (float(part[row, column]) for part in (now, old, returns))
                bounded = before + min(max(free - before, -0.2), 0.2)
                worst.append(max((free - target) ** 2, (bounded - target) ** 2))
    assert float(clipped_value_loss(now, old, returns, mask)[0]) == pytest.approx(0.5 * sum(worst) / len(worst))
    free_loss, cut = clipped_value_loss(now, old, returns, mask, clip=None)
    assert float(free_loss) == pytest.approx(0.5 * float(masked_mean((now - returns) ** 2, mask)))
    assert float(cut) == 0


def test_pieces_of_a_batch_add_up_to_the_whole() -> None:
    now, old, advantages, mask = tables(4, rows=6)
    count = float(mask.sum())
    whole = clipped_policy_loss(now, old, advantages, mask)[0]
    pieces = sum(
        clipped_policy_loss(now[part], old[part], advantages[part], mask[part], count=count)[0]
        for part in (slice(0, 1), slice(1, 4), slice(4, 6))
    )
    assert float(pieces) == pytest.approx(float(whole), abs=1e-12)


def test_kl_estimates_are_unbiased_or_know_their_bias() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)
    exact = float((p * (p / q).log()).sum())
    mean = {kind: float((p * kl_estimate(p.log(), q.log(), kind)).sum()) for kind in ("k1", "k2", "k3")}
    assert mean["k1"] == pytest.approx(exact)
    assert mean["k3"] == pytest.approx(exact)
    assert mean["k2"] == pytest.approx(exact, rel=0.1)
    assert bool((kl_estimate(p.log(), q.log(), "k3") >= 0).all())
    with pytest.raises(ValueError, match="k4"):
        kl_estimate(p, q, "k4")


def test_the_gradient_of_k2_is_that_of_the_kl() -> None:
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    log_p = logits.log_softmax(0)
    (exact,) = torch.autograd.grad((log_p.exp() * (log_p - q.log())).sum(), logits, retain_graph=True)
    weights = log_p.exp().detach()
    (found,) = torch.autograd.grad((weights * kl_estimate(log_p, q.log(), "k2")).sum(), logits)
    assert torch.allclose(found, exact)


def test_whitened_values_have_mean_0_and_variance_1_where_they_count() -> None:
    values, _, _, mask = tables(5)
    white = whiten(values, mask)
    assert float(masked_mean(white, mask)) == pytest.approx(0, abs=1e-7)
    assert float(masked_variance(white, mask)) == pytest.approx(1, abs=1e-6)
    assert float(masked_mean(whiten(values, mask, keep_mean=True), mask)) == pytest.approx(
        float(masked_mean(values, mask))
    )
    assert float(masked_variance(values, mask)) == pytest.approx(float(values[mask].var()))


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(EmptyBatchError):
        masked_mean(torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool))


def test_last_index_of_rows_empty_ones_included() -> None:
    mask = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    assert last_index(mask).tolist() == [1, -1, 2]
