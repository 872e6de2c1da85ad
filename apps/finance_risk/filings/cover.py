"""Form, company and dates from the first page, each with the words it was read from."""

from __future__ import annotations

import re
from datetime import date

from apps.finance_risk.filings.model import Cover, Named
from apps.finance_risk.filings.periods import find_dates, normalise
from core.evidence import TextEvidence
from core.text.spans import Span

_WINDOW = 15_000
_FORM = re.compile(
    r"\bFORM\s+(?P<form>10\s*[-‐‑–—]\s*K(?:T|SB|405)?|10\s*[-‐‑–—]\s*Q|8\s*[-‐‑–—]\s*K|20\s*[-‐‑–—]\s*F|6\s*[-‐‑–—]\s*K|40\s*[-‐‑–—]\s*F)"
    r"(?P<amended>\s*/\s*A)?\b",
    re.IGNORECASE,
)
_CHINESE_FORM = re.compile(r"(?P<year>(?:19|20)\d\d)\s*年?\s*(?P<kind>半年度|年度|第[一三]季度)\s*报告")
_ANNOUNCEMENT = re.compile(r"关于[^\n。]{2,80}公告[ \t]*$|公告编号", re.MULTILINE)
_CHINESE_FORMS = {"年度": "annual-report-cn", "半年度": "interim-report-cn"}
_COMPANY_MARK = re.compile(r"\(\s*exact\s+name\s+of\s+(?:the\s+)?registrant", re.IGNORECASE)
_CHINESE_COMPANY = re.compile(r"[\u4e00-\u9fffA-Za-z0-9（）()·]{2,40}?(?:股份|集团)?有限(?:责任)?公司")
_DATE_MARKS = (
    re.compile(
        r"date\s+of\s+report\s*(?:\(\s*date\s+of\s+(?:the\s+)?earliest\s+event\s+reported\s*\))?", re.IGNORECASE
    ),
    re.compile(r"for\s+the\s+(?:fiscal|transition)?\s*(?:year|period)\s+ended", re.IGNORECASE),
    re.compile(r"for\s+the\s+(?:quarterly|quarter)\s*(?:period)?\s+ended", re.IGNORECASE),
)
_DATE_TEXT = re.compile(
    r"[A-Z][a-z]{2,8}\.?\s+\d{1,2}\s*,?\s*(?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d|\d{1,2}/\d{1,2}/(?:19|20)\d\d|\d{1,2}\s+[A-Z][a-z]{2,8}\s+(?:19|20)\d\d"
)
_REACH = 90


def read_cover(text: str, document_id: str, header: dict[str, str]) -> Cover:
    """The cover of a filing.

    Args:
        text: the filing's text; only its first 15,000 characters are looked at.
        header: fields of a submission header, which win where they are present.
    """
    head = text[:_WINDOW]
    form = _form(head, document_id)
    if "form" in header:
        form = _from_header(header["form"], document_id, "submission header: form")
    company = _company(head, document_id)
    if "company" in header:
        company = _from_header(header["company"], document_id, "submission header: company")
    code = None
    if "industry_code" in header:
        label = f"submission header: {header.get('industry', 'industry')} [{header['industry_code']}]"
        code = _from_header(header["industry_code"], document_id, label)
    return Cover(form, company, _period_end(head, document_id, form, header), code)


def _form(head: str, document_id: str) -> Named | None:
    match = _FORM.search(head)
    if match:
        name = re.sub(r"[\s‐‑–—-]+", "-", match["form"].upper())
        return Named(
            name + ("/A" if match["amended"] else ""), _evidence(head, document_id, match.start(), match.end())
        )
    chinese = _CHINESE_FORM.search(head)
    if chinese:
        form = _CHINESE_FORMS.get(chinese["kind"], "quarterly-report-cn")
        return Named(form, _evidence(head, document_id, chinese.start(), chinese.end()))
    announcement = _ANNOUNCEMENT.search(head)
    if announcement:
        return Named("announcement-cn", _evidence(head, document_id, announcement.start(), announcement.end()))
    return None


def _company(head: str, document_id: str) -> Named | None:
    mark = _COMPANY_MARK.search(head)
    if mark:
        before = head[: mark.start()].rstrip("\n \t(")
        start = before.rfind("\n") + 1
        name = before[start:].strip(" _\t")
        if name:
            begin = before.index(name, start)
            return Named(" ".join(name.split()), _evidence(head, document_id, begin, begin + len(name)))
    chinese = _CHINESE_COMPANY.search(head[:3000])
    if chinese:
        return Named(chinese.group(), _evidence(head, document_id, chinese.start(), chinese.end()))
    return None


def _period_end(head: str, document_id: str, form: Named | None, header: dict[str, str]) -> Named | None:
    marks = (mark.search(head) for mark in _DATE_MARKS)
    for match in sorted((mark for mark in marks if mark), key=lambda mark: mark.start()):
        after = _DATE_TEXT.search(head, match.end(), match.end() + _REACH)
        before = list(_DATE_TEXT.finditer(head, max(0, match.start() - _REACH), match.start()))
        if hit := after or (before[-1] if before else None):
            return _dated(head, document_id, hit.start(), hit.end())
    if "period" in header:
        raw = header["period"]
        return _from_header(f"{raw[:4]}-{raw[4:6]}-{raw[6:]}", document_id, "submission header: period of report")
    chinese = _CHINESE_FORM.search(head)
    if chinese and chinese["kind"] in ("年度", "半年度"):
        year = int(chinese["year"])
        end = date(year, 12, 31) if chinese["kind"] == "年度" else date(year, 6, 30)
        return Named(end.isoformat(), _evidence(head, document_id, chinese.start(), chinese.end()))
    if form is not None and form.value.startswith("8-K"):
        # Some cover pages print the date bare, between the name of the act and the company.
        company = _COMPANY_MARK.search(head)
        bare = list(_DATE_TEXT.finditer(head, 0, company.start() if company else 0))
        if bare:
            return _dated(head, document_id, bare[-1].start(), bare[-1].end())
    return None


def _dated(head: str, document_id: str, start: int, end: int) -> Named | None:
    dates = find_dates(normalise(head[start:end]))
    return Named(dates[0].isoformat(), _evidence(head, document_id, start, end)) if dates else None


def _from_header(value: str, document_id: str, label: str) -> Named:
    return Named(value, TextEvidence(document_id, Span(0, 0), f"{label}: {value}"))


def _evidence(head: str, document_id: str, start: int, end: int) -> TextEvidence:
    return TextEvidence(document_id, Span(start, end), head[start:end])
