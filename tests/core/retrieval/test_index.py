"""The hybrid index: what it finds, what it embeds again, whom it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, UnknownName, UnreadableFile
from core.retrieval import Chunking, Fusion, HybridIndex
from core.retrieval.dense import measure_spread
from core.text import Document

QUERIES = [
    "How much is a replacement card?",
    "退款要多久",
    "when does a refund arrive",
    "补办费用",
    "nothing of the sort",
]


def content(index: HybridIndex) -> list[tuple]:
    """All that decides what a search gives, but for the order of equals."""
    return [
        (hit.passage, round(hit.score, 5), round(hit.lexical, 5), round(hit.dense, 5), hit.matched)
        for hits in index.search_many(QUERIES, 10)
        for hit in sorted(hits, key=lambda hit: (-round(hit.score, 5), hit.passage.id))
    ]


def test_finds_the_passage_and_tells_its_scores_apart(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    hits = index.search("how long until my refund arrives", k=3)
    best = hits[0]
    assert best.passage.document_id == "refunds-en" and best.passage.heading_path == ("How long",)
    assert best.passage.span.of(documents[1].text) == best.passage.text
    assert (best.lexical_rank, best.dense_rank) == (1, 1)
    assert 0 < best.lexical < 1 and 0 < best.dense <= 1 and best.matched == ""
    weight = Fusion().lexical_weight * measure_spread(embedder)
    assert best.score == pytest.approx(best.dense + weight * best.lexical, abs=1e-5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert best.evidence().quote == best.passage.text and best.evidence().span == best.passage.span


def test_a_question_of_the_front_matter_leads_to_the_first_passage(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    hit = index.search("my card is lost what now")[0]
    assert hit.passage.id.startswith("cards-en#0-") and hit.matched == "My card is lost, what now?"
    assert hit.dense == pytest.approx(1.0, abs=1e-4) and hit.score > hit.dense


def test_a_chinese_query_finds_english_documents_by_meaning_alone(embedder, documents):
    index = HybridIndex(embedder)
    index.add([document for document in documents if document.language == "en"])
    hit = index.search("退款")[0]
    assert hit.passage.document_id == "refunds-en"
    assert hit.lexical == 0 and hit.lexical_rank is None and hit.dense_rank == 1


def test_language_and_filter_restrict_both_sides(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    assert {hit.passage.language for hit in index.search("card fee 补办", 10, language="zh")} == {"zh"}
    cards = index.search("refund", 10, filter=lambda passage: passage.metadata["topic"] == "cards")
    assert cards and {hit.passage.metadata["topic"] for hit in cards} == {"cards"}
    assert index.search("refund", filter=lambda passage: False) == []


def test_one_hit_per_document_when_asked(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    names = [hit.passage.document_id for hit in index.search("card", 10, one_per_document=True)]
    assert sorted(names) == ["cards-en", "cards-zh", "refunds-en"]


def test_search_many_equals_single_searches(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    assert index.search_many(QUERIES, 4) == [index.search(query, 4) for query in QUERIES]


def test_hits_equal_fusing_every_passage_by_hand(embedder, documents):
    index = HybridIndex(embedder, fusion=Fusion(lexical_weight=0.4, softness=0.05))
    index.add(documents)
    softness, weight = 0.05 * measure_spread(embedder), 0.4 * measure_spread(embedder)
    for query in QUERIES:
        vector = embedder.encode_queries([query])[0]
        expected = {}
        for number, passage in enumerate(index.passages):
            rows = embedder.encode_passages([passage.search_text, *passage.questions])
            pooled = softness * np.log(np.exp(rows.astype(np.float64) @ vector / softness).sum())
            expected[passage.id] = float(pooled + weight * index._snapshot.lexical.scores(query)[number])
        found = {hit.passage.id: hit.score for hit in index.search(query, 100)}
        assert found == pytest.approx(expected, abs=1e-5)


def test_only_what_changed_is_embedded_again(tmp_path, embedder, documents):
    index = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    changes = index.add(documents)
    assert changes.added == ("cards-en", "refunds-en", "cards-zh") and changes.embedded_texts == 8

    embedder.embedded.clear()
    again = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    assert again.add(documents).unchanged == ("cards-en", "refunds-en", "cards-zh")
    probes_only = list(embedder.embedded)
    assert len(probes_only) == 1

    changed = replace(documents[0], text=documents[0].text.replace("six euro", "seven euro"))
    embedder.embedded.clear()
    changes = again.add([changed])
    assert changes.updated == ("cards-en",) and changes.embedded_texts == 1
    assert [text for text in embedder.embedded if text not in probes_only] == [
        "Cards\n## Replacement\n\nA replacement costs seven euro."
    ]


_EDITS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "card fee", "refund\n\n# X\n\nten days", "补办"])),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(_EDITS)
def test_updating_step_by_step_equals_building_from_scratch(make_embedder, edits):
    index, state = HybridIndex(make_embedder()), {}
    for name, text in edits:
        if text:
            state[name] = Document(name, text, "en", metadata={"questions": f"where is {name}"})
            index.add([state[name]])
        else:
            state.pop(name, None)
            index.remove([name])
    fresh = HybridIndex(make_embedder())
    fresh.sync(state.values())
    assert sorted(index.document_ids) == sorted(fresh.document_ids)
    assert sorted(map(repr, content(index))) == sorted(map(repr, content(fresh)))


def test_sync_removes_what_is_gone(tmp_path, embedder, documents):
    index = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    index.add(documents)
    changes = index.sync(documents[:2])
    assert changes.removed == ("cards-zh",) and changes.embedded_texts == 0
    for seen in (index, HybridIndex.open(tmp_path / "kb.index", embedder=embedder)):
        assert seen.document_ids == ("cards-en", "refunds-en")
        assert not any(hit.passage.document_id == "cards-zh" for hit in seen.search("补办一张卡", 10))
    assert index.remove(["cards-en", "never there"]).removed == ("cards-en",)


def test_an_emptied_index_is_empty_and_can_be_filled_again(tmp_path, embedder, documents):
    index = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    index.add(documents)
    index.sync([])
    assert len(index) == 0 and index.search("card") == []
    reopened = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    assert len(reopened) == 0
    reopened.add(documents)
    assert reopened.search("refund")


def test_a_reopened_index_gives_the_same_hits(tmp_path, embedder, documents):
    index = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    index.add(documents)
    assert content(HybridIndex.open(tmp_path / "kb.index", embedder=embedder)) == content(index)


def test_other_chunking_cuts_anew(tmp_path, embedder, documents):
    HybridIndex.open(tmp_path / "kb.index", embedder=embedder).add(documents)
    small = HybridIndex.open(tmp_path / "kb.index", embedder=embedder, chunking=Chunking(3, 6))
    before = len(small)
    assert len(small.add(documents).updated) == 3 and len(small) > before


def test_two_holders_do_not_lose_each_others_documents(tmp_path, embedder, documents):
    first = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    second = HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    first.add(documents[:1])
    second.add(documents[1:2])
    assert second.document_ids == ("cards-en", "refunds-en")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"name": "other"}, "'fake' (64 numbers), not with 'other' (64)"),
        ({"dimension": 32}, "not with 'fake' (32)"),
        ({"seed": 1}, "weights have changed"),
    ],
)
def test_an_index_of_another_embedder_is_refused(tmp_path, make_embedder, documents, other, said):
    HybridIndex.open(tmp_path / "kb.index", embedder=make_embedder()).add(documents)
    with pytest.raises(InputError, match="was built with the embedder 'fake'") as refusal:
        HybridIndex.open(tmp_path / "kb.index", embedder=make_embedder(**other))
    assert said in str(refusal.value) and "index the documents again" in str(refusal.value)


def test_bad_requests_are_named(embedder, documents):
    index = HybridIndex(embedder)
    with pytest.raises(InputError, match=r"Two documents have the id 'cards-en': 'cards.md' and 'copy.md'"):
        index.add([documents[0], replace(documents[0], source="copy.md")])
    with pytest.raises(InputError, match="'blank' has no text"):
        index.add([*documents, Document("blank", " \n", "en")])
    assert len(index) == 0  # nothing was taken over
    with pytest.raises(InputError, match="query is empty"):
        index.search("  ")
    with pytest.raises(InputError, match="k is 0"):
        index.search("card", 0)


def test_a_damaged_index_is_told(tmp_path, embedder, documents):
    HybridIndex.open(tmp_path / "kb.index", embedder=embedder).add(documents)
    vectors = next((tmp_path / "kb.index").glob("*/vectors.npy"))
    vectors.write_bytes(vectors.read_bytes()[:-4])
    with pytest.raises(UnreadableFile, match=r"vectors.npy' of the index .* is missing or damaged"):
        HybridIndex.open(tmp_path / "kb.index", embedder=embedder)
    (tmp_path / "kb.index" / "manifest.json").write_text("{}")
    with pytest.raises(UnreadableFile, match=r"manifest.json' of the index"):
        HybridIndex.open(tmp_path / "kb.index", embedder=embedder)


def test_a_folder_of_something_else_is_not_touched(tmp_path, embedder):
    (tmp_path / "letters.txt").write_text("Dear")
    with pytest.raises(InputError, match="is no index"):
        HybridIndex.open(tmp_path, embedder=embedder)
    with pytest.raises(InputError, match="is no index"):
        HybridIndex.open(tmp_path / "letters.txt", embedder=embedder)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.model("multilingual-e5-small")
def test_the_default_embedder_crosses_languages(documents):
    from core.models import load_embedder

    index = HybridIndex(load_embedder("multilingual-e5-small"))
    index.add([document for document in documents if document.language == "en"])
    assert index.search("退款多久能到账？")[0].passage.heading_path == ("How long",)
    assert index.search("补办银行卡要多少钱？")[0].passage.document_id == "cards-en"


def test_neighbours_of_a_passage_are_the_nearest_texts(embedder, documents):
    index = HybridIndex(embedder)
    index.add(documents)
    twin = replace(documents[0], id="twin")
    index.add([twin])
    vectors = embedder.encode_passages([passage.search_text for passage in index.passages])
    for place, passage in enumerate(index.passages):
        found = index.neighbours(passage, k=len(index))
        assert passage not in [other for other, _ in found]
        assert len(found) == len(index) - 1
        expected = sorted((float(vectors[place] @ row) for at, row in enumerate(vectors) if at != place), reverse=True)
        assert [cosine for _, cosine in found] == pytest.approx(expected, abs=1e-5)
    first = index.passages[0]
    nearest, cosine = index.neighbours(first, k=1)[0]
    assert nearest.document_id == "twin" and nearest.text == first.text
    assert cosine == pytest.approx(1, abs=1e-5)
    index.remove(["twin"])
    with pytest.raises(UnknownName):
        index.neighbours(nearest)
    with pytest.raises(InputError):
        index.neighbours(first, k=0)
