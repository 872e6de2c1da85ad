"""The page, run without a browser: samples, both languages, choosing a fact, bad uploads."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from apps.finance_risk import product as product_module
from apps.finance_risk.page_views import grid_view, item_marks, waterfall
from apps.finance_risk.report import analyse
from core.errors import InputError
from core.inference import Completion
from core.report import highlight_html

PAGE = Path(product_module.__file__).with_name("page.py")
SAMPLES = PAGE.parent / "samples"


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def labels(app: AppTest) -> list[str]:
    return [tab.label for tab in app.tabs]


def menu(page: AppTest, key: str) -> Selectbox:
    """What `Page.select` draws under `key`."""
    return next(box for box in page.selectbox if (box.key or "").startswith(f"{key}_"))


def test_it_opens_on_a_sample_with_its_score_and_facts(page: AppTest):
    assert labels(page)[2] == "Facts (81)"
    assert "HARROW VALE INSTRUMENTS, INC." in html(page) and "-0.62 – distress zone" in html(page)
    assert "▶ 18,240" in html(page)


def test_choosing_a_fact_marks_its_cell(page: AppTest):
    facts = menu(page, "fact")
    position = next(i for i, option in enumerate(facts.options) if option.startswith("Inventory"))
    facts.set_value(position).run()
    assert not page.exception and "▶ 71,655" in html(page)


def test_the_current_report_shows_its_events(page: AppTest):
    page.selectbox(key="sample").set_value("sample_8k").run()
    assert not page.exception and labels(page)[1] == "Events and matters (4)"
    assert "immediately due and payable" in html(page)
    assert page.expander[0].label.startswith("[5 of 5, critical] Item 2.04")


def test_chinese(page: AppTest):
    page.selectbox(key="sample").set_value("sample_zh").run()
    page.radio(key="language").set_value("zh").run()
    assert not page.exception and labels(page)[0] == "评分"
    assert "澄河精密股份有限公司" in html(page) and "安全区" in html(page)


def test_an_item_is_shown_as_text(page: AppTest):
    menu(page, "item").set_value(2).run()
    assert not page.exception and "The river" not in html(page) and "credit agreement requires" in html(page)


def test_a_file_that_is_no_filing_is_an_error_box(page: AppTest, monkeypatch: pytest.MonkeyPatch):
    upload = page.get("file_uploader")[0]
    upload.set_value([("evil.html", b"<html><script>alert(1)</script><p>hello</p></html>", "text/html")])
    page.run()
    assert not page.exception and page.error and "evil" in page.error[0].value
    assert "<script>" not in html(page)


def test_a_hostile_filing_is_shown_as_text_only(page: AppTest):
    markup = (SAMPLES / "harrow-vale-10-k.html").read_text(encoding="utf-8")
    hostile = markup.replace("Cash and cash equivalents<", "Cash &lt;img src=x onerror=alert(1)&gt;<")
    page.get("file_uploader")[0].set_value([("h.html", hostile.encode(), "text/html")])
    page.run()
    assert not page.exception and "<img" not in html(page)


def test_a_grid_marks_the_cell_and_leaves_empty_columns_out():
    report = analyse(SAMPLES / "harrow-vale-10-k.html")
    fact = report.filing.fact("total_assets")
    view = grid_view(report.filing.tables[fact.evidence.table], fact.evidence)
    row, column = view.marked
    assert view.rows[row][column] == "308,000" and view.rows[row][0] == f"r{fact.evidence.row + 1}"
    assert view.header[column] == f"c{fact.evidence.column + 1}"
    assert len({len(cells) for cells in view.rows}) == 1


def test_the_chart_adds_up():
    score = analyse(SAMPLES / "harrow-vale-10-k.html").score
    bars = waterfall(score, {"X1": "a", "X2": "b", "X3": "c", "X4": "d", "total": "t"})["layer"][0]["data"]["values"]
    assert all(before["end"] == after["start"] for before, after in pairwise(bars[:4]))
    assert bars[-1]["end"] == pytest.approx(float(score.value))


def test_marks_lie_in_their_item_and_do_not_overlap():
    report = analyse(SAMPLES / "harrow-vale-8-k.html")
    event = report.events.events[0]
    item = next(item for item in report.filing.items if item.number == event.item)
    text, marks = item_marks(report.filing, item, event, "en")
    assert marks and all(0 <= mark.span.start < mark.span.end <= len(text) for mark in marks)
    assert "immediately due" in highlight_html(text, marks, {"event": "e", "signal": "s", "entity": "n"})


class Echo:
    """Repeats a template it is asked to word; knows no role."""

    name = "echo"

    def generate(self, prompts, sampling, progress=None):
        asked = [prompt[0]["content"] for prompt in prompts]
        return [Completion("" if "字段：" in text else text.split("\n\n", 1)[1], "stop") for text in asked]


def test_a_summary_is_told_on_demand_with_whose_words_it_is_in(page: AppTest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: Echo())
    assert "every sentence supported" not in html(page)
    page.toggle(key="phrase").set_value(True).run()
    assert not page.exception and "the model, every sentence supported" in html(page)
    assert any(expander.label == "What was tried" for expander in page.expander)


def test_matters_are_listed_and_roles_asked_for_on_demand(page: AppTest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.load_generator", lambda name=None: Echo())
    page.selectbox(key="sample").set_value("sample_announcement").run()
    assert not page.exception and "澄川控股有限公司" in html(page) and "not read" in html(page)
    page.toggle(key="fill_roles").set_value(True).run()
    assert not page.exception and any("answers were not valid" in text.value for text in page.text)


def test_a_missing_model_is_an_error_box(page: AppTest, monkeypatch: pytest.MonkeyPatch):
    def absent(name=None):
        raise InputError("The model is not here.", hint="Fetch it.")

    monkeypatch.setattr("core.inference.load_generator", absent)
    page.radio(key="language").set_value("zh").run()
    page.toggle(key="phrase").set_value(True).run()
    assert not page.exception and "not here" in page.error[0].value and labels(page)[0] == "评分"
