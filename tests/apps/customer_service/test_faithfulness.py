import numpy as np
import pytest

from apps.customer_service.dialogue.faithfulness import Faithfulness, numbers
from core.errors import InputError
from core.inference.phrase import every_sentence_supported
from core.metrics import Context, MissingContext

QUOTE = 'A spare card costs EUR 6 and is shown as "Pending" for 2 days.'


class SameForAll:
    """An encoder that finds everything alike, so that only the other checks can object."""

    name, dimension = "same", 2

    def encode_passages(self, texts, progress=None):
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))

    encode_queries = encode_passages


class Opposite(SameForAll):
    def encode_passages(self, texts, progress=None):
        return np.eye(2, dtype=np.float32)[: len(texts)]


def _refused(rewritten: str, quotation: str = QUOTE, language: str = "en", embedder: object = None) -> set[str]:
    """Names of the parts that speak against it."""
    metric = Faithfulness(embedder or SameForAll(), language)
    (score,) = metric.score([rewritten], Context(evidence=(quotation,)))
    wrong = {part.name for part in score.parts if part.value == 0}
    assert every_sentence_supported(score) == (bool(score.parts) and not wrong)
    assert all(part.reason for part in score.parts if part.value == 0)
    return wrong if score.parts else {"empty"}


def test_a_faithful_rewording_passes() -> None:
    assert _refused('You pay EUR 6 for a spare card, which is shown as "Pending" for 2 days.') == set()
    assert _refused(QUOTE) == set()


@pytest.mark.parametrize(
    ("rewritten", "reason"),
    [
        ('A spare card costs EUR 7 and is shown as "Pending" for 2 days.', "sentence"),
        ('A spare card costs EUR 6 and is shown as "Pending" for two days.', "numbers"),
        ('A spare card costs EUR 6 and is shown as "Pending" for twelve days.', "sentence"),
        ('A spare card costs EUR 6 and is shown as "Pending".', "numbers"),
        ('A spare card costs EUR 6 at Barclays and is shown as "Pending" for 2 days.', "sentence"),
        ("A spare card costs EUR 6 and is shown as pending for 2 days.", "terms"),
        ('A spare card costs EUR 6, "free" and is shown as "Pending" for 2 days.', "terms"),
        ('A spare card costs EUR 6 and is not shown as "Pending" for 2 days.', "denial"),
        ('A spare card costs only EUR 6 and is shown as "Pending" for 2 days.', "limit"),
        ('You must pay EUR 6 for a spare card, which is shown as "Pending" for 2 days.', "duty"),
        ("6 2", "length"),
        ("备用卡收费 6 欧元，显示“Pending” 2 天，请您放心使用这张新的备用卡吧", "language"),
        ('A spare card costs EUR 6 and is shown as "Pending" for 2 days. Weather is fine.', "sentence"),
        ("", "empty"),
    ],
)
def test_what_changes_the_meaning_is_refused(rewritten: str, reason: str) -> None:
    assert reason in _refused(rewritten)


def test_chinese_is_checked_likewise() -> None:
    quote = "即时转账不能取消，召回收费 10 欧元。"
    assert _refused("召回收费 10 欧元，即时转账不能取消。", quote, "zh") == set()
    assert "denial" in _refused("即时转账可以取消，召回收费 10 欧元。", quote, "zh")
    assert "sentence" in _refused("即时转账不能取消，召回收费 10 欧元，三天到。", quote, "zh")
    assert "sentence" in _refused("即时转账不能取消，Revolut 召回收费 10 欧元。", quote, "zh")


def test_a_distant_meaning_is_refused_whatever_its_words() -> None:
    assert _refused("A card costs EUR 6.", "A card costs EUR 6. ", embedder=Opposite()) == {"meaning"}


def test_reasons_name_the_words_in_the_language_asked_for() -> None:
    metric = Faithfulness(SameForAll(), "zh")
    (score,) = metric.score(['A spare card costs EUR 6 and is shown as "Pending".'], Context(evidence=(QUOTE,)))
    assert score.part("numbers").reason == "数字与引文不符：2"
    assert 0 < score.value < 1


def test_a_better_rewording_scores_higher() -> None:
    metric = Faithfulness(SameForAll())
    worse, better, right = metric.score(
        ['A card costs "only" EUR 7.', 'A spare card costs only EUR 6 and is shown as "Pending" for 2 days.', QUOTE],
        Context(evidence=(QUOTE,)),
    )
    assert worse.value < better.value < right.value == 1.0


def test_one_quotation_is_needed() -> None:
    with pytest.raises(MissingContext):
        Faithfulness(SameForAll()).score(["x"])
    with pytest.raises(InputError, match="one quotation"):
        Faithfulness(SameForAll()).score(["x"], Context(evidence=("a", "b")))


def test_numbers_ignore_separators_of_thousands_only() -> None:
    assert numbers("EUR 20,000 at 08:00, 1.5 %") == numbers("1.5 %，20000 欧元，08:00") == ["08:00", "1.5", "20000"]
    assert numbers("1,5") == ["1,5"]
