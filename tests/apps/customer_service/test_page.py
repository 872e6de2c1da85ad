from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from apps.customer_service.product import product


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, desk):
    import streamlit as st

    st.cache_resource.clear()
    monkeypatch.setattr("apps.customer_service.dialogue.desk.open_desk", lambda *args, **options: desk)
    yield AppTest.from_file(str(product.page), default_timeout=30)
    st.cache_resource.clear()


def _html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def _say(app: AppTest, text: str) -> AppTest:
    return app.chat_input(key="said").set_value(text).run()


def test_a_suggestion_is_answered_with_its_source(page: AppTest) -> None:
    app = page.run()
    assert not app.exception and app.title[0].value == "Customer service"
    app.button(key="suggestion-0").click().run()
    assert not app.exception
    assert "Answered from the knowledge base" in app.chat_message[1].markdown[0].value
    assert "A spare card costs EUR 6. <b>[1]</b>" in _html(app)
    sources = [expander for expander in app.expander if "Order a spare card" in expander.label]
    assert sources and "<mark" in "\n".join(element.proto.body for element in sources[0].get("html"))


def test_each_state_is_named_in_words(page: AppTest) -> None:
    app = page.run()
    for said, state in (
        ("I have a problem", "Asking back"),
        ("How is the weather in Berlin today?", "Not in the knowledge base"),
        ("I need a human", "Handed over to a person"),
    ):
        _say(app, said)
        assert not app.exception
        assert state in app.chat_message[-1].markdown[0].value
    assert "Summary" in [expander.label for expander in app.expander][-1] or app.expander


def test_a_question_back_is_answered_by_its_button(page: AppTest) -> None:
    app = _say(page.run(), "I have a problem")
    app.button(key="option-0-0").click().run()
    assert not app.exception
    assert "Answered" in app.chat_message[-1].markdown[0].value


def test_a_person_can_always_be_asked_for_and_a_new_conversation_begun(page: AppTest) -> None:
    app = _say(page.run(), "What does a spare card cost?")
    app.button(key="person").click().run()
    assert "Handed over" in app.chat_message[-1].markdown[0].value
    before = app.session_state["conversation"]
    app.button(key="new").click().run()
    assert app.session_state["conversation"] != before and not app.chat_message


def test_the_conversation_can_be_deleted(page: AppTest, desk) -> None:
    from apps.customer_service.dialogue.assistant import open_assistant

    app = _say(page.run(), "What does a spare card cost?")
    name = app.session_state["conversation"]
    app.button(key="delete").click().run()
    with open_assistant(desk) as assistant:
        assert assistant.turns(name) == []


def test_the_page_speaks_chinese(page: AppTest) -> None:
    app = page.run()
    app.radio(key="language").set_value("zh").run()
    assert app.title[0].value == "智能客服"
    _say(app, "备用卡多少钱？")
    assert "已根据知识库回答" in app.chat_message[1].markdown[0].value
    assert "备用卡收费 6 欧元。" in _html(app)


def test_markup_in_a_message_stays_text(page: AppTest) -> None:
    app = _say(page.run(), "<script>alert(1)</script> **bold** What does a spare card cost?")
    assert not app.exception
    assert "<script>" not in _html(app) and "&lt;script&gt;" in _html(app)


def test_without_a_language_model_the_page_says_so_and_goes_on(page: AppTest, monkeypatch) -> None:
    from core.errors import ModelNotAvailable

    def absent(*args, **options):
        raise ModelNotAvailable("The model 'x' is not here.", hint="Pull it.")

    monkeypatch.setattr("core.inference.load_generator", absent)
    monkeypatch.setattr("apps.customer_service.dialogue.phrasing.CALIBRATED_ENCODER", "words")
    app = page.run()
    app.toggle(key="phrase").set_value(True).run()
    _say(app, "What does a spare card cost?")
    assert not app.exception and "not here" in app.error[0].value
    app.toggle(key="phrase").set_value(False).run()
    _say(app, "What does a spare card cost?")
    assert "Answered" in app.chat_message[-1].markdown[0].value


def test_the_script_is_where_the_product_says() -> None:
    assert Path(product.page).is_file() and set(product.titles) == {"zh", "en"}
