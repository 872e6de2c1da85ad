"""Policy optimisation as a learner: draw responses, reward them, learn from them; one step is one such round.

The sampler and the trained model are one object, so a response's log-probabilities as drawn are PPO's old ones; where a
critic needs a forward pass over the responses anyway, they are taken from that pass, and the journal shows how far the
two lie apart. Everything random depends on (seed, step, prompt, sample): neither the split into pieces nor the number
of processes changes what is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.inference.rollout import TokenSampler
from core.training.checkpoint import State
from core.training.credit import Credits, credits_of, not_stepwise
from core.training.endpoint_sampler import EndpointSampler, Sampler
from core.training.experience import Algorithm, Experience, PromptItem, Targets
from core.training.faults import Diverged
from core.training.kl_control import KLControl
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.pieces import Pieces
from core.training.policy import Policy
from core.training.practice import Drawn, Practice, PracticeConfig, learns_from_all
from core.training.reward import Reward, Sample, StepwiseReward
from core.training.seeds import permutation
from core.training.streams import Group
from core.training.team import Alone, Team, summed

if TYPE_CHECKING:
    import torch

    from core.training.scorer import TokenScores


Judged = tuple["TokenScores", "torch.Tensor"]
"""What policy and critic say of responses, with gradients."""


class PolicyLearner:
    """See the module; a `core.training.loop.Learner`.

    Args:
        items: the prompts; each is used once before any is used again.
        steps: of the whole run, for the schedule of the learning rate.
        stop: strings that end a response.
        endpoint: where responses are drawn, if not by the policy itself.
    """

    def __init__(
        self,
        policy: Policy,
        algorithm: Algorithm,
        reward: Reward,
        items: Sequence[PromptItem],
        *,
        practice: PracticeConfig,
        optimiser: OptimiserConfig,
        steps: int,
        seed: int,
        stop: Sequence[str] = (),
        team: Team | None = None,
        endpoint: EndpointSampler | None = None,
    ) -> None:
        if not items:
            raise InputError("There are no prompts to practise on.", hint="Check the data of the recipe.")
        if algorithm.uses_critic and policy.critic == "none":
            raise InputError(f"'{algorithm.name}' needs a critic.", hint="Make the policy with critic = 'shared'.")
        if practice.kl.target is not None and not algorithm.uses_kl_control:
            raise InputError(
                f"'{algorithm.name}' has a KL weight of its own; a KL target has no effect on it.",
                hint="Leave the target out, or choose an algorithm whose KL is part of the reward.",
            )
        if practice.redraw and not algorithm.compares_within_groups:
            raise learns_from_all(algorithm.name)
        if algorithm.uses_steps and not isinstance(reward, StepwiseReward):
            raise not_stepwise(reward.name)
        self._policy, self._algorithm, self._reward = policy, algorithm, reward
        self._temperature, self._steps, self._seed = practice.temperature, steps, seed
        self._team: Team = team or Alone()
        self._optimiser = Optimiser(policy.parameters, optimiser, team=self._team)
        self._kl = practice.kl
        self._endpoint = endpoint
        sampler: Sampler = endpoint or TokenSampler(policy.loaded)
        tokenizer = policy.loaded.tokenizer
        self._practice = Practice(
            practice, sampler, tokenizer, reward, items, algorithm.samples, seed, tuple(stop), self._team
        )
        self._pieces = Pieces(practice.piece_tokens, self._team, policy.device)
        self.last_samples: list[Sample] = []
        """Responses of the last step, those to one prompt together."""
        self._last_scores: list[float] = []

    def step(self, index: int, *, learn: bool = True) -> Mapping[str, float]:
        """One round; see `Learner.step`. Without `learn` the responses are drawn and rewarded, and that is all."""
        with self._policy.in_force():
            drawn = self._practice.draw(index)
            seconds = dict(drawn.seconds)
            experience, figures, judged = self._experience(drawn, seconds, learn=learn)
            if learn:
                seconds["learn"] = -time.perf_counter()
                figures |= self._learn(index, experience, judged)
                seconds["learn"] += time.perf_counter()
        kl = experience.response_kl()
        if kl is not None and learn:
            figures["policy/kl"] = float(kl.mean())
            if self._algorithm.uses_kl_control:
                figures["policy/kl_coefficient"] = self._kl.coefficient
            self._kl = self._kl.after(float(kl.mean()), len(kl))
        return figures | {f"seconds/{name}": value for name, value in seconds.items()}

    def state(self) -> State:
        """Masters, moments and the KL controller."""
        return State(self._optimiser.state(), {"kl_coefficient": self._kl.coefficient})

    def load(self, state: State) -> None:
        """See `Learner.load`."""
        self._optimiser.load(state.tensors)
        self._kl = KLControl(state.numbers["kl_coefficient"], self._kl.target, self._kl.horizon)

    def samples(self) -> Sequence[Mapping[str, Any]]:
        """Prompts, responses and scores of the last step."""
        return [
            {
                "prompt_id": sample.prompt_id,
                "prompt": sample.prompt,
                "response": sample.text,
                "score": score,
                "finished": sample.finished,
            }
            for sample, score in zip(self.last_samples, self._last_scores, strict=True)
        ]

    def _experience(
        self, drawn: Drawn, seconds: dict[str, float], *, learn: bool
    ) -> tuple[Experience, dict[str, float], Judged | None]:
        groups = drawn.groups()
        seconds["reward"] -= time.perf_counter()  # of greedy responses and steps, in addition
        scores, greedy, credits = self._scores(drawn)
        seconds["reward"] += time.perf_counter()
        as_drawn, mask = _table([one.logprobs for one in drawn.responses], self._policy.device)
        seconds["judge"] = -time.perf_counter()
        reference = self._pieces.table(groups, self._reference) if self._algorithm.uses_reference else None
        now, values, judged = self._judge(groups, learn=learn) if self._algorithm.uses_critic else (None, None, None)
        seconds["judge"] += time.perf_counter()
        experience = Experience(
            groups,
            mask,
            scores,
            as_drawn if now is None else now,
            reference,
            values,
            greedy,
            self._kl.coefficient,
            credits,
        )
        figures = {
            "reward/mean": drawn.mean_score,
            "reward/deviation": float(scores.std()) if scores.numel() > 1 else 0.0,
            "reward/telling": drawn.telling,
            "response/tokens": float(mask.sum(dim=1).float().mean()),
            "response/finished": fmean(one.finish_reason == "stop" for one in drawn.responses),
        }
        if self._endpoint is not None:
            figures |= self._endpoint.figures()
        if now is not None:
            figures["policy/sampler_gap"] = float(((as_drawn - now).abs() * mask).sum() / mask.sum())
        return experience, figures, judged

    def _scores(self, drawn: Drawn) -> tuple[torch.Tensor, torch.Tensor | None, Credits | None]:
        """``(P, G)`` rewards, and, where they are asked for, ``(P,)`` of the greedy responses, and credits of steps."""
        import torch

        device = self._policy.device
        self.last_samples = [sample for row in drawn.scored for sample, _ in row]
        self._last_scores = [score for row in drawn.scored for _, score in row]
        scores = torch.tensor([[score for _, score in row] for row in drawn.scored], dtype=torch.float32, device=device)
        greedy, credits = None, None
        if self._algorithm.uses_greedy:
            greedy = torch.tensor(self._practice.greedy_rewards(drawn), dtype=torch.float32, device=device)
        if self._algorithm.uses_steps:
            assert isinstance(self._reward, StepwiseReward)
            samples = [[sample for sample, _ in row] for row in drawn.scored]
            credits = credits_of(self._reward, samples, scores.tolist(), self._policy.loaded.tokenizer).to(device)
        return scores, greedy, credits

    def _judge(self, groups: Sequence[Group], *, learn: bool) -> tuple[torch.Tensor, torch.Tensor, Judged | None]:
        """Log-probabilities and values ``(B, T)`` of the policy as it is, without gradient.

        Where the first update takes all groups at once, its forward pass is this one: then it comes along.
        """
        pieces = len(list(self._pieces.of(range(len(groups)), groups)))
        if learn and pieces == self._algorithm.minibatches == self._team.size == 1:
            judged = self._judged(groups)
            return judged[0].logprobs.detach(), judged[1].detach(), judged

        def both(piece: Sequence[Group]) -> torch.Tensor:
            import torch

            now, values = self._judged(piece)
            return torch.stack([now.logprobs, values], dim=-1)

        table = self._pieces.table(groups, both)
        return table[..., 0], table[..., 1], None

    def _judged(self, groups: Sequence[Group]) -> Judged:
        now = self._policy.scores(groups, temperature=self._temperature)
        values = self._policy.values(groups, now)
        assert values is not None
        return now, values

    def _reference(self, groups: Sequence[Group]) -> torch.Tensor:
        return self._policy.reference(groups, temperature=self._temperature)

    def _learn(self, index: int, experience: Experience, judged: Judged | None) -> dict[str, float]:
        """All updates of one round; the means of their figures."""
        targets = self._algorithm.targets(experience)
        rate = self._optimiser.config.rate(index, self._steps)
        totals: dict[str, float] = {}
        updates = 0
        for epoch in range(self._algorithm.epochs):
            order = permutation(self._seed, len(experience.groups), "minibatch", index, epoch)
            size = -(-len(order) // self._algorithm.minibatches)
            for start in range(0, len(order), size):
                minibatch = sorted(order[start : start + size])
                figures = self._update(index, experience, targets, minibatch, rate, judged)
                judged = None  # the policy is another now
                totals = {name: totals.get(name, 0.0) + value for name, value in figures.items()}
                updates += 1
        return {name: value / updates for name, value in totals.items()} | {"learning_rate": rate}

    def _update(
        self,
        index: int,
        experience: Experience,
        targets: Targets,
        minibatch: Sequence[int],
        rate: float,
        judged: Judged | None,
    ) -> dict[str, float]:
        """One step of the optimiser on some groups; `judged` is their forward pass, where it is there already."""
        import torch

        groups, samples = experience.groups, self._algorithm.samples
        count = float(sum(len(response) for number in minibatch for response in groups[number].responses))
        totals: dict[str, torch.Tensor] = {}
        for piece in self._pieces.of(minibatch, groups):
            rows = torch.tensor([number * samples + copy for number in piece for copy in range(samples)])
            chosen = [groups[number] for number in piece]
            if judged is None:
                now = self._policy.scores(chosen, temperature=self._temperature)
                values = self._policy.values(chosen, now)
            else:
                now, values = judged
            width = now.mask.shape[1]
            part = {name: tensor[rows, :width] for name, tensor in targets.items()}
            loss, figures = self._algorithm.loss(now, values, part, count)
            loss.backward()
            for name, value in {"loss": loss, **figures}.items():
                totals[name] = totals.get(name, torch.zeros((), device=value.device)) + value.detach()
        means = summed(self._team, {name: float(value) for name, value in totals.items()})
        norm = self._optimiser.step(rate)
        if norm != norm or norm == float("inf"):
            raise Diverged("gradient", index)
        return means | {"gradient_norm": norm}


def _table(rows: Sequence[Sequence[float]], device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """``(B, T)`` of ragged rows, 0 beyond their ends, and the mask."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    table = torch.zeros(mask.shape)
    table[mask] = torch.tensor([value for row in rows for value in row])
    return table.to(device), mask.to(device)
