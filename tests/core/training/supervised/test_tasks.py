from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from tiny_models import CPU

from core.errors import InputError
from core.inference.generator import Sampling
from core.inference.seq2seq import Seq2SeqGenerator
from core.models.loading import LoadedModel
from core.training.data.batches import BucketedBatches, PackedBatches
from core.training.data.mixing import MixedBatches
from core.training.data.packing import pack
from core.training.data.records import Chat, Labelled, Turn
from core.training.optimiser import OptimiserConfig
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.supervised.classification import ClassObjective, with_class_head
from core.training.supervised.easy_first import difficulties, easy_first, item_losses, lengths
from core.training.supervised.learner import evaluate
from core.training.supervised.seq2seq import Seq2SeqBatches, Seq2SeqObjective, seq2seq_tokens
from core.training.supervised.tasks import evaluate_tasks, task_objective
from core.training.supervised.trainable import TrainableConfig, make_trainable

WORDS = 40


def _seq2seq(family: str, tokenizer: Any, size: int = WORDS) -> LoadedModel:
    torch.manual_seed(0)
    ends = {"pad_token_id": 0, "eos_token_id": 3}
    t5 = {"vocab_size": size, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, **ends}
    bart = {"vocab_size": size, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64}
    bart |= {f"{side}_{part}": value for side in ("encoder", "decoder") for part, value in _BART.items()}
    made = {
        "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**t5, decoder_start_token_id=0, dropout_rate=0.0)),
        "mt5": lambda: hf.MT5ForConditionalGeneration(
            hf.MT5Config(**t5, decoder_start_token_id=0, tie_word_embeddings=False)
        ),
        "bart": lambda: hf.BartForConditionalGeneration(
            hf.BartConfig(**bart, **ends, bos_token_id=2, decoder_start_token_id=3, forced_bos_token_id=None)
        ),
    }
    return LoadedModel(family, made[family]().eval(), tokenizer, CPU, None, "f")  # type: ignore[arg-type]


_BART = {"attention_heads": 4, "ffn_dim": 64}


def _pairs(count: int = 12) -> Seq2SeqBatches:
    draw = np.random.default_rng(0)
    sources = [draw.integers(4, WORDS, size=draw.integers(3, 8)).astype(np.int32) for _ in range(count)]
    return Seq2SeqBatches(sources, [np.append(source[:2], 3).astype(np.int32) for source in sources], 4, seed=0)


@pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
def test_the_loss_of_an_encoder_decoder_is_transformers_own(family: str) -> None:
    model, batch = _seq2seq(family, None).model, _pairs().batch(0, 0)
    named = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    if family == "bart":
        model.final_logits_bias[0, 5] = 1.5
    expected = model(**named).loss * 12
    expected.backward()
    grads = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    tally = Seq2SeqObjective().tally(model, batch)
    tally.loss.backward()
    assert tally.targets == 12 == Seq2SeqObjective().targets(batch)
    assert float(tally.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, value in model.named_parameters():
        assert torch.allclose(value.grad, grads[name], atol=1e-4), name


@pytest.mark.parametrize("kind", ["causal", "encoder", "seq2seq"])
@pytest.mark.parametrize("weights", ["lora", "full"])
def test_every_kind_of_model_learns_by_adapter_and_in_full(
    kind: str, weights: Any, tiny: Callable[..., LoadedModel], tiny_encoder: Callable[[], LoadedModel]
) -> None:
    rate = OptimiserConfig(learning_rate=2e-2 if weights == "lora" and kind != "encoder" else 5e-3)
    ids = [np.arange(5 + n, 13 + n, dtype=np.int32) for n in range(8)]
    data: Any
    objective: Any
    if kind == "causal":
        loaded = tiny()
        data, objective = PackedBatches(pack(ids, [np.ones(8, dtype=bool)] * 8, 16), 2, seed=0), CausalObjective()
    elif kind == "encoder":
        loaded = tiny_encoder()
        data = BucketedBatches(ids, np.arange(8) % 2, 4, seed=0)
        objective = ClassObjective("mean")
    else:
        loaded = _seq2seq("t5", None)
        data, objective = _pairs(), Seq2SeqObjective()
    made = make_trainable(loaded, TrainableConfig(weights=weights, rank=8, targets="all"), seed=0)
    frozen = {n: p.clone() for n, p in loaded.model.named_parameters() if n not in made.parameters}
    model: Any = loaded.model
    learning = dict(made.parameters)
    if kind == "encoder":
        model = with_class_head(loaded.model, 2, seed=0, dropout=0.0)
        learning = {n: p for n, p in model.named_parameters() if p.requires_grad}
    with made.in_force():
        before = evaluate(model, objective, data)["loss"]
    learns = SupervisedLearner(
        model, learning, objective, data, optimiser=rate, steps=25, seed=0, in_force=made.in_force
    )
    for index in range(25):
        learns.step(index)
    with made.in_force():
        assert evaluate(model, objective, data)["loss"] < 0.75 * before
    if weights == "lora":
        assert frozen and all(torch.equal(frozen[n], p) for n, p in loaded.model.named_parameters() if n in frozen)
        assert evaluate(loaded.model, objective, data)["loss"] == pytest.approx(before) if kind == "causal" else True


def test_what_was_learned_is_what_the_engine_writes(word_tokenizer: Any) -> None:
    """An encoder-decoder that has learned answers by heart says them through the inference engine."""
    tokenizer = copy.deepcopy(word_tokenizer)
    with pytest.raises(InputError, match="no mark that ends a text"):
        seq2seq_tokens([Chat(turns=(Turn("user", "a"), Turn("assistant", "b")))], _seq2seq("t5", tokenizer))
    tokenizer.eos_token = "[SEP]"
    loaded = _seq2seq("t5", tokenizer, len(tokenizer))
    chats = [
        Chat(turns=(Turn("user", question), Turn("assistant", answer)))
        for question, answer in [("my card", "lost"), ("the fee", "so high"), ("why", "pay the fee")]
    ]
    tokens = seq2seq_tokens([*chats, Chat(turns=(Turn("user", "open"),))], loaded)
    assert (tokens.counts.records, tokens.counts.sequences, tokens.counts.unanswered) == (4, 3, 1)
    data = Seq2SeqBatches(tokens.sources, tokens.targets, 3, seed=0)
    learns = SupervisedLearner(
        loaded.model,
        dict(loaded.model.named_parameters()),
        Seq2SeqObjective(),
        data,
        optimiser=OptimiserConfig(learning_rate=1e-2),
        steps=40,
        seed=0,
    )
    for index in range(40):
        learns.step(index)
    said = Seq2SeqGenerator(loaded).generate([c.turns[0].content for c in chats], Sampling(max_tokens=8))
    assert [found.text for found in said] == [c.response for c in chats]
    cut = seq2seq_tokens(chats, loaded, max_source=3, max_target=2).counts
    assert cut.truncated == 3 and cut.tokens_cut == 1 + 1 + 1 + 2
    with pytest.raises(InputError, match="None of 1 conversations"):
        seq2seq_tokens([Chat(turns=(Turn("user", "open"),))], loaded)


def test_tasks_share_a_trunk_and_keep_their_own_heads(tiny_encoder: Callable[[], LoadedModel]) -> None:
    trunk = tiny_encoder().model
    model = with_class_head(trunk, 2, seed=0, head="parity", dropout=0.0)
    model.update(with_class_head(trunk, 3, seed=0, head="third", dropout=0.0))
    ids = [np.array([2, 5 + n, 3], dtype=np.int32) for n in range(12)]
    tasks = {
        "parity": BucketedBatches(ids, np.arange(12) % 2, 4, seed=0),
        "third": BucketedBatches(ids[:6], np.arange(6) // 2, 3, seed=0),
    }
    objectives = {task: ClassObjective("mean", head=task) for task in tasks}
    mixed = MixedBatches(tasks, seed=0, temperature=2.0)
    learns = SupervisedLearner(
        model,
        dict(model.named_parameters()),
        task_objective(mixed, objectives),
        mixed,
        optimiser=OptimiserConfig(learning_rate=5e-3),
        steps=40,
        seed=0,
        piece_rows=2,
    )
    figures = [learns.step(index) for index in range(40)]
    assert {name.split("/")[0] for row in figures for name in row if "/" in name} == {"parity", "third"}
    held = evaluate_tasks(model, objectives, tasks)
    assert held["parity/accuracy"] > 0.8 and held["third/accuracy"] > 0.8
    with pytest.raises(InputError, match="'third' has no objective"):
        task_objective(mixed, {"parity": objectives["parity"]})


def test_item_losses_are_those_of_each_item_alone(tiny: Callable[..., LoadedModel]) -> None:
    model = tiny().model
    draw = np.random.default_rng(0)
    ids = [draw.integers(97, size=size).astype(np.int32) for size in (4, 9, 6, 12, 3)]
    learnt = [np.arange(len(row)) >= 1 for row in ids]
    learnt[4][:] = False
    rows = PackedBatches(pack(ids, learnt, 12), 2, seed=0)
    found = item_losses(model, CausalObjective(), rows)
    for row, documents in enumerate(rows.rows.rows):
        alone = PackedBatches(pack([ids[d] for d in documents], [learnt[d] for d in documents], 12), 1, seed=0)
        if any(learnt[d].any() for d in documents):
            assert found[row] == pytest.approx(evaluate(model, CausalObjective(), alone)["loss"], rel=1e-4)
        else:
            assert found[row] == 0


def test_easy_batches_come_first(tiny: Callable[..., LoadedModel]) -> None:
    ids = [np.full(1 + n % 10, 7, dtype=np.int32) for n in range(40)]
    records = [Labelled(text=f"text {n}", label="a", difficulty=float(-len(row))) for n, row in enumerate(ids)]
    plain = BucketedBatches(ids, np.zeros(40, dtype=np.int64), 4, seed=0)
    by_length = easy_first(plain, lengths(plain))
    sizes = [len(ids[item]) for index in range(10) for item in by_length.batch(0, index)["items"].tolist()]
    assert sizes == sorted(sizes) and sorted(sizes) == sorted(map(len, ids))
    hardest = easy_first(plain, difficulties(plain, records)).batch(0, 9)["items"].tolist()
    assert {len(ids[item]) for item in hardest} == {1}
    later = [len(ids[item]) for index in range(10) for item in by_length.batch(1, index)["items"].tolist()]
    assert later != sorted(later)
    rows = PackedBatches(pack(ids, [np.ones(len(row), dtype=bool) for row in ids], 10), 2, seed=0)
    ordered = easy_first(rows, item_losses(tiny().model, CausalObjective(), rows), epochs=2)
    assert sorted(ordered.order(1)) == list(range(len(rows.rows)))  # type: ignore[misc]
    pairs = easy_first(_pairs(), lengths(_pairs()))
    assert int(pairs.batch(0, 0)["attention_mask"].sum()) <= int(pairs.batch(0, 2)["attention_mask"].sum())
    with pytest.raises(InputError, match="hardness for 3"):
        easy_first(plain, [1, 2, 3])
