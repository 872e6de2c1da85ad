"""Reading an ontology in OBO 1.2: terms, synonyms, `is_a` and alternative ids.

Only the tags the products use are kept (OBO flat file format 1.2, section "Tag-value pairs").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SYNONYM = re.compile(r'^"((?:[^"\\]|\\.)*)" (EXACT|BROAD|NARROW|RELATED)(?: ([A-Za-z_]\S*))?')


@dataclass(frozen=True, slots=True)
class Synonym:
    """`scope` is EXACT, BROAD, NARROW or RELATED; `kind` the synonym type ("layperson", "abbreviation", …) or ""."""

    text: str
    scope: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """One `[Term]` stanza."""

    id: str
    name: str
    synonyms: tuple[Synonym, ...] = ()
    parents: tuple[str, ...] = ()
    alternative_ids: tuple[str, ...] = ()
    obsolete: bool = False
    replaced_by: str | None = None


def read_version(lines: Iterable[str]) -> str:
    """The `data-version` of the header, e.g. "hp/releases/2025-01-16"; "unknown" where it is absent."""
    for line in lines:
        if line.startswith("data-version:"):
            return line.split(":", 1)[1].strip()
        if line.startswith("[Term]"):
            break
    return "unknown"


def read_terms(lines: Iterable[str]) -> Iterator[Term]:
    """The terms of an OBO file, obsolete ones included; other stanzas are passed over."""
    tags: list[tuple[str, str]] | None = None
    for raw in lines:
        line = raw.rstrip("\n")
        if line.startswith("["):
            if tags:
                yield _term(tags)
            tags = [] if line == "[Term]" else None
        elif tags is not None and ": " in line:
            name, value = line.split(": ", 1)
            tags.append((name, value))
    if tags:
        yield _term(tags)


def _term(tags: list[tuple[str, str]]) -> Term:
    def values(name: str) -> list[str]:
        return [value for tag, value in tags if tag == name]

    return Term(
        id=values("id")[0],
        name=(values("name") or [""])[0],
        synonyms=tuple(synonym for value in values("synonym") if (synonym := _synonym(value))),
        parents=tuple(value.split(" ! ")[0].split(" {")[0].strip() for value in values("is_a")),
        alternative_ids=tuple(values("alt_id")),
        obsolete="true" in values("is_obsolete"),
        replaced_by=next(iter(values("replaced_by")), None),
    )


def _synonym(value: str) -> Synonym | None:
    match = _SYNONYM.match(value)
    if match is None:
        return None
    text = match.group(1).replace('\\"', '"').replace("\\\\", "\\")
    return Synonym(text, match.group(2), match.group(3) or "")
