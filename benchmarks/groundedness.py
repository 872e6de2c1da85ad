"""How well groundedness tells supported sentences from changed ones, and where its threshold comes from.

    TRIVIUM_DATA_DIR=… python -m benchmarks.groundedness

Chinese: CMRC2018 (development part); English: the abstracts of GSC+. Passages with even numbers choose the threshold,
odd ones are reported. Supported sentences: those that hold an answer, word for word; in Chinese also each question with
its answer put in place of the question word, in English each sentence shortened and its commonest words replaced.
Changed ones are made from these: another number, another name, a denial put in or taken out, an answer that belongs to
another question. The value of a sentence is 0 where a check fails, else the share of its words found together.
One JSON object on the last line.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from core.data import dataset
from core.metrics.groundedness import LIMITS, Limits
from core.metrics.names import find_names
from core.metrics.quantities import find_quantities
from core.metrics.support import Evidence, Support, check_sentence
from core.text import Span, split_sentences

QUESTION = re.compile(
    "(?:是)?(?:什么时候|什么时间|哪一年|哪年|何时|哪里|哪儿|哪个地方|什么地方|何处|谁|多少|几|什么|哪(?:一|两|几|些)?(?:个|位|座|家|部|种|些)?|为何|如何|怎样)"
)
DENY = {
    "zh": (("是", "不是"), ("有", "没有"), ("可以", "不可以"), ("能", "不能"), ("会", "不会"), ("为", "不为")),
    "en": tuple((f" {verb} ", f" {verb} not ") for verb in ("was", "were", "is", "are", "has", "had")),
}
AFFIRM = {
    "zh": (
        ("不是", "是"),
        ("没有", "有"),
        ("不能", "能"),
        ("无法", "可以"),
        ("不会", "会"),
        ("并未", "已"),
        ("没", ""),
    ),
    "en": ((" not ", " "), (" no ", " "), (" without ", " with "), (" never ", " ")),
}
SYNONYMS = {
    "showed": "had",
    "exhibited": "had",
    "found": "seen",
    "suggest": "indicate",
    "reported": "described",
    "observed": "seen",
    "demonstrated": "showed",
    "which": "that",
    "patients": "people",
    "several": "some",
}


SLACK = 0.005
"""Of the limits whose balanced accuracy is this close to the best, the strictest is chosen."""


@dataclass(frozen=True)
class Item:
    passage: int
    kind: str
    supported: bool
    text: str


def chinese() -> tuple[list[str], list[Item]]:
    raw = json.loads((dataset("cmrc2018").file("cmrc2018_dev.json")).read_text(encoding="utf-8"))
    passages = [entry["context_text"] for entry in raw]
    answers = [[qa["answers"][0] for qa in entry["qas"]] for entry in raw]
    random_ = random.Random(7)
    items: list[Item] = []
    for number, entry in enumerate(raw):
        for qa, answer in zip(entry["qas"], answers[number], strict=True):
            question = qa["query_text"].rstrip("？?")
            place = QUESTION.search(question)
            if place and len(answer) <= 30:
                said = (
                    question[: place.start()] + "是" * place[0].startswith("是") + "\0" + question[place.end() :] + "。"
                )
                items.append(Item(number, "statement", True, said.replace("\0", answer)))
                others = [other for other in answers[number] if other not in answer and answer not in other]
                if others:
                    items.append(
                        Item(number, "answer of another question", False, said.replace("\0", random_.choice(others)))
                    )
                stranger = foreign(random_, answers, number, answer, passages[number])
                items.append(Item(number, "answer of another passage", False, said.replace("\0", stranger)))
            sentence = sentence_with(passages[number], answer)
            if sentence:
                items.append(Item(number, "verbatim", True, sentence))
                swapped = sentence.replace(answer, foreign(random_, answers, number, answer, passages[number]))
                items.append(Item(number, "verbatim, other name", False, swapped))
                items += changed(random_, number, sentence, "zh")
    return passages, items


def english() -> tuple[list[str], list[Item]]:
    folder = dataset("gsc_plus").path() / "Text"
    passages = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.iterdir())]
    random_ = random.Random(7)
    names = [[name.span.of(text) for name in find_names(text)] for text in passages]
    items: list[Item] = []
    for number, text in enumerate(passages):
        for span in split_sentences(text):
            sentence = span.of(text)
            if len(sentence.split()) < 6:
                continue
            items.append(Item(number, "verbatim", True, sentence))
            items.append(Item(number, "statement", True, shortened(sentence)))
            for made in changed(random_, number, sentence, "en"):
                items += [made, Item(made.passage, made.kind, False, shortened(made.text))]
            own = [name.span.of(sentence) for name in find_names(sentence)]
            if own:
                other = random_.choice(random_.choice([some for at, some in enumerate(names) if at != number and some]))
                if other.casefold() not in text.casefold():
                    swapped = sentence.replace(random_.choice(own), other)
                    items.append(Item(number, "verbatim, other name", False, swapped))
    return passages, items


def foreign(random_: random.Random, answers: list[list[str]], number: int, answer: str, passage: str) -> str:
    """An answer of another passage, about as long, that this passage does not hold."""
    while True:
        other = random_.choice(answers[random_.randrange(len(answers))])
        if other not in passage and abs(len(other) - len(answer)) <= 2 + len(answer) // 2:
            return other


def sentence_with(text: str, answer: str) -> str | None:
    at = text.find(answer)
    for span in split_sentences(text):
        if span.start <= at and at + len(answer) <= span.end and len(span) <= 200:
            return span.of(text)
    return None


def shortened(sentence: str) -> str:
    plain = re.sub(r"\s*\([^()]*\)", "", sentence)
    plain = re.sub(r"\b(?:also|however|moreover|therefore|thus|very|previously|recently)\b,?\s*", "", plain)
    words = [SYNONYMS.get(word, word) for word in plain.split()]
    return " ".join(words)


def changed(random_: random.Random, number: int, sentence: str, language: str) -> Iterable[Item]:
    figures = [quantity for quantity in find_quantities(sentence) if re.search(r"\d", quantity.span.of(sentence))]
    if figures:
        span = random_.choice(figures).span
        digits = re.search(r"\d+", span.of(sentence))
        assert digits
        other = str(int(digits[0]) + random_.choice((1, 2, 7, 10)))
        text = sentence[: span.start] + span.of(sentence).replace(digits[0], other, 1) + sentence[span.end :]
        yield Item(number, "verbatim, other number", False, text)
    for kind, table in (("denial put in", DENY), ("denial taken out", AFFIRM)):
        fitting = [(old, new) for old, new in table[language] if old in sentence]
        if fitting:
            old, new = random_.choice(fitting)
            if kind == "denial put in" and language == "zh" and new in sentence:
                continue
            yield Item(number, f"verbatim, {kind}", False, sentence.replace(old, new, 1))


def check(passages: list[str], items: list[Item]) -> list[Support]:
    read = [Evidence.read([passage]) for passage in passages]
    return [check_sentence(item.text, Span(0, len(item.text)), read[item.passage]) for item in items]


def passes(support: Support, limits: Limits) -> bool:
    return not support.problems and support.coverage >= limits.coverage and len(support.gap) <= limits.gap


def value(support: Support, limits: Limits) -> float:
    """What the metric gives a sentence before coverage is asked for: 0 where a check fails, else the coverage."""
    return 0.0 if support.problems or len(support.gap) > limits.gap else support.coverage


def area(positive: list[float], negative: list[float]) -> float:
    """Area under the ROC curve, ties counting half."""
    from scipy.stats import rankdata

    ranks = rankdata(positive + negative)
    count = len(positive)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negative)))


def balanced(items: list[Item], passed: list[bool]) -> float:
    """Mean of the shares rightly passed and rightly refused."""
    supported = [passing for item, passing in zip(items, passed, strict=True) if item.supported]
    changed_ = [passing for item, passing in zip(items, passed, strict=True) if not item.supported]
    return (sum(supported) / len(supported) + 1 - sum(changed_) / len(changed_)) / 2


def f1(items: list[Item], passed: list[bool]) -> float:
    """F1 of finding the sentences that are not supported."""
    hits = sum(not passing and not item.supported for item, passing in zip(items, passed, strict=True))
    return 2 * hits / (sum(not passing for passing in passed) + sum(not item.supported for item in items))


def study(language: str, passages: list[str], items: list[Item]) -> dict[str, object]:
    supports = check(passages, items)
    even = [at for at, item in enumerate(items) if item.passage % 2 == 0]
    odd = [at for at, item in enumerate(items) if item.passage % 2 == 1]
    grid = [Limits(step / 20, gap) for step in range(4, 20) for gap in (1, 2, 3, 4, 5, 6, 99)]

    def accuracy(rows: list[int], limits: Limits) -> float:
        return balanced([items[at] for at in rows], [passes(supports[at], limits) for at in rows])

    accuracies = {candidate: accuracy(even, candidate) for candidate in grid}
    near = [candidate for candidate in grid if accuracies[candidate] >= max(accuracies.values()) - SLACK]
    limits = max(near, key=lambda candidate: (candidate.coverage, -candidate.gap))
    print(f"\n{language}: {limits} chosen on {len(even)} sentences (balanced accuracy {accuracy(even, limits):.3f}); "
          f"in force {LIMITS[language]} ({accuracy(even, LIMITS[language]):.3f})")  # fmt: skip
    limits = LIMITS[language]
    own = [items[at] for at in odd]
    passed = [passes(supports[at], limits) for at in odd]
    kinds: dict[str, dict[str, float]] = {}
    for supported, kind in sorted({(item.supported, item.kind) for item in own}):
        some = [ok for item, ok in zip(own, passed, strict=True) if (item.supported, item.kind) == (supported, kind)]
        label = f"{'supported' if supported else 'changed'}: {kind}"
        kinds[label] = {"n": len(some), "passes": round(sum(some) / len(some), 4)}
        print(f"  {label:42}{len(some):6}  passes {sum(some) / len(some):6.1%}")
    values = [value(supports[at], limits) for at in odd]
    summary: dict[str, object] = {
        "n": len(own),
        "coverage": limits.coverage,
        "gap": limits.gap,
        "auc": round(area([v for v, item in zip(values, own, strict=True) if item.supported],
                          [v for v, item in zip(values, own, strict=True) if not item.supported]), 4),
        "f1_of_unsupported": round(f1(own, passed), 4),
        "balanced_accuracy": round(balanced(own, passed), 4),
        "kinds": kinds,
    }  # fmt: skip
    print("  reported on", {name: number for name, number in summary.items() if name != "kinds"})
    return summary


def main() -> None:
    report = {"benchmark": "groundedness", "zh": study("zh", *chinese()), "en": study("en", *english())}
    print(json.dumps(report, ensure_ascii=False))


if __name__ == "__main__":
    main()
