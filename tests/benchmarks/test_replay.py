from __future__ import annotations

import argparse
import functools
from pathlib import Path

import pytest
import torch

from benchmarks.anchors.record import Recorder, Recording
from benchmarks.anchors.task import Task, make_task, read_task
from benchmarks.our_replay import Replayed, distance
from benchmarks.our_training import make_learner
from core.training.policy_learner import PolicyLearner

TASK = Task(
    vocabulary=64,
    width=16,
    layers=1,
    heads=2,
    prompt_tokens=8,
    response_tokens=16,
    prompts=2,
    draws=4,
    steps=3,
    learning_rate=1e-2,
    reward="share",
)
GIVEN = argparse.Namespace(dtype="float32", critic="none", algorithm="grpo")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    make_task(TASK, tmp_path)
    return tmp_path


def weights(learner: PolicyLearner) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in learner._policy.loaded.model.named_parameters()}


def record(task: Path) -> Recording:
    """Of our own learner."""
    learner, recorder = make_learner(task, read_task(task), GIVEN, seed=7), Recorder(task / "recording")
    for index in range(TASK.steps):
        learner.step(index)
        samples = learner.last_samples
        recorder.drawn([s.prompt_ids for s in samples], [s.response_ids for s in samples])
        recorder.learned(weights(learner))
    return Recording(task / "recording")


def replayed(task: Path, recording: Recording) -> Replayed:
    learner = make_learner(task, read_task(task), GIVEN, seed=0, kind=functools.partial(Replayed, recording))
    assert isinstance(learner, Replayed)
    return learner


def test_a_learner_given_what_another_drew_comes_to_the_same_weights(task: Path) -> None:
    recording = record(task)
    learner = replayed(task, recording)
    start = learner.weights()
    for index in range(TASK.steps):
        learner.step(index)
        theirs = recording.learned(index)
        assert distance(theirs, start) > 0.1
        assert distance(learner.weights(), theirs) < 1e-6 * distance(theirs, start)


def test_a_group_of_two_prompts_is_an_error(task: Path) -> None:
    recorder = Recorder(task / "recording")
    recorder.drawn([[1, 2]] * 3 + [[3, 4]] + [[3, 4]] * 4, [[5]] * 8)
    with pytest.raises(ValueError, match="rows 0 to 4 of step 0"):
        replayed(task, Recording(task / "recording")).step(0)


def test_distance_is_over_all_weights_and_wants_the_same_names() -> None:
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([0.0])}
    assert distance(one, {"a": torch.tensor([1.0, -1.0]), "b": torch.tensor([4.0])}) == 5
    with pytest.raises(ValueError, match="'b'"):
        distance(one, {"a": one["a"]})
