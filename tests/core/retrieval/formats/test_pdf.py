"""PDF: text by page, and files made to break or hold up the reader."""

from __future__ import annotations

import io
import time
import zlib

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from core.errors import FileTooLarge, UnreadableFile
from core.retrieval import chunk, load_bytes
from core.retrieval.formats import pdf
from core.retrieval.formats.pdf import read_pdf


def make_pdf(pages: list[str], *, font: str = "Helvetica", encrypt: StandardEncryption | None = None) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=encrypt)
    for page in pages:
        canvas.setFont(font, 12)
        for number, line in enumerate(page.split("\n")):
            canvas.drawString(72, 750 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def test_pages_are_read_and_passages_know_theirs():
    (document,) = load_bytes("fees.pdf", make_pdf(["The first card is free.", "A spare card costs six euro."]))
    assert document.text.count("\f") == 1 and document.metadata["pages"] == "2" and document.title == "fees"
    pages = {passage.metadata["page"]: passage.text for passage in chunk(document)}
    assert "spare card" in (pages.get("2") or pages["1"])


def test_chinese_text_is_read():
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    (parsed,) = read_pdf(make_pdf(["第一张卡免费。"], font="STSong-Light"), "费用.pdf")
    assert "第一张卡免费" in parsed.text


def test_pages_without_text_are_named():
    (parsed,) = read_pdf(make_pdf(["Text.", "", "More.", ""]), "a.pdf")
    assert parsed.metadata["pages_without_text"] == "2, 4"


def test_scans_are_told_from_text():
    with pytest.raises(UnreadableFile, match=r"no text layer; its 2 pages.*OCR"):
        read_pdf(make_pdf(["", ""]), "scan.pdf")


def test_a_password_is_asked_for_only_where_one_is_needed_to_read():
    locked = make_pdf(["Secret."], encrypt=StandardEncryption("reader", ownerPassword="owner", strength=40))
    with pytest.raises(UnreadableFile, match=r"'a.pdf' is encrypted"):
        read_pdf(locked, "a.pdf")
    open_to_read = make_pdf(["Not secret."], encrypt=StandardEncryption("", ownerPassword="owner", strength=40))
    assert "Not secret" in read_pdf(open_to_read, "a.pdf")[0].text


def test_a_file_of_another_kind_is_told():
    with pytest.raises(UnreadableFile, match="is not a PDF"):
        read_pdf(b"Dear customer", "a.pdf")


@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_a_broken_file_is_told_or_mended(damage: str):
    data = make_pdf(["The first card is free."])
    broken = b"%PDF-1.4\n" + bytes(range(256)) * 40 if damage == "noise" else data[: len(data) // 3]
    with pytest.raises(UnreadableFile, match=r"broken PDF|no text layer"):
        read_pdf(broken, "a.pdf")


def test_too_many_pages_are_refused():
    with pytest.raises(FileTooLarge, match="has 4 pages, the limit is 3"):
        read_pdf(make_pdf(["x"] * 4), "a.pdf", max_pages=3)


def raw_pdf(content: bytes, *, compressed: bool) -> bytes:
    """A page with the given content stream, and no cross-reference table."""
    length = b"/Length " + str(len(content)).encode()
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
        b"4 0 obj<<" + (b"/Filter/FlateDecode" if compressed else b"") + length + b">>stream\n" + content
        + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
    )  # fmt: skip


def test_a_file_without_cross_references_is_mended():
    assert "Free" in read_pdf(raw_pdf(b"BT /F 12 Tf (Free) Tj ET", compressed=False), "a.pdf")[0].text


def test_time_is_bounded():
    endless = raw_pdf(b"BT /F 12 Tf (a) Tj ET " * 900_000, compressed=False)
    started = time.monotonic()
    with pytest.raises(UnreadableFile, match="was not read within 2 s"):
        read_pdf(endless, "a.pdf", max_seconds=2)
    assert time.monotonic() - started < 8


def test_a_stream_that_inflates_without_end_is_stopped():
    bomb = raw_pdf(zlib.compress(b" " * 300_000_000, 1), compressed=True)
    with pytest.raises(UnreadableFile, match=r"broken PDF|no text layer|not read within"):
        read_pdf(bomb, "bomb.pdf", max_seconds=20)


def test_a_worker_that_dies_is_reported(monkeypatch):
    monkeypatch.setattr(pdf, "_MAX_MEMORY_BYTES", 1024)
    with pytest.raises(UnreadableFile, match="broken PDF"):
        read_pdf(make_pdf(["x"]), "a.pdf")
