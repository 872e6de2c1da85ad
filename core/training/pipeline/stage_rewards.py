"""What a stage learns for or from: rewards and reward models on their trunks, and pairs."""

from __future__ import annotations

from core.models.adapter_set import AdapterSet
from core.models.loading import LoadedModel
from core.training.pipeline.bench import Bench, Place, prompt_items
from core.training.pipeline.pairs import drawn_pairs, given_pairs
from core.training.pipeline.recipe import REWARD_MODEL, PreferenceStage, RewardStage
from core.training.pipeline.rewards import build_reward
from core.training.policy import Policy
from core.training.preference import PreferencePair
from core.training.reward import Reward
from core.training.reward.model import RewardModel, new_reward_model
from core.training.reward.saved import load_reward_model
from core.training.scorer import choose_scorer
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
    placement = adapters.loaded.placement
    scorer = choose_scorer(adapters.loaded.model, placement.device, placement.dtype, adapters.loaded.name)
    if rank is None:
        return new_reward_model(adapters, scorer, end_id=end_id, seed=seed, adapter=None)
    return new_reward_model(adapters, scorer, end_id=end_id, seed=seed, rank=rank, targets=targets)  # type: ignore[arg-type]


def own_trunk(bench: Bench) -> AdapterSet:
    """The base model again: where all weights learn, the policy's own trunk does not stay what it was."""
    loaded = bench.load(None)
    loaded.model.requires_grad_(False)
    return AdapterSet(loaded)


def reward_of(expression: str, cut: float, bench: Bench, place: Place, policy: Policy) -> Reward:
    """What a stage's `metric` rewards, with the reward model learned before it where that is part of it."""
    model = None
    if REWARD_MODEL in expression and place.reward is not None:
        trunk = policy.adapters or own_trunk(bench)
        placement = trunk.loaded.placement
        scorer = choose_scorer(trunk.loaded.model, placement.device, placement.dtype, trunk.loaded.name)
        model = load_reward_model(place.reward, trunk, scorer)
    return build_reward(expression, bench.data.metrics, cut=cut, reward_model=model, code=bench.code)
