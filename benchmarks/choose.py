"""What choosing among 16 drawn answers and refining them gains, on questions over CMRC2018 passages (Chinese, dev).

    OMP_NUM_THREADS=1 python -m benchmarks.choose [--model qwen2.5-coder-0.5b] [--questions 32] [--n 16]

Each question is answered from its passage: once greedily, n times drawn, and the greedy draft is refined with the
groundedness metric, which sees the passage and never the right answer. Measured is token F1 against the right answers,
which is also the oracle's measure: the best of n by F1. The gap closed is (chosen - one draw) / (oracle - one draw),
one draw being the mean over all n. Cost is processor time over that of drawing the n plainly. The interval of each mean
is two standard errors. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import replace

from core.data import dataset
from core.inference import Generator, Sampling, load_generator
from core.inference.choose import choose_best, minimum_bayes_risk
from core.inference.refine import evaluator, refine
from core.inference.revise import EditWorst, Regenerate, ResampleUnlikely
from core.metrics import AnswerF1, Context, Groundedness

TASK = "根据资料，用资料中的原文简短回答问题，只写答案。\n资料：{passage}\n问题：{question}"
LONGEST_PASSAGE = 500
"""Characters; what is longer is left out to keep the run short."""
Item = tuple[str, str, tuple[str, ...]]


def load_items(count: int) -> list[Item]:
    """Passage, question and right answers of questions drawn with a fixed seed."""
    raw = json.loads((dataset("cmrc2018").file("cmrc2018_dev.json")).read_text(encoding="utf-8"))
    items = [
        (entry["context_text"], question["query_text"], tuple(question["answers"]))
        for entry in raw
        for question in entry["qas"]
        if len(entry["context_text"]) <= LONGEST_PASSAGE
    ]
    return random.Random(0).sample(items, count)


def f1(text: str, item: Item) -> float:
    return AnswerF1().score([text], Context(references=item[2]))[0].value


def summary(values: list[float]) -> dict[str, float]:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"f1": round(statistics.mean(values), 4), "two_standard_errors": round(2 * error, 4)}


def refined(generator: Generator, prompt: str, draft: str, item: Item) -> str:
    short = Sampling(max_tokens=32, temperature=0.8, top_p=0.95, n=2, seed=1)
    ways = [way(generator, prompt, short) for way in (Regenerate, EditWorst, ResampleUnlikely)]
    evaluate = evaluator(Groundedness(language="zh"), Context(evidence=(item[0],)))
    return refine(draft, evaluate, ways, rounds=2).text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--questions", type=int, default=32)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--no-refine", action="store_true", help="leave out the refinement, which takes the longest")
    given = parser.parse_args()

    generator = load_generator(given.model)
    items = load_items(given.questions)
    prompts = [TASK.format(passage=passage, question=question) for passage, question, _ in items]
    drawing = Sampling(max_tokens=32, temperature=0.8, top_p=0.95, seed=1)
    generator.generate(prompts[:1], replace(drawing, max_tokens=1))  # the check of first use is not timed

    seconds: dict[str, float] = {}

    def timed(name: str, run):
        started = time.process_time()
        result = run()
        seconds[name] = time.process_time() - started
        return result

    drawn = timed("draw", lambda: generator.generate(prompts, replace(drawing, n=given.n)))
    groups = [[one.text for one in drawn[at : at + given.n]] for at in range(0, len(drawn), given.n)]
    grounded = Groundedness(language="zh")

    def most_grounded(group: list[str], item: Item) -> list[str]:
        values = [score.value for score in grounded.score(group, Context(evidence=(item[0],)))]
        return [text for text, value in zip(group, values, strict=True) if value == max(values)]

    chosen = {
        "mbr": timed("mbr", lambda: [minimum_bayes_risk(group).text for group in groups]),
        "mbr by F1": timed("mbr by F1", lambda: [minimum_bayes_risk(group, AnswerF1()).text for group in groups]),
        "mbr by F1 among the most grounded": timed(
            "mbr by F1 among the most grounded",
            lambda: [
                minimum_bayes_risk(most_grounded(group, item), AnswerF1()).text
                for group, item in zip(groups, items, strict=True)
            ],
        ),
        "best of n by groundedness": timed(
            "best of n by groundedness",
            lambda: [
                choose_best(group, grounded, Context(evidence=(item[0],))).text
                for group, item in zip(groups, items, strict=True)
            ],
        ),
    }
    chosen["greedy"] = timed(
        "greedy", lambda: [one.text for one in generator.generate(prompts, Sampling(max_tokens=32))]
    )
    if not given.no_refine:
        chosen["greedy, refined"] = timed(
            "greedy, refined",
            lambda: [
                refined(generator, prompt, draft, item)
                for prompt, draft, item in zip(prompts, chosen["greedy"], items, strict=True)
            ],
        )
    every = [[f1(text, item) for text in group] for group, item in zip(groups, items, strict=True)]
    one_draw = [statistics.mean(values) for values in every]
    oracle = [max(values) for values in every]
    gap = statistics.mean(oracle) - statistics.mean(one_draw)
    report = {"one draw": summary(one_draw), "oracle of n": summary(oracle)}
    for name, texts in chosen.items():
        values = [f1(text, item) for text, item in zip(texts, items, strict=True)]
        cost = seconds[name] + (0.0 if name.startswith("greedy") else seconds["draw"])
        report[name] = {
            **summary(values),
            "gap_closed": round((statistics.mean(values) - statistics.mean(one_draw)) / gap, 3) if gap else 0.0,
            "cost_over_drawing": round(cost / seconds["draw"], 3),
        }
    for name, row in report.items():
        print(f"{name}: {row}")
    print(
        json.dumps(
            {
                "benchmark": "choose",
                "model": generator.name,
                "questions": len(items),
                "n": given.n,
                "draw_cpu_seconds": round(seconds["draw"], 1),
                **report,
            }
        )
    )


if __name__ == "__main__":
    main()
