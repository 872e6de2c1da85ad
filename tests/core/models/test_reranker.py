"""Rerankers against a plain forward pass of transformers, one pair at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tiny_models import byte_tokenizer, save

from core.errors import ConfigError, InputError, ModelNotAvailable
from core.models import load_embedder, load_reranker
from core.models.reranker import Reranker

POSITIONS = 64
PASSAGES = ["A refund takes three days.", "运费由买家承担。", "", "x" * 300, "fees " * 7, "A refund takes three days."]


def build(folder: Path, make: Callable[..., torch.nn.Module]) -> Path:
    """One token a byte, pairs as BERT writes them."""
    marks = {"pad_token": "<pad>", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    around = {"single": "[CLS] $A [SEP]", "pair": "[CLS] $A [SEP] $B:1 [SEP]:1"}
    tokenizer = byte_tokenizer(*marks.values(), **around, **marks)
    torch.manual_seed(0)
    return save(folder, make(len(tokenizer)), tokenizer)


def config(make: type, size: int, **more: object) -> transformers.PretrainedConfig:
    return make(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.4,
        max_position_embeddings=POSITIONS,
        **more,
    )


def bert(size: int, labels: int = 1) -> torch.nn.Module:
    return transformers.BertForSequenceClassification(config(transformers.BertConfig, size, num_labels=labels))


def xlm_roberta(size: int) -> torch.nn.Module:
    """The family of bge-reranker; its positions begin after the padding token's id."""
    return transformers.XLMRobertaForSequenceClassification(
        config(transformers.XLMRobertaConfig, size, num_labels=1, pad_token_id=0, type_vocab_size=1)
    )


@pytest.fixture(autouse=True)
def _exact(fresh_settings: Callable[..., None]) -> None:
    fresh_settings(dtype="float32", device="cpu")


@pytest.fixture(params=[bert, xlm_roberta])
def reranker(request: pytest.FixtureRequest, tmp_path: Path) -> Reranker:
    return load_reranker(str(build(tmp_path / "model", request.param)))


def one_by_one(reranker: Reranker, query: str, passages: list[str]) -> list[float]:
    """The slow reference: no batch, no padding; the passage alone is cut, token by token."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(reranker.name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(reranker.name)
    scores = []
    for passage in passages:
        encoded = {name: rows[0] for name, rows in tokenizer([query], [passage]).items()}
        excess = max(0, len(encoded["input_ids"]) - reranker.max_tokens)
        inputs = {
            name: torch.tensor([[*ids[: len(ids) - 1 - excess], ids[-1]]])
            for name, ids in encoded.items()
            if name != "attention_mask"
        }
        with torch.no_grad():
            scores.append(model(**inputs).logits[0, 0].item())
    return scores


def test_scores_equal_those_of_single_pairs(reranker: Reranker):
    for query in ("How long does a refund take?", "运费多少？"):
        scores = reranker.score(query, PASSAGES)
        assert scores.dtype == np.float32
        assert scores.tolist() == pytest.approx(one_by_one(reranker, query, PASSAGES), abs=1e-5)
        assert scores[0] == pytest.approx(scores[5], abs=1e-6)
        assert len(set(scores.round(3).tolist())) >= 4


def test_many_passages_and_none(reranker: Reranker):
    assert reranker.score("fees", []).shape == (0,)
    many = [f"passage {number} {'y' * (number % 40)}" for number in range(150)]
    alone = [reranker.score("fees", [text])[0] for text in many[:20]]
    assert reranker.score("fees", many)[:20].tolist() == pytest.approx(alone, abs=1e-5)


def test_the_length_is_that_of_the_positions(reranker: Reranker):
    assert reranker.max_tokens == (POSITIONS if reranker.model.config.model_type == "bert" else POSITIONS - 1)


@pytest.mark.parametrize("query", ["", "  \n", "q" * POSITIONS])
def test_a_query_that_leaves_no_room_is_refused(reranker: Reranker, query: str):
    with pytest.raises(InputError):
        reranker.score(query, PASSAGES)


def test_threads_share_one(reranker: Reranker):
    expected = reranker.score("fees", PASSAGES)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: reranker.score("fees", PASSAGES), range(8)):
            assert scores == pytest.approx(expected, abs=1e-6)


def test_the_setting_names_it(tmp_path: Path, fresh_settings: Callable[..., None]):
    with pytest.raises(ConfigError, match="No reranker"):
        load_reranker()
    folder = build(tmp_path / "model", bert)
    fresh_settings(dtype="float32", device="cpu", reranker=folder)
    assert load_reranker().name == str(folder)
    assert load_reranker() is load_reranker(str(folder))


def test_an_encoder_is_not_a_reranker(tiny_encoder_folder: Path):
    with pytest.raises(ModelNotAvailable, match=r"no weights for 'bert\.pooler|no weights for 'classifier"):
        load_reranker(str(tiny_encoder_folder))


def test_a_classifier_with_several_outputs_is_not_a_reranker(tmp_path: Path):
    with pytest.raises(ModelNotAvailable, match="3 scores"):
        load_reranker(str(build(tmp_path / "model", lambda size: bert(size, labels=3))))


def test_a_decoder_is_not_a_reranker(tmp_path: Path):
    def qwen2(size: int) -> torch.nn.Module:
        return transformers.Qwen2ForSequenceClassification(
            config(transformers.Qwen2Config, size, num_labels=1, num_key_value_heads=2, pad_token_id=0)
        )

    with pytest.raises(ModelNotAvailable, match="prompt of their own"):
        load_reranker(str(build(tmp_path / "model", qwen2)))


def test_a_reranker_is_not_silently_an_embedder_of_something_else(tmp_path: Path):
    """Its encoder may be used, as every weight of it is there."""
    assert load_embedder(str(build(tmp_path / "model", bert))).dimension == 16


def test_broken_weights_are_named(tmp_path: Path):
    folder = build(tmp_path / "model", bert)
    shutil.copytree(folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelNotAvailable, match="cannot be loaded"):
        load_reranker(str(tmp_path / "cut"))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"hidden_size": 32}))
    with pytest.raises(ModelNotAvailable, match="cannot be loaded"):
        load_reranker(str(folder))
