import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, InternalError, UnknownName
from core.metrics import (
    AnswerF1,
    Bleu,
    Brevity,
    ChrF,
    Context,
    Distinct,
    ExactMatch,
    Groundedness,
    JsonSchema,
    Length,
    MissingContext,
    NgramEntropy,
    Pattern,
    Relevance,
    RougeL,
    RougeN,
    ScoredBy,
    SemanticSimilarity,
    SentimentConsistency,
    named_metrics,
    parse_metric,
)

BY_REFERENCE = [
    Bleu(),
    ChrF(),
    ChrF(words=2),
    RougeN(1),
    RougeN(2),
    RougeL(stemmed=True),
    ExactMatch(),
    AnswerF1(),
    Brevity(),
    SentimentConsistency(),
]
TEXTS = st.lists(
    st.sampled_from(["the", "good", "cat", "sat", "不", "退款", "三天", "到账", "。", ".", "3"]), min_size=2, max_size=8
).map(" ".join)


def value(metric, candidate: str, *references: str, **context) -> float:
    return metric.score([candidate], Context(references=references, **context))[0].value


@pytest.mark.parametrize("metric", BY_REFERENCE, ids=lambda metric: metric.name)
@given(candidate=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3), others=st.lists(TEXTS, max_size=3))
@settings(max_examples=40, deadline=None)
def test_what_holds_of_every_metric_with_references(metric, candidate, references, others):
    own = value(metric, candidate, *references)
    assert 0 <= own <= 1 + 1e-12
    if metric.name != "bleu":  # auto takes the language of the first reference
        assert own == pytest.approx(value(metric, candidate, *reversed(references)))
    contexts = [Context(references=tuple(references))] * (len(others) + 1)
    assert metric.score([*others, candidate], contexts)[-1].value == pytest.approx(own), "a batch changes nothing"


@pytest.mark.parametrize("metric", BY_REFERENCE, ids=lambda metric: metric.name)
@pytest.mark.parametrize("text", ["The good cat sat on the mat.", "退款将在三个工作日内到账。"])
def test_a_text_is_like_itself(metric, text):
    assert value(metric, text, "Something else.", text) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [*BY_REFERENCE, Groundedness()], ids=lambda metric: metric.name)
def test_what_is_missing_is_said(metric):
    with pytest.raises(MissingContext, match=f"{metric.name} needs .* candidate 2 has none"):
        metric.score(["a", "b"], [Context(references=("a",), evidence=("a",)), Context()])
    with pytest.raises(InputError, match="2 candidates, but 1 contexts"):
        metric.score(["a", "b"], [Context(references=("a",))])
    assert metric.score([], []) == []


def test_one_text_in_place_of_many_is_refused():
    with pytest.raises(InputError):
        RougeL().score("text", Context(references=("a",)))
    with pytest.raises(InputError):
        RougeL().score(["text"], Context(references="abc"))  # type: ignore[arg-type]


def test_rouge_by_hand():
    score = RougeL().score(["a b c d"], Context(references=("a x c y z",)))[0]
    assert (score.part("precision").value, score.part("recall").value) == (0.5, 0.4)
    assert value(RougeN(2), "退款三天", "退款五天") == pytest.approx(1 / 3)


def test_bleu_by_hand():
    """4 of 5 words, 2 of 4 pairs, no triple (counts half of one in 3), no quadruple (a quarter of one in 2)."""
    score = Bleu("13a").score(["a b x c d"], Context(references=("a b y c d",)))[0]
    expected = (4 / 5 * 2 / 4 * (1 / 2) / 3 * (1 / 4) / 2) ** 0.25
    assert score.value == pytest.approx(expected)
    assert score.part("brevity").value == 1


def test_answers():
    assert value(ExactMatch(), "The  Eiffel Tower!", "eiffel tower") == 1
    assert value(ExactMatch(), "《战国无双３》", "战国无双3") == 1
    assert value(AnswerF1(), "the red cat", "red dog") == pytest.approx(0.5)
    assert value(AnswerF1(), "1994年正式启用", "1994年") == pytest.approx(2 * (2 / 6) / (2 / 6 + 1))
    assert value(AnswerF1(), "", "") == 1
    assert value(AnswerF1(), "", "a b") == 0


def test_diversity():
    assert value(Distinct(1), "a a a b") == 0.5
    assert value(Distinct(2), "a") == 0
    assert Distinct(2).corpus(["a b c", "a b"]).value == pytest.approx(2 / 3)
    assert value(NgramEntropy(1), "a b c d") == 1
    assert value(NgramEntropy(1), "a a a a") == pytest.approx(0)
    assert value(NgramEntropy(1), "a a b b") == pytest.approx(0.5)
    three_one = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4)
    assert value(NgramEntropy(1), "好好好不") == pytest.approx(three_one)


def test_form():
    assert [value(Length(2, 4), text) for text in ("一", "一二三", "one two three four 5 6 7 8")] == [0.5, 1, 0.5]
    with pytest.raises(InputError):
        Length(5, 2)
    assert value(Brevity(), "a b c d", "a b") == 0.5
    assert value(Brevity(), "", "a b") == 0
    assert value(Pattern(r"\d{4}-\d\d"), " 2024-05 ") == 1
    assert value(Pattern(r"\d{4}-\d\d"), "on 2024-05") == 0
    with pytest.raises(InputError, match="no regular expression"):
        Pattern("(")


def test_json():
    metric = JsonSchema({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})
    good, wrong, broken, constant = metric.score(['{"age": 3}', '{"age": "3"}', '{"age": 3', '{"age": NaN}'])
    assert (good.value, wrong.value, broken.value, constant.value) == (1, 0, 0, 0)
    assert (wrong.part("parses").value, broken.part("parses").value) == (1, 0)
    assert "$.age" in wrong.reason
    assert metric.score(["[" * 100_000])[0].value == 0
    with pytest.raises(InputError, match="no JSON schema"):
        JsonSchema({"type": "nonsense"})
    with pytest.raises(InputError, match="does not hold"):
        JsonSchema({"$ref": "http://example.invalid/schema"}).score(["1"])


class Bags:
    """Counts of letters as unit vectors; a question's are the same as a passage's."""

    def encode_passages(self, texts):
        rows = np.array([[text.count(letter) for letter in "abcdef"] for text in texts], dtype=np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)

    encode_queries = encode_passages


def test_semantic():
    assert value(SemanticSimilarity(Bags()), "ab", "cd", "ba") == pytest.approx(1)
    assert value(SemanticSimilarity(Bags()), "ab", "cd") == 0
    metric = Relevance(Bags())
    contexts = [Context(prompt="aa"), Context(prompt="b")]
    assert [score.value for score in metric.score(["a", "a"], contexts)] == pytest.approx([1, 0])
    with pytest.raises(MissingContext):
        metric.score(["a"])


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("The staff were very helpful.", 1),
        ("This is not good.", -1),
        ("Terrible service, I am disappointed.", -1),
        ("The card is blue.", 0),
        ("客服很耐心，问题顺利解决。", 0.5),
        ("不满意，态度恶劣。", -1),
        ("没有任何问题。", 1),
        ("该卡为蓝色。", 0),
    ],
)
def test_sentiment(text: str, sign: float):
    part = SentimentConsistency().score([text], Context(references=("x",)))[0].part("candidate")
    assert np.sign(part.value) == np.sign(sign)


def test_sentiment_says_what_it_does_not_know():
    score = SentimentConsistency().score(["The card is blue."], Context(references=("Cards are green.",)))[0]
    assert score.value == 1
    assert "no word of the lexicon" in score.reason


def test_composite():
    metric = parse_metric("0.6*groundedness + 0.3*rouge_l + 0.1*brevity")
    assert metric.needs == {"evidence", "references"}
    context = Context(references=("退款三天内到账。",), evidence=("退款将在3天内到账。",))
    right, wrong = metric.score(["退款三天内到账。", "退款五天内到账。"], context)
    assert right.value > 0.8 > wrong.value
    assert wrong.part("groundedness").value == 0
    assert "五天" in wrong.part("groundedness").reason
    total = 0.6 * wrong.part("groundedness").value + 0.3 * wrong.part("rouge_l").value + 0.1
    assert wrong.value == pytest.approx(total)


def test_expressions():
    assert parse_metric("rouge_l") == RougeL()
    penalised = parse_metric("rouge_1 - 0.5*distinct_1").score(["a b"], Context(references=("a b",)))[0]
    assert penalised.value == pytest.approx(0.5)
    mine = ScoredBy(lambda candidates, contexts: [len(text) for text in candidates], "mine")
    assert parse_metric("2*mine", {"mine": mine}).score(["abc"])[0].value == 6
    with pytest.raises(UnknownName, match="rouge_l"):
        parse_metric("rouge_x")
    for broken in ("", "0.5 rouge_l", "rouge_l rouge_1", "rouge_l +", "rouge_l * 2", "__import__('os')"):
        with pytest.raises(InputError):
            parse_metric(broken)
    with pytest.raises(InputError, match="twice"):
        parse_metric("rouge_l + rouge_l")
    assert all(name == metric.name for name, metric in named_metrics().items())


def test_a_learned_scorer_must_give_a_number_each():
    for values in ([1.0], [1.0, float("nan")]):
        with pytest.raises(InternalError):
            ScoredBy(lambda candidates, contexts, values=values: values, "reward").score(["a", "b"])
