"""Tables become grids as browsers lay them out; hidden and hostile markup gives nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.finance_risk.filings.grid import MAX_POSITIONS, GridBuilder
from apps.finance_risk.filings.render import parse_html, render
from core.errors import UnreadableFile
from core.text.spans import Span


def rendered(markup: str):
    return render(parse_html(markup, "test.html"))


def slow_layout(rows: list[list[tuple[int, int]]]) -> list[list[int]]:
    """Columns where cells start, by marking every covered position of a set: the slow reference."""
    taken: set[tuple[int, int]] = set()
    starts: list[list[int]] = []
    for y, row in enumerate(rows):
        starts.append([])
        x = 0
        for row_span, column_span in row:
            while (y, x) in taken:
                x += 1
            starts[-1].append(x)
            taken |= {(y + dy, x + dx) for dy in range(row_span) for dx in range(column_span)}
            x += column_span
    return starts


spans = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(st.lists(st.lists(spans, max_size=4), max_size=5))
def test_the_grid_is_laid_out_like_the_slow_reference(rows: list[list[tuple[int, int]]]):
    grid = GridBuilder()
    for row in rows:
        grid.start_row()
        for row_span, column_span in row:
            grid.add_cell("x", Span(0, 1), row_span=row_span, column_span=column_span)
    table = grid.build(0, Span(0, 1), is_layout=False)
    assert [[cell.column for cell in row] for row in table.rows] == slow_layout(rows)


def test_a_table_of_absurd_spans_is_cut_and_says_so():
    grid = GridBuilder()
    for _ in range(MAX_POSITIONS):
        grid.add_cell("x", Span(0, 1), column_span=10**9)
    table = grid.build(0, Span(0, 1), is_layout=False)
    assert table.is_cut and table.column_count <= MAX_POSITIONS


def test_spans_point_at_the_cell_text():
    page = rendered(
        "<p>Intro</p><table><tr><td rowspan=2><p>A</p></td><td>B<sup>1</sup></td></tr>"
        "<tr><td>C<br>c</td></tr></table><p>Tail</p>"
    )
    cells = [cell for row in page.tables[0].rows for cell in row]
    assert [cell.text for cell in cells] == ["A", "B\u202f1", "C\nc"]
    assert all(cell.span.of(page.text) == cell.text for cell in cells)
    assert page.text == "Intro\nA\tB\u202f1\nC\nc\nTail"


def test_a_table_in_a_table_makes_the_outer_one_layout():
    page = rendered("<table><tr><td><table><tr><td>inner</td></tr></table></td></tr></table>")
    assert [table.is_layout for table in page.tables] == [True, False]
    assert page.tables[1].rows[0][0].text == "inner"


def test_what_a_reader_cannot_see_is_not_read():
    page = rendered(
        "<div style='display:none'>hidden <table><tr><td>1</td></tr></table></div><script>var x</script>"
        "<ix:header>facts</ix:header><p>seen</p><table><tr><td>a</td><td style='DISPLAY: none'>b</td></tr></table>"
    )
    assert page.text == "seen\na" and len(page.tables) == 1


def test_inline_blocks_do_not_break_a_sentence():
    assert rendered("<div>at $<div style='display:inline'>5.22</div> per share</div>").text == "at $5.22 per share"


def test_entities_are_not_expanded_and_files_not_fetched():
    page = rendered(
        '<!DOCTYPE html [<!ENTITY a "boom"><!ENTITY b SYSTEM "file:///etc/passwd">]><html><body>&a;&b;end</body></html>'
    )
    assert "boom" not in page.text and "root:" not in page.text and page.text.endswith("end")


@pytest.mark.parametrize("markup", ["<div>" * 300 + "total assets", "<a>" + "x" * 11_000_000 + "</a><p>after</p>"])
def test_a_page_the_parser_would_cut_is_refused(markup: str):
    with pytest.raises(UnreadableFile, match="levels"):
        parse_html(markup, "test.html")


def test_an_empty_page_is_refused():
    with pytest.raises(UnreadableFile):
        parse_html("<!-- nothing -->", "test.html")


@given(st.text(alphabet="<>/tdrable &;#=\"'1x", max_size=200))
def test_no_markup_breaks_the_reader(markup: str):
    try:
        page = rendered(markup)
    except UnreadableFile:
        return
    for table in page.tables:
        assert all(cell.span.of(page.text) == cell.text for row in table.rows for cell in row)
