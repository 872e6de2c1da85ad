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
    article = "\n".join(element.proto.body for element in sources[0].get("html"))
    assert "<mark" in article and ">How to order</h4>" in article and "<strong>Cards</strong>" in article
    assert "##" not in article and "**" not in article


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


class Scripted:
    """A language model that words the first sentence well and every other one wrongly."""

    name = "scripted"

    def generate(self, prompts, sampling, progress=None):
        from core.inference import Completion

        wrong = f"It costs EUR {97 + sampling.n}."
        texts = ["For a spare card the costs are EUR 6." if "EUR 6" in str(prompt) else wrong for prompt in prompts]
        return [Completion(text, "stop") for text in texts for _ in range(sampling.n)]

    def score(self, prompts, continuations):
        from core.inference import ContinuationScore

        return [ContinuationScore((1,), (-1.0,), (0,)) for _ in prompts]


@pytest.fixture
def language_model(monkeypatch) -> None:
    """A scripted model; the toy encoder finds less alike than the real one, so its minimum is another."""
    monkeypatch.setattr("core.inference.load_generator", lambda *args, **options: Scripted())
    monkeypatch.setattr("apps.customer_service.dialogue.phrasing.CALIBRATED_ENCODER", "words")
    monkeypatch.setattr("apps.customer_service.dialogue.faithfulness.MINIMUM_COSINE", 0.5)


def _steps(app: AppTest, label: str) -> str:
    expander = next(expander for expander in app.expander if expander.label == label)
    return "\n".join(element.proto.body for element in expander.get("html"))


def test_how_an_answer_was_phrased_is_one_click_away(page: AppTest, language_model) -> None:
    app = page.run()
    app.toggle(key="phrase").set_value(True).run()
    _say(app, "What does delivery of a spare card by express courier cost?")
    assert not app.exception
    assert "For a spare card the costs are EUR 6. <b>[1]</b> <small>(phrased by the language model" in _html(app)
    assert "the model&#x27;s wording was refused" in _html(app)
    steps = _steps(app, "How it was phrased")
    assert "✓ accepted" in steps and "✗ refused" in steps and "EUR 98" in steps and "EUR 99" in steps
    app.radio(key="language").set_value("zh").run()
    assert "✓ 采用" in _steps(app, "改写过程")


PAST = b"""Question,when
What does a spare card cost?,1
"What does a second spare card cost? My card is 4111 1111 1111 1111",2
Spare card cost?,3
What does one spare card cost?,4
<b>Tell</b> me what a spare card does cost,5
How is the weather in Berlin today?,6
How is the weather in Paris today?,7
How is the weather in Rome today?,8
Is the weather in Rome fine today?,9
How is the weather in Oslo today?,10
"""


def _asked(page: AppTest) -> AppTest:
    app = page.run()
    return app.radio(key="view_en").set_value("asked").run()


def _upload(app: AppTest, data: bytes, name: str = "past.csv") -> AppTest:
    number = app.session_state["asked_number"]
    return app.file_uploader(key=f"asked_file_{number}").set_value((name, data, "text/csv")).run()


def test_past_questions_show_what_no_article_answers(page: AppTest) -> None:
    app = _asked(page)
    assert not app.exception and "No file yet" in app.info[0].value
    _upload(app, PAST)
    assert not app.exception and not app.error
    html = _html(app)
    assert "Order a spare card (spare-card-en)" in html and "∅ no article" in html
    assert "4111" not in html and "<b>Tell" not in html
    assert any("masked" in caption.value for caption in app.caption)
    app.radio(key="asked_show_en").set_value("unanswered").run()
    assert "weather" in _html(app) and "spare-card-en" not in _html(app)
    app.radio(key="asked_show_en").set_value("several").run()
    assert any("No group is like that" in info.value for info in app.info)
    app.text_input(key="asked_like").set_value("spare card cost").run()
    assert "Similarity (cosine)" in _html(app) and "Spare card cost?" in _html(app)
    assert app.get("download_button")


def test_past_questions_stay_while_one_tries_the_assistant_and_go_when_discarded(page: AppTest) -> None:
    app = _upload(_asked(page), PAST)
    app.radio(key="view_en").set_value("chat").run()
    assert not app.exception and app.chat_input
    app.radio(key="view_en").set_value("asked").run()
    assert "Order a spare card" in _html(app)
    app.radio(key="language").set_value("zh").run()
    assert "∅ 没有文章" in _html(app) and not app.exception
    assert app.radio(key="view_zh").value == "asked"
    app.button(key="asked_discard").click().run()
    assert not app.exception and "asked" not in app.session_state and "尚未上传" in app.info[0].value


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"\x7fELF\x00\x01", "past.csv", "not text"),
        (b"a,b\n1,2\n", "past.csv", "which column"),
        (b"question\n\n", "past.csv", "no question"),
        (b"{", "past.jsonl", "Line 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_box(page: AppTest, data: bytes, name: str, message: str) -> None:
    app = _upload(_asked(page), data, name)
    assert not app.exception and message in app.error[0].value
    assert "asked" not in app.session_state


def test_the_script_is_where_the_product_says() -> None:
    assert Path(product.page).is_file() and set(product.titles) == {"zh", "en"}


def test_why_and_how_long_are_told_in_the_language_of_the_page(page: AppTest) -> None:
    app = page.run()
    app.radio(key="language").set_value("zh").run()
    _say(app, "副卡多少钱？")
    assert not app.exception
    times = [caption.value for caption in app.caption if caption.value.startswith("用时：")]
    assert len(times) == 1
    assert times[0].startswith("用时：理解 ") and "understand" not in times[0]
    assert "检索内容：<code>" in _html(app)
