from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import ModelNotAvailable
from core.models import EmbeddingRules, load_embedder, load_encoder
from core.models.embedder import Embedder, pool, read_embedding_rules
from core.models.embedding_cache import EmbeddingCache

TEXTS = ["a", "退款多久到账？", "How long does a refund take?", "", "x" * 40, "fees"]


@pytest.fixture
def embedder(tiny_encoder_folder: Path, fresh_settings: Callable[..., None]) -> Embedder:
    fresh_settings(dtype="float32", device="cpu")
    return load_embedder(str(tiny_encoder_folder))


def one_by_one(folder: Path, texts: list[str], prefix: str = "") -> np.ndarray:
    """The slow reference: no batch, no padding."""
    loaded = load_encoder(str(folder))
    rows = []
    for text in texts:
        ids = loaded.tokenizer(prefix + text, truncation=True, max_length=64)["input_ids"]
        with torch.no_grad():
            states = loaded.model(torch.tensor([ids]))["last_hidden_state"][0]
        mean = states.mean(dim=0)
        rows.append((mean / mean.norm()).numpy())
    return np.stack(rows)


def test_rows_equal_those_of_single_texts(embedder: Embedder, tiny_encoder_folder: Path):
    texts = [text for text in TEXTS if text]
    vectors = embedder.encode_queries(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), embedder.dimension) == (5, 16)
    assert vectors == pytest.approx(one_by_one(tiny_encoder_folder, texts), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)


def test_prefixes_tell_questions_from_passages(embedder: Embedder, tiny_encoder_folder: Path):
    rules = EmbeddingRules(query_prefix="query: ", passage_prefix="passage: ", max_tokens=64)
    prefixed = replace(embedder, rules=rules, cache=None)
    assert prefixed.encode_queries(["fees"]) == pytest.approx(
        one_by_one(tiny_encoder_folder, ["query: fees"]), abs=1e-5
    )
    assert prefixed.encode_passages(["fees"]) == pytest.approx(
        one_by_one(tiny_encoder_folder, ["passage: fees"]), abs=1e-5
    )


def test_no_text_many_texts_and_repeated_texts(embedder: Embedder):
    assert embedder.encode_queries([]).shape == (0, 16)
    many = [f"text {number % 150}" for number in range(400)]
    seen: list[tuple[int, int]] = []
    vectors = embedder.encode_passages(many, progress=lambda done, total: seen.append((done, total)))
    assert vectors[0].tolist() == vectors[150].tolist()
    assert seen[-1] == (150, 150)
    assert seen == sorted(seen)


def test_a_long_text_is_cut_at_the_model_s_length(embedder: Embedder):
    assert embedder.encode_queries(["y" * 64]) == pytest.approx(embedder.encode_queries(["y" * 500]), abs=1e-6)


def test_threads_share_one(embedder: Embedder):
    texts = [[f"text {thread} {number}" for number in range(30)] for thread in range(6)]
    expected = [replace(embedder, cache=None).encode_queries(batch) for batch in texts]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(embedder.encode_queries, texts))
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(found, expected, strict=True))


def test_pooling_ignores_padding():
    states = torch.randn(2, 5, 3)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    assert torch.allclose(pool(states, mask, "mean")[1], states[1, :2].mean(dim=0))
    assert torch.equal(pool(states, mask, "cls"), states[:, 0])


def test_the_second_time_nothing_is_computed(embedder: Embedder, monkeypatch: pytest.MonkeyPatch):
    texts = [f"text {number}" for number in range(40)]
    first = embedder.encode_passages(texts)
    monkeypatch.setattr(Embedder, "_forward", lambda *_: pytest.fail("computed again"))
    assert (
        replace(embedder, cache=EmbeddingCache(embedder.cache._folder)).encode_passages(texts[::-1]) == first[::-1]
    ).all()


def write_layout(folder: Path, encoder: Path, **files: object) -> Path:
    shutil.copytree(encoder, folder)
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(f"{path.name}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_rules_of_a_sentence_transformers_folder(tiny_encoder_folder: Path, tmp_path: Path):
    folder = write_layout(
        tmp_path / "cls",
        tiny_encoder_folder,
        **{
            "1_Pooling__config": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
            "sentence_bert_config": {"max_seq_length": 32},
            "config_sentence_transformers": {"prompts": {"query": "q: ", "document": "d: "}},
        },
    )
    assert read_embedding_rules(folder) == EmbeddingRules("q: ", "d: ", "cls", 32)
    assert read_embedding_rules(tiny_encoder_folder) == EmbeddingRules(max_tokens=64)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"1_Pooling__config": {"pooling_mode_max_tokens": True}}, "pooling_mode_max_tokens"),
        ({"modules": [{"type": "sentence_transformers.models.Dense"}]}, "dense layer"),
    ],
)
def test_layouts_that_are_not_supported_are_refused(
    tiny_encoder_folder: Path, tmp_path: Path, files: dict[str, object], problem: str
):
    with pytest.raises(ModelNotAvailable, match=problem):
        read_embedding_rules(write_layout(tmp_path / "odd", tiny_encoder_folder, **files))


def _add(folder: str, first: int) -> None:
    cache = EmbeddingCache(Path(folder))
    for start in range(first, first + 100, 20):
        texts = [f"text {number}" for number in range(start, start + 20)]
        cache.put(texts, np.arange(start, start + 20, dtype=np.float32)[:, None].repeat(3, axis=1))


def test_two_processes_fill_one_cache(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add, args=(str(tmp_path), first)) for first in (0, 100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    found = EmbeddingCache(tmp_path).get([f"text {number}" for number in range(250)])
    assert {text: float(vector[0]) for text, vector in found.items()} == {f"text {n}": float(n) for n in range(200)}


def test_an_unreadable_segment_is_computed_again(tmp_path: Path):
    _add(str(tmp_path), 0)
    for path in tmp_path.glob("*.keys.npy"):
        path.write_bytes(b"half a f")
    assert EmbeddingCache(tmp_path).get(["text 1"]) == {}


def test_the_oldest_segments_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.models.embedding_cache.LARGEST_CACHE_BYTES", 3 * (20 * 3 * 4 + 128))
    _add(str(tmp_path), 0)
    known = EmbeddingCache(tmp_path).get([f"text {number}" for number in range(100)])
    assert sorted(int(text.split()[1]) for text in known) == list(range(40, 100))


@pytest.mark.model("multilingual-e5-small")
def test_the_default_embedder_brings_the_two_languages_together():
    vectors = load_embedder("multilingual-e5-small").encode_queries(
        ["退款多久到账？", "How long does a refund take?", "今天天气很好。", "The weather is fine today."]
    )
    similarity = vectors @ vectors.T
    assert similarity[0].argsort()[-2] == 1
    assert similarity[2].argsort()[-2] == 3


@pytest.mark.model("all-minilm-l6-v2")
def test_minilm_tells_a_paraphrase_from_another_subject():
    vectors = load_embedder("all-minilm-l6-v2").encode_queries(
        ["How long does a refund take?", "When will I get my money back?", "The weather is nice."]
    )
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.5 > similarity[0, 2]


@pytest.mark.model("en_core_web_sm")
def test_the_spacy_pipeline_finds_names():
    from core.models import load_spacy

    entities = {
        entity.text: entity.label_ for entity in load_spacy()("Apple paid Tim Cook 3 million dollars in 2024.").ents
    }
    assert entities["Apple"] == "ORG"
    assert entities["Tim Cook"] == "PERSON"
