from core.text import escape_markdown


def test_nothing_in_a_text_formats_links_or_embeds():
    assert escape_markdown("![x](http://y) <b>*a*\n| b") == r"\!\[x\](http://y) \<b\>\*a\* \| b"


def test_plain_words_stay_as_they_are():
    assert escape_markdown("HP:0001250, 3.5 % (退款)") == "HP:0001250, 3.5 % (退款)"
