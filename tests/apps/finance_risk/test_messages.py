"""Texts: both languages, the same places to fill, and no key that is missing or unused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.finance_risk import messages as messages_module
from apps.finance_risk.messages import message_texts, say
from apps.finance_risk.page_texts import TEXTS
from apps.finance_risk.report.words import texts

ROOT = Path(messages_module.__file__).parent
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
PLACE = re.compile(r"\{(\w*)\}")


@pytest.mark.parametrize("table", [message_texts(), texts(), dict(TEXTS)], ids=["messages", "report", "page"])
def test_both_languages_have_the_same_places(table: dict[str, dict[str, str]]):
    for key, entry in table.items():
        assert set(entry) == {"en", "zh"}, key
        assert sorted(PLACE.findall(entry["en"])) == sorted(PLACE.findall(entry["zh"])), key
        has_words = re.search(r"[a-z]{2}", PLACE.sub("", entry["en"]))
        assert entry["zh"] == entry["en"] or not has_words or re.search(r"[\u4e00-\u9fff]", entry["zh"]), key


def test_every_message_is_used_and_every_used_one_exists():
    said = set(re.findall(r'say\(\s*"(\w+)"', SOURCE)) | set(re.findall(r'"((?:identity|two|empty)_\w+)"', SOURCE))
    assert said <= set(message_texts())
    built = {key for key in message_texts() if re.match(r"no_(balance|income|cash)|score_(bank|insurer|broker)", key)}
    assert set(message_texts()) - said - built == set()


def test_pairs_follow_the_language():
    message = say("score_missing", ("Revenue", "营业收入"))
    assert message.text("en") == "missing: Revenue" and message.text("zh") == "缺少：营业收入"
