"""What prompt search gains: instruction and demonstrations for ten BANKING77 topics, told apart by likelihood.

    OMP_NUM_THREADS=1 python -m benchmarks.prompts [--model smollm2-135m] [--cache answers.json]

Ten labels drawn with a fixed seed, 36 of their training questions each: 6 as demonstrations, 30 to measure with, cut
into training, validation and test parts by the search. 18 candidates: three instructions, without demonstrations,
with 5 or 10 fixed ones, and with 5 chosen for each question. The baseline is the first instruction without
demonstrations. Figures are accuracies on the test part, which the choice never sees. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from dataclasses import asdict
from pathlib import Path

from core.data import dataset
from core.inference import load_generator
from core.inference.held_out import LabelledInput
from core.inference.prompt_search import Shots, Task, search_prompts
from core.metrics import ExactMatch
from core.models import load_embedder
from core.progress import ProgressLine
from core.prompts.demonstrations import (
    AtRandom,
    Covering,
    Demonstration,
    LabelBalanced,
    MostSimilar,
    SimilarAndDiverse,
)

LABELS, MEASURED, SHOWN = 10, 30, 6


def load() -> tuple[list[str], list[LabelledInput], tuple[Demonstration, ...]]:
    """Topics, questions to measure with, and demonstrations."""
    by_label: dict[str, list[str]] = {}
    with dataset("banking77").file("train.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            by_label.setdefault(row["category"], []).append(row["text"])
    labels = sorted(random.Random(1).sample(sorted(by_label), LABELS))
    draw = random.Random(2)
    examples, shown = [], []
    for label in labels:
        topic = label.replace("_", " ")
        texts = draw.sample(by_label[label], MEASURED + SHOWN)
        examples += [LabelledInput(text, (topic,)) for text in texts[:MEASURED]]
        shown += [Demonstration(text, topic) for text in texts[MEASURED:]]
    return [label.replace("_", " ") for label in labels], examples, tuple(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--cache", type=Path, help="file of answers, to go on after a stop")
    given = parser.parse_args()
    topics, examples, pool = load()
    encoder = load_embedder("all-minilm-l6-v2")
    instructions = [
        "What is the customer's question about?",
        f"Classify the bank customer's question. Topics: {', '.join(topics)}. Answer with the topic alone.",
        "Name the topic of the customer's question in a few words.",
    ]
    shots = [
        Shots("none"),
        Shots("random 5, seed 0", pool, 5, AtRandom(0)),
        Shots("balanced 10", pool, 10, LabelBalanced(AtRandom(0))),
        Shots("cover 10", pool, 10, Covering(encoder)),
        Shots("similar 5", pool, 5, MostSimilar(encoder)),
        Shots("diverse 5", pool, 5, SimilarAndDiverse(encoder)),
    ]
    result = search_prompts(
        load_generator(given.model),
        instructions,
        shots,
        examples,
        Task(ExactMatch(), tuple(topics)),
        finalists=3,
        evaluations=300,
        cache=given.cache,
        progress=ProgressLine("prompts"),
    )
    for trial in result.trials:
        one = result.candidates[trial.candidate]
        print(
            f"{trial.stage:<11}{trial.figure.value:.3f} n={trial.figure.n:<4}{one.shots.name:<18}{one.instruction[:50]}"
        )
    print(
        json.dumps(
            {
                "benchmark": "prompts",
                "model": given.model,
                "candidates": len(result.candidates),
                "sizes": dict(result.sizes),
                "winner": {"instruction": result.best.instruction, "shots": result.best.shots.name},
                "baseline_test": asdict(result.baseline_test),
                "test": asdict(result.test),
                "gain": asdict(result.gain),
            }
        )
    )


if __name__ == "__main__":
    main()
