"""How fast our BLEU, chrF and ROUGE are beside sacrebleu and rouge-score, and whether they give the same numbers.

    OMP_NUM_THREADS=1 python -m benchmarks.metrics [--pairs 2000] [--repeats 3]

Both sides score the same pairs in one process on one core, English and Chinese (ROUGE: English only, rouge-score knows
no Chinese), made from the word lists below with a fixed seed. The time is the CPU time of the fastest repeat; each
repeat starts with empty caches, as on texts not seen before. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.metrics import Bleu, ChrF, Context, RougeL, RougeN

TOLERANCE = 1e-9

ENGLISH = "".join(
    "the a an of to in for and or but with without on at by from is are was were be been has have will may can not "
    "customer account transfer payment card fee limit balance statement branch invoice contract supplier deadline "
    "shipment warehouse inspection patient symptom fever headache treatment dose tablet physician record symptomatic "
    "annual quarterly increased decreased reported confirmed delayed rejected approved cancelled refunded requested "
    "relational happiness organisation hopefully national conditional electricity formalise adjustments activities "
    "within before after during several many few additional temporary permanent international domestic urgent"
).split()
CHINESE = "".join(
    "客户 账户 转账 付款 银行卡 手续费 额度 余额 对账单 网点 发票 合同 供应商 期限 发货 仓库 检验 患者 症状 发热 "
    "头痛 治疗 剂量 "
    "医生 病历 年度 季度 增加 减少 报告 确认 延迟 拒绝 批准 取消 退款 申请 之内 之前 之后 期间 若干 许多 临时 "
    "长期 国际 国内 "
    "紧急 的 了 在 是 不 和 与 或 但 将 可以 已经 没有 需要 通过 根据"
).split()
NUMBERS = ("30", "1,250", "4.5", "12%", "2024", "$99.95", "2024-05-17", "3-5")
ENGLISH_MARKS = (",", ",", ",", ";", ":", " (see below)", ' "as agreed"')
CHINESE_MARKS = ("，", "，", "、", "；", "（如下）", "《条款》", " APP ")

Pair = tuple[str, str]


def english_text(words: list[str]) -> str:
    return " ".join(words).capitalize() + "."


def chinese_text(words: list[str]) -> str:
    return "".join(words) + "。"


def draw(random_: random.Random, language: str) -> list[str]:
    """15 to 60 words, marks now and then after one, numbers among them; frequent words as in running text."""
    words, marks = (ENGLISH, ENGLISH_MARKS) if language == "en" else (CHINESE, CHINESE_MARKS)
    weights = [1 / (rank + 3) for rank in range(len(words))]
    drawn = random_.choices(words, weights, k=random_.randint(15, 60))
    for index in range(len(drawn)):
        if random_.random() < 0.05:
            drawn[index] = random_.choice(NUMBERS)
        if random_.random() < 0.1:
            drawn[index] += random_.choice(marks)
    return drawn


def edit(random_: random.Random, words: list[str], language: str) -> list[str]:
    """A candidate: the reference with words left out, replaced and moved, by a share drawn for each pair."""
    share = random_.random()
    vocabulary = ENGLISH if language == "en" else CHINESE
    kept = [random_.choice(vocabulary) if random_.random() < share / 2 else word for word in words]
    kept = [word for word in kept if random_.random() > share / 3]
    if kept and random_.random() < share:
        cut = random_.randrange(len(kept))
        kept = kept[cut:] + kept[:cut]
    return kept


def make_pairs(count: int, language: str, seed: int = 7) -> list[Pair]:
    """Candidates with their references."""
    random_ = random.Random(f"{seed}-{language}")
    join = english_text if language == "en" else chinese_text
    pairs = []
    for _ in range(count):
        reference = draw(random_, language)
        pairs.append((join(edit(random_, reference, language)), join(reference)))
    return pairs


@dataclass(frozen=True)
class Contest:
    name: str
    pairs: list[Pair]
    anchor: Callable[[list[Pair]], list[float]]
    ours: Callable[[list[Pair]], list[float]]


def contests(count: int) -> list[Contest]:
    english, chinese = make_pairs(count, "en"), make_pairs(count, "zh")
    return [
        Contest("bleu_13a", english, sacrebleu_bleu("13a"), our_bleu("13a")),
        Contest("bleu_zh", chinese, sacrebleu_bleu("zh"), our_bleu("zh")),
        Contest("bleu_corpus_13a", english, sacrebleu_bleu("13a", corpus=True), our_bleu("13a", corpus=True)),
        Contest("bleu_corpus_zh", chinese, sacrebleu_bleu("zh", corpus=True), our_bleu("zh", corpus=True)),
        Contest("chrf_en", english, sacrebleu_chrf(0), our_chrf(0)),
        Contest("chrf_zh", chinese, sacrebleu_chrf(0), our_chrf(0)),
        Contest("chrf++_en", english, sacrebleu_chrf(2), our_chrf(2)),
        Contest("chrf++_zh", chinese, sacrebleu_chrf(2), our_chrf(2)),
        Contest("rouge_1", english, rouge_score("rouge1"), our_rouge("rouge1")),
        Contest("rouge_2", english, rouge_score("rouge2"), our_rouge("rouge2")),
        Contest("rouge_l", english, rouge_score("rougeL"), our_rouge("rougeL")),
        Contest("rouge_l_stemmed", english, rouge_score("rougeL", stemmed=True), our_rouge("rougeL", stemmed=True)),
    ]


def sacrebleu_bleu(tokens: str, *, corpus: bool = False) -> Callable[[list[Pair]], list[float]]:
    from sacrebleu.metrics import BLEU

    def run(pairs: list[Pair]) -> list[float]:
        metric = BLEU(tokenize=tokens, effective_order=not corpus)
        for tokenizer in (type(metric.tokenizer), type(metric.tokenizer._post_tokenizer)):
            tokenizer.__call__.cache_clear()
        if corpus:
            return [metric.corpus_score([own for own, _ in pairs], [[other for _, other in pairs]]).score / 100]
        return [metric.sentence_score(own, [other]).score / 100 for own, other in pairs]

    return run


def our_bleu(tokens: str, *, corpus: bool = False) -> Callable[[list[Pair]], list[float]]:
    def run(pairs: list[Pair]) -> list[float]:
        metric = Bleu(tokens)
        candidates, contexts = split(pairs)
        if corpus:
            return [metric.corpus(candidates, contexts).value]
        return [score.value for score in metric.score(candidates, contexts)]

    return run


def sacrebleu_chrf(words: int) -> Callable[[list[Pair]], list[float]]:
    from sacrebleu.metrics import CHRF

    def run(pairs: list[Pair]) -> list[float]:
        metric = CHRF(word_order=words)
        return [metric.sentence_score(own, [other]).score / 100 for own, other in pairs]

    return run


def our_chrf(words: int) -> Callable[[list[Pair]], list[float]]:
    return lambda pairs: [score.value for score in ChrF(words=words).score(*split(pairs))]


def rouge_score(kind: str, *, stemmed: bool = False) -> Callable[[list[Pair]], list[float]]:
    from rouge_score.rouge_scorer import RougeScorer

    def run(pairs: list[Pair]) -> list[float]:
        scorer = RougeScorer([kind], use_stemmer=stemmed)
        return [scorer.score(other, own)[kind].fmeasure for own, other in pairs]

    return run


def our_rouge(kind: str, *, stemmed: bool = False) -> Callable[[list[Pair]], list[float]]:
    from core.metrics.stemming import stem

    def run(pairs: list[Pair]) -> list[float]:
        stem.cache_clear()
        metric = RougeL(stemmed=stemmed) if kind == "rougeL" else RougeN(int(kind[-1]), stemmed=stemmed)
        return [score.value for score in metric.score(*split(pairs))]

    return run


def split(pairs: list[Pair]) -> tuple[list[str], list[Context]]:
    return [own for own, _ in pairs], [Context(references=(other,)) for _, other in pairs]


def timed(run: Callable[[list[Pair]], list[float]], pairs: list[Pair], repeats: int) -> tuple[list[float], float]:
    """The values, and the CPU seconds of the fastest repeat."""
    fastest = float("inf")
    values: list[float] = []
    for _ in range(repeats):
        gc.collect()
        gc.freeze()  # what the other side left in memory is not for this one to look through
        start = time.process_time()
        values = run(pairs)
        fastest = min(fastest, time.process_time() - start)
    return values, fastest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    print(f"{'metric':18}{'anchor s':>10}{'ours s':>10}{'ratio':>8}{'largest difference':>22}")
    for contest in contests(arguments.pairs):
        contest.ours(contest.pairs[:2])  # imports are not what is measured
        theirs, anchor_seconds = timed(contest.anchor, contest.pairs, arguments.repeats)
        ours, our_seconds = timed(contest.ours, contest.pairs, arguments.repeats)
        difference = max(abs(a - b) for a, b in zip(theirs, ours, strict=True))
        ratio = anchor_seconds / our_seconds
        print(f"{contest.name:18}{anchor_seconds:10.3f}{our_seconds:10.3f}{ratio:8.1f}{difference:22.1e}")
        rows.append(
            {
                "metric": contest.name,
                "anchor_cpu_seconds": anchor_seconds,
                "our_cpu_seconds": our_seconds,
                "ratio": ratio,
                "largest_difference": difference,
                "equal": difference <= TOLERANCE,
            }
        )
    versions = {name: importlib.metadata.version(name) for name in ("sacrebleu", "rouge-score", "nltk", "numpy")}
    report = {
        "benchmark": "metrics",
        "pairs": arguments.pairs,
        "results": rows,
        "smallest_ratio": min(row["ratio"] for row in rows),
        "all_equal": all(row["equal"] for row in rows),
        "versions": versions,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
