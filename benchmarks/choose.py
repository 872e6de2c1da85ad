"""What choosing among 16 drawn answers gains, and refining the greedy one, on questions over CMRC2018 passages.

    OMP_NUM_THREADS=1 python -m benchmarks.choose [--model qwen2.5-coder-0.5b] [--questions 128] [--n 16]
                                                  [--learn 192] [--validate 96] [--save FOLDER]

Each question is answered from its passage once greedily and n times drawn. A reward is learned on questions of other
passages: a linear head on what the model itself makes of an answer it reads. Its ridge and the weight of agreement are
found by cross-validation on the parts for learning and validation, the margin of refining on validation alone, and the
test part is measured once. No choice sees a right answer. Measured is token F1 against the right answers, which is also
the oracle's measure: the best of n by F1. The gap closed is (chosen - one draw) / (oracle - one draw), one draw being
the mean over all n, with a bootstrap interval over questions. Cost is processor time over that of drawing the n
plainly. What was drawn and read is kept in the cache, with the time it took. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.questions import Drawn, Item, Split, draw, load_items
from benchmarks.reward import Group, Reader, card, fit, learn
from core.evaluation import bootstrap
from core.inference import Sampling
from core.inference.choose import choose_best, minimum_bayes_risk
from core.inference.reward import save_reward
from core.metrics import AnswerF1, Context, Groundedness

DRAWING = Sampling(max_tokens=32, temperature=0.8, top_p=0.95, seed=1)
MARGINS = tuple(step / 20 for step in range(11))


def prepared(
    model: str, reader: Reader, split: Split, count: int, n: int, *, greedy: bool = True
) -> tuple[list[Group], dict[str, float]]:
    """Groups of one part, and the seconds that drawing, reading and the greedy answers took."""
    from dataclasses import replace

    items: list[Item] = load_items(split, count)
    drawn, draw_seconds = draw(model, items, replace(DRAWING, n=n))
    first: list[list[Drawn]] = []
    greedy_seconds = 0.0
    if greedy:
        first, greedy_seconds = draw(model, items, Sampling(max_tokens=DRAWING.max_tokens))
    groups, read_seconds = reader.groups(items, drawn, [own[0].text for own in first] or None)
    return groups, {"draw": draw_seconds, "read": read_seconds, "greedy": greedy_seconds}


def every(group: Group) -> list[str]:
    """All texts drawn, equal ones too."""
    return [text for text, count in zip(group.texts, group.counts, strict=True) for _ in range(count)]


def index_of(choose: Callable[[Group], str]) -> Callable[[Group], int]:
    return lambda group: group.texts.index(choose(group))


def best_margin(groups: Sequence[Group], refined: Callable[[Group, float], int]) -> float:
    """The smallest margin with the highest mean F1."""
    means = [statistics.mean(group.f1[refined(group, margin)] for group in groups) for margin in MARGINS]
    return MARGINS[means.index(max(means))]


def row(groups: Sequence[Group], chosen: Sequence[int], seconds: float, draw_seconds: float) -> dict[str, object]:
    gains = [
        (group.f1[index] - group.one_draw, group.oracle - group.one_draw)
        for group, index in zip(groups, chosen, strict=True)
    ]

    def closed(rows: Sequence[object]) -> float:
        pairs: list[tuple[float, float]] = list(rows)  # type: ignore[arg-type]
        return sum(gain for gain, _ in pairs) / sum(gap for _, gap in pairs)

    interval = bootstrap(gains, closed)
    values = [group.f1[index] for group, index in zip(groups, chosen, strict=True)]
    return {
        **summary(values),
        "gap_closed": round(interval.value, 3),
        "interval": [round(interval.low, 3), round(interval.high, 3)],
        "cost_over_drawing": round(seconds / draw_seconds, 3),
    }


def summary(values: Sequence[float]) -> dict[str, object]:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"f1": round(statistics.mean(values), 4), "two_standard_errors": round(2 * error, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--questions", type=int, default=128, help="of the test part")
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--learn", type=int, default=192, help="questions to learn from")
    parser.add_argument("--validate", type=int, default=96, help="questions to choose settings on")
    parser.add_argument("--save", type=Path, help="folder to leave the learned reward in")
    given = parser.parse_args()

    reader = Reader(given.model)
    learning, _ = prepared(given.model, reader, "train", given.learn, given.n, greedy=False)
    validation, _ = prepared(given.model, reader, "validation", given.validate, given.n)
    learned = learn([*learning, *validation])
    tried = fit(learning, learned.ridge)
    margin = best_margin(validation, lambda group, some: group.refined(tried, learned.agreement, some))
    alone = best_margin(validation, lambda group, some: group.refined(tried, 0.0, some))
    settings = {
        "ridge": learned.ridge,
        "agreement": learned.agreement,
        "margin": margin,
        "margin_of_reward_alone": alone,
        "gap_closed_in_cross_validation": round(learned.gap_closed, 3),
    }
    print(f"learned on {len(learning) + len(validation)} questions: {settings}", flush=True)
    if given.save:
        save_reward(given.save, learned.head, card(given.model, settings))

    groups, seconds = prepared(given.model, reader, "test", given.questions, given.n)
    f1, grounded = AnswerF1(), Groundedness(language="zh")
    ways: dict[str, tuple[float, Callable[[Group], int]]] = {
        "mbr": (seconds["draw"], index_of(lambda group: minimum_bayes_risk(every(group)).text)),
        "mbr by F1": (seconds["draw"], index_of(lambda group: minimum_bayes_risk(every(group), f1).text)),
        "best by groundedness": (
            seconds["draw"],
            index_of(lambda group: choose_best(every(group), grounded, Context(evidence=(group.item.passage,))).text),
        ),
        "best by learned reward": (seconds["draw"] + seconds["read"], lambda group: group.chosen(learned.head, 0.0)),
        "learned choice": (
            seconds["draw"] + seconds["read"],
            lambda group: group.chosen(learned.head, learned.agreement),
        ),
        "greedy": (seconds["greedy"], lambda group: group.greedy or 0),
        "greedy, refined without margin": (
            sum(seconds.values()),
            lambda group: group.refined(learned.head, learned.agreement, 0.0),
        ),
        "greedy, refined": (
            sum(seconds.values()),
            lambda group: group.refined(learned.head, learned.agreement, margin),
        ),
    }
    report: dict[str, object] = {
        "one draw": summary([group.one_draw for group in groups]),
        "oracle of n": summary([group.oracle for group in groups]),
    }
    for name, (before, choose) in ways.items():
        started = time.process_time()
        chosen = [choose(group) for group in groups]
        report[name] = row(groups, chosen, before + time.process_time() - started, seconds["draw"])
    for name, figures in report.items():
        print(f"{name}: {figures}")
    head = {"benchmark": "choose", "model": given.model, "questions": len(groups), "n": given.n, **settings}
    print(json.dumps({**head, "draw_cpu_seconds": round(seconds["draw"], 1), **report}))


if __name__ == "__main__":
    main()
