"""How a phrased text came about, as rows that a page or a terminal can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.inference.phrase import Attempt
from core.text import Language

_WORDS: Mapping[str, Mapping[Language, str]] = {
    "step": {"en": "Step", "zh": "步骤"},
    "by": {"en": "How", "zh": "方式"},
    "text": {"en": "Text", "zh": "文本"},
    "value": {"en": "Score", "zh": "得分"},
    "outcome": {"en": "Outcome", "zh": "结果"},
    "draft": {"en": "draft", "zh": "初稿"},
    "regenerate": {"en": "written again, with the critique", "zh": "附评语重写"},
    "edit worst": {"en": "worst sentence written again or left out", "zh": "重写或删去最差的一句"},
    "resample unlikely": {"en": "written on from an unlikely word", "zh": "从低概率处重新续写"},
    "accepted": {"en": "✓ accepted", "zh": "✓ 采用"},
    "refused": {"en": "✗ refused", "zh": "✗ 未采用"},
    "kept": {"en": "best so far", "zh": "目前最好"},
    "empty": {"en": "(nothing)", "zh": "（空）"},
}


def attempt_header(language: Language) -> list[str]:
    """Names of the columns of `attempt_rows`."""
    return [_WORDS[key][language] for key in ("step", "by", "text", "value", "outcome")]


def attempt_rows(attempts: Sequence[Attempt], language: Language) -> list[list[str]]:
    """A row for each text tried: step, how it was made, the text, its score, and what became of it and why."""
    return [
        [
            str(attempt.step),
            _word(attempt.by, language),
            attempt.text or _word("empty", language),
            f"{attempt.value:.2f}",
            _outcome(attempt, language),
        ]
        for attempt in attempts
    ]


def _outcome(attempt: Attempt, language: Language) -> str:
    outcome = _word("accepted" if attempt.accepted else "refused", language)
    if attempt.kept and not attempt.accepted:
        outcome += f"{'，' if language == 'zh' else ', '}{_word('kept', language)}"
    reasons = ("；" if language == "zh" else "; ").join(attempt.reasons)
    return f"{outcome}{'：' if language == 'zh' else ': '}{reasons}" if reasons else outcome


def _word(key: str, language: Language) -> str:
    """The word for a known key; a way to revise that is not known here has only its own name."""
    return _WORDS[key][language] if key in _WORDS else key
