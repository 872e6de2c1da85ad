"""Under which licence a model folder says it is."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import FileTooLarge, InputError, UnreadableFile
from core.files import parse_json, read_bytes

_CARD_LINE = re.compile(r"^licen[sc]e(?:_name)?:\s*[\"']?([^\"'\n]+?)[\"']?\s*$", re.MULTILINE)
_LONGEST_BYTES = 2**20


def licence_of_folder(folder: Path) -> str:
    """What the model card's front matter, spaCy's `meta.json` or the licence file says; nothing is inferred from it."""
    card = _text(folder / "README.md")
    if card.startswith("---"):
        found = _CARD_LINE.search(card.split("---", 2)[1])
        if found:
            return f"{found[1].strip()} (its model card)"
    try:
        told = parse_json(_text(folder / "meta.json") or "{}", "meta.json").get("license")
    except (InputError, AttributeError):
        told = None
    if told:
        return f"{told} (its meta.json)"
    for path in sorted(folder.glob("LICENSE*")):
        lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
        if lines:
            return f"see {path.name}: {lines[0][:80]}"
    return "unknown: no model card or licence file is with it"


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        return read_bytes(path, max_bytes=_LONGEST_BYTES).decode("utf-8", errors="replace")
    except (UnreadableFile, FileTooLarge):  # empty, not permitted, no card of a sensible length: it says nothing
        return ""
