"""Responses from an OpenAI-compatible endpoint (vLLM), in place of the trained model's own: rollouts past one machine.

Text comes back, so responses are tokenised again here; where that gives other tokens than were drawn, the policy learns
from those it would have read. Old log-probabilities are the policy's own, computed here, not the endpoint's: how far
the two lie apart is reported, and nothing is corrected for it. The endpoint is kept up to date by vLLM's own interface
for adapters (`/v1/load_lora_adapter`): its server needs --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, and
must be able to read the folder that adapters are written to.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from core.errors import EndpointError, InputError
from core.inference.generator import Completion, Sampling
from core.inference.remote import RemoteGenerator
from core.inference.rollout import SampledTokens
from core.models.adapters import AdapterCard
from core.prompts.messages import RawText
from core.seeds import derived_seed
from core.training.policy import ADAPTER, Policy
from core.training.streams import Group
from core.training.team import Alone, Team, by_first

_SEEDS = 2**31
"""Servers keep seeds in 32 bits."""
_GROUPS_AT_ONCE = 8


class Sampler(Protocol):
    """Where responses come from: `core.inference.rollout.TokenSampler`, or an endpoint."""

    def sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        sampling: Sampling,
        n: int | None = None,
        *,
        step: int = 0,
        logprob_temperature: float = 1.0,
        first_copies: Sequence[int] | None = None,
    ) -> list[list[SampledTokens]]:
        """See `TokenSampler.sample`."""
        ...


class EndpointSampler:
    """A `Sampler`; see the module.

    Args:
        generator: made with `logprobs=True`, so that the gap can be reported.
        policy: whose adapter is sent, where it has one, and whose scorer gives the log-probabilities.
        folder: adapters are written here, one a step; the server reads them. None leaves the endpoint as it is.
        sync_every: steps; the endpoint's policy is less than so many steps old.
        team: processes that draw from the endpoint together; the first sends the adapters.
    """

    def __init__(
        self,
        generator: RemoteGenerator,
        policy: Policy,
        *,
        folder: Path | None = None,
        sync_every: int = 1,
        team: Team | None = None,
    ) -> None:
        if folder is not None and policy.adapters is None:
            raise InputError("An endpoint takes adapters, not whole models.", hint="Train with an adapter.")
        self._generator, self._policy, self._folder, self._sync_every = generator, policy, folder, sync_every
        self._tokenizer = policy.loaded.tokenizer
        self._sent: int | None = None
        self._team: Team = team or Alone()
        self._figures: dict[str, float] = {}

    def figures(self) -> Mapping[str, float]:
        """Of the last draw, for the journal: the mean difference of a response's log-probability at the endpoint and
        here, by its tokens, where that can be compared; the share of responses that became another number of tokens;
        how many steps the endpoint's policy is old."""
        return dict(self._figures)

    def sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        sampling: Sampling,
        n: int | None = None,
        *,
        step: int = 0,
        logprob_temperature: float = 1.0,
        first_copies: Sequence[int] | None = None,
    ) -> list[list[SampledTokens]]:
        """See `TokenSampler.sample`; what a seed fixes is the endpoint's affair.

        Raises:
            InputError: stop strings are given: the endpoint does not say whether it was they that ended a text; or a
                prompt does not survive being written as text.
            EndpointError: see `RemoteGenerator.generate`; or a completion is empty.
        """
        if sampling.stop:
            raise InputError("Rollouts from an endpoint end at its end token alone.", hint="Leave out `stop`.")
        self._synchronise(step)
        samples = sampling.n if n is None else n
        prompts = [self._text(ids) for ids in prompt_ids]
        firsts = [0] * len(prompts) if first_copies is None else list(first_copies)
        seed = derived_seed(sampling.seed, step) % _SEEDS
        drawn: list[list[Completion]] = [[] for _ in prompts]
        for first in sorted(set(firsts)):
            places = [place for place, copy in enumerate(firsts) if copy == first]
            wanted = replace(sampling, n=samples, seed=(seed + first) % _SEEDS)
            found = self._generator.generate([prompts[place] for place in places], wanted)
            for number, place in enumerate(places):
                drawn[place] = found[number * samples : (number + 1) * samples]
        return self._scored(prompt_ids, drawn, sampling, logprob_temperature)

    def _scored(
        self,
        prompt_ids: Sequence[Sequence[int]],
        drawn: Sequence[Sequence[Completion]],
        sampling: Sampling,
        temperature: float,
    ) -> list[list[SampledTokens]]:
        import torch

        groups = [
            Group(tuple(ids), tuple(self._tokens(one, sampling.max_tokens) for one in row))
            for ids, row in zip(prompt_ids, drawn, strict=True)
        ]
        rows: list[list[float]] = []
        with torch.no_grad():
            for start in range(0, len(groups), _GROUPS_AT_ONCE):
                piece = groups[start : start + _GROUPS_AT_ONCE]
                rows += self._policy.scores(piece, temperature=temperature).logprobs.tolist()
        logprobs = iter(rows)
        sampled = [
            [
                SampledTokens(ids, tuple(next(logprobs)[: len(ids)]), one.finish_reason)
                for ids, one in zip(group.responses, row, strict=True)
            ]
            for group, row in zip(groups, drawn, strict=True)
        ]
        self._report([one for row in drawn for one in row], [one for row in sampled for one in row], temperature)
        return sampled

    def _report(self, drawn: Sequence[Completion], sampled: Sequence[SampledTokens], temperature: float) -> None:
        pairs = list(zip(drawn, sampled, strict=True))
        same = [(one, ours) for one, ours in pairs if len(ours.token_ids) == one.completion_tokens]
        self._figures["policy/endpoint_retokenised"] = 1 - len(same) / len(pairs) if pairs else 0.0
        gaps = [
            abs(sum(one.logprobs) - sum(ours.logprobs)) / len(ours.token_ids)
            for one, ours in same
            if len(one.logprobs) == len(ours.token_ids)
        ]
        self._figures.pop("policy/endpoint_gap", None)
        if gaps and temperature == 1:  # the endpoint's are those of temperature 1
            self._figures["policy/endpoint_gap"] = sum(gaps) / len(gaps)

    def _text(self, ids: Sequence[int]) -> RawText:
        text = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if self._tokenizer(text, add_special_tokens=False)["input_ids"] != list(ids):
            raise InputError(
                f"The prompt '{text[:60]}' becomes other tokens when it is sent as text.",
                hint="Draw these responses from the model itself.",
            )
        return RawText(text)

    def _tokens(self, one: Completion, most: int) -> tuple[int, ...]:
        """Its tokens as the tokenizer reads them, with the end token where it came to its end."""
        ids: list[int] = self._tokenizer(one.text, add_special_tokens=False)["input_ids"]
        if one.finish_reason == "stop":
            ids = [*ids, self._tokenizer.eos_token_id]
        if not ids:
            raise EndpointError(
                f"{self._generator.name} gave an empty completion.", hint="Check that it serves the model that learns."
            )
        return tuple(ids[:most])

    def _synchronise(self, step: int) -> None:
        if self._folder is None:
            return
        if self._sent is None or step - self._sent >= self._sync_every:
            name = f"policy-{step}"
            by_first(self._team, lambda: self._send(name))
            self._generator.use_adapter(name)
            self._sent = step
        self._figures["policy/endpoint_age"] = float(step - self._sent)

    def _send(self, name: str) -> None:
        loaded, adapters = self._policy.loaded, self._policy.adapters
        assert adapters is not None
        assert self._folder is not None
        card = AdapterCard(
            name=name, base=loaded.name, base_fingerprint=loaded.fingerprint, data_sha256="0" * 64, seed=0
        )
        adapters.save(ADAPTER, self._folder / name, card)
        self._generator.load_adapter(name, self._folder / name)
        if self._sent is not None:
            self._generator.unload_adapter(f"policy-{self._sent}")
            shutil.rmtree(self._folder / f"policy-{self._sent}", ignore_errors=True)
