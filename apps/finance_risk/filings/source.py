"""What a user hands in, brought to one document: HTML, plain text, or the main document of a full submission."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from apps.finance_risk.messages import Message, say
from core.errors import UnreadableFile
from core.files import decode_text, sniff_binary

_DOCUMENT = re.compile(r"<DOCUMENT>(.*?)(?:</DOCUMENT>|\Z)", re.DOTALL)
_TEXT = re.compile(r"<TEXT>(.*?)(?:</TEXT>|\Z)", re.DOTALL)
_FIELD = re.compile(r"^<(TYPE|FILENAME|DESCRIPTION)>([^\n<]*)", re.MULTILINE)
_HEADER = re.compile(r"<(?:SEC|IMS)-HEADER>(.*?)(?:</(?:SEC|IMS)-HEADER>|<DOCUMENT>)", re.DOTALL)
_MARKUP = re.compile(r"<(?:html|body|div|table|p|td|span)\b", re.IGNORECASE)
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w-]+)""", re.IGNORECASE)
_WESTERN = {"windows-1252": "cp1252", "cp1252": "cp1252", "iso-8859-1": "cp1252", "latin-1": "cp1252"}
_MAIN_FORMS = re.compile(r"(?:10-K|10-Q|8-K|20-F|6-K|40-F)(?:T|405|SB)?(?:/A)?$")
_SNIFFED = 20_000


@dataclass(frozen=True, slots=True)
class Source:
    """One document to read.

    Attributes:
        kind: "html" or "text".
        header: fields of the submission header ("form", "company", "industry", "industry_code", "period"), if any.
        notes: other documents of the submission, which are not read.
    """

    name: str
    kind: Literal["html", "text"]
    content: str
    header: dict[str, str] = field(default_factory=dict)
    notes: tuple[Message, ...] = ()


def open_source(data: bytes, name: str) -> Source:
    """The document in `data`.

    Raises:
        UnreadableFile: binary content (PDF, archives, images) or an unknown encoding.
    """
    content = _decode(data, name)
    if "<DOCUMENT>" in content[:_SNIFFED] and "<TYPE>" in content[:_SNIFFED]:
        return _from_submission(content, name)
    return Source(name, _kind(content), content)


def _decode(data: bytes, name: str) -> str:
    """UTF-8 first; then the Western encoding a page declares, which GB18030 would misread without a sign."""
    declared = _CHARSET.search(data[:4096])
    codec = _WESTERN.get(declared[1].decode("ascii").lower()) if declared else None
    if codec and sniff_binary(data) is None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode(codec, errors="replace")
    return decode_text(data, name)


def _kind(content: str) -> Literal["html", "text"]:
    return "html" if _MARKUP.search(content[:_SNIFFED]) else "text"


def _from_submission(content: str, name: str) -> Source:
    """The main document of an EDGAR full submission: the first of a form we know, else the first."""
    documents = [match[1] for match in _DOCUMENT.finditer(content)]
    if not documents:
        raise UnreadableFile(f"'{name}' looks like a submission but holds no document.", hint="Download it again.")
    described = [(dict(_FIELD.findall(document[:2000])), document) for document in documents]
    described = [({key: value.strip() for key, value in fields.items()}, document) for fields, document in described]
    main = next((pair for pair in described if _MAIN_FORMS.match(pair[0].get("TYPE", ""))), described[0])
    text = _TEXT.search(main[1])
    body = text[1] if text else main[1]
    body = re.sub(r"</?(?:XBRL|PDF|XML)>", "", body)
    others = [fields.get("TYPE", "?") for fields, document in described if document is not main[1]]
    notes = (say("filing_other_documents", ", ".join(others[:20])),) if others else ()
    header = _header_fields(content)
    if main[0].get("TYPE") and "form" not in header:
        header["form"] = main[0]["TYPE"]
    return Source(name, _kind(body), body, header, notes)


def _header_fields(content: str) -> dict[str, str]:
    match = _HEADER.search(content)
    if match is None:
        return {}
    text = match[1]
    patterns = {
        "form": r"CONFORMED SUBMISSION TYPE:\s*(\S+)",
        "company": r"COMPANY CONFORMED NAME:\s*([^\n]+)",
        "industry": r"STANDARD INDUSTRIAL CLASSIFICATION:\s*([^\n\[]+)",
        "industry_code": r"STANDARD INDUSTRIAL CLASSIFICATION:[^\n\[]*\[(\d{3,4})\]",
        "period": r"CONFORMED PERIOD OF REPORT:\s*(\d{8})",
    }
    found = {key: re.search(pattern, text) for key, pattern in patterns.items()}
    return {key: hit[1].strip() for key, hit in found.items() if hit}
