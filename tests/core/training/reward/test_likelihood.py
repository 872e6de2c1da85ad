from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from core.models.hardware import Placement
from core.models.loading import LoadedModel
from core.training.optimiser import OptimiserConfig
from core.training.policy import adapted_policy
from core.training.preference import PreferencePair
from core.training.reward import Sample
from core.training.reward.likelihood import LikelihoodReward, new_likelihood_reward
from core.training.reward.model import RewardModelConfig, RewardModelLearner

END = 1
PROMPT = (5, 9, 4, 7)


@pytest.fixture
def loaded() -> Iterator[LoadedModel]:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=24,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    yield LoadedModel("tiny", Qwen2ForCausalLM(config).eval(), None, Placement("cpu", "float32", "test"), Path(), "x")


def learned(loaded: LoadedModel) -> LikelihoodReward:
    policy = adapted_policy(loaded, seed=0, rank=2)
    assert policy.adapters is not None
    return new_likelihood_reward(policy.adapters, policy.scorer, end_id=END, seed=0, rank=4, targets="all")


def sample(*response: int) -> Sample:
    return Sample("p", "", "", prompt_ids=PROMPT, response_ids=response)


def slowly(model: Callable[..., torch.Tensor], response: tuple[int, ...]) -> float:
    """The mean log-probability of the response's tokens, one at a time."""
    total = 0.0
    for number, token in enumerate(response):
        logits = model(torch.tensor([[*PROMPT, *response[:number]]])).logits[0, -1]  # type: ignore[attr-defined]
        total += float(logits.log_softmax(-1)[token])
    return total / len(response)


def test_it_is_the_mean_log_probability_of_a_response_with_its_end(loaded: LoadedModel) -> None:
    reward = learned(loaded)
    found = reward([sample(3, 8, END), sample(3, 8), sample(2, 2, 6, 11, END)])
    with torch.no_grad(), reward.adapters.using(reward.adapter):
        expected = [reward.beta * slowly(loaded.model, one) for one in [(3, 8, END), (3, 8, END), (2, 2, 6, 11, END)]]
    assert found == pytest.approx(expected, abs=1e-4)
    assert max(found) < 0


def test_it_learns_pairs_and_leaves_trunk_and_policy_alone(loaded: LoadedModel) -> None:
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    reward = learned(loaded)
    source = torch.Generator().manual_seed(1)
    prompts = [tuple(row) for row in torch.randint(2, 24, (40, 5), generator=source).tolist()]
    # right is what the prompt's second token says
    pairs = [
        PreferencePair(str(number), prompt, (prompt[1], prompt[1], END), (prompt[3], prompt[3], END))
        for number, prompt in enumerate(prompts)
        if prompt[1] != prompt[3]
    ]
    config = RewardModelConfig(pairs=16, piece_pairs=16)
    learner = RewardModelLearner(
        reward, pairs[:24], config, optimiser=OptimiserConfig(learning_rate=1e-2), steps=60, seed=0
    )
    figures = [learner.step(index) for index in range(60)]
    assert figures[-1]["preference/accuracy"] > 0.9
    after = {name.replace(".base_layer", ""): value for name, value in loaded.model.state_dict().items()}
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_its_level_is_not_held_at_zero(loaded: LoadedModel) -> None:
    """A likelihood far below 0 is none too low: no term of the loss pulls it up."""
    losses = []
    for centring in (0.0, 5.0):
        reward = learned(loaded)
        pairs = [PreferencePair("a", PROMPT, (3, 8, END), (2, 6, END))]
        config = RewardModelConfig(pairs=1, centring=centring)
        learner = RewardModelLearner(reward, pairs, config, optimiser=OptimiserConfig(), steps=1, seed=0)
        losses.append(learner.step(0)["loss"])
        reward.adapters.detach(reward.adapter)
        reward.adapters.detach("policy")
    assert losses[0] == losses[1]
