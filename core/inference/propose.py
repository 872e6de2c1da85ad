"""New instructions for a task, written by the generator itself from demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.inference.generator import Generator, Sampling
from core.prompts.demonstrations import AtRandom, Demonstration
from core.text import Language

_ASK: dict[Language, tuple[str, str]] = {
    "en": (
        "Somebody was given one instruction and answered each input below by it.",
        "Write that instruction, in one or two sentences that hold for every such input. Write nothing else.",
    ),
    "zh": (
        "有人按照同一条指令，对下面每个输入给出了回答。",
        "请写出这条指令，用一两句话，适用于所有这类输入。只写指令本身。",
    ),
}
_LABELS: dict[Language, tuple[str, str]] = {"en": ("Input", "Answer"), "zh": ("输入", "回答")}
_SHOWN = 6
_DRAWING = Sampling(max_tokens=80, temperature=0.9, top_p=0.95)
_LONGEST = 400


def propose_instructions(
    generator: Generator,
    demonstrations: Sequence[Demonstration],
    count: int,
    *,
    language: Language = "en",
    seed: int = 0,
) -> list[str]:
    """At most `count` different instructions that the generator infers from demonstrations.

    Forward generation of Zhou et al. 2023 ("Large language models are human-level prompt engineers", section 3.1).
    Every draw shows other demonstrations. Empty, overlong (above 400 characters) and repeated ones are left out, so
    there may be fewer. Whether any is good, only the search can tell.

    Args:
        demonstrations: from the training part alone.
    """
    ask, end = _ASK[language]
    asks, answers = _LABELS[language]
    prompts = []
    for draw in range(count):
        shown = AtRandom(seed + draw).choose("", demonstrations, _SHOWN)
        pairs = "\n\n".join(f"{asks}: {one.input}\n{answers}: {one.answer}" for one in shown)
        prompts.append(f"{ask}\n\n{pairs}\n\n{end}")
    if not prompts:
        return []
    texts = [one.text.strip() for one in generator.generate(prompts, replace(_DRAWING, seed=seed))]
    return [text for text in dict.fromkeys(texts) if text and len(text) <= _LONGEST]
