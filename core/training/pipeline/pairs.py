"""Pairs of a better and a worse response: from the data, or drawn from the policy and told apart by a reward."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.errors import InputError
from core.files import OWN_MAX_BYTES, parse_json, read_bytes, write_atomic
from core.inference.generator import Sampling
from core.inference.rollout import TokenSampler
from core.models.loading import LoadedModel
from core.training.experience import PromptItem, as_sample
from core.training.pipeline.bench import encoder_of
from core.training.pipeline.examples import Example
from core.training.pipeline.recipe import Judged
from core.training.preference import PreferencePair
from core.training.reward import Reward


def given_pairs(examples: Sequence[Example], loaded: LoadedModel) -> list[PreferencePair]:
    """The first reference against each rejected response. Raises `InputError` where the data has none."""
    encoder = encoder_of(loaded)
    pairs = [
        PreferencePair(
            f"{example.id}/{number}",
            tuple(encoder.prompt(example.prompt)),
            tuple(encoder.answer(example.references[0])),
            tuple(encoder.answer(rejected)),
        )
        for example in examples
        if example.references
        for number, rejected in enumerate(example.rejected, start=1)
    ]
    if not pairs:
        raise InputError(
            "The data has no rejected responses to learn preferences from.",
            hint="Give the stage a metric: it then tells drawn responses apart. Or use data with preferences.",
        )
    return pairs


def drawn_pairs(
    loaded: LoadedModel, items: Sequence[PromptItem], judge: Reward, how: Judged, seed: int, kept: Path
) -> list[PreferencePair]:
    """The best and the worst of the responses drawn to each prompt, where `judge` tells them apart.

    Args:
        kept: the pairs are written to this file, and read from it when it is there.

    Raises:
        InputError: it tells none apart.
    """
    if kept.is_file():
        return _read(kept)
    chosen = items[: how.prompts]
    sampling = Sampling(max_tokens=how.max_tokens, temperature=how.temperature, seed=seed)
    drawn = TokenSampler(loaded).sample([item.token_ids for item in chosen], sampling, how.samples)
    samples = [as_sample(item, one, loaded.tokenizer) for item, row in zip(chosen, drawn, strict=True) for one in row]
    values = judge(samples)
    pairs = []
    for number, item in enumerate(chosen):
        places = range(number * how.samples, (number + 1) * how.samples)
        best, worst = max(places, key=lambda place: values[place]), min(places, key=lambda place: values[place])
        if values[best] > values[worst]:
            pairs.append(
                PreferencePair(item.id, item.token_ids, samples[best].response_ids, samples[worst].response_ids)
            )
    if not pairs:
        raise InputError(
            f"'{judge.name}' tells no two responses to a prompt apart, of {len(chosen)} prompts.",
            hint="Draw more samples or hotter ones, or choose another metric.",
        )
    write_atomic(kept, "".join(json.dumps(asdict(pair)) + "\n" for pair in pairs))
    return pairs


def _read(path: Path) -> list[PreferencePair]:
    lines = read_bytes(path, max_bytes=OWN_MAX_BYTES).splitlines()
    rows = [parse_json(line, str(path)) for line in lines]
    return [
        PreferencePair(row["id"], tuple(row["prompt"]), tuple(row["chosen"]), tuple(row["rejected"])) for row in rows
    ]
