from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.models.loading import LoadedModel
from core.training.algorithms import GRPO
from core.training.experience import PromptItem
from core.training.journal import read_journal
from core.training.loop import LoopConfig, run
from core.training.memory import (
    PEAK_MIB,
    fit_to_memory,
    free_memory_bytes,
    kept_bytes_per_token,
    planned_bytes_per_token,
    resident_memory,
    switch_checkpointing_on,
)
from core.training.optimiser import OptimiserConfig
from core.training.policy import adapted_policy, full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward
from core.training.streams import Group

GROUPS = [Group(tuple(range(40, 60)), (tuple(range(70, 90)), tuple(range(64, 80))))]


def gradients(policy_model: object, scorer: Callable[..., object], parameters: dict[str, torch.nn.Parameter]) -> list:
    scorer(GROUPS).logprobs.sum().backward()  # type: ignore[attr-defined]
    found = [parameter.grad.clone() for parameter in parameters.values() if parameter.grad is not None]
    for parameter in parameters.values():
        parameter.grad = None
    return found


@pytest.mark.parametrize("name", ["qwen2", "gpt2"])
def test_checkpointing_keeps_less_and_changes_no_gradient(name: str, tiny: Callable[..., LoadedModel]) -> None:
    policy = full_policy(tiny(name), reference=False)
    model = policy.loaded.model
    plain = kept_bytes_per_token(model, "cpu")
    expected = gradients(model, policy.scorer, policy.parameters)
    switch_checkpointing_on(model)
    assert kept_bytes_per_token(model, "cpu") < plain / 3
    found = gradients(model, policy.scorer, policy.parameters)
    assert len(found) == len(expected) > 10
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not any(module.training for module in model.modules() if isinstance(module, torch.nn.Dropout))


def test_it_is_switched_on_only_where_a_step_would_not_fit(tiny: Callable[..., LoadedModel]) -> None:
    model = full_policy(tiny(), reference=False).loaded.model
    plenty = fit_to_memory(model, 1000, device="cpu", free_bytes=10**9)
    assert not plenty.checkpointing
    assert not model.is_activation_checkpointing
    weights = sum(parameter.numel() for parameter in model.parameters())
    vocabulary = model.config.vocab_size
    assert plenty.needed_bytes == round(1000 * plenty.bytes_per_token) + 1000 * vocabulary * 4 + weights * 12
    tight = fit_to_memory(model, 1000, device="cpu", free_bytes=plenty.needed_bytes)
    assert tight.checkpointing
    assert tight.figures()["memory/checkpointing"] == 1


def test_frozen_layers_keep_less_than_learning_ones(tiny: Callable[..., LoadedModel]) -> None:
    learning = kept_bytes_per_token(full_policy(tiny(), reference=False).loaded.model, "cpu")
    policy = adapted_policy(tiny(), seed=0, rank=2)
    with policy.in_force():
        adapted = kept_bytes_per_token(policy.loaded.model, "cpu")
    assert 0 < adapted < learning * 1.5
    frozen = tiny().model.requires_grad_(False)
    assert kept_bytes_per_token(frozen, "cpu") == 0


def test_a_policy_learns_the_same_with_checkpointing_and_the_journal_says_so(
    tiny: Callable[..., LoadedModel], tmp_path: Path
) -> None:
    letters = FunctionReward(lambda sample: sum("a" <= letter <= "m" for letter in sample.text) / 8, "letters")
    items = [PromptItem("0", tuple(b"abc"), "abc")]
    practice = PracticeConfig(prompts=1, max_tokens=6)
    states = []
    for on in (False, True):
        policy = full_policy(tiny("gpt2"), reference=True)
        fit = fit_to_memory(policy.loaded.model, 500, device="cpu", free_bytes=1 if on else 10**12)
        learner = PolicyLearner(
            policy, GRPO(samples=4), letters, items, practice=practice, optimiser=OptimiserConfig(), steps=2, seed=0
        )
        folder = tmp_path / str(on)
        run(learner, LoopConfig(steps=2, trackers=()), folder, notes=fit.figures())
        states.append(learner.state().tensors)
        assert read_journal(folder)[0] == {"step": 0, **fit.figures()}
        assert read_journal(folder)[0]["memory/checkpointing"] == on
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize(("name", "whole"), [("qwen2", False), ("qwen2", True), ("gpt2", True)])
def test_what_layers_keep_is_planned_from_their_shapes(
    name: str, whole: bool, tiny: Callable[..., LoadedModel]
) -> None:
    policy = full_policy(tiny(name), reference=False) if whole else adapted_policy(tiny(name), seed=0, rank=1)
    planned = planned_bytes_per_token(tiny(name).model, 4, whole=whole)
    with policy.in_force():
        assert planned == pytest.approx(kept_bytes_per_token(policy.loaded.model, "cpu"), rel=0.25)


def test_each_step_says_what_the_process_holds(tiny: Callable[..., LoadedModel], tmp_path: Path) -> None:
    items = [PromptItem("0", tuple(b"abc"), "abc")]
    learner = PolicyLearner(
        adapted_policy(tiny(), seed=0, rank=2),
        GRPO(samples=2),
        FunctionReward(lambda sample: float(len(sample.text)), "length"),
        items,
        practice=PracticeConfig(prompts=1, max_tokens=2),
        optimiser=OptimiserConfig(),
        steps=2,
        seed=0,
    )
    run(learner, LoopConfig(steps=2, trackers=()), tmp_path)
    held = resident_memory()
    for row in read_journal(tmp_path):
        assert held.keys() <= row.keys()
        if held:
            assert 50 < row["memory/resident_mib"] <= row[PEAK_MIB] <= held[PEAK_MIB]


def test_free_memory_is_known_here() -> None:
    free = free_memory_bytes("cpu")
    assert free is None or free > 10**6
    assert free_memory_bytes("mps") is None
