"""Whether the knowledge base covers a question: covered, outside, or too vague to tell.

Cosines of a sentence encoder alone cannot say it: E5 gives an unrelated question .79 and a good match .90. So a
logistic regression with three classes is fitted to the question's vector, its cosine to the nearest question of the
knowledge base, and its length. "Covered" are the base's own questions, each compared with all others but itself;
"outside" and "vague" were written for it (`calibration_questions.yaml`). Classes weigh the same, so the likeliest class
is the one that costs least where a wrong answer costs as much as a missed one.

Six-fold cross-validation, multilingual-e5-small (`python -m apps.customer_service.evaluation.calibration`):
recall of covered / outside / vague in English .93 / .89 / .94, in Chinese .96 / .93 / .94. On public questions that
were not used for fitting: 96 % of 1,500 BANKING77 training questions are called covered, 96 % of 200 out-of-scope and
91 % of 600 other-domain questions of CLINC150 are called outside.

Another folder of documents has neither questions nor counter-examples of its own. There the fused score of the best
passage decides, by a logistic curve fitted on the demo articles without their questions: at even odds 88 % of their
questions and 79 % of the BANKING77 ones are called covered, 90 % of the written outside questions and 97 % of
CLINC150's are not. How well that carries over to other documents is not known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray

from apps.customer_service.intents.questions import QuestionBank, fitted_once
from core.errors import ConfigError
from core.text import Language
from core.training.supervised.probe import LinearClassifier, Vectors, fit

if TYPE_CHECKING:
    from core.retrieval import Embedder

CALIBRATION_FILE = Path(__file__).parent / "calibration_questions.yaml"
CALIBRATED_ENCODER = "multilingual-e5-small"
STRENGTH = 0.01
_COSINE_WEIGHT, _COSINE_CENTRE = 20.0, 0.88
_LENGTH_WEIGHT = 0.5
_CHARACTERS_A_WORD = 1.6  # Chinese
_PASSAGE_SCORE_AT_EVEN_ODDS = 0.8933
_PASSAGE_SCORE_SLOPE = 80.3
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """Probabilities of the three cases; they sum to one."""

    covered: float
    outside: float
    vague: float

    @property
    def verdict(self) -> str:
        """The likeliest case: "covered", "outside" or "vague"."""
        cases = {"covered": self.covered, "outside": self.outside, "vague": self.vague}
        return max(cases, key=cases.__getitem__)


class CoverageModel(Protocol):
    """Judges one question, given the fused score of its best passage."""

    def judge(self, question: str, language: Language, best_score: float) -> Coverage: ...


@dataclass(frozen=True, slots=True, eq=False)
class QuestionCoverage:
    """For a base whose articles name their questions."""

    bank: QuestionBank
    classifier: LinearClassifier
    embedder: Embedder

    def judge(self, question: str, language: Language, best_score: float) -> Coverage:
        del best_score
        vectors = self.embedder.encode_queries([question])
        languages = np.array([language])
        row = features([question], vectors, self.bank.nearest(vectors, languages), languages)
        return Coverage(**dict(zip(self.classifier.labels, _exp(self.classifier, row), strict=True)))


@dataclass(frozen=True, slots=True)
class PassageCoverage:
    """For any other folder of documents."""

    def judge(self, question: str, language: Language, best_score: float) -> Coverage:
        covered = 1 / (1 + math.exp(-_PASSAGE_SCORE_SLOPE * (best_score - _PASSAGE_SCORE_AT_EVEN_ODDS)))
        return Coverage(covered, 1 - covered, 0.0)


def coverage_by_passages(embedder: Embedder) -> PassageCoverage:
    """Coverage for documents without questions. Raises `ConfigError` for an encoder it was not measured with."""
    if embedder.name != CALIBRATED_ENCODER:
        raise ConfigError(
            f"What another folder covers was measured with the encoder '{CALIBRATED_ENCODER}', not '{embedder.name}'.",
            hint="Unset TRIVIUM_EMBEDDER (or `embedder` in trivium.toml) for this.",
        )
    return PassageCoverage()


def learn_coverage(bank: QuestionBank, embedder: Embedder) -> QuestionCoverage:
    """Coverage by `bank`, fitted at first use."""
    vectors, labels = training_data(bank, embedder)
    classifier = fitted_once(
        "coverage",
        vectors,
        (_VERSION, labels, STRENGTH),
        lambda: fit(vectors, labels, strength=STRENGTH, balanced=True, calibrate=False),
    )
    return QuestionCoverage(bank, classifier, embedder)


def training_data(bank: QuestionBank, embedder: Embedder) -> tuple[Vectors, list[str]]:
    """`(n, d + 2)` features and their labels: the bank's questions, then the written counter-examples."""
    texts, languages, labels = written_examples()
    vectors = embedder.encode_queries(texts)
    own = bank.nearest(bank.vectors, bank.languages, leave_one_out=True)
    rows = np.vstack(
        [
            features(bank.texts, bank.vectors, own, bank.languages),
            features(texts, vectors, bank.nearest(vectors, languages), languages),
        ]
    )
    return rows, [*["covered"] * len(bank.texts), *labels]


def written_examples() -> tuple[list[str], NDArray[np.str_], list[str]]:
    """Texts, languages and labels of the calibration file."""
    groups = yaml.safe_load(CALIBRATION_FILE.read_text(encoding="utf-8"))
    rows = [
        (str(text), language, label)
        for label, by_language in groups.items()
        for language, texts in by_language.items()
        for text in texts
    ]
    return [row[0] for row in rows], np.array([row[1] for row in rows]), [row[2] for row in rows]


def features(
    texts: tuple[str, ...] | list[str], vectors: Vectors, nearest: Vectors, languages: NDArray[np.str_]
) -> Vectors:
    """`(n, d + 2)`: the vector, the centred cosine to the nearest question, the logarithm of the length in words."""
    lengths = [
        math.log(max(1.0, len(text) / _CHARACTERS_A_WORD if language == "zh" else len(text.split())))
        for text, language in zip(texts, languages, strict=True)
    ]
    cosine = (nearest[:, None] - _COSINE_CENTRE) * _COSINE_WEIGHT
    return np.hstack([vectors, cosine, np.array(lengths)[:, None] * _LENGTH_WEIGHT]).astype(np.float32)


def _exp(classifier: LinearClassifier, row: Vectors) -> list[float]:
    return [float(value) for value in np.exp(classifier.log_probabilities(row)[0])]
