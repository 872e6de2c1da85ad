"""Measures what the decision rests on: `python -m apps.customer_service.evaluation.calibration`.

Prints the figures that `coverage`, `ranking` and `decision` state, so that whoever changes articles, examples or the
encoder can see whether they still hold. The public sets are read where they are there; of BANKING77 only training
questions, of CLINC150 only questions it marks as out of scope or that have nothing to do with a bank.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from apps.customer_service.dialogue.coverage import (
    STRENGTH,
    QuestionCoverage,
    features,
    learn_coverage,
    training_data,
    written_examples,
)
from apps.customer_service.dialogue.decision import ANSWER_FLOOR, CLARIFY_COST
from apps.customer_service.dialogue.ranking import rank_articles
from apps.customer_service.intents.questions import QuestionBank, read_question_bank
from apps.customer_service.intents.topics import TopicClassifier, learn_topics
from apps.customer_service.knowledge import Article, KnowledgeBase, knowledge_base_in_memory, open_knowledge_base
from core.config import settings
from core.data import dataset
from core.models import load_embedder
from core.progress import ProgressLine
from core.text import Language
from core.training.supervised.probe import cross_validated

_SAMPLE = 1500
_OTHER_SAMPLE = 600
_BANKING_TOPICS_TEXT = """
    transfer transactions balance freeze_account pay_bill bill_balance bill_due interest_rate routing min_payment
    order_checks pin_change report_fraud account_blocked spending_history damaged_card report_lost_card
    replacement_card_duration expiration_date card_declined international_fees application_status credit_limit
    new_card credit_limit_change international_visa travel_notification exchange_rate cancel rewards_balance
    redeem_rewards improve_credit_score credit_score apr
"""
_BANKING_TOPICS = frozenset(_BANKING_TOPICS_TEXT.split())


def main() -> None:
    """Print every figure."""
    embedder = load_embedder()
    base = open_knowledge_base(None, embedder, progress=ProgressLine("index"))
    bank = read_question_bank(base)
    print_cross_validation(bank, training_data(bank, embedder))
    coverage = learn_coverage(bank, embedder)
    plain = _without_questions(base)
    print_passage_curve(plain, bank)
    if dataset("banking77").is_available():
        rows = banking77_training_sample()
        print_public_coverage(coverage, plain, [text for text, _ in rows])
        topics = learn_topics(bank, embedder, lambda: load_embedder(settings().intent_encoder))
        print_ranking(base, topics, rows)


def print_cross_validation(bank: QuestionBank, data: tuple[NDArray[np.float32], list[str]]) -> None:
    """Recall of each case by language, every row judged by a model that did not see it."""
    vectors, labels = data
    languages = np.concatenate([bank.languages, written_examples()[1]])
    names = np.array(sorted(set(labels)))
    found = names[cross_validated(vectors, labels, strength=STRENGTH, balanced=True).argmax(axis=1)]
    for language in ("en", "zh"):
        for name in names:
            rows = (np.array(labels) == name) & (languages == language)
            recall = np.mean(found[rows] == name)
            print(f"coverage, cross-validated, {language}: recall of {name} {recall:.3f} (n={rows.sum()})")


def print_passage_curve(plain: KnowledgeBase, bank: QuestionBank) -> None:
    """The logistic curve of the fused score for documents without questions, and its recalls."""
    from sklearn.linear_model import LogisticRegression

    covered = np.array([_best_score(plain, text, lang) for text, lang in zip(bank.texts, bank.languages, strict=True)])
    texts, languages, labels = written_examples()
    outside = np.array(
        [
            _best_score(plain, text, lang)
            for text, lang, label in zip(texts, languages, labels, strict=True)
            if label == "outside"
        ]
    )
    scores = np.concatenate([covered, outside])
    truth = [1] * len(covered) + [0] * len(outside)
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(scores[:, None], truth)
    slope = float(model.coef_[0, 0])
    even = float(-model.intercept_[0] / slope)
    print(f"passages: even odds at {even:.4f}, slope {slope:.1f}")
    print(f"passages: covered above {np.mean(covered > even):.3f}, outside below {np.mean(outside < even):.3f}")


def print_public_coverage(coverage: QuestionCoverage, plain: KnowledgeBase, banking: list[str]) -> None:
    """How public questions are judged that nothing was fitted to."""
    print(f"coverage of {len(banking)} BANKING77 training questions: {_verdicts(coverage, banking)}")
    if dataset("clinc150").is_available():
        data = json.loads((dataset("clinc150").path() / "data_full.json").read_text(encoding="utf-8"))
        out_of_scope = [row[0] for row in data["oos_val"] + data["oos_train"]]
        other = [row[0] for row in data["val"] if row[1] not in _BANKING_TOPICS]
        other = [other[row] for row in np.random.default_rng(1).permutation(len(other))[:_OTHER_SAMPLE]]
        print(f"coverage of {len(out_of_scope)} CLINC150 out-of-scope questions: {_verdicts(coverage, out_of_scope)}")
        print(f"coverage of {len(other)} CLINC150 other-domain questions: {_verdicts(coverage, other)}")


def print_ranking(base: KnowledgeBase, topics: TopicClassifier, rows: list[tuple[str, str]]) -> None:
    """Accuracy of the ranking, how far its probability can be trusted, and the floor below which asking is cheaper."""
    top, right, among = [], [], []
    for text, topic in rows:
        ranked = rank_articles(base, topics, text, "en")
        found = [item.article.topic for item in ranked[:5]]
        top.append(ranked[0].probability)
        right.append(found[0] == topic)
        among.append([topic in found[:k] for k in (1, 3, 5)])
    hits = np.mean(among, axis=0)
    print(f"ranking of {len(rows)}: at 1 / 3 / 5 {hits.round(3)}, mean probability of the first {np.mean(top):.3f}")
    in_three = np.array(among)[:, 1]
    for floor in (0.0, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, ANSWER_FLOOR):
        asks = np.array(top) < floor
        cost = np.where(asks, np.where(in_three, CLARIFY_COST, 1.0), 1.0 - np.array(right))
        print(
            f"floor {floor:.2f}: asks back {asks.mean():.3f}, answers right {np.mean(np.array(right)[~asks]):.3f}, "
            f"mean cost {cost.mean():.4f}"
        )


def banking77_training_sample() -> list[tuple[str, str]]:
    """`(text, topic)` of a fixed sample of training questions."""
    with (dataset("banking77").path() / "train.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(stream)]
    return [rows[row] for row in np.random.default_rng(0).permutation(len(rows))[:_SAMPLE]]


def _verdicts(coverage: QuestionCoverage, texts: list[str]) -> dict[str, float]:
    vectors = coverage.embedder.encode_queries(texts)
    languages = np.array(["en"] * len(texts))
    rows = features(texts, vectors, coverage.bank.nearest(vectors, languages), languages)
    found = np.array(coverage.classifier.labels)[coverage.classifier.log_probabilities(rows).argmax(axis=1)]
    return {name: round(float(np.mean(found == name)), 3) for name in coverage.classifier.labels}


def _without_questions(base: KnowledgeBase) -> KnowledgeBase:
    articles = [
        Article(
            replace(
                article.document,
                metadata={key: value for key, value in article.document.metadata.items() if key != "questions"},
            )
        )
        for article in base.articles.values()
    ]
    return knowledge_base_in_memory(articles, base.embedder)


def _best_score(base: KnowledgeBase, text: str, language: str) -> float:
    chosen: Language = "zh" if language == "zh" else "en"
    return base.search(text, chosen, k=1)[0].score


if __name__ == "__main__":
    main()
