"""The medical page in a real browser: read a note, see why, switch a finding off, open the evidence and the graph."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_reader_goes_from_the_note_to_the_evidence(served_page, browser, screenshot_path):
    page = browser.new_page(viewport={"width": 1400, "height": 1600})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(served_page("medical"))
    page.get_by_text("not a medical device").first.wait_for(timeout=60_000)

    page.get_by_text("中文", exact=True).click()
    page.get_by_text("不是医疗器械").first.wait_for(timeout=30_000)
    page.locator("[data-test-script-state='notRunning']").wait_for(timeout=30_000)
    page.get_by_label("示例病历").click()
    page.get_by_text("双手抖动").last.click()
    page.locator("mark", has_text="角膜K-F环阳性").first.wait_for(timeout=30_000)
    expect(page.locator("mark", has_text="抽搐").locator("sub").first).to_contain_text("否认", timeout=30_000)
    page.get_by_text("由语言模型读取用药、生命体征、过敏与既往史").wait_for()
    page.screenshot(path=str(screenshot_path.with_name(f"{screenshot_path.stem}-note.png")))

    page.get_by_role("tab", name="鉴别诊断").click()
    first = page.get_by_text("肝豆状核变性").first
    first.wait_for(timeout=30_000)
    first.click()
    page.get_by_text("OMIM:277900").first.wait_for()
    page.get_by_text("PMID:").first.wait_for()
    page.screenshot(path=str(screenshot_path.with_name(f"{screenshot_path.stem}-differential.png")))

    page.get_by_role("tab", name="图谱").click()
    page.locator("[data-testid='stGraphVizChart'] svg").first.wait_for(timeout=30_000)
    shown = page.get_by_role("combobox", name="疾病", exact=True)
    expect(shown).to_have_value(re.compile("肝豆状核变性"))  # the disease drawn, not the sample's that was open before
    page.screenshot(path=str(screenshot_path))

    page.get_by_role("tab", name="病历与所见").click()
    page.locator("label", has_text="K-F环").first.click()
    page.get_by_role("tab", name="鉴别诊断").click()
    page.get_by_text("已排除 1 项").first.wait_for(timeout=30_000)
    assert problems == []
    page.close()
