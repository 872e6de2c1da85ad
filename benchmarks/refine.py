"""What refining for groundedness does to free-form answers of the default model, in Chinese and English.

    OMP_NUM_THREADS=1 python -m benchmarks.refine [--model qwen2.5-coder-0.5b] [--answers 16]

Chinese: questions on CMRC2018 passages (the test part of `benchmarks.questions`), to be answered in sentences; English:
abstracts of GSC+, to be told in two or three sentences. The greedy text is refined against the passage with one round
of regeneration, of editing the worst sentence and of resampling. Measured is the share of texts whose every sentence
passes `core.metrics.Groundedness`, the mean groundedness, and, in Chinese, whether the right answer is in the text: the
metric refined for is also the one reported, so that last figure says what it costs. Intervals are Wilson's, 95 %.
Finished texts are kept in the cache. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.questions import load_items
from core.config import settings
from core.data import dataset
from core.evaluation import proportion
from core.files import write_atomic
from core.inference import Generator, Sampling, load_generator
from core.inference.refine import evaluator, refine
from core.inference.revise import EditWorst, Regenerate, ResampleUnlikely
from core.metrics import Context, Groundedness
from core.models.locate import locate
from core.text.language import detect_language

ZH = "根据资料，用两三句完整的话回答问题，只写资料中有的内容。\n资料：{evidence}\n问题：{question}"
EN = "Say in two or three sentences what this text reports. Write only what is in the text.\nText: {evidence}"
LONGEST = Sampling(max_tokens=96)
AGAIN = Sampling(max_tokens=96, temperature=0.8, top_p=0.95, n=2, seed=1)


@dataclass(frozen=True)
class Task:
    prompt: str
    evidence: str
    answers: tuple[str, ...] = ()


def chinese(count: int) -> list[Task]:
    items = load_items("test", count)
    return [
        Task(ZH.format(evidence=item.passage, question=item.question), item.passage, item.answers) for item in items
    ]


def english(count: int) -> list[Task]:
    folder = dataset("gsc_plus").path() / "Text"
    texts = [path.read_text(encoding="utf-8", errors="replace").strip() for path in sorted(folder.iterdir())]
    chosen = random.Random(0).sample([text for text in texts if 400 <= len(text) <= 1200], count)
    return [Task(EN.format(evidence=text), text) for text in chosen]


def answered(load: Callable[[], Generator], fingerprint: str, task: Task) -> dict[str, object]:
    """Draft and refined text with the processor seconds of each, from the cache where they are there."""
    key = hashlib.sha256(f"{fingerprint}\n{LONGEST}\n{AGAIN}\n{task.prompt}".encode()).hexdigest()[:24]
    path = settings().cache_dir / "benchmarks" / "refined" / f"{key}.json"
    if not path.is_file():
        generator = load()
        started = time.process_time()
        draft = generator.generate([task.prompt], LONGEST)[0].text
        drafted = time.process_time()
        ways = [way(generator, task.prompt, AGAIN) for way in (Regenerate, EditWorst, ResampleUnlikely)]
        found = refine(
            draft,
            evaluator(Groundedness(language=detect_language(task.evidence)), Context(evidence=(task.evidence,))),
            ways,
            rounds=1,
        )
        seconds = {"draft_seconds": drafted - started, "refine_seconds": time.process_time() - drafted}
        write_atomic(path, json.dumps({"draft": draft, "refined": found.text, **seconds}, ensure_ascii=False))
    kept: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def state(texts: Sequence[str], tasks: Sequence[Task]) -> dict[str, object]:
    scores = [
        Groundedness().score([text], Context(evidence=(task.evidence,)))[0]
        for text, task in zip(texts, tasks, strict=True)
    ]
    whole = [bool(score.parts) and all(part.value > 0 for part in score.parts) for score in scores]
    share = proportion(sum(whole), len(whole))
    report: dict[str, object] = {
        "fully_grounded": round(share.value, 3),
        "interval": [round(share.low, 3), round(share.high, 3)],
        "groundedness": round(statistics.mean(score.value for score in scores), 3),
        "characters": round(statistics.mean(map(len, texts)), 1),
    }
    if tasks[0].answers:
        held = [any(answer in text for answer in task.answers) for text, task in zip(texts, tasks, strict=True)]
        report["holds_the_answer"] = round(sum(held) / len(held), 3)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--answers", type=int, default=16, help="in each language")
    given = parser.parse_args()
    fingerprint = locate(given.model, "causal").fingerprint
    report: dict[str, object] = {"benchmark": "refine", "model": given.model, "answers": given.answers}
    for language, tasks in (("zh", chinese(given.answers)), ("en", english(given.answers))):
        found = []
        for number, task in enumerate(tasks, start=1):
            found.append(answered(lambda: load_generator(given.model), fingerprint, task))
            print(f"{language}: {number} of {len(tasks)}", flush=True)
        cost = {
            name: round(sum(float(str(one[f"{name}_seconds"])) for one in found), 1) for name in ("draft", "refine")
        }
        before, after = (state([str(one[name]) for one in found], tasks) for name in ("draft", "refined"))
        report[language] = {"before": before, "after": after, "cpu_seconds": cost}
        print(language, report[language])
    print(json.dumps(report))


if __name__ == "__main__":
    main()
