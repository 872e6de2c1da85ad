"""Measures of short answers: exact match and token F1, as the reading-comprehension sets SQuAD and CMRC2018 do."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.metrics.metric import NO_CONTEXT, Contexts, Need, Part, Score, f_measure, matched_contexts
from core.metrics.subsequence import longest_common_substring
from core.text.language import detect_language

_NO_ASCII_MARKS = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CHINESE_TOKEN = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")


def answer_tokens(text: str, *, chinese: bool) -> list[str]:
    """Tokens that count in an answer.

    English: lower case, ASCII marks and articles dropped, cut at white space (Rajpurkar et al. 2016, section 6.1).
    Chinese: lower case, marks and white space dropped, each Chinese character and each other word a token (Cui et al.
    2019, section 3); all marks of Unicode are dropped, not a list of them.
    """
    lower = unicodedata.normalize("NFKC", text).lower() if chinese else text.lower()
    if not chinese:
        return _ARTICLES.sub(" ", lower.translate(_NO_ASCII_MARKS)).split()
    return _CHINESE_TOKEN.findall("".join(char for char in lower if unicodedata.category(char)[0] not in "PS"))


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """1 where the candidate has the tokens (`answer_tokens`) of one of the references, else 0. Needs references."""

    name: str = "exact_match"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        return _best_of_references(self, candidates, contexts, lambda own, other, _: Score(float(own == other)))


@dataclass(frozen=True, slots=True)
class AnswerF1:
    """F1 of the tokens of an answer, against the reference it is best for. Needs references.

    English: of the bag of tokens. Chinese: of the longest run of tokens that both have, as CMRC2018 measures it. The
    language is that of the reference. Two answers without tokens are equal. Parts: `precision`, `recall`.
    """

    name: str = "token_f1"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        return _best_of_references(self, candidates, contexts, _f1)


def _f1(own: list[str], other: list[str], chinese: bool) -> Score:
    if not own or not other:
        return Score(float(own == other))
    shared = longest_common_substring(own, other) if chinese else (Counter(own) & Counter(other)).total()
    precision, recall = shared / len(own), shared / len(other)
    return Score(f_measure(precision, recall), (Part("precision", precision), Part("recall", recall)))


def _best_of_references(
    metric: ExactMatch | AnswerF1,
    candidates: Sequence[str],
    contexts: Contexts,
    compare: Callable[[list[str], list[str], bool], Score],
) -> list[Score]:
    scores = []
    for candidate, context in zip(candidates, matched_contexts(metric, candidates, contexts), strict=True):
        each = []
        for reference in context.references:
            chinese = detect_language(reference + candidate) == "zh"
            own, other = (answer_tokens(text, chinese=chinese) for text in (candidate, reference))
            each.append(compare(own, other, chinese))
        scores.append(max(each, key=lambda score: score.value))
    return scores
