"""Our BLEU, chrF and ROUGE give the numbers of sacrebleu and rouge-score, and stem as NLTK does."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.metrics import Bleu, ChrF, Context, RougeL, RougeN
from core.metrics.stemming import stem

TOLERANCE = 1e-9
ALPHABET = "ab cAB 12.,-!<&;'\"_\n\t中文，。（）—…\u3000３é＄"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=40) | st.text(max_size=15)
REFERENCES = st.lists(TEXTS, min_size=1, max_size=3)
HARD = [
    ("", "a"),
    ("a", ""),
    ("the cat sat on the mat .", "the cat sat on a mat ."),
    ("3-5 days, 1,250.50... done--or -\nnot?", "3 - 5 days , 1,250.50 . done -or-\nnot ?"),
    ("&quot;A&amp;B&lt;C&amp;lt;D <skipped>x", '"A&B<C<D x'),
    (".5 or 1.", ".5 or 1. !"),
    ("退款３天内到账（工作日）。", "退款将在3天内到账—工作日…"),
]


def contexts(references: list[str]) -> Context:
    return Context(references=tuple(references))


@pytest.mark.parametrize("tokens", ["13a", "zh"])
@given(candidate=TEXTS, references=REFERENCES)
@settings(max_examples=150, deadline=None)
def test_sentence_bleu(tokens: str, candidate: str, references: list[str]):
    theirs = pytest.importorskip("sacrebleu").BLEU(tokenize=tokens, effective_order=True)
    ours = Bleu(tokens).score([candidate], contexts(references))[0].value
    assert ours * 100 == pytest.approx(theirs.sentence_score(candidate, references).score, abs=TOLERANCE)


@pytest.mark.parametrize("words", [0, 2])
@given(candidate=TEXTS, references=REFERENCES)
@settings(max_examples=150, deadline=None)
def test_sentence_chrf(words: int, candidate: str, references: list[str]):
    theirs = pytest.importorskip("sacrebleu").CHRF(word_order=words)
    ours = ChrF(words=words).score([candidate], contexts(references))[0].value
    assert ours * 100 == pytest.approx(theirs.sentence_score(candidate, references).score, abs=TOLERANCE)


@pytest.mark.parametrize("pair", HARD)
def test_hard_pairs(pair: tuple[str, str]):
    sacrebleu = pytest.importorskip("sacrebleu")
    candidate, reference = pair
    for tokens in ("13a", "zh"):
        theirs = sacrebleu.BLEU(tokenize=tokens, effective_order=True).sentence_score(candidate, [reference]).score
        assert Bleu(tokens).score([candidate], contexts([reference]))[0].value * 100 == pytest.approx(theirs, abs=1e-9)
    theirs = sacrebleu.CHRF(word_order=2).sentence_score(candidate, [reference]).score
    assert ChrF(words=2).score([candidate], contexts([reference]))[0].value * 100 == pytest.approx(theirs, abs=1e-9)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_corpus_scores(rows: list[tuple[str, str, str]]):
    sacrebleu = pytest.importorskip("sacrebleu")
    candidates = [row[0] for row in rows]
    references = [[row[1] for row in rows], [row[2] for row in rows]]
    ours = [contexts(list(row[1:])) for row in rows]
    for metric, theirs in (
        (Bleu("13a"), sacrebleu.BLEU(tokenize="13a")),
        (Bleu("zh"), sacrebleu.BLEU(tokenize="zh")),
        (Bleu("13a", lowercase=True), sacrebleu.BLEU(tokenize="13a", lowercase=True)),
        (ChrF(), sacrebleu.CHRF()),
        (ChrF(words=2, lowercase=True), sacrebleu.CHRF(word_order=2, lowercase=True)),
    ):
        expected = theirs.corpus_score(candidates, references).score
        assert metric.corpus(candidates, ours).value * 100 == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("tokens", ["13a", "zh"])
def test_every_character_is_cut_as_there(tokens: str):
    """One text that holds every character up to U+FFFF between two words."""
    theirs = pytest.importorskip("sacrebleu").BLEU(tokenize=tokens).tokenizer
    from core.metrics.segmentation import wmt_chunks, wmt_pieces

    for start in range(0, 0x10000, 64):
        points = [point for point in range(start, start + 64) if not 0xD800 <= point < 0xE000]
        text = "".join(f"a{chr(point)}1{chr(point)}.{chr(point)} " for point in points).rstrip()
        ours = [piece for chunk in wmt_chunks(text, tokens) for piece in wmt_pieces(chunk)]
        assert ours == theirs(text).split()


WORDS = st.lists(st.sampled_from(["runs", "Running", "ran", "the", "cat", "cats", "relational", "3rd", "é", "x-y"]))


@pytest.mark.parametrize("stemmed", [False, True])
@given(candidate=WORDS.map(" ".join) | TEXTS, references=st.lists(WORDS.map(" ".join), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_rouge(stemmed: bool, candidate: str, references: list[str]):
    rouge_scorer = pytest.importorskip("rouge_score.rouge_scorer")
    candidate = "".join(character for character in candidate if not "\u3400" <= character <= "\uffff")
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stemmed)
    theirs = scorer.score_multi(references, candidate)
    for kind, metric in (
        ("rouge1", RougeN(1, stemmed=stemmed)),
        ("rouge2", RougeN(2, stemmed=stemmed)),
        ("rougeL", RougeL(stemmed=stemmed)),
    ):
        ours = metric.score([candidate], contexts(references))[0]
        assert ours.value == pytest.approx(theirs[kind].fmeasure, abs=TOLERANCE)
        assert ours.part("recall").value == pytest.approx(theirs[kind].recall, abs=TOLERANCE)


ENDINGS = """
s es ed ing ies ied sses eed y ly ational tional enci anci izer bli alli entli eli ousli ization ation ator alism
iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible
ant ement ment ent ion tion sion ou ism ate iti ous ive ize e ll lle at bl iz atted bling
"""


def test_stems():
    porter = pytest.importorskip("nltk.stem.porter").PorterStemmer()
    random_ = random.Random(7)
    syllables = ["fal", "hop", "ly", "sky", "e", "a", "y", "ent", "or", "oy", "ll", "b", "st", "tr", "wax", "gi"]
    words = [random_.choice(syllables) + random_.choice(syllables) * random_.randint(0, 2) for _ in range(4000)]
    words = [
        word + random_.choice(ENDINGS.split()) + random_.choice(["", "", random_.choice(ENDINGS.split())])
        for word in words
    ]
    words += ["skies", "dying", "news", "innings", "proceed", "howe", "123", "a1s", "as", "ties", "died", "tied", "yyy"]
    assert {word: stem(word) for word in words} == {word: porter.stem(word) for word in words}
