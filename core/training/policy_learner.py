"""Policy optimisation as a learner: draw responses, reward them, learn from them; one step is one such round.

The sampler and the trained model are one object, so a response's log-probabilities as drawn are PPO's old ones; where a
critic needs a forward pass over the responses anyway, they are taken from that pass, and the journal shows how far the
two lie apart. Everything random depends on (seed, step, prompt, sample): neither the split into pieces nor the number
of processes changes what is drawn.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InputError
from core.inference.generator import Sampling
from core.inference.rollout import SampledTokens, TokenSampler
from core.training.checkpoint import State
from core.training.endpoint_sampler import EndpointSampler, Sampler
from core.training.experience import Algorithm, Experience, PromptItem, Targets, as_sample
from core.training.faults import Diverged
from core.training.kl_control import KLControl
from core.training.optimiser import Optimiser, OptimiserConfig
from core.training.policy import Policy
from core.training.reward import Reward, Sample
from core.training.seeds import drawn_without_return, permutation
from core.training.streams import Group
from core.training.team import Alone, Team, gathered, share, summed

if TYPE_CHECKING:
    import torch

    from core.training.scorer import TokenScores


Judged = tuple["TokenScores", "torch.Tensor"]
"""What policy and critic say of responses, with gradients."""


class PracticeConfig(BaseModel):
    """How a step is made up.

    Attributes:
        prompts: a step, over all processes.
        max_tokens: of a response.
        temperature: responses are drawn from softmax(logits / this), and learned from as such.
        piece_tokens: at most about so many tokens go through the model at a time while learning; less takes less
            memory and changes nothing else.
        kl: the KL coefficient and its target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    prompts: int = Field(8, ge=1)
    max_tokens: int = Field(64, ge=1)
    temperature: float = Field(1.0, gt=0, le=10)
    piece_tokens: int = Field(2048, ge=1)
    kl: KLControl = KLControl()


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
        self._policy, self._algorithm, self._reward, self._items = policy, algorithm, reward, items
        self._practice, self._steps, self._seed = practice, steps, seed
        self._team: Team = team or Alone()
        self._optimiser = Optimiser(policy.parameters, optimiser, team=self._team)
        self._kl = practice.kl
        self._endpoint = endpoint
        self._sampler: Sampler = endpoint or TokenSampler(policy.loaded)
        self._stop = tuple(stop)
        self.last_samples: list[Sample] = []
        """Responses of the last step, those to one prompt together."""
        self._last_scores: list[float] = []

    def step(self, index: int, *, learn: bool = True) -> Mapping[str, float]:
        """One round; see `Learner.step`. Without `learn` the responses are drawn and rewarded, and that is all."""
        seconds = {"draw": -time.perf_counter()}
        with self._policy.in_force():
            items, drawn = self._draw(index)
            seconds["draw"] += time.perf_counter()
            experience, figures, judged = self._experience(index, items, drawn, seconds, learn=learn)
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

    def _draw(self, index: int) -> tuple[list[PromptItem], list[list[SampledTokens]]]:
        """All items of the step, and the responses that all processes together drew to each."""
        wanted = self._practice.prompts
        numbers = drawn_without_return(self._seed, len(self._items), index * wanted, wanted)
        items = [self._items[number] for number in numbers]
        sampling = Sampling(
            max_tokens=self._practice.max_tokens,
            temperature=self._practice.temperature,
            seed=self._seed,
            stop=self._stop,
        )
        return items, self._drawn(items, sampling, self._algorithm.samples, index)

    def _drawn(
        self, items: Sequence[PromptItem], sampling: Sampling, samples: int, index: int
    ) -> list[list[SampledTokens]]:
        """Responses to each item; each process draws those to its share."""
        mine = share(range(len(items)), self._team)
        prompts = [item.token_ids for item in items]
        before = [samples * prompts[:number].count(prompts[number]) for number in mine]

        def draw() -> list[tuple[int, list[SampledTokens]]]:
            rows = self._sampler.sample(
                [prompts[number] for number in mine],
                sampling,
                samples,
                step=index,
                logprob_temperature=self._practice.temperature,
                first_copies=before,
            )
            return list(zip(mine, rows, strict=True))

        return [rows for _, rows in sorted(gathered(self._team, draw), key=lambda pair: pair[0])]

    def _experience(
        self,
        index: int,
        items: Sequence[PromptItem],
        drawn: Sequence[Sequence[SampledTokens]],
        seconds: dict[str, float],
        *,
        learn: bool,
    ) -> tuple[Experience, dict[str, float], Judged | None]:
        groups = [
            Group(item.token_ids, tuple(sample.token_ids for sample in row))
            for item, row in zip(items, drawn, strict=True)
        ]
        seconds["reward"] = -time.perf_counter()
        scores, greedy = self._scores(index, items, drawn)
        seconds["reward"] += time.perf_counter()
        as_drawn, mask = _table([sample.logprobs for row in drawn for sample in row], self._policy.device)
        seconds["judge"] = -time.perf_counter()
        uses_reference = self._algorithm.uses_reference
        reference = self._over_pieces(groups, self._reference) if uses_reference else None
        now, values, judged = self._judge(groups, learn=learn) if self._algorithm.uses_critic else (None, None, None)
        seconds["judge"] += time.perf_counter()
        experience = Experience(
            groups, mask, scores, as_drawn if now is None else now, reference, values, greedy, self._kl.coefficient
        )
        lengths = mask.sum(dim=1).float()
        finished = [sample.finish_reason == "stop" for row in drawn for sample in row]
        figures = {
            "reward/mean": float(scores.mean()),
            "reward/deviation": float(scores.std()) if scores.numel() > 1 else 0.0,
            "response/tokens": float(lengths.mean()),
            "response/finished": sum(finished) / len(finished),
        }
        if self._endpoint is not None:
            figures |= self._endpoint.figures()
        if now is not None:
            figures["policy/sampler_gap"] = float(((as_drawn - now).abs() * mask).sum() / mask.sum())
        return experience, figures, judged

    def _scores(
        self, index: int, items: Sequence[PromptItem], drawn: Sequence[Sequence[SampledTokens]]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``(P, G)`` rewards, and ``(P,)`` of the greedy responses where they are asked for."""
        import torch

        device = self._policy.device
        samples = [[self._sample(item, one) for one in row] for item, row in zip(items, drawn, strict=True)]
        rewarded = self._rewarded(samples)
        self.last_samples = [sample for row in samples for sample in row]
        self._last_scores = [score for row in rewarded for score in row]
        scores = torch.tensor(rewarded, dtype=torch.float32, device=device)
        if not self._algorithm.uses_greedy:
            return scores, None
        sampling = Sampling(max_tokens=self._practice.max_tokens, stop=self._stop)
        greedy = self._drawn(items, sampling, 1, index)
        best = self._rewarded([[self._sample(item, row[0])] for item, row in zip(items, greedy, strict=True)])
        return scores, torch.tensor(best, dtype=torch.float32, device=device).squeeze(1)

    def _rewarded(self, samples: Sequence[Sequence[Sample]]) -> list[list[float]]:
        """The rewards of each item's samples; each process rewards those of its share."""
        mine = share(range(len(samples)), self._team)

        def rewards() -> list[tuple[int, list[float]]]:
            flat = iter(self._reward([sample for number in mine for sample in samples[number]]) if mine else ())
            return [(number, [next(flat) for _ in samples[number]]) for number in mine]

        return [row for _, row in sorted(gathered(self._team, rewards))]

    def _sample(self, item: PromptItem, drawn: SampledTokens) -> Sample:
        return as_sample(item, drawn, self._policy.loaded.tokenizer, self._stop)

    def _judge(self, groups: Sequence[Group], *, learn: bool) -> tuple[torch.Tensor, torch.Tensor, Judged | None]:
        """Log-probabilities and values ``(B, T)`` of the policy as it is, without gradient.

        Where the first update takes all groups at once, its forward pass is this one: then it comes along.
        """

        def judge(piece: Sequence[Group]) -> Judged:
            now = self._policy.scores(piece, temperature=self._practice.temperature)
            values = self._policy.values(piece, now)
            assert values is not None
            return now, values

        pieces = len(list(self._pieces(range(len(groups)), groups)))
        if learn and pieces == self._algorithm.minibatches == self._team.size == 1:
            judged = judge(groups)
            return judged[0].logprobs.detach(), judged[1].detach(), judged

        def table(piece: Sequence[Group]) -> torch.Tensor:
            now, values = judge(piece)
            return _stacked(now.logprobs, values)

        both = self._over_pieces(groups, table)
        return both[..., 0], both[..., 1], None

    def _reference(self, groups: Sequence[Group]) -> torch.Tensor:
        return self._policy.reference(groups, temperature=self._practice.temperature)

    def _over_pieces(self, groups: Sequence[Group], run: Any) -> torch.Tensor:
        """``(B, T, …)`` of `run` over pieces of this process's share, put together over all processes."""
        import torch

        width = max(len(response) for group in groups for response in group.responses)
        device, alone = self._policy.device, self._team.size == 1

        def mine() -> list[tuple[int, torch.Tensor]]:
            found: list[tuple[int, torch.Tensor]] = []
            for piece in self._pieces(share(range(len(groups)), self._team), groups):
                table = run([groups[number] for number in piece])
                each = table.split([len(groups[number].responses) for number in piece])
                found += [(number, _widened(part, width)) for number, part in zip(piece, each, strict=True)]
            return found if alone else [(number, part.cpu()) for number, part in found]

        with torch.no_grad():
            parts = sorted(gathered(self._team, mine), key=lambda pair: pair[0])
        return torch.cat([part.to(device) for _, part in parts])

    def _pieces(self, numbers: Sequence[int], groups: Sequence[Group]) -> Iterator[list[int]]:
        """Groups to go through the model together, as many as `piece_tokens` allows."""
        piece: list[int] = []
        tokens = 0
        for number in numbers:
            size = len(groups[number].prompt) + sum(map(len, groups[number].responses))
            if piece and tokens + size > self._practice.piece_tokens:
                yield piece
                piece, tokens = [], 0
            piece.append(number)
            tokens += size
        if piece:
            yield piece

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
        for piece in self._pieces(share(minibatch, self._team), groups):
            rows = torch.tensor([number * samples + copy for number in piece for copy in range(samples)])
            chosen = [groups[number] for number in piece]
            if judged is None:
                now = self._policy.scores(chosen, temperature=self._practice.temperature)
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


def _stacked(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.stack([one, other], dim=-1)


def _widened(table: torch.Tensor, width: int) -> torch.Tensor:
    """``(B, T, …)`` with zeros up to T = `width`."""
    wide = table.new_zeros(len(table), width, *table.shape[2:])
    wide[:, : table.shape[1]] = table
    return wide
