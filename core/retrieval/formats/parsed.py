"""What a reader makes of a file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Parsed:
    """Text of a file, or of one part of it (a sheet), marked up as `core.retrieval.blocks` reads it."""

    text: str
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    part: str = ""
