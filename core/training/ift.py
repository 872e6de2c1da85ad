"""Training a parametrised reward and the policy in alternation.

The policy raises L = E[f_ψ(x, y)] over its own responses y by the score-function gradient; f_ψ learns to tell better
responses from the policy's own as they are now. Better are the demonstrations (as in adversarial imitation, Ho and
Ermon 2016, section 5, with a Bradley–Terry discriminator), or, where a judge is given, whichever of two responses to
the same prompt it prefers; the judge need only compare. What f_ψ can be is in `core.training.reward`: a likelihood
learns from some hundred pairs, a head on a trunk's last state takes more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from core.errors import InputError
from core.training.checkpoint import State
from core.training.config import Config
from core.training.optimiser import OptimiserConfig
from core.training.policy_learner import PolicyLearner
from core.training.preference.learner import PreferencePair
from core.training.reward import Reward, Sample
from core.training.reward.model import LearnedReward, RewardModelConfig, RewardModelLearner
from core.training.team import Alone, Team, by_first

_REWARD = RewardModelConfig.model_validate({})


class AlternationConfig(Config):
    """How often each of the two steps. `warm_up`: steps in which only f_ψ learns; `recent`: pairs to learn from.

    With 64 responses a step, 4, 8 and 16 `reward_steps` of 16 pairs raised the task's reward by .23, .25 and .30
    (docs/LOG.md): f_ψ is the slower of the two.
    """

    reward_steps: int = Field(4, ge=1)
    warm_up: int = Field(5, ge=0)
    recent: int = Field(1024, ge=1)
    reward: RewardModelConfig = _REWARD


class AlternatingLearner:
    """See the module; a `core.training.loop.Learner`.

    Args:
        policy_learner: made with `reward` as its reward.
        demonstrations: by prompt id, response tokens to be imitated. May be empty with a judge.
        judge: a reward whose order of two responses decides which is better; in place of demonstrations.
        optimiser: of f_ψ; its learning rate stays, after a warm-up if there is one.
        team: that of the policy learner.
    """

    def __init__(
        self,
        policy_learner: PolicyLearner,
        reward: LearnedReward,
        demonstrations: Mapping[str, tuple[int, ...]],
        config: AlternationConfig,
        *,
        optimiser: OptimiserConfig,
        seed: int,
        judge: Reward | None = None,
        team: Team | None = None,
    ) -> None:
        if judge is None and not demonstrations:
            raise InputError("There is nothing to learn a reward from.", hint="Give demonstrations or a judge.")
        if optimiser.schedule != "constant":
            raise InputError(
                f"The learned reward follows the policy to the end; its learning rate cannot be {optimiser.schedule}.",
                hint="Set schedule = 'constant' for the reward's optimiser.",
            )
        self._policy, self._demonstrations, self._config, self._judge = policy_learner, demonstrations, config, judge
        self._pairs: list[PreferencePair] = []
        self._team: Team = team or Alone()
        self._reward = RewardModelLearner(
            reward, self._pairs, config.reward, optimiser=optimiser, steps=1, seed=seed, team=team
        )

    def step(self, index: int) -> Mapping[str, float]:
        """A step of the policy, then steps of the reward on what it drew."""
        figures = dict(self._policy.step(index, learn=index >= self._config.warm_up))
        self._remember(self._policy.last_samples)
        if self._pairs:
            for turn in range(self._config.reward_steps):
                learned = self._reward.step(index * self._config.reward_steps + turn)
            figures |= {f"discriminator/{name}": value for name, value in learned.items()}
        return figures

    def state(self) -> State:
        """Both states, and the pairs that are kept."""
        policy, reward = self._policy.state(), self._reward.state()
        tensors = {f"policy/{name}": value for name, value in policy.tensors.items()}
        tensors |= {f"reward/{name}": value for name, value in reward.tensors.items()}
        pairs = [[pair.id, pair.prompt, pair.chosen, pair.rejected] for pair in self._pairs]
        return State(tensors, {"policy": dict(policy.numbers), "pairs": pairs})

    def load(self, state: State) -> None:
        """See `Learner.load`."""

        def part(prefix: str) -> dict[str, Any]:
            return {
                name.removeprefix(prefix): value for name, value in state.tensors.items() if name.startswith(prefix)
            }

        self._policy.load(State(part("policy/"), state.numbers["policy"]))
        self._reward.load(State(part("reward/")))
        self._pairs[:] = [
            PreferencePair(name, tuple(prompt), tuple(chosen), tuple(rejected))
            for name, prompt, chosen, rejected in state.numbers["pairs"]
        ]

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """Those of the policy."""
        return self._policy.samples()

    def _remember(self, samples: Sequence[Sample]) -> None:
        """Keep the newest pairs; the list is the reward learner's own."""
        judged = by_first(self._team, lambda: self._judged(samples)) if self._judge else None
        fresh = self._against_demonstrations(samples) if judged is None else judged
        self._pairs[:] = [*self._pairs, *fresh][-self._config.recent :]

    def _against_demonstrations(self, samples: Sequence[Sample]) -> list[PreferencePair]:
        return [
            PreferencePair(
                sample.prompt_id, sample.prompt_ids, self._demonstrations[sample.prompt_id], sample.response_ids
            )
            for sample in samples
            if sample.prompt_id in self._demonstrations
        ]

    def _judged(self, samples: Sequence[Sample]) -> list[PreferencePair]:
        """Of each prompt's responses every two that the judge tells apart."""
        assert self._judge is not None
        by_prompt: dict[str, list[tuple[float, Sample]]] = {}
        for value, sample in zip(self._judge(samples), samples, strict=True):
            by_prompt.setdefault(sample.prompt_id, []).append((value, sample))
        return [
            PreferencePair(prompt_id, better.prompt_ids, better.response_ids, worse.response_ids)
            for prompt_id, judged in by_prompt.items()
            for value, better in judged
            for other, worse in judged
            if value > other and better.response_ids != worse.response_ids
        ]
