"""The roles of a matter that rules can read from its sentence."""

from __future__ import annotations

import re

from apps.finance_risk.matters.declared import KindOfMatter, Role
from apps.finance_risk.matters.values import find_values, fits
from core.text import Span

_LEADING = re.compile(
    r"^(?:公司|本公司)?(?:控股股东|实际控制人|股东|全资子公司|控股子公司|子公司|原告|被告)(?=[\u4e00-\u9fff]{2})"
)
_TRAILING = re.compile(r"(?:先生|女士|的)$|(?<!\bInc)(?<!\bCorp)(?<!\bLtd)(?<!\bCo)(?<!\.[A-Z])\.$")


def read_roles(kind: KindOfMatter, sentence: str) -> dict[str, Span]:
    """Spans into `sentence` by role. Where two values could be meant, or two rules disagree, the role is left out."""
    found: dict[str, Span] = {}
    for role in kind.roles:
        span = _party(role, sentence) if role.of == "party" else _only(find_values(role.of, sentence))
        if span is not None and not any(span.overlaps(other) for other in found.values()):
            found[role.name] = span
    return found


def _only(spans: list[Span]) -> Span | None:
    return spans[0] if len(spans) == 1 else None


def _party(role: Role, sentence: str) -> Span | None:
    spans = set()
    for pattern in role.patterns:
        match = pattern.search(sentence)
        if match is not None:
            span = trimmed(Span(*match.span("x")), sentence)
            if span is not None and fits("party", span, sentence):
                spans.add(span)
    return _only(list(spans))


def trimmed(span: Span, sentence: str) -> Span | None:
    """A party's name without titles around it, nor a sentence's stop; None where nothing is left."""
    words = span.of(sentence)
    start = span.start + (match.end() if (match := _LEADING.match(words)) else 0)
    end = span.end - (len(match.group()) if (match := _TRAILING.search(words)) else 0)
    return Span(start, end) if end - start >= 2 else None
