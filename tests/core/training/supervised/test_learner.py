from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.faults import Diverged
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.supervised.learner import evaluate

OPTIMISER = OptimiserConfig(learning_rate=3e-3)


class Batches:
    """Twelve rows of letters that follow one another, three a batch; the first two tokens of each are a prompt."""

    def __init__(self, labels: int = 2) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return 4

    def batch(self, epoch: int, index: int) -> dict[str, torch.Tensor]:
        starts = [97 - 33 + (3 * index + row + epoch) % 12 for row in range(3)]
        ids = torch.tensor([[start + step for step in range(8)] for start in starts])
        labels = ids.clone()
        labels[:, : self._labels] = -100
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "labels": labels,
            "items": torch.tensor(starts),
        }


def learner(model: object, **changes: object) -> SupervisedLearner:
    options = {"optimiser": OPTIMISER, "steps": 40, "seed": 1, **changes}
    return SupervisedLearner(model, dict(model.named_parameters()), CausalObjective(), Batches(), **options)


def test_the_loss_is_transformers_own(tiny: Callable[..., LoadedModel]) -> None:
    model, batch = tiny().model, Batches().batch(0, 0)
    expected = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss
    tally = CausalObjective().tally(model, batch)
    assert tally.targets == 18 == CausalObjective().targets(batch)
    assert tally.loss.item() / 18 == pytest.approx(expected.item(), rel=1e-5)


def test_it_learns_and_the_held_out_loss_says_so(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny().model
    before = evaluate(model, CausalObjective(), Batches())["loss"]
    learns = learner(model)
    for index in range(40):
        learns.step(index)
    assert evaluate(model, CausalObjective(), Batches())["loss"] < before / 3


def test_pieces_change_nothing(tiny: Callable[..., LoadedModel]) -> None:
    found = []
    for rows in (1, 8):
        model = tiny().model
        learner(model, piece_rows=rows, optimiser=OptimiserConfig(learning_rate=0.1, epsilon=1.0)).step(0)
        found.append([parameter.detach() for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_it_resumes_exactly_with_dropout(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    config = LoopConfig(steps=6, checkpoint_every=2, trackers=())

    def fresh() -> tuple[object, SupervisedLearner]:
        model = tiny("gpt2").model
        assert model.config.resid_pdrop > 0
        return model, learner(model)

    whole, learns = fresh()
    run(learns, config, tmp_path / "whole")

    def kill(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fresh()[1], config, tmp_path / "killed", progress=kill)
    resumed, learns = fresh()
    assert run(learns, config, tmp_path / "killed").resumed_at == 2
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_loss_that_is_not_finite_names_the_rows_and_changes_nothing(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny().model
    with torch.no_grad():
        model.model.norm.weight[0] = float("inf")
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with pytest.raises(Diverged, match=r"Step 0: the loss .*items \[64, 65, 66\]"):
        learner(model).step(0)
    for one, other in zip(before, model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_batch_without_labels_teaches_nothing(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny().model
    learns = SupervisedLearner(
        model, dict(model.named_parameters()), CausalObjective(), Batches(8), optimiser=OPTIMISER, steps=1, seed=0
    )
    assert learns.step(0)["targets"] == 0
    with pytest.raises(InputError, match="nothing to evaluate"):
        evaluate(model, CausalObjective(), Batches(8))
