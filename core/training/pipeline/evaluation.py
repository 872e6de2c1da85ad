"""Measuring a policy as it is now: greedy responses to held-out prompts, every metric of the recipe, with intervals.

What a policy answered is kept in a file named by a hash of its weights and of all that decides its answers. So a
policy that was measured is not measured again, within a run or after a kill, and what is read is what would be drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.evaluation.intervals import Measure, grouped_mean
from core.files import OWN_MAX_BYTES, read_json, write_atomic
from core.inference.generator import Sampling
from core.inference.rollout import TokenSampler
from core.metrics.metric import Metric
from core.models.loading import LoadedModel
from core.progress import ProgressLine
from core.training.data.chat_tokens import ChatEncoder
from core.training.pipeline.examples import Example

if TYPE_CHECKING:
    import torch

_AT_ONCE = 32
"""Prompts answered together, so that there is progress to show."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A response and what it was measured at; `values` by the metric's expression."""

    id: str
    group: str
    text: str
    token_ids: tuple[int, ...]
    finished: bool
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The responses of one policy to one split, in the data's order."""

    answers: tuple[Answered, ...]

    def mean(self, metric: str) -> float:
        """Mean of the metric over the examples."""
        return statistics.fmean(answer.values[metric] for answer in self.answers)

    def measure(self, metric: str) -> Measure:
        """The mean with its 95 % interval."""
        return _interval([(answer.group or answer.id, answer.values[metric]) for answer in self.answers])

    def over(self, other: Evaluation, metric: str) -> Measure:
        """How much more than `other` on the same examples, paired, with its 95 % interval."""
        pairs = zip(self.answers, other.answers, strict=True)
        return _interval([(a.group or a.id, a.values[metric] - b.values[metric]) for a, b in pairs])


def _interval(rows: Sequence[tuple[str, float]]) -> Measure:
    groups: dict[str, list[float]] = {}
    for group, value in rows:
        groups.setdefault(group, []).append(value)
    return grouped_mean(list(groups.values()))


class Evaluator:
    """Measures policies on one split.

    Args:
        folder: where answers are kept.
    """

    def __init__(
        self, examples: Sequence[Example], metrics: Mapping[str, Metric], *, max_tokens: int, folder: Path
    ) -> None:
        self._examples, self._metrics, self._max_tokens, self._folder = examples, metrics, max_tokens, folder
        content = [[example.as_json(), example.question] for example in examples]
        what = json.dumps([content, list(metrics), max_tokens], ensure_ascii=False, sort_keys=True)
        self._what = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()

    def kept(self, key: str) -> Evaluation | None:
        """The evaluation of the policy with this key, where it was measured before."""
        path = self._path(key)
        if not path.is_file():
            return None
        rows = read_json(path, max_bytes=OWN_MAX_BYTES)
        return Evaluation(tuple(Answered(**{**row, "token_ids": tuple(row["token_ids"])}) for row in rows))

    def __call__(
        self, loaded: LoadedModel, key: str, in_force: contextlib.AbstractContextManager[Any] | None = None
    ) -> Evaluation:
        """The evaluation of `loaded`, whose `policy_key` is `key`; `in_force` is entered while it answers."""
        kept = self.kept(key)
        if kept is not None:
            return kept
        with in_force or contextlib.nullcontext():
            evaluation = self._evaluate(loaded)
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(answer) for answer in evaluation.answers]
        write_atomic(path, json.dumps(rows, ensure_ascii=False))
        return evaluation

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(f"{self._what} {key}".encode()).hexdigest()[:32]
        return self._folder / f"{digest}.json"

    def _evaluate(self, loaded: LoadedModel) -> Evaluation:
        encoder = ChatEncoder(loaded.tokenizer, loaded.model.config.model_type)
        prompts = [encoder.prompt(example.prompt) for example in self._examples]
        sampler, sampling = TokenSampler(loaded), Sampling(max_tokens=self._max_tokens)
        progress = ProgressLine(f"measuring on {self._folder.name}")
        drawn = []
        for at in range(0, len(prompts), _AT_ONCE):
            drawn += sampler.sample(prompts[at : at + _AT_ONCE], sampling, 1)
            progress(len(drawn), len(prompts))
        decode = loaded.tokenizer.decode
        texts = [decode(row[0].token_ids, skip_special_tokens=True).strip() for row in drawn]
        contexts = [example.context for example in self._examples]
        scores = {
            name: [score.value for score in metric.score(texts, contexts)] for name, metric in self._metrics.items()
        }
        return Evaluation(
            tuple(
                Answered(
                    example.id,
                    example.group,
                    texts[number],
                    drawn[number][0].token_ids,
                    drawn[number][0].finish_reason == "stop",
                    {name: values[number] for name, values in scores.items()},
                )
                for number, example in enumerate(self._examples)
            )
        )


def policy_key(fingerprint: str, dtype: str, weights: Mapping[str, torch.Tensor]) -> str:
    """Which policy it is: the model it is made of, its number format, and the weights that learn, by name."""
    import torch

    digest = hashlib.sha256(f"{fingerprint} {dtype}".encode())
    for name in sorted(weights):
        data = weights[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(name.encode() + data.numpy().tobytes())
    return digest.hexdigest()
