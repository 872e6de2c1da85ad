"""Conversations, texts, pairs and spans as tokens; the cache on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataMismatch, InputError
from core.training.data.chat_tokens import ChatEncoder, TokenSequences, chat_sequences
from core.training.data.packing import UNTRAINED
from core.training.data.records import Chat, Labelled, LabelledSpan, PlainText, SpanLabelled, TextPair, Turn
from core.training.data.supervised import supervised_batches
from core.training.data.text_tokens import (
    classified_sequences,
    label_names,
    plain_sequences,
    tag_names,
    tagged_sequences,
)
from core.training.data.token_cache import Ragged, cache_key, cached_sequences


def chat(*contents: str, system: str | None = None) -> Chat:
    turns = [Turn("user" if n % 2 == 0 else "assistant", content) for n, content in enumerate(contents)]
    return Chat(turns=(*((Turn("system", system),) if system else ()), *turns))


def learnt_text(tokenizer: Any, sequences: TokenSequences, place: int = 0) -> str:
    text: str = tokenizer.decode(sequences.ids[place][sequences.learnt[place]])
    return text


def test_answers_and_their_end_marks_alone_are_learnt(chat_tokenizer: Any) -> None:
    encoder = ChatEncoder(chat_tokenizer)
    record = chat("费用多少？", "1 EUR.", "And abroad?", "2 欧元。", system="Short.")
    every = chat_sequences([record], encoder, 500)
    assert learnt_text(chat_tokenizer, every) == "1 EUR.<|im_end|>2 欧元。<|im_end|>"
    last = chat_sequences([record], encoder, 500, learnt_answers="last")
    assert learnt_text(chat_tokenizer, last) == "2 欧元。<|im_end|>"
    assert every.ids[0].tolist() == last.ids[0].tolist()
    whole = chat_tokenizer.decode(every.ids[0])
    assert whole == chat_tokenizer.apply_chat_template(
        [{"role": t.role, "content": t.content} for t in record.turns], tokenize=False
    ).removesuffix("\n")


@given(
    contents=st.lists(
        st.text(alphabet="a b费\n用<|im_end|>", min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=6
    )
)
def test_an_answer_follows_exactly_the_prompt_it_is_sampled_after(chat_tokenizer: Any, contents: list[str]) -> None:
    encoder = ChatEncoder(chat_tokenizer)
    record = chat(*contents[: len(contents) // 2 * 2])
    sequences = chat_sequences([record], encoder, 10_000, learnt_answers="last")
    prompt = encoder.chat.prompt_ids([{"role": t.role, "content": t.content} for t in record.turns[:-1]])
    assert sequences.ids[0][: len(prompt)].tolist() == prompt
    assert not sequences.learnt[0][: len(prompt)].any() and sequences.learnt[0][len(prompt) :].all()
    ends = [i for i in sequences.ids[0].tolist() if i == encoder.end_id]
    assert len(ends) == len(record.turns), "a mark quoted in a turn ends nothing"


def test_a_template_that_rewrites_history_costs_only_the_earlier_answers(chat_tokenizer: Any) -> None:
    import copy

    tokenizer = copy.deepcopy(chat_tokenizer)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'user' or loop.last %}<|im_start|>{{ m['content'] }}<|im_end|>"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    encoder = ChatEncoder(tokenizer)
    sequences = chat_sequences([chat("a", "b", "c", "d")], encoder, 100)
    assert sequences.counts.answers_kept_as_context == 1
    assert "not learnt" in sequences.counts.describe()
    assert tokenizer.decode(sequences.ids[0][sequences.learnt[0]]).startswith("d")


def test_what_is_cut_or_left_out_is_counted(chat_tokenizer: Any) -> None:
    encoder = ChatEncoder(chat_tokenizer)
    records = [chat("q", "a"), chat("q", "long " * 40), chat("long " * 40, "a"), chat("q"), chat("q", "a", "more?")]
    sequences = chat_sequences(records, encoder, 60)
    counts = sequences.counts
    assert (counts.records, counts.sequences) == (5, 3)
    assert (counts.truncated, counts.answer_cut_off, counts.unanswered) == (1, 1, 1)
    assert counts.tokens_cut > 100 and counts.tokens == sum(map(len, sequences.ids))
    cut = sequences.ids[1]
    assert len(cut) == 60 and cut[-1] != encoder.end_id
    assert sequences.records == [records[0].id, records[1].id, records[4].id]
    with pytest.raises(InputError, match="1 have no answer"):
        chat_sequences([chat("q")], encoder, 60)


def test_labelled_texts_and_pairs(encoder_tokenizer: Any) -> None:
    records = [Labelled(text="the fee is high", label="fee"), Labelled(text="new card", label="card")]
    names = label_names(records)
    tokens = classified_sequences(records, encoder_tokenizer, names, 5)
    assert names == ("card", "fee") and tokens.labels.tolist() == [1, 0]
    assert [len(row) for row in tokens.ids] == [5, 4]
    assert (tokens.counts.truncated, tokens.counts.tokens_cut) == (1, 1)
    pairs = [TextPair(first="the card", second="the new card is high", label="x")]
    cut = classified_sequences(pairs, encoder_tokenizer, ("x", "y"), 8)
    assert len(cut.ids[0]) == 8 and cut.ids[0].tolist().count(encoder_tokenizer.sep_token_id) == 2
    with pytest.raises(InputError, match="'fee'"):
        classified_sequences(records, encoder_tokenizer, ("card",), 5)
    with pytest.raises(InputError, match="without a label"):
        label_names([PlainText(text="a")])


def test_tags_of_tokens_follow_the_characters(encoder_tokenizer: Any) -> None:
    text = "the cards is 新的信用卡。"
    spans = (LabelledSpan(4, 9, "item"), LabelledSpan(15, 18, "item"), LabelledSpan(16, 18, "inner"))
    record = SpanLabelled(text=text, spans=spans)
    names = tag_names([record])
    tokens = tagged_sequences([record], encoder_tokenizer, names, 50)
    pieces = encoder_tokenizer.convert_ids_to_tokens(tokens.ids[0])
    tags = [names[tag] if tag != UNTRAINED else None for tag in tokens.labels[0]]
    expected = [None, "O", "B-item", "I-item", "O", "O", "O", "B-item", "I-item", "I-item", "O", None]
    assert dict(zip(range(99), zip(pieces, tags, strict=True), strict=False)) == {
        n: (piece, tag) for n, (piece, tag) in enumerate(zip(pieces, expected, strict=True))
    }
    assert tokens.lost_spans == 1
    cut = tagged_sequences([record], encoder_tokenizer, names, 6)
    assert len(cut.ids[0]) == len(cut.labels[0]) == 6 and cut.labels[0][-1] == UNTRAINED
    assert (cut.lost_spans, cut.counts.truncated) == (2, 1)


def test_plain_texts_lose_nothing(chat_tokenizer: Any) -> None:
    records = [PlainText(text=text * 30) for text in ("费用。", "The fee.")]
    sequences = plain_sequences(records, chat_tokenizer)
    assert [chat_tokenizer.decode(row) for row in sequences.ids] == [record.text for record in records]


def test_the_cache_gives_back_what_was_made_and_makes_it_once(chat_tokenizer: Any, fresh_settings) -> None:
    records = [chat("q", "a" * n) for n in range(1, 6)]
    encoder = ChatEncoder(chat_tokenizer)
    options = {"max_tokens": 50, "learnt": "all"}
    key = cache_key((record.id for record in records), chat_tokenizer, options)
    made = 0

    def make() -> TokenSequences:
        nonlocal made
        made += 1
        return chat_sequences(records, encoder, 50)

    plain, kept, again = make(), cached_sequences(key, make), cached_sequences(key, make)
    assert made == 2
    for sequences in (kept, again):
        assert [row.tolist() for row in sequences.ids] == [row.tolist() for row in plain.ids]
        assert [row.tolist() for row in sequences.learnt] == [row.tolist() for row in plain.learnt]
        assert sequences.counts == plain.counts and list(sequences.records) == list(plain.records)
    assert isinstance(kept.ids, Ragged) and isinstance(kept.ids.flat, np.memmap) and not kept.ids.flat.flags.writeable
    assert kept.ids[-1].tolist() == plain.ids[-1].tolist() and len(kept.ids[1:3]) == 2
    with pytest.raises(IndexError):
        kept.ids[5]


def test_the_key_changes_with_records_tokenizer_template_and_settings(chat_tokenizer: Any) -> None:
    import copy

    other = copy.deepcopy(chat_tokenizer)
    other.chat_template += " "
    more = copy.deepcopy(chat_tokenizer)
    more.add_tokens(["费用"])
    keys = [
        cache_key(["a"], chat_tokenizer, {"n": 1}),
        cache_key(["b"], chat_tokenizer, {"n": 1}),
        cache_key(["a"], chat_tokenizer, {"n": 2}),
        cache_key(["a"], other, {"n": 1}),
        cache_key(["a"], more, {"n": 1}),
    ]
    assert len(set(keys)) == 5
    chat_tokenizer(["a", "bb"], padding=True, truncation=True, max_length=8)  # what a call asks for is no part of it
    assert cache_key(["a"], chat_tokenizer, {"n": 1}) == keys[0]


def test_a_damaged_cache_is_said(chat_tokenizer: Any, fresh_settings, tmp_path: Path) -> None:
    encoder = ChatEncoder(chat_tokenizer)
    cached_sequences("k", lambda: chat_sequences([chat("q", "a")], encoder, 50))
    np.save(tmp_path / "cache" / "tokens" / "k" / "ids.npy", np.zeros(3, dtype=np.int32))
    with pytest.raises(DataMismatch, match="damaged"):
        cached_sequences("k", lambda: chat_sequences([chat("q", "a")], encoder, 50))


@pytest.mark.model("qwen2.5-coder-0.5b")
def test_the_default_model_learns_to_end_its_turn() -> None:
    from transformers import AutoTokenizer

    from core.models.locate import locate

    tokenizer = AutoTokenizer.from_pretrained(locate("qwen2.5-coder-0.5b").folder)
    encoder = ChatEncoder(tokenizer, "qwen2")
    sequences = chat_sequences([chat("你好", "您好！", "The fee?", "1 EUR.")], encoder, 200)
    assert learnt_text(tokenizer, sequences) == "您好！<|im_end|>1 EUR.<|im_end|>"
    assert sequences.counts.answers_kept_as_context == 0


def test_supervised_batches_learn_all_answers_once_an_epoch(chat_tokenizer: Any, fresh_settings) -> None:
    records = [chat(f"question {n}", "answer " * (n % 7 + 1)) for n in range(30)]

    def make(seed: int = 0) -> Any:
        return supervised_batches(records, chat_tokenizer, "qwen2", max_tokens=160, rows_per_batch=2, seed=seed)

    data, again = make(), make()
    learnt = [int((data.batches.batch(3, i)["labels"] >= 0).sum()) for i in range(len(data.batches))]
    assert sum(learnt) == data.counts.learnt == sum(len("answer " * (n % 7 + 1)) + 1 for n in range(30))
    assert 0.5 < data.fill <= 1
    for index in range(len(data.batches)):
        for name, tensor in data.batches.batch(3, index).items():
            assert (tensor == again.batches.batch(3, index)[name]).all()
    with pytest.raises(InputError, match="plain records"):
        supervised_batches([PlainText(text="a")], chat_tokenizer, "qwen2", max_tokens=9, rows_per_batch=1, seed=0)
