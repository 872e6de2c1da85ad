"""What a text says of a term it mentions: present, absent, uncertain, conditional; of the patient or of a relative.

A rule-based reading after NegEx (Chapman et al. 2001, J Biomed Inform 34:301) and ConText (Harkema et al. 2009,
J Biomed Inform 42:839). Cue phrases ("no", "was ruled out", "父亲") reach forward or backward within their sentence,
up to a terminator ("but", "，有"). A cue that is part of a longer known phrase ("no increase in") is read as that
phrase. Of several cues that reach a term, the nearest decides, so "no fever, possible rash" has an uncertain rash.
A phrase may belong to two rules, one reaching forward and one back ("ruled out").
Rules are data, one pack a language (`packs/en.yaml`, `packs/zh.yaml`), and the rule that fired is named in the result.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

import yaml

from core.errors import InternalError, UnknownName
from core.extraction.dictionary import TermDictionary
from core.extraction.tokens import Token, normalise, tokenise
from core.text.sentences import split_sentences
from core.text.spans import Span

Says = Literal[
    "absent", "uncertain", "present", "family", "patient", "historical", "hypothetical", "nothing", "stop", "clause"
]
Reach = Literal["forward", "backward", "both", "none"]
Commas = Literal["pass", "stop", "lists"]
Status = Literal["present", "absent", "uncertain", "family", "historical", "hypothetical"]

_PACKS = Path(__file__).parent / "packs"
_AXES: Mapping[str, str] = {
    **dict.fromkeys(("absent", "uncertain", "present"), "polarity"),
    **dict.fromkeys(("family", "patient"), "experiencer"),
    **dict.fromkeys(("historical", "hypothetical"), "time"),
}
_COMMAS = (",", "，")
_CLASS = re.compile(r"\{(\w+)\}")

_LONGEST_SENTENCE_TOKENS = 400
"""People write none longer. A longer run is assessed in pieces, so that the work does not grow with its square."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that say one thing.

    Attributes:
        says: what is said of the terms reached; "nothing" keeps a phrase from being read as the cue within it; "stop"
            ends every reach, "clause" all but that of a relative ("his mother has …").
        reach: where the terms lie that it speaks of.
        window: how many tokens it reaches, None for as far as terminators allow.
        commas: whether its reach passes commas: all of them, none, or "lists": those before a clause that is nothing
            but further mentions ("无发热，咳嗽，皮疹" denies three, "无发热，咳嗽3天" one).
    """

    id: str
    says: Says
    reach: Reach
    phrases: tuple[str, ...]
    window: int | None = None
    commas: Commas = "pass"


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule at work: its id, the cue's place and words in the text, and what it says."""

    rule: str
    span: Span
    cue: str
    says: Says


@dataclass(frozen=True, slots=True)
class Assertion:
    """What is said of one mention, on three axes, and the rules that say so."""

    polarity: Literal["present", "absent", "uncertain"] = "present"
    experiencer: Literal["patient", "family"] = "patient"
    time: Literal["current", "historical", "hypothetical"] = "current"
    fired: tuple[FiredRule, ...] = ()

    @property
    def status(self) -> Status:
        """One word for a reader: someone else's and merely imagined findings first, then what is said of it."""
        if self.experiencer == "family":
            return "family"
        if self.time == "hypothetical":
            return "hypothetical"
        if self.polarity != "present":
            return self.polarity
        return "historical" if self.time == "historical" else "present"


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue found in a sentence, by token positions `[start, end)`, and the tokens `[low, high)` it reaches."""

    rule: Rule
    start: int
    end: int
    span: Span
    low: int = 0
    high: int = 0


class AssertionRules:
    """The rules of one language, ready to read sentences."""

    def __init__(self, rules: Sequence[Rule], fillers: Sequence[str] = ()) -> None:
        """`fillers`: words that may stand between the members of a list."""
        self._fillers = frozenset(normalise(character) for filler in fillers for character in _units(filler))
        self.rules = {rule.id: rule for rule in rules}
        if len(self.rules) != len(rules):
            raise InternalError("Two assertion rules have the same id.")
        self._cues = TermDictionary(passed_over=frozenset())  # in "(-)" the hyphen is the point
        for rule in rules:
            for phrase in rule.phrases:
                self._cues.add(phrase, rule.id)

    @classmethod
    def load(cls, language: str) -> AssertionRules:
        """The pack of a language. Raises `UnknownName` where there is none."""
        return _load(language)

    def assess(self, text: str, mentions: Sequence[Span]) -> list[Assertion]:
        """The assertion of every mention, in the order given. A mention outside every sentence is plainly present."""
        result = [Assertion()] * len(mentions)
        for sentence in split_sentences(text):
            inside = [index for index, mention in enumerate(mentions) if sentence.contains(mention)]
            if not inside:
                continue
            tokens = [_shifted(token, sentence.start) for token in tokenise(sentence.of(text))]
            for index, assertion in zip(
                inside, self.assess_sentence(text, tokens, [mentions[i] for i in inside]), strict=True
            ):
                result[index] = assertion
        return result

    def assess_sentence(self, text: str, tokens: Sequence[Token], mentions: Sequence[Span]) -> list[Assertion]:
        """The same for mentions of one sentence, given its tokens with spans into `text`."""
        result = [Assertion()] * len(mentions)
        for first in range(0, len(tokens), _LONGEST_SENTENCE_TOKENS):
            piece = tokens[first : first + _LONGEST_SENTENCE_TOKENS]
            inside = [i for i, mention in enumerate(mentions) if piece[0].start <= mention.start < piece[-1].end]
            own = [mentions[i] for i in inside]
            cues = self._find_cues(text, piece, own) if own else []
            for index, mention in zip(inside, own, strict=True):
                result[index] = self._assertion(text, piece, cues, mention)
        return result

    def _find_cues(self, text: str, tokens: Sequence[Token], mentions: Sequence[Span]) -> list[_Cue]:
        """Cues with their reach. Words inside a mention are no cue: "absence seizures" denies nothing."""
        at_start = {token.start: index for index, token in enumerate(tokens)}
        at_end = {token.end: index + 1 for index, token in enumerate(tokens)}
        found = []
        for match in self._cues.find_in(text, tokens):
            if not any(mention.overlaps(match.span) for mention in mentions):
                start, end = at_start[match.span.start], at_end[match.span.end]
                found += [_Cue(self.rules[code], start, end, match.span) for code in self._cues.codes(match.phrase)]
        commas = _Commas(tokens, mentions, self._fillers)
        ending = [cue for cue in found if cue.rule.says in ("stop", "clause", "patient")]
        return [_with_reach(cue, ending, commas) for cue in found if cue.rule.reach != "none"]

    def _assertion(self, text: str, tokens: Sequence[Token], cues: Sequence[_Cue], mention: Span) -> Assertion:
        covered = [i for i, token in enumerate(tokens) if mention.start <= token.start < mention.end]
        if not covered:
            return Assertion()
        first, last = covered[0], covered[-1]
        nearest: dict[str, tuple[int, _Cue]] = {}
        for cue in cues:
            if cue.rule.says in _AXES and cue.low <= first and last < cue.high:
                distance = first - cue.end if cue.end <= first else cue.start - last - 1
                axis = _AXES[cue.rule.says]
                if axis not in nearest or distance < nearest[axis][0]:
                    nearest[axis] = (distance, cue)
        chosen = [cue for _, cue in nearest.values()]
        says = {_AXES[cue.rule.says]: cue.rule.says for cue in chosen}
        return Assertion(
            polarity=cast(Any, says.get("polarity", "present")),
            experiencer=cast(Any, says.get("experiencer", "patient")),
            time=cast(Any, says.get("time", "current")),
            fired=tuple(FiredRule(cue.rule.id, cue.span, cue.span.of(text), cue.rule.says) for cue in chosen),
        )


class _Commas:
    """The commas of a sentence, and which of them only separate the members of a list of mentions."""

    def __init__(self, tokens: Sequence[Token], mentions: Sequence[Span], fillers: frozenset[str]) -> None:
        self.count = len(tokens)
        self.all = [index for index, token in enumerate(tokens) if token.norm in _COMMAS]
        bare = [
            token.norm in fillers
            or not token.is_word
            or any(mention.start <= token.start < mention.end for mention in mentions)
            for token in tokens
        ]
        ends = [*self.all[1:], len(tokens)]
        self.in_list = {comma for comma, end in zip(self.all, ends, strict=False) if all(bare[comma + 1 : end])}

    def stopping(self, rule: Rule) -> list[int]:
        if rule.commas == "pass":
            return []
        return [comma for comma in self.all if rule.commas == "stop" or comma not in self.in_list]


def _with_reach(cue: _Cue, cues: Sequence[_Cue], commas: _Commas) -> _Cue:
    low, high = cue.start, cue.end
    stops = commas.stopping(cue.rule)
    if cue.rule.reach in ("backward", "both"):
        ends = [other.end for other in cues if other.end <= cue.start and _stops(other, cue)]
        low = max([0, *ends, *(comma + 1 for comma in stops if comma < cue.start)])
    if cue.rule.reach in ("forward", "both"):
        starts = [other.start for other in cues if other.start >= cue.end and _stops(other, cue)]
        high = min([commas.count, *starts, *(comma for comma in stops if comma >= cue.end)])
    if cue.rule.window is not None:
        low, high = max(low, cue.start - cue.rule.window), min(high, cue.end + cue.rule.window)
    return _Cue(cue.rule, cue.start, cue.end, cue.span, low, high)


def _stops(other: _Cue, cue: _Cue) -> bool:
    """Whether `other` ends the reach of `cue`."""
    if cue.rule.says == "family":
        return other.rule.says in ("stop", "patient")
    return other.rule.says in ("stop", "clause")


def _shifted(token: Token, offset: int) -> Token:
    return Token(token.start + offset, token.end + offset, token.text, token.norm) if offset else token


@cache
def _load(language: str) -> AssertionRules:
    path = _PACKS / f"{language}.yaml"
    if not path.is_file():
        raise UnknownName("assertion pack", language, [pack.stem for pack in _PACKS.glob("*.yaml")])
    pack = yaml.safe_load(path.read_text(encoding="utf-8"))
    return AssertionRules(parse_rules(pack), pack.get("fillers", ()))


def _units(filler: str) -> list[str]:
    return [token.text for token in tokenise(filler)]


def parse_rules(pack: Mapping[str, Any]) -> list[Rule]:
    """Rules of a pack: `classes` (word lists, named in phrases as {name}), `fillers` (see `Rule`) and `rules`.

    Raises:
        InternalError: an unknown key or value, a class that is not defined, or a rule without phrases.
    """
    classes = {name: [str(word) for word in words] for name, words in pack.get("classes", {}).items()}
    return [_rule(entry, classes) for entry in pack["rules"]]


def _rule(entry: Mapping[str, Any], classes: Mapping[str, Sequence[str]]) -> Rule:
    unknown = set(entry) - {"id", "says", "reach", "phrases", "window", "commas"}
    known = (("says", get_args(Says)), ("reach", get_args(Reach)), ("commas", get_args(Commas)))
    texts = (entry.get("id"), *entry.get("phrases", ()))  # unquoted, YAML reads `no` and `yes` as truth values
    if (
        unknown
        or not all(isinstance(text, str) for text in texts)
        or any(entry.get(key, values[0]) not in values for key, values in known)
    ):
        raise InternalError(f"The assertion rule {dict(entry)} is not understood.")
    phrases = [phrase for pattern in entry.get("phrases", ()) for phrase in _expand(str(pattern), classes)]
    if not phrases:
        raise InternalError(f"The assertion rule '{entry['id']}' has no phrases.")
    return Rule(
        id=entry["id"],
        says=entry["says"],
        reach=entry.get("reach", "none"),
        phrases=tuple(phrases),
        window=entry.get("window"),
        commas=entry.get("commas", "pass"),
    )


def _expand(pattern: str, classes: Mapping[str, Sequence[str]]) -> list[str]:
    names = _CLASS.findall(pattern)
    for name in names:
        if name not in classes:
            raise InternalError(f"The word class '{name}' is not defined.")
    template = _CLASS.sub("{}", pattern)
    return [template.format(*words) for words in itertools.product(*(classes[name] for name in names))]
