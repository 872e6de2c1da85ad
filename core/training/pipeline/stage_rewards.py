"""What a stage learns for or from: rewards and reward models on their trunks, and pairs."""

from __future__ import annotations

from pathlib import Path

from core.models.adapter_set import AdapterSet
from core.models.loading import LoadedModel
from core.training.pipeline.bench import Bench, Place, prompt_items
from core.training.pipeline.pairs import drawn_pairs, given_pairs
from core.training.pipeline.recipe import REWARD_MODEL, AlternationStage, PreferenceStage, RewardStage
from core.training.pipeline.rewards import build_reward
from core.training.policy import Policy
from core.training.preference import PreferencePair
from core.training.reward import Reward
from core.training.reward.likelihood import PREFERENCE_ADAPTER, new_likelihood_reward
from core.training.reward.model import LearnedReward, RewardModel, new_reward_model
from core.training.reward.saved import load_reward_model
from core.training.scorer import Scorer, choose_scorer
from core.training.team import by_first


def pairs_of(
    stage: RewardStage | PreferenceStage,
    bench: Bench,
    place: Place,
    loaded: LoadedModel,
    judge: Reward | None,
    split: str,
) -> list[PreferencePair]:
    """Pairs that a stage learns from: the data's, or drawn from the policy in force where `judge` tells them apart."""
    examples = bench.data.split(split)
    if judge is None:
        return given_pairs(examples, loaded)
    items = prompt_items(examples, loaded, stage.judged.max_tokens)
    kept = place.folder / f"pairs-{split}.jsonl"
    return by_first(bench.team, lambda: drawn_pairs(loaded, items, judge, stage.judged, bench.seed(place.number), kept))


def new_reward(
    adapters: AdapterSet, end_id: int, seed: int, rank: int | None = 8, targets: str = "attention"
) -> RewardModel:
    """A reward model on the trunk that `adapters` are of; `rank` None learns the head alone."""
    scorer = _scorer(adapters)
    if rank is None:
        return new_reward_model(adapters, scorer, end_id=end_id, seed=seed, adapter=None)
    return new_reward_model(adapters, scorer, end_id=end_id, seed=seed, rank=rank, targets=targets)  # type: ignore[arg-type]


def reward_to_learn(stage: AlternationStage, bench: Bench, place: Place, policy: Policy, end_id: int) -> LearnedReward:
    """What learns in alternation with the policy, beside the adapter of the judge where that is a reward model. A
    likelihood begins as the policy's."""
    seed, choice = bench.seed(place.number), bench.recipe.adapter
    trunk = policy.adapters or own_trunk(bench, place.start)
    rank, targets = (choice.rank, choice.targets) if choice else (8, "attention")
    if stage.learned_reward == "head":
        return new_reward_model(trunk, _scorer(trunk), end_id=end_id, seed=seed, adapter=PREFERENCE_ADAPTER)
    return new_likelihood_reward(
        trunk,
        _scorer(trunk),
        end_id=end_id,
        seed=seed,
        rank=rank,
        targets=targets,
        start_from=place.start if policy.adapters else None,
    )


def own_trunk(bench: Bench, start: Path | None = None) -> AdapterSet:
    """The base model again, or what a stage starts from: where all weights learn, the policy's own trunk does not stay
    what it was."""
    loaded = bench.load(start)
    loaded.model.requires_grad_(False)
    return AdapterSet(loaded)


def reward_of(expression: str, cut: float, bench: Bench, place: Place, policy: Policy) -> Reward:
    """What a stage's `metric` rewards, with the reward model learned before it where that is part of it."""
    model = None
    if REWARD_MODEL in expression and place.reward is not None:
        trunk = policy.adapters or own_trunk(bench)
        model = load_reward_model(place.reward, trunk, _scorer(trunk))
    return build_reward(expression, bench.data.metrics, cut=cut, reward_model=model, code=bench.code)


def _scorer(trunk: AdapterSet) -> Scorer:
    placement = trunk.loaded.placement
    return choose_scorer(trunk.loaded.model, placement.device, placement.dtype, trunk.loaded.name)
