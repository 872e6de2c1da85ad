"""From a stage of a recipe to what the loop runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError, InternalError
from core.models.adapter_set import AdapterSet
from core.models.adapters import AdapterCard
from core.models.loading import LoadedModel
from core.models.staging import new_model_folder
from core.training.data.batches import Batches
from core.training.data.records import Chat, Turn
from core.training.data.supervised import supervised_batches
from core.training.evolution import EvolutionLearner
from core.training.ift import AlternatingLearner
from core.training.loop import Learner
from core.training.pipeline.bench import Bench, Place, encoder_of, prompt_items
from core.training.pipeline.endpoint import endpoint_of
from core.training.pipeline.evaluation import policy_key
from core.training.pipeline.examples import Example
from core.training.pipeline.recipe import (
    POLICY_STAGES,
    AlternationStage,
    EvolutionStage,
    PreferenceStage,
    RewardStage,
    Stage,
    SupervisedStage,
)
from core.training.pipeline.rewards import build_reward
from core.training.pipeline.stage_rewards import new_reward, own_trunk, pairs_of, reward_of, reward_to_learn
from core.training.pipeline.teacher import objective_of, written_by_teacher
from core.training.policy import ADAPTER, Policy
from core.training.policy_learner import PolicyLearner
from core.training.preference import PreferenceLearner
from core.training.reward import Reward
from core.training.reward.model import RewardModelLearner
from core.training.reward.saved import save_reward_model
from core.training.supervised import SupervisedLearner
from core.training.team import by_first

HeldOut = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a stage does.

    Attributes:
        held_out: a figure on validation, more is better.
        save: writes the result into a folder, given the adapter's card.
        policy: None in a stage that learns a reward.
        reward: what it learns for, where that is a reward.
    """

    learner: Learner
    steps: int
    held_out: HeldOut
    save: Callable[[Path, AdapterCard], None]
    loaded: LoadedModel
    policy: Policy | None = None
    reward: Reward | None = None


def make_work(stage: Stage, bench: Bench, place: Place) -> Work:
    """What `stage` does. Raises `InputError` where the data has not what it takes."""
    if isinstance(stage, SupervisedStage):
        return _supervised(stage, bench, place)
    if isinstance(stage, RewardStage):
        return _reward(stage, bench, place)
    if isinstance(stage, PreferenceStage):
        return _preference(stage, bench, place)
    if isinstance(stage, EvolutionStage):
        return _evolution(stage, bench, place)
    if isinstance(stage, AlternationStage):
        return _alternation(stage, bench, place)
    if isinstance(stage, POLICY_STAGES):
        return _optimised(stage, bench, place)
    raise InternalError(f"No learner is made for a stage of kind '{stage.kind}'.")


def chats_of(examples: tuple[Example, ...]) -> list[Chat]:
    """Each prompt with its first reference as the answer. Raises `InputError` where none has a reference."""
    chats = [
        Chat(turns=(*example.prompt, Turn("assistant", example.references[0])), group=example.group)
        for example in examples
        if example.references
    ]
    if not chats:
        raise InputError("No example has a reference to learn from.", hint="Supervised stages need responses.")
    return chats


def supervised_steps(stage: SupervisedStage, batches: int) -> int:
    """Steps of a stage whose data makes so many batches an epoch."""
    return stage.steps or max(1, math.ceil(stage.epochs * batches))


def _supervised(stage: SupervisedStage, bench: Bench, place: Place) -> Work:
    if bench.team.sharding and bench.recipe.adapter is not False:
        raise InputError(
            f"With {bench.team.sharding}, weights are in parts only where all of them learn.",
            hint="Set adapter = false, or launch with ddp.",
        )
    seed = bench.seed(place.number)
    policy = bench.policy(place.start, seed, reference=False)
    loaded = policy.loaded

    def batches(split: str) -> Batches:
        chats = chats_of(bench.data.split(split))
        return supervised_batches(
            written_by_teacher(stage, chats, place.folder, bench.team) if split == "train" else chats,
            loaded.tokenizer,
            loaded.model.config.model_type,
            max_tokens=stage.row_tokens,
            rows_per_batch=stage.rows,
            seed=seed,
            learnt_answers=stage.learn,
        ).batches

    train, validation = batches("train"), batches("validation")
    steps = supervised_steps(stage, len(train))
    learner = SupervisedLearner(
        loaded.model,
        policy.parameters,
        objective_of(stage, loaded),
        train,
        optimiser=stage.optimiser,
        steps=steps,
        seed=seed,
        piece_rows=stage.piece_rows,
        device=policy.device,
        in_force=policy.in_force,
        team=bench.team,
    )

    return _work(learner, steps, lambda: -learner.evaluate(validation)["loss"], policy)


def _optimised(stage: Stage, bench: Bench, place: Place) -> Work:
    assert isinstance(stage, POLICY_STAGES)
    algorithm = stage.algorithm
    seed = bench.seed(place.number)
    policy = bench.policy(
        place.start,
        seed,
        critic="shared" if algorithm.uses_critic else "none",
        reference=algorithm.uses_reference,
    )
    reward = reward_of(stage.metric, stage.cut, bench, place, policy)
    learner = PolicyLearner(
        policy,
        algorithm,
        reward,
        prompt_items(bench.data.train, policy.loaded, stage.practice.max_tokens),
        practice=stage.practice,
        optimiser=stage.optimiser,
        steps=stage.steps,
        seed=seed,
        team=bench.team,
        endpoint=endpoint_of(stage.endpoint, policy, place.folder, bench.team),
    )
    return _work(learner, stage.steps, _measured(bench, policy), policy, reward)


def _evolution(stage: EvolutionStage, bench: Bench, place: Place) -> Work:
    seed = bench.seed(place.number)
    policy = bench.policy(place.start, seed, reference=False)
    reward = reward_of(stage.metric, stage.cut, bench, place, policy)
    items = prompt_items(bench.data.train, policy.loaded, stage.evolution.max_tokens)
    learner = EvolutionLearner(policy, reward, items, stage.evolution, seed=seed, team=bench.team)
    return _work(learner, stage.steps, _measured(bench, policy), policy, reward)


def _preference(stage: PreferenceStage, bench: Bench, place: Place) -> Work:
    seed = bench.seed(place.number)
    policy = bench.policy(place.start, seed)
    judge = reward_of(stage.metric, 0.0, bench, place, policy) if stage.metric else None
    with policy.in_force():
        pairs = pairs_of(stage, bench, place, policy.loaded, judge, "train")
    learner = PreferenceLearner(
        policy, pairs, stage.preference, optimiser=stage.optimiser, steps=stage.steps, seed=seed, team=bench.team
    )
    return _work(learner, stage.steps, _measured(bench, policy), policy, judge)


def _alternation(stage: AlternationStage, bench: Bench, place: Place) -> Work:
    seed = bench.seed(place.number)
    policy = bench.policy(place.start, seed, reference=stage.algorithm.uses_reference)
    judge = reward_of(stage.metric, stage.cut, bench, place, policy) if stage.metric else None
    encoder = encoder_of(policy.loaded)
    model = reward_to_learn(stage, bench, place, policy, encoder.end_id)
    items = prompt_items(bench.data.train, policy.loaded, stage.practice.max_tokens)
    demonstrations = {
        example.id: tuple(encoder.answer(example.references[0])) for example in bench.data.train if example.references
    }
    learner = AlternatingLearner(
        PolicyLearner(
            policy,
            stage.algorithm,
            model,
            items,
            practice=stage.practice,
            optimiser=stage.optimiser,
            steps=stage.steps,
            seed=seed,
            team=bench.team,
            endpoint=endpoint_of(stage.endpoint, policy, place.folder, bench.team),
        ),
        model,
        demonstrations,
        stage.alternation,
        optimiser=stage.discriminator,
        seed=seed,
        judge=judge,
        team=bench.team,
    )
    return _work(learner, stage.steps, _measured(bench, policy), policy, judge)


def _reward(stage: RewardStage, bench: Bench, place: Place) -> Work:
    """Pairs are drawn from the policy as it is; the reward model learns on the base model's trunk."""
    seed = bench.seed(place.number)
    loaded = bench.load(place.start)
    adapters = AdapterSet(loaded)
    loaded.model.requires_grad_(False)
    if bench.recipe.adapter is not False and place.start is not None:
        adapters.attach(place.start, ADAPTER)
    judge = build_reward(stage.metric, bench.data.metrics, code=bench.code) if stage.metric else None
    with adapters.using(ADAPTER if ADAPTER in adapters.names else None):
        pairs = pairs_of(stage, bench, place, loaded, judge, "train")
        held_out = pairs_of(stage, bench, place, loaded, judge, "validation")
    if ADAPTER in adapters.names:
        adapters.detach(ADAPTER)
    trunk = adapters if bench.recipe.adapter is not False else own_trunk(bench)
    rank, targets = (stage.adapter.rank, stage.adapter.targets) if stage.adapter else (None, "attention")
    model = new_reward(trunk, encoder_of(loaded).end_id, seed, rank=rank, targets=targets)
    learner = RewardModelLearner(
        model, pairs, stage.model, optimiser=stage.optimiser, steps=stage.steps, seed=seed, team=bench.team
    )
    return Work(
        learner,
        stage.steps,
        lambda: learner.accuracy(held_out),
        lambda folder, card: save_reward_model(model, folder, card),
        trunk.loaded,
    )


def _measured(bench: Bench, policy: Policy) -> HeldOut:
    evaluator = bench.evaluator("validation")

    def measured() -> float:
        return evaluator(policy.loaded, key_of(policy), policy.in_force()).mean(bench.recipe.choice)

    return lambda: by_first(bench.team, measured)


def key_of(policy: Policy) -> str:
    """Which policy it is, see `policy_key`: its critic does not decide its answers."""
    weights = {
        name: value for name, value in policy.parameters.items() if not name.startswith(("value_head.", "critic."))
    }
    return policy_key(policy.loaded.fingerprint, policy.loaded.placement.dtype, weights)


def put_together(work: Work, bench: Bench, place: Place) -> Work:
    """`work` with a policy that is whole in every process, where its weights were learned in parts over them."""
    import torch

    if not bench.team.sharding or work.policy is None:
        return work
    learned = work.learner.state().tensors
    policy = bench.policy(place.start, bench.seed(place.number), reference=False)
    with torch.no_grad():
        for name, weights in policy.parameters.items():
            weights.copy_(learned[f"master/{name}"])
    return _work(work.learner, work.steps, work.held_out, policy, work.reward)


def _work(learner: Learner, steps: int, held_out: HeldOut, policy: Policy, reward: Reward | None = None) -> Work:
    def save(folder: Path, card: AdapterCard) -> None:
        if policy.adapters is not None:
            policy.adapters.save(ADAPTER, folder, card)
            return
        with new_model_folder(folder) as fresh:
            policy.loaded.model.save_pretrained(fresh)
            policy.loaded.tokenizer.save_pretrained(fresh)

    return Work(learner, steps, held_out, save, policy.loaded, policy, reward)
