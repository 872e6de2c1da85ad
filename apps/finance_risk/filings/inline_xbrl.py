"""Inline-XBRL facts of a filing, for evaluation alone: the reader never sees them.

Source: Inline XBRL 1.1 (XBRL International, 2013), sections 10 (`ix:nonFraction`) and 11 (`ix:nonNumeric`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree, html

from apps.finance_risk.filings.render import parse_html

_TABLE_TAGS = ("table",)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Context:
    """A period without dimensions. `start` is None for an instant."""

    start: date | None
    end: date

    @property
    def days(self) -> int | None:
        """Length of a duration, both ends counted."""
        return (self.end - self.start).days + 1 if self.start else None


@dataclass(frozen=True, slots=True)
class TaggedNumber:
    """An `ix:nonFraction` without dimensions. `table` numbers the table it stands in, in document order."""

    concept: str
    value: Decimal
    context: Context
    table: int | None


def tagged_numbers(markup: str, name: str) -> tuple[TaggedNumber, ...]:
    """All numbers tagged without dimensions."""
    root = parse_html(markup, name)
    contexts = dict(_contexts(root))
    tables = {table: index for index, table in enumerate(root.iter(*_TABLE_TAGS))}
    found: list[TaggedNumber] = []
    for element in root.iter("ix:nonfraction"):
        context = contexts.get(element.get("contextref", ""))
        value = _value(element)
        if context is None or value is None:
            continue
        table = next((tables[ancestor] for ancestor in element.iterancestors("table")), None)
        found.append(TaggedNumber(element.get("name", "").rpartition(":")[2], value, context, table))
    return tuple(found)


def tagged_texts(markup: str, name: str) -> dict[str, str]:
    """The first text of each `ix:nonNumeric` concept, white space collapsed."""
    texts: dict[str, str] = {}
    for element in parse_html(markup, name).iter("ix:nonnumeric"):
        concept = element.get("name", "").rpartition(":")[2]
        texts.setdefault(concept, " ".join("".join(element.itertext()).split()))
    return texts


def strip_inline_xbrl(markup: str, name: str) -> str:
    """The same page without any inline XBRL: the hidden header is dropped, other tags leave their text."""
    root = parse_html(markup, name)
    for element in list(root.iter("ix:header")):
        tail, parent = element.tail or "", element.getparent()
        previous = element.getprevious()
        if previous is not None:
            previous.tail = (previous.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
        parent.remove(element)
    tagged = {element.tag for element in root.iter() if isinstance(element.tag, str) and element.tag.startswith("ix:")}
    for tag in tagged:
        for element in list(root.iter(tag)):
            _unwrap(element)
    for attribute in list(root.attrib):
        del root.attrib[attribute]
    return html.tostring(root, encoding="unicode")  # type: ignore[no-any-return]


def _unwrap(element: Any) -> None:
    """Put an element's content in its place."""
    parent = element.getparent()
    index = parent.index(element)
    children = list(element)
    text, tail = element.text or "", element.tail or ""
    if children:
        children[-1].tail = (children[-1].tail or "") + tail
    else:
        text += tail
    if index:
        before = parent[index - 1]
        before.tail = (before.tail or "") + text
    else:
        parent.text = (parent.text or "") + text
    parent[index : index + 1] = children


def _contexts(root: Any) -> Iterator[tuple[str, Context]]:
    """Contexts without a segment or scenario, by id."""
    for element in root.iter("xbrli:context", "context"):
        if any(_local(child) in ("segment", "scenario") for child in element.iter()):
            continue
        dates = {
            _local(child): _date("".join(child.itertext())) for child in element.iter() if isinstance(child.tag, str)
        }
        end = dates.get("instant") or dates.get("enddate")
        if end is not None:
            yield element.get("id", ""), Context(dates.get("startdate"), end)


def _local(element: Any) -> str:
    return str(element.tag).rpartition(":")[2]


def _date(text: str) -> date | None:
    match = _DATE.search(text)
    return date(*map(int, match.groups())) if match else None


def _value(element: etree._Element) -> Decimal | None:
    """Scale, sign and format applied; a dash or an explicit zero is 0, `xsi:nil` is no value."""
    if (element.get("xsi:nil") or element.get("nil")) == "true":
        return None
    text = "".join(element.itertext()).strip()
    form = (element.get("format") or "").lower()
    if "zero" in form or text in ("—", "–", "-"):
        return Decimal(0)
    digits = text.replace(",", "").replace(" ", "").replace("\xa0", "")
    try:
        value = Decimal(digits).scaleb(int(element.get("scale") or 0))
    except (InvalidOperation, ValueError):
        return None
    return -value if element.get("sign") == "-" else value
