"""A small task for policies of some hundred thousand weights: copy one note of the day out of several.

A prompt holds three notes of three words, for the morning, for noon and for the evening, and asks for one of them; the
reference is that note, and the reward ROUGE-L. The starting policy is trained here, by supervised learning, first on
right answers, then on careless ones: some are right, most copy another note, stop early or mix two notes. So it can do
what is asked, but seldom does; rewards have to bring that out. Everything is drawn from seeds; nothing is read from
disk.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.word_models import random_model, word_tokenizer
from core.metrics.metric import Context
from core.models.loading import LoadedModel
from core.training.data.batches import BucketedBatches
from core.training.data.packing import UNTRAINED
from core.training.experience import PromptItem
from core.training.optimiser import OptimiserConfig
from core.training.supervised import CausalObjective, SupervisedLearner

WORDS = (
    ["red", "blue", "green", "grey", "black", "white", "brown", "pink", "gold", "dark", "pale", "old"],
    ["cup", "pen", "hat", "key", "book", "lamp", "coat", "ring", "bell", "rope", "map", "drum"],
    ["table", "door", "tree", "well", "stairs", "wall", "bed", "bridge", "gate", "roof", "shelf", "cart"],
)
"""The three words of a note."""
TIMES = ["morning", "noon", "evening"]
MARKS = [":", ";", "when", "?"]
ANSWER_TOKENS = 6
"""An answer has three and the end token."""
CARELESS = {"right": 0.35, "other": 0.4, "short": 0.15, "mixed": 0.1}
"""How the answers come about that the starting policy learns from in the second half of its training."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """A prompt, the note that is asked for, and another."""

    prompt: str
    answer: tuple[str, ...]
    other: tuple[str, ...]


def puzzles(count: int, seed: int, without: frozenset[str] = frozenset()) -> list[Puzzle]:
    """`count` different ones, none of whose prompts is in `without`."""
    source = random.Random(seed)
    found: dict[str, Puzzle] = {}
    while len(found) < count:
        notes = list(zip(*(source.sample(words, len(TIMES)) for words in WORDS), strict=True))
        asked, other = source.sample(range(len(TIMES)), 2)
        written = " ; ".join(f"{time} : {' '.join(note)}" for time, note in zip(TIMES, notes, strict=True))
        prompt = f"{written} ; when ? {TIMES[asked]} :"
        if prompt not in without:
            found[prompt] = Puzzle(prompt, notes[asked], notes[other])
    return list(found.values())


def careless_answer(puzzle: Puzzle, source: random.Random) -> tuple[str, ...]:
    """An answer of the kinds of `CARELESS`."""
    kind = source.choices(list(CARELESS), list(CARELESS.values()))[0]
    if kind == "right":
        return puzzle.answer
    if kind == "other":
        return puzzle.other
    if kind == "short":
        return puzzle.answer[: source.randint(1, 2)]
    return puzzle.answer[:1] + puzzle.other[1:]


def tokenizer() -> Any:
    """One token a word."""
    return word_tokenizer([*MARKS, *TIMES, *(word for column in WORDS for word in column)], most_tokens=64)


def prompt_items(chosen: Sequence[Puzzle], tokens: Any) -> list[PromptItem]:
    """To practise on, or to be measured on."""
    return [
        PromptItem(
            puzzle.prompt,
            tuple(tokens(puzzle.prompt)["input_ids"]),
            puzzle.prompt,
            Context(references=(" ".join(puzzle.answer),)),
        )
        for puzzle in chosen
    ]


def starting_policy(steps: int, seed: int, *, learning_rate: float = 2e-3, rows: int = 64) -> LoadedModel:
    """A two-layer model trained on `steps` batches, no prompt seen twice; careless answers from the middle on."""
    tokens = tokenizer()
    loaded = random_model("notes", tokens, seed, spread=0.05, tied=True)
    model = loaded.model.train()
    source = random.Random(seed)
    sequences, labels = [], []
    for number, puzzle in enumerate(puzzles(steps * rows, seed)):
        prompt = tokens(puzzle.prompt)["input_ids"]
        words = careless_answer(puzzle, source) if number >= steps * rows // 2 else puzzle.answer
        answer = [*tokens(" ".join(words))["input_ids"], tokens.eos_token_id]
        sequences.append(np.array(prompt + answer, dtype=np.int32))
        labels.append(np.array([UNTRAINED] * len(prompt) + answer, dtype=np.int64))
    learner = SupervisedLearner(
        model,
        dict(model.named_parameters()),
        CausalObjective(),
        BucketedBatches(sequences, labels, rows, seed, tokens.pad_token_id, 1, lambda _: np.arange(len(sequences))),
        optimiser=OptimiserConfig(learning_rate=learning_rate, schedule="cosine", warmup_steps=steps // 20),
        steps=steps,
        seed=seed,
        piece_rows=rows,
    )
    for index in range(steps):
        figures = learner.step(index)
        if index % 100 == 99:
            print(f"starting policy, step {index + 1}: loss {figures['loss']:.3f}", flush=True)
    model.eval()
    return loaded
