from streamlit.testing.v1 import AppTest


def script():
    import streamlit as st

    from core.errors import UnreadableFile
    from core.evidence import RuleEvidence
    from core.ui import Page

    page = Page(titles={"en": "Toy", "zh": "玩具"}, texts={"hello": {"en": "Hello {name}", "zh": "你好 {name}"}})
    st.text(page.text("hello", name="Ann"))
    page.evidence([RuleEvidence("rule", "<img src=x>")])
    with page.guard():
        raise UnreadableFile("'a_[b](http://x)' is empty.", hint="Choose another.")


def test_the_language_switch_changes_every_text():
    page = AppTest.from_function(script).run()
    assert page.title[0].value == "Toy" and page.text[0].value == "Hello Ann"
    page.radio(key="language").set_value("zh").run()
    assert page.title[0].value == "玩具" and page.text[0].value == "你好 Ann"
    assert not page.exception


def test_an_error_is_a_box_with_its_hint_and_names_cannot_format():
    page = AppTest.from_function(script).run()
    assert r"\_\[b\](http://x)" in page.error[0].value
    assert page.info[0].value == "Choose another."


def menu_script():
    import streamlit as st

    from core.ui import Page

    page = Page(titles={"en": "Toy", "zh": "玩具"}, texts={})
    patients = {"first": ["flu", "cold"], "second": ["gout", "flu"], "third": ["flu", "cold"]}
    names = patients[st.radio("patient", list(patients), key="patient")]
    st.text(names[page.select("disease", names, key="disease")])


def test_a_menu_of_other_texts_is_another_menu():
    """Under one key the browser would go on showing "cold" over what is told of gout."""
    page = AppTest.from_function(menu_script).run()
    first = page.selectbox[0]
    first.set_value(1).run()
    assert page.text[0].value == "cold"
    page.radio(key="patient").set_value("second").run()
    assert page.selectbox[0].key != first.key
    assert page.text[0].value == "gout"
    page.radio(key="patient").set_value("third").run()
    assert page.selectbox[0].key == first.key
    assert page.text[0].value == page.selectbox[0].options[page.selectbox[0].value]
