"""Questions over CMRC2018 passages with answers drawn for them, for the benchmarks that choose and refine.

Only the development part of the set is at hand. It is split by passage, by a hash of its text: six tenths to learn
from, one and a half to choose settings on, the rest to report. Drawn answers are kept in the cache, by a hash of
everything they depend on, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from core.config import settings
from core.data import dataset
from core.files import write_atomic
from core.inference import Generator, Sampling, load_generator
from core.models.locate import locate

Split = Literal["train", "validation", "test"]
TASK = "根据资料，用资料中的原文简短回答问题，只写答案。\n资料：{passage}\n问题：{question}"
LONGEST_PASSAGE = 500
"""Characters; what is longer is left out to keep the run short."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Item:
    """A question on a passage, and its right answers."""

    passage: str
    question: str
    answers: tuple[str, ...]

    @property
    def prompt(self) -> str:
        return TASK.format(passage=self.passage, question=self.question)


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer as it was drawn, with the log-probability of each of its tokens."""

    text: str
    logprobs: tuple[float, ...]


def load_items(split: Split, count: int | None = None, *, longest: int = LONGEST_PASSAGE) -> list[Item]:
    """Questions of one part, in an order drawn with a fixed seed; the first `count` of them."""
    raw = json.loads(dataset("cmrc2018").file("cmrc2018_dev.json").read_text(encoding="utf-8"))
    items = [
        Item(entry["context_text"], question["query_text"], tuple(map(str, question["answers"])))
        for entry in raw
        if _split_of(entry["context_text"]) == split and len(entry["context_text"]) <= longest
        for question in entry["qas"]
    ]
    random.Random(0).shuffle(items)
    return items[:count]


def _split_of(passage: str) -> Split:
    share = int(hashlib.sha256(passage.encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.6 else "validation" if share < 0.75 else "test"


def draw(model: str, items: Sequence[Item], sampling: Sampling) -> tuple[list[list[Drawn]], float]:
    """`sampling.n` answers an item, and the processor seconds it took to draw them, then or now."""
    folder = settings().cache_dir / "benchmarks" / "draws"
    fingerprint = locate(model, "causal").fingerprint
    settled = {name: value for name, value in asdict(sampling).items() if value != getattr(Sampling(), name)}
    generator: Generator | None = None
    groups: list[list[Drawn]] = []
    seconds = 0.0
    for start in range(0, len(items), _AT_ONCE):
        prompts = [item.prompt for item in items[start : start + _AT_ONCE]]
        key = json.dumps([fingerprint, settled, prompts], ensure_ascii=False)
        path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        if not path.is_file():
            generator = generator or _warm(model, prompts[0])
            write_atomic(path, json.dumps(_draw(generator, prompts, sampling), ensure_ascii=False))
        kept = json.loads(path.read_text(encoding="utf-8"))
        seconds += kept["cpu_seconds"]
        groups += [[Drawn(text, tuple(logprobs)) for text, logprobs in group] for group in kept["groups"]]
        print(f"drawn {min(start + _AT_ONCE, len(items))} of {len(items)}, {seconds:.0f} CPU seconds", flush=True)
    return groups, seconds


def _warm(model: str, prompt: str) -> Generator:
    generator = load_generator(model)
    generator.generate([prompt], Sampling(max_tokens=1, temperature=0.8))  # the check of first use is not timed
    return generator


def _draw(generator: Generator, prompts: list[str], sampling: Sampling) -> dict[str, object]:
    started = time.process_time()
    drawn = [(one.text, one.logprobs) for one in generator.generate(prompts, sampling)]
    seconds = time.process_time() - started
    groups = [drawn[at : at + sampling.n] for at in range(0, len(drawn), sampling.n)]
    return {"cpu_seconds": seconds, "groups": groups}
