"""Word and Excel files: their text, and archives made to harm."""

from __future__ import annotations

import datetime
import io
import zipfile

import docx
import openpyxl
import pytest
from docx.enum.style import WD_STYLE_TYPE

from core.errors import FileTooLarge, UnreadableFile
from core.retrieval import chunk, load_bytes
from core.retrieval.formats.docx import read_docx
from core.retrieval.formats.office import MAX_UNPACKED_BYTES
from core.retrieval.formats.sheets import read_xlsx

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'


def archive(parts: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return stream.getvalue()


def word(body: str, **parts: str) -> bytes:
    document = f"<w:document {_W} {_MC}><w:body>{body}</w:body></w:document>"
    return archive({"word/document.xml": document, **{f"word/{name}.xml": part for name, part in parts.items()}})


def saved(workbook: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def test_a_word_document_keeps_its_structure():
    document = docx.Document()
    document.add_heading("Fees", level=1)
    document.add_paragraph("The first card is free.")
    document.add_paragraph("Open the app.", style="List Number")
    document.add_paragraph("Tap Cards.", style="List Number")
    style = document.styles.add_style("Our section", WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Heading 2"]
    document.add_heading("费用表", level=2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (cell for row in table.rows for cell in row.cells), ["Kind", "Fee", "Spare | extra", "6 EUR"], strict=True
    ):
        cell.text = text
    document.add_paragraph("After.")
    stream = io.BytesIO()
    document.save(stream)
    (loaded,) = load_bytes("fees.docx", stream.getvalue())
    assert loaded.text.startswith("# Fees\n\nThe first card is free.\n\n")
    assert loaded.text.endswith("## 费用表\n\n| Kind | Fee |\n| Spare ¦ extra | 6 EUR |\n\nAfter.\n")
    assert "Open the app." in loaded.text
    assert [passage.heading_path for passage in chunk(loaded)] == [("Fees",), ("Fees", "费用表")]


def test_lists_tracked_changes_controls_and_notes():
    body = (
        "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>one</w:t></w:r></w:p>"
        "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>two</w:t></w:r></w:p>"
        "<w:p><w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>added</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:hyperlink><w:r><w:t>in a control</w:t></w:r></w:hyperlink></w:p>"
        "</w:sdtContent></w:sdt>"
        "<w:p><w:r><mc:AlternateContent><mc:Choice><w:t>once</w:t></mc:Choice><mc:Fallback><w:t>twice</w:t></mc:Fallback>"
        "</mc:AlternateContent></w:r><w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>"
    )
    notes = (
        f'<w:footnotes {_W}><w:footnote w:type="separator"><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>'
        "<w:footnote><w:p><w:r><w:t>A note.</w:t></w:r></w:p></w:footnote></w:footnotes>"
    )
    (parsed,) = read_docx(word(body, footnotes=notes), "a.docx")
    assert parsed.text == "- one\n- two\n\nkept added\n\nin a control\n\nonce\tb\nc\n\nA note.\n"


def test_a_workbook_gives_a_document_for_each_sheet_and_a_passage_for_each_row():
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Fees"
    sheet.append(["Fee schedule"])
    sheet.append([])
    sheet.append(["Kind", "Fee", "Rate", "From", None])
    sheet.append(["Spare card", 6.0, 0.015, datetime.datetime(2024, 5, 1), "no name"])
    sheet["C4"].number_format = "0.0%"
    sheet.append(["备用卡", "=B4*2"])
    workbook.create_sheet("Empty")
    other = workbook.create_sheet("常见问题")
    other.append(["问题", "答案"])
    other.append(["多少钱？", "六欧元\n一张"])
    fees, questions = load_bytes("kb.xlsx", saved(workbook))
    assert (fees.id, fees.title, questions.id, questions.language) == ("kb.xlsx#Fees", "Fees", "kb.xlsx#常见问题", "zh")
    assert [passage.text for passage in chunk(fees)] == [
        "Fee schedule",
        "Kind: Spare card\nFee: 6\nRate: 1.5 %\nFrom: 2024-05-01\ncolumn 5: no name",
        "Kind: 备用卡\nFee: (not calculated: =B4*2)",
    ]
    assert questions.text == "问题: 多少钱？\n答案: 六欧元 一张\n"


@pytest.mark.parametrize(("name", "main"), [("a.docx", "word/document.xml"), ("a.xlsx", "xl/workbook.xml")])
def test_archives_that_unpack_beyond_bounds_are_refused_unpacked(name: str, main: str):
    blank = b" " * (MAX_UNPACKED_BYTES // 4)
    many = archive({main: "<x/>", **{f"part{number}": blank for number in range(5)}})
    with pytest.raises(FileTooLarge, match="unpacks to 6 parts and 320 MiB, the limit is 256 MiB"):
        load_bytes(name, many)
    with pytest.raises(FileTooLarge, match="times its size"):
        load_bytes(name, archive({main: b" " * 20_000_000}))
    with pytest.raises(FileTooLarge, match="unpacks to 10002 parts"):
        load_bytes(name, archive({main: "<x/>", **{f"p{number}": "" for number in range(10_001)}}))


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04 and then nothing", "not an Office document, or is broken"),
        (b"plain words", "not an Office document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted or in an old Office format"),
        (archive({"photo.png": b"x"}), "it is another kind of archive"),
        (archive({"word/document.xml": "<not closed", "xl/workbook.xml": "<not closed"}), "broken|not valid"),
    ],
)
def test_broken_and_foreign_archives_are_named(name: str, data: bytes, said: str):
    with pytest.raises(UnreadableFile, match=said) as refusal:
        load_bytes(name, data)
    assert f"'{name}'" in str(refusal.value)


def test_an_encrypted_member_is_told():
    data = bytearray(word("<w:p/>"))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    with pytest.raises(UnreadableFile, match=r"'a.docx' is encrypted"):
        read_docx(bytes(data), "a.docx")


def test_entities_in_word_parts_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden-word")
    paragraph = "<w:p><w:r><w:t>&c;</w:t></w:r></w:p>"
    document = f"<w:document {_W}><w:body>{paragraph}</w:body></w:document>"
    outside = f'<!DOCTYPE x [<!ENTITY c SYSTEM "file://{secret}">]>'
    for prolog in (_LAUGHS, outside):
        with pytest.raises(UnreadableFile, match="declares a document type"):
            read_docx(archive({"word/document.xml": prolog + document}), "a.docx")


def shared_strings_workbook() -> dict[str, str]:
    """The parts of a workbook as Excel writes it: texts in a part of their own."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Fees" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/><sheetData>'
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>Fee</t></is></c></row>'
        '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2"><v>6</v></c></row></sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}"><si><t>Kind</t></si><si><t>Spare</t></si></sst>',
    }


def test_a_workbook_as_excel_writes_it_with_untrue_dimensions_is_read():
    (parsed,) = read_xlsx(archive(shared_strings_workbook()), "a.xlsx")
    assert parsed.text == "Kind: Spare\nFee: 6\n"


@pytest.mark.parametrize(
    ("part", "replaced"),
    [
        ("xl/worksheets/sheet1.xml", ">Fee<"),
        ("xl/sharedStrings.xml", "Spare"),
        ("xl/workbook.xml", "Fees"),
    ],
)
def test_entities_in_workbook_parts_are_refused(part: str, replaced: str):
    parts = shared_strings_workbook()
    assert replaced in parts[part]
    parts[part] = _LAUGHS + parts[part].replace(replaced, replaced[0] + "&c;" + replaced[-1])
    with pytest.raises(UnreadableFile, match=f"'{part}' of 'a.xlsx' declares a document type"):
        read_xlsx(archive(parts), "a.xlsx")
    utf16 = parts[part].encode("utf-16")
    with pytest.raises(UnreadableFile, match="declares a document type"):
        read_xlsx(archive({**parts, part: utf16}), "a.xlsx")


def test_a_workbook_with_more_cells_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr("core.retrieval.formats.sheets.MAX_CELLS", 50)
    workbook = openpyxl.Workbook()
    for row in range(30):
        workbook.active.append([row, row])
    with pytest.raises(FileTooLarge, match="more than 50 cells"):
        read_xlsx(saved(workbook), "a.xlsx")


def test_deeply_nested_word_parts_are_told():
    depth = 3000
    body = "<w:sdt>" * depth + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>" + "</w:sdt>" * depth
    with pytest.raises(UnreadableFile, match=r"nests its parts too deeply"):
        read_docx(word(body), "a.docx")
