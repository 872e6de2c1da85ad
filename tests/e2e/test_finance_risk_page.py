"""The main job in a real browser: open, see the score, choose a fact, see its cell, read the events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.finance_risk import product as product_module

pytestmark = pytest.mark.browser
SAMPLES = Path(product_module.__file__).parent / "samples"
_TIMEOUT_MS = 60_000


def test_an_analyst_follows_a_number_to_its_cell(
    served_page: Callable[[str], str], browser, screenshot_path: Path, tmp_path: Path
):
    page = browser.new_page(viewport={"width": 1400, "height": 1600})
    page.set_default_timeout(_TIMEOUT_MS)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(served_page("finance-risk"))

    page.get_by_text("distress zone (below 1.1)").first.wait_for()
    page.get_by_role("tab", name="Facts").click()
    page.get_by_text("▶ 18,240").last.wait_for()

    hostile = (SAMPLES / "harrow-vale-8-k.html").read_text(encoding="utf-8")
    hostile = hostile.replace(
        "Miriam Oakes", "Miriam <script>alert(1)</script>&lt;img src=x onerror=alert(1)&gt; Oakes"
    )
    upload = tmp_path / "report.html"
    upload.write_text(hostile, encoding="utf-8")
    page.set_input_files("input[type=file]", str(upload))
    page.get_by_role("tab", name="Events and matters (4)").click()
    page.locator("mark", has_text="an event of default has occurred").first.wait_for()
    page.locator("mark", has_text="onerror=alert").first.wait_for()

    page.get_by_text("中文").click()
    page.get_by_role("tab", name="事件与事项（4）").click()
    page.get_by_text("触发加速或增加财务义务的事件").first.wait_for()
    page.screenshot(path=str(screenshot_path), full_page=True)
    assert dialogs == []
    page.close()


def test_an_analyst_sees_who_pledged_what(served_page: Callable[[str], str], browser, screenshot_path: Path):
    page = browser.new_page(viewport={"width": 1400, "height": 1800})
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(served_page("finance-risk"))
    page.get_by_text("distress zone (below 1.1)").first.wait_for()
    page.get_by_text("中文").click()
    page.get_by_text("用文字概述（语言模型）").wait_for()
    page.locator("[data-test-script-state='notRunning']").wait_for()
    page.get_by_label("或查看虚构公司的样例").click()
    page.get_by_text("股份质押公告，中文").click()
    page.get_by_role("tab", name="事件与事项（4）").click()
    page.get_by_text("由语言模型填写规则留空的角色").wait_for()
    page.get_by_role("cell", name="澄川控股有限公司", exact=True).first.wait_for()
    page.get_by_role("cell", name="未读出", exact=True).first.wait_for()
    page.screenshot(path=str(screenshot_path), full_page=True)
    page.close()
