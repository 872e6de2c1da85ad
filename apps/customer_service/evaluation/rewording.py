"""Measures what refinement gains when answers are phrased: `python -m apps.customer_service.evaluation.rewording`.

Sentences of the demo articles, drawn the same each time, are reworded as in an answer. Printed for each language: the
share that the model copies, the share reworded and accepted after the draft alone and after refinement, and what
refinement costs. Every accepted rewording is listed under its quotation, to be read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from apps.customer_service.dialogue.phrasing import reworded
from apps.customer_service.knowledge import KnowledgeBase, open_knowledge_base
from core.evaluation import proportion
from core.inference import Completion, ContinuationScore, Generator, Sampling, load_generator
from core.inference.generator import GREEDY
from core.inference.phrase import Phrased
from core.models import load_embedder
from core.progress import ProgressCallback, ProgressLine
from core.prompts.messages import Prompt
from core.text import Language

if TYPE_CHECKING:
    from core.retrieval import Embedder

_AN_ANSWER = 3  # sentences that are reworded in one batch


@dataclass(frozen=True, slots=True)
class Reworded:
    """One quotation and what became of it."""

    quotation: str
    found: Phrased

    @property
    def copied(self) -> bool:
        """The draft is the quotation itself: nothing was reworded, nothing can be wrong."""
        return self.found.attempts[0].text == self.quotation

    @property
    def by_draft(self) -> bool:
        return not self.copied and self.found.attempts[0].accepted

    @property
    def by_refinement(self) -> bool:
        return not self.found.attempts[0].accepted and self.found.text not in (None, self.quotation)


class Timed:
    """A generator that notes its calls and their CPU seconds; the first call of an answer writes the drafts."""

    def __init__(self, inner: Generator) -> None:
        self._inner = inner
        self.name = inner.name
        self.seconds: list[float] = []

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling = GREEDY, progress: ProgressCallback | None = None
    ) -> list[Completion]:
        started = time.process_time()
        found = self._inner.generate(prompts, sampling, progress)
        self.seconds.append(time.process_time() - started)
        return found

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        return self._inner.stream(prompt, sampling)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        started = time.process_time()
        found = self._inner.score(prompts, continuations)
        self.seconds.append(time.process_time() - started)
        return found


def sample(base: KnowledgeBase, language: Language, count: int) -> list[tuple[str, str]]:
    """`(question, sentence)` of so many sentences that would be reworded, drawn with a fixed seed."""
    rows = [
        (article.questions[0], sentence.text)
        for article in base.articles.values()
        if article.language == language and article.questions
        for sentence in base.sentences(article.id)
        if sentence.kind in ("sentence", "item")
    ]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))[:count]]


def measure(
    generator: Generator, embedder: Embedder, rows: Sequence[tuple[str, str]], language: Language
) -> tuple[list[Reworded], float, float]:
    """What became of each sentence, and the CPU seconds of the drafts and of everything."""
    found: list[Reworded] = []
    drafts = everything = 0.0
    progress = ProgressLine(f"Rewording ({language})")
    for start in range(0, len(rows), _AN_ANSWER):
        part = rows[start : start + _AN_ANSWER]
        timed = Timed(generator)
        texts = [text for _, text in part]
        phrased = reworded(timed, embedder, texts, part[0][0], language)
        found += [Reworded(text, one) for text, one in zip(texts, phrased, strict=True)]
        drafts += timed.seconds[0]
        everything += sum(timed.seconds)
        progress(len(found), len(rows))
    return found, drafts, everything


def report(found: Sequence[Reworded], drafts_seconds: float, seconds: float, language: Language) -> list[str]:
    """The figures as lines, then every accepted rewording under its quotation."""
    n = len(found)
    lines = [f"{language}, {n} sentences"]
    for name, count in (
        ("copied by the draft", sum(one.copied for one in found)),
        ("reworded and accepted after the draft", sum(one.by_draft for one in found)),
        ("reworded and accepted after refinement", sum(one.by_draft or one.by_refinement for one in found)),
        ("refused to the end", sum(not one.found.accepted for one in found)),
    ):
        share = proportion(count, n)
        lines.append(f"  {name}: {share.value:.3f} [{share.low:.3f}, {share.high:.3f}]")
    lines.append(f"  CPU seconds: {drafts_seconds:.1f} for the drafts, {seconds:.1f} in all")
    for one in found:
        if one.by_draft or one.by_refinement:
            lines += [
                f"  = {one.quotation}",
                f"  > {one.found.text} ({one.found.chosen.by if one.found.chosen else ''})",
            ]
    return lines


def main() -> None:
    """Print the figures of both languages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sentences", type=int, default=60, help="of each language")
    arguments = parser.parse_args()
    embedder = load_embedder()
    base = open_knowledge_base(None, embedder, progress=ProgressLine("index"))
    generator = load_generator()
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        found, drafts, seconds = measure(generator, embedder, sample(base, language, arguments.sentences), language)
        print("\n".join(report(found, drafts, seconds, language)))


if __name__ == "__main__":
    main()
