"""Which sentences of an article answer a question.

A sentence scores by its cosine to the question (standardised within the article, since E5's cosines lie close
together), by the share of the question's words it holds, by standing in the article's opening, and by bringing
the kind of thing that was asked for: a duration, a price, a limit, steps. Constants were set on the development
conversations (`evaluation/development.yaml`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from apps.customer_service.dialogue.utterances import without_question_phrases
from apps.customer_service.knowledge import Article, CitableSentence, KnowledgeBase
from core.text import Language
from core.text.tokens import lexical_tokens

_WANTED_BONUS = 1.0
_STEPS_BONUS = 0.8
_LEAD_BONUS = 0.6
_WORDS_WEIGHT = 1.5
_ELSEWHERE_MALUS = 3.0  # a sentence that names another article sends the reader away
_NEAR_BEST = 1.0
_NEAR_TELLING = 2.0
_RARE_SHARE = 0.1  # of all articles, both languages counted: a word in more of them tells topics apart badly
_SHORT_CHARACTERS = 12
_FINAL_MARKS = (".", "!", "。", "！")
MAX_SENTENCES = 3
MAX_STEPS = 6


@dataclass(frozen=True, slots=True)
class _Wish:
    """A kind of thing asked for: how the question shows it, and how a sentence brings it."""

    asked: re.Pattern[str]
    brought: re.Pattern[str]


_DURATION = (
    r"\d[^.。]{0,20}(?:second|minute|hour|day|week|month|year)|at once|immediately|instant"
    r"|\d[^。]{0,8}(?:秒|分钟|小时|天|工作日|周|个月|年)|马上|立即|即时|实时"
)
_WISHES = tuple(
    _Wish(re.compile(asked, re.I), re.compile(brought, re.I))
    for asked, brought in (
        (
            r"how long|how (?:many|soon)[^?]{0,12}(?:day|week|hour)|how soon|\bwhen\b|until when"
            r"|多久|多长时间|几天|几个工作日|什么时候|何时",
            _DURATION,
        ),
        (
            r"how much|\bcosts?\b|\bfees?\b|\bcharge[sd]?\b|\bprice|expensive|\bpay for|\bfree\b"
            r"|多少钱|收费|手续费|费用|免费|要钱|花钱|更贵",
            r"EUR|\bfree\b|%|\bfees?\b|欧元|免费|％|手续费",
        ),
        (
            r"\blimits?\b|maximum|minimum|\bmax\b|\bmost\b|at most|up to|how (?:many|often)"
            r"|上限|限额|额度|最多|最高|最低|最少|几次|封顶",
            r"\d[^.。]*(?:a day|a month|a payment|a year|a calendar)|at most|up to|maximum|minimum|limit"
            r"|每[天日月笔次年]|最[高低多]|不超过|上限|限额",
        ),
        (r"\bwhy\b|\breason|为什么|为啥|原因", r"because|\breason|\blaw\b|therefore|因为|原因|法律|规定|由于"),
    )
)
_ASKS_STEPS = re.compile(
    r"how (?:do|can|should|would) (?:i|we|you)|how to|where (?:do|can) i|steps|怎么(?!回事|会|样)|如何|怎样|在哪", re.I
)


def choose_sentences(
    base: KnowledgeBase, article: Article, question: str, *, limit: int = MAX_SENTENCES
) -> list[CitableSentence]:
    """The sentences of `article` that answer `question`, in the article's order.

    The article's first sentence, which gives its short answer; the best ones beside it, up to `limit` in all; where the
    best is a step, all steps of its list up to `MAX_STEPS`. Empty only where the article has nothing to cite.
    """
    sentences = base.sentences(article.id)
    if not sentences:
        return []
    scores = sentence_scores(base, article, question)
    order = [int(row) for row in np.argsort(-scores, kind="stable")]
    best = order[0]
    opening = _opening(sentences)
    if sentences[best].kind == "step":
        block = sentences[best].block
        steps = [row for row, sentence in enumerate(sentences) if sentence.block == block]
        return [sentences[row] for row in sorted({*opening, *steps[:MAX_STEPS]})]
    near = [row for row in order if scores[row] >= scores[best] - _NEAR_BEST and sentences[row].kind != "step"]
    fitting = [row for row in order if scores[row] >= scores[best] - _NEAR_TELLING]
    telling = _bringing_what_is_missing(base, article, fitting, best, question)
    chosen = list(dict.fromkeys([best, *telling, *opening, *near]))[: max(limit, 1)]
    return [sentences[row] for row in sorted(chosen)]


def _bringing_what_is_missing(
    base: KnowledgeBase, article: Article, order: Sequence[int], best: int, question: str
) -> list[int]:
    """The best of the `order`ed sentences that holds a telling word of the question which the overall best one lacks.

    "How long does express delivery take?" must not be answered by the sentence on standard post alone. A word tells
    where few articles hold it.
    """
    sentences = base.sentences(article.id)
    held = [set(lexical_tokens(sentence.text)) for sentence in sentences]
    articles = _article_frequencies(base, article.language)
    asked = set(lexical_tokens(without_question_phrases(question)))
    missing = {token for token in asked - held[best] if articles[token] <= _RARE_SHARE * len(base.articles)}
    return [row for row in order if held[row] & missing and sentences[row].kind != "step"][:1]


@lru_cache(maxsize=4)
def _article_frequencies(base: KnowledgeBase, language: Language) -> Counter[str]:
    """In how many articles of a language each word stands."""
    texts = (article.document.text for article in base.articles.values() if article.language == language)
    return Counter(token for text in texts for token in set(lexical_tokens(text)))


def _opening(sentences: list[CitableSentence]) -> list[int]:
    """The first sentence, and the second where the first is as short as "Yes."."""
    leads = [row for row, sentence in enumerate(sentences) if sentence.leads and sentence.text.endswith(_FINAL_MARKS)]
    return leads[:2] if leads and len(sentences[leads[0]].text) <= _SHORT_CHARACTERS else leads[:1]


def sentence_scores(base: KnowledgeBase, article: Article, question: str) -> np.ndarray:
    """`(n,)` scores of the article's sentences, in standard deviations of the cosine."""
    sentences = base.sentences(article.id)
    cosines = base.sentence_vectors(article.id) @ base.embedder.encode_queries([question])[0]
    spread = float(cosines.std()) or 1.0
    wished = [wish for wish in _WISHES if wish.asked.search(question)]
    asks_steps = bool(_ASKS_STEPS.search(question)) and not wished
    shares = word_shares(
        lexical_tokens(without_question_phrases(question)),
        [lexical_tokens(sentence.in_context) for sentence in sentences],
    )
    others = {other.title for other in base.articles.values() if other.title != article.title}
    bonuses = [
        _WANTED_BONUS * any(wish.brought.search(sentence.text) for wish in wished)
        + _STEPS_BONUS * (asks_steps and sentence.kind == "step")
        + _LEAD_BONUS * sentence.leads
        + _WORDS_WEIGHT * share
        - _ELSEWHERE_MALUS * any(title in sentence.text for title in others)
        for sentence, share in zip(sentences, shares, strict=True)
    ]
    scores: np.ndarray = (cosines - cosines.mean()) / spread + np.array(bonuses)
    return scores


def word_shares(question: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[float]:
    """What share of the question's words each sentence holds, rare words of the article counting more.

    Words that the article does not have, and those that all its sentences have, say nothing and do not count.
    """
    count = len(sentences)
    frequency = Counter(token for tokens in sentences for token in set(tokens))
    weights = {token: math.log(count / frequency[token]) for token in set(question) if frequency[token]}
    total = sum(weights.values())
    if not total:
        return [0.0] * count
    return [sum(weights.get(token, 0.0) for token in set(tokens)) / total for tokens in sentences]
