from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from core.training.checkpoint import State, checkpoints, latest_checkpoint, read_state, save_checkpoint
from core.training.faults import CheckpointFailed, Diverged
from core.training.journal import read_journal
from core.training.loop import LoopConfig, run


class Counter:
    """Learns to count: its state is the sum of the steps it did."""

    def __init__(self, figures: Mapping[int, float] | None = None) -> None:
        self.total = torch.zeros(1)
        self._figures = figures or {}

    def step(self, index: int) -> Mapping[str, float]:
        self.total += index
        return {"loss": self._figures.get(index, float(self.total))}

    def state(self) -> State:
        return State({"total": self.total}, {"kind": "counter"})

    def load(self, state: State) -> None:
        assert state.numbers == {"kind": "counter"}
        self.total = state.tensors["total"].clone()

    def samples(self) -> Sequence[Mapping[str, Any]]:
        return [{"total": float(self.total), "text": "一"}]


def config(**changes: Any) -> LoopConfig:
    return LoopConfig(**{"steps": 6, "checkpoint_every": 2, "trackers": (), "samples_every": 0, **changes})


def test_checkpoints_are_kept_and_old_ones_dropped(tmp_path: Path) -> None:
    report = run(Counter(), config(), tmp_path)
    assert report.steps == 6
    assert [step for step, _ in checkpoints(tmp_path)] == [4, 6]
    assert [row["loss"] for row in read_journal(tmp_path)] == [0, 1, 3, 6, 10, 15]


def test_a_finished_run_does_nothing_when_run_again(tmp_path: Path) -> None:
    run(Counter(), config(), tmp_path)
    again = Counter()
    assert run(again, config(), tmp_path).resumed_at == 6
    assert float(again.total) == 15


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    run(Counter(), config(), tmp_path)
    newest = checkpoints(tmp_path)[-1][1] / "tensors.safetensors"
    newest.write_bytes(newest.read_bytes()[:-4] + b"\0\0\0\1")
    again = Counter()
    with pytest.warns(RuntimeWarning, match=r"step-00000006' is damaged and is passed over"):
        assert run(again, config(), tmp_path).resumed_at == 4
    assert float(again.total) == 15


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, 2, State({"total": torch.ones(1)}))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.training.checkpoint._write_through", full)
    with pytest.raises(CheckpointFailed, match="No space left") as caught:
        save_checkpoint(tmp_path, 4, State({"total": torch.ones(1)}))
    assert "step 4" in caught.value.message
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert found[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_a_figure_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"Step 3: the loss"):
        run(Counter({3: float("nan")}), config(), tmp_path)
    assert [step for step, _ in checkpoints(tmp_path)] == [2]


def test_the_best_state_is_kept_and_loaded_at_the_end(tmp_path: Path) -> None:
    learner = Counter()
    report = run(learner, config(evaluate_every=1), tmp_path, evaluate=lambda: -abs(float(learner.total) - 3))
    assert (report.best_step, report.best_value) == (3, 0)
    assert float(learner.total) == 3


def test_training_that_only_harms_ends_where_it_began(tmp_path: Path) -> None:
    learner = Counter()
    report = run(learner, config(evaluate_every=2), tmp_path, evaluate=lambda: -float(learner.total))
    assert report.best_step == 0
    assert float(learner.total) == 0


def test_patience_stops_a_run_that_does_not_gain(tmp_path: Path) -> None:
    learner = Counter()
    report = run(
        learner, config(steps=50, evaluate_every=1, patience=3), tmp_path, evaluate=lambda: -float(learner.total)
    )
    assert report.steps == 3
    assert run(Counter(), config(steps=50, patience=3), tmp_path).steps == 3


def test_an_evaluation_between_checkpoints_survives_a_kill(tmp_path: Path) -> None:
    learner = Counter()

    def kill(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    def value() -> float:
        return -abs(float(learner.total) - 3)

    with pytest.raises(KeyboardInterrupt):
        run(learner, config(evaluate_every=1), tmp_path, evaluate=value, progress=kill)
    learner = Counter()
    report = run(learner, config(evaluate_every=1), tmp_path, evaluate=value)
    assert (report.resumed_at, report.best_step) == (2, 3)
    assert float(learner.total) == 3


def test_samples_are_written_as_they_are(tmp_path: Path) -> None:
    run(Counter(), config(samples_every=4), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "samples/step-00000004.jsonl").read_text("utf-8").splitlines()]
    assert rows == [{"total": 6.0, "text": "一"}]


def test_tensorboard_gets_the_figures(tmp_path: Path) -> None:
    run(Counter(), config(trackers=("tensorboard",)), tmp_path)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("loss")] == [0, 1, 3, 6, 10, 15]


def test_a_checkpoint_that_somebody_made_up_is_passed_over(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2, State({"total": torch.ones(1)}))
    forged = save_checkpoint(tmp_path, 4, State({"total": torch.ones(1)}))
    good = json.loads((forged / "state.json").read_text("utf-8"))
    other_numbers = json.dumps(good | {"numbers": {"loop.best": [2, 1.0, 0]}})
    junk = hashlib.sha256(b"no tensors{}").hexdigest()
    for card in ("[1]", "[" * 100_000, "{}", '{"numbers": NaN}', json.dumps(good | {"step": "4"}), other_numbers):
        (forged / "state.json").write_text(card, encoding="utf-8")
        with pytest.warns(RuntimeWarning, match="damaged"):
            found = latest_checkpoint(tmp_path)
        assert found is not None
        assert found[0] == 2
    with (forged / "state.json").open("wb") as stream:
        stream.truncate(2**30)
    assert read_state(forged) is None
    (forged / "state.json").write_text(json.dumps(good | {"sha256": junk}), encoding="utf-8")
    (forged / "tensors.safetensors").write_bytes(b"no tensors")
    assert read_state(forged) is None
