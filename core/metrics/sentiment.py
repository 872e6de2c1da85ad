"""Sentiment consistency: whether a text sounds as its references do, by a small lexicon in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from core.metrics.metric import NO_CONTEXT, Contexts, Need, Part, Score, matched_contexts
from core.metrics.negation import find_denials
from core.metrics.stemming import stem
from core.text.sentences import split_sentences

_LEXICON = Path(__file__).with_name("sentiment.yaml")
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_REACH = 12
"""Characters in Chinese, and three words of about four letters in English, that a denial or intensifier reaches."""


@dataclass(frozen=True, slots=True)
class Polarity:
    """From -1 (all words of sentiment negative) to 1 (all positive); 0 and no words where none is known."""

    value: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SentimentConsistency:
    """1 - |p - q| / 2, where p and q are the polarities of the candidate and of the reference nearest to it.

    Needs references. A text without a word of the lexicon counts as neutral, and the reason says so. The lexicon has
    about 300 words, chosen by hand; it knows no irony, no topic, no domain ("positive test", "short sale"), and reads a
    denial as the opposite ("not bad" is good). Good for catching an answer of the wrong tone, not for opinion mining.
    Parts: `candidate` and `reference`, polarities from -1 to 1.
    """

    name: str = "sentiment_consistency"
    needs: frozenset[Need] = frozenset({"references"})

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        scores = []
        for candidate, context in zip(candidates, matched_contexts(self, candidates, contexts), strict=True):
            own = polarity(candidate)
            other = min((polarity(text) for text in context.references), key=lambda each: abs(each.value - own.value))
            parts = (Part("candidate", own.value, _told(own)), Part("reference", other.value, _told(other)))
            unknown = "" if own.words or other.words else "no word of the lexicon in either: both taken as neutral"
            scores.append(Score(1 - abs(own.value - other.value) / 2, parts, unknown))
        return scores


def polarity(text: str) -> Polarity:
    """Mean sign of the words of sentiment; intensified ones count twice, denied ones turn round."""
    total = weight = 0.0
    words: list[str] = []
    for span in split_sentences(text):
        sentence = span.of(text).lower()
        denials = [denial.span.end for denial in find_denials(sentence)]
        for start, word, sign in _sentiment_words(sentence):
            strength = 2.0 if _is_intensified(sentence, start) else 1.0
            denied = any(
                0 <= start - end <= _REACH and not re.search(r"[，,；;]", sentence[end:start]) for end in denials
            )
            total += strength * (-sign if denied else sign)
            weight += strength
            words.append(f"{'-' if (sign < 0) != denied else '+'}{word}")
    return Polarity(total / weight if weight else 0.0, tuple(words))


def _sentiment_words(sentence: str) -> list[tuple[int, str, int]]:
    """Start, word and sign (1 or -1) of each; of overlapping Chinese words the longest."""
    stems, chinese, _ = _lexicon()
    found = [
        (match.start(), match[0], stems[stem(match[0])])
        for match in _WORD.finditer(sentence)
        if stem(match[0]) in stems
    ]
    pattern = re.compile("|".join(sorted(map(re.escape, chinese), key=len, reverse=True)))
    return found + [(match.start(), match[0], chinese[match[0]]) for match in pattern.finditer(sentence)]


def _is_intensified(sentence: str, start: int) -> bool:
    return sentence[:start].rstrip().endswith(_lexicon()[2])


@cache
def _lexicon() -> tuple[Mapping[str, int], Mapping[str, int], tuple[str, ...]]:
    """English stems and Chinese words with their signs, and the intensifiers of both."""
    raw = yaml.safe_load(_LEXICON.read_text(encoding="utf-8"))
    signs = (("positive", 1), ("negative", -1))
    english = {stem(word): sign for key, sign in signs for word in raw["en"][key].split()}
    chinese = {word: sign for key, sign in signs for word in raw["zh"][key].split()}
    return english, chinese, tuple(raw["en"]["intensifiers"].split() + raw["zh"]["intensifiers"].split())


def _told(polarity_: Polarity) -> str:
    return " ".join(polarity_.words) or "no word of the lexicon"
