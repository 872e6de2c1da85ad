"""The chat page in a real browser with the real models: ask, follow up, be told no, be handed over; two languages."""

from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.model("multilingual-e5-small"),
    pytest.mark.model("all-minilm-l6-v2"),
]
_PATIENCE_MILLISECONDS = 120_000


def _say(tab, text: str, replies: int) -> None:
    """Type `text`, and wait until so many replies stand on the page and the last one is complete."""
    box = tab.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")
    _wait_for(tab, replies)


def _wait_for(tab, replies: int) -> None:
    from playwright.sync_api import expect

    expect(tab.get_by_test_id("stChatMessage")).to_have_count(2 * replies, timeout=_PATIENCE_MILLISECONDS)
    expect(tab.get_by_test_id("stChatMessage").last.locator("strong").first).to_be_visible(
        timeout=_PATIENCE_MILLISECONDS
    )


def test_a_customer_finds_an_answer_with_its_source(served_page, browser, screenshot_path: Path) -> None:
    from playwright.sync_api import expect

    tab = browser.new_page(viewport={"width": 1280, "height": 1600}, locale="en-GB")
    try:
        tab.goto(served_page("customer-service"))
        tab.get_by_role("button", name="What does a spare card cost?").click(timeout=_PATIENCE_MILLISECONDS)
        _wait_for(tab, 1)
        expect(tab.get_by_text("Answered from the knowledge base").first).to_be_visible()
        messages = tab.get_by_test_id("stChatMessage")
        expect(messages.last.locator("p").filter(has_text="EUR 6").first).to_be_visible()
        _say(tab, "and how long does it take to arrive?", 2)
        expect(messages.last.locator("p").filter(has_text="5-7 working days").first).to_be_visible()
        messages.last.locator("summary").first.click()
        expect(messages.last.locator("mark").filter(has_text="5-7 working days").first).to_be_visible()
        messages.last.locator("summary").last.click()
        expect(messages.last.get_by_text("Meaning (cosine)").first).to_be_visible()
        tab.screenshot(path=screenshot_path, full_page=True)
        _say(tab, "可以申请房贷吗", 3)
        expect(tab.get_by_text("Not in the knowledge base").first).to_be_visible()
        tab.get_by_role("button", name="Talk to a person").click()
        _wait_for(tab, 4)
        expect(tab.get_by_text("Handed over to a person").first).to_be_visible()
        tab.screenshot(path=screenshot_path.with_stem(f"{screenshot_path.stem}_handed_over"), full_page=True)
        tab.get_by_role("button", name="Delete this conversation").click()
        expect(tab.get_by_test_id("stChatMessage")).to_have_count(0, timeout=_PATIENCE_MILLISECONDS)
    finally:
        tab.close()


PAST = """question
How much is a second card?
What do I pay for an additional card?
Is a spare card free of charge?
What does one more card cost?
Price of an extra card please
<b>How</b> expensive is a spare card?
My transfer has not arrived yet
The money I sent three days ago is not there
Where is the payment that I sent to my sister?
Why is my transfer still not there?
I sent money from 4111 1111 1111 1111 and it has not come
How long until my transfer arrives?
Do you offer mortgages?
Can I get a loan for a house?
What is your interest rate on a home loan?
I want to borrow money to buy a flat
Which documents do I need for a mortgage?
How do I apply for a home loan?
"""


def test_past_questions_show_what_no_article_answers(
    served_page, browser, screenshot_path: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    past = tmp_path / "past.csv"
    past.write_text(PAST, encoding="utf-8")
    tab = browser.new_page(viewport={"width": 1280, "height": 1400}, locale="en-GB")
    try:
        tab.goto(served_page("customer-service"))
        tab.get_by_text("Past questions").click(timeout=_PATIENCE_MILLISECONDS)
        expect(tab.get_by_text("No file yet.")).to_be_visible(timeout=_PATIENCE_MILLISECONDS)
        tab.set_input_files("input[type=file]", str(past))
        expect(tab.get_by_role("cell", name="∅ no article").first).to_be_visible(timeout=_PATIENCE_MILLISECONDS)
        table = tab.locator("table").first
        expect(table).to_contain_text("getting-spare-card-en")
        assert "4111" not in table.inner_text()
        expect(tab.get_by_text("1 with personal data")).to_be_visible()
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Download all groups as CSV").click()
        assert "getting-spare-card-en" in Path(download.value.path()).read_text(encoding="utf-8-sig")
        tab.screenshot(path=screenshot_path, full_page=True)
        tab.get_by_role("radiogroup").first.get_by_text("中文").click()
        expect(tab.get_by_role("cell", name="∅ 没有文章").first).to_be_visible(timeout=_PATIENCE_MILLISECONDS)
        expect(tab.get_by_role("radio", name="历史问题")).to_be_checked(timeout=_PATIENCE_MILLISECONDS)
        tab.screenshot(path=screenshot_path.with_stem(f"{screenshot_path.stem}_zh"), full_page=True)
    finally:
        tab.close()
