"""Adapters while generating: one model in memory, each text under its own adapter."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tiny_models import CPU, save_chat_model

from core.errors import ConfigError, ModelFileMismatch, ModelNotAvailable, UnknownName
from core.inference import Sampling, load_generator
from core.inference.continuous import ContinuousGenerator
from core.inference.local import LocalGenerator
from core.inference.plain import PlainForward
from core.inference.shared_prefix import SharedPrefixForward
from core.models import (
    AdapterCard,
    AdapterSet,
    load_causal,
    lora_config,
    promote_adapter,
    read_adapter,
)

PROMPTS = ["The fee for a second card is", "The fee for a lost card", "补办一张卡要多少钱？", "Hello"]
SAMPLING = Sampling(max_tokens=12, temperature=0.8, seed=5, n=2)


def trained(adapters: AdapterSet, name: str, seed: int) -> None:
    adapters.create(name, lora_config(adapters.loaded.model, rank=4, targets="all"), trainable=False)
    draw = torch.Generator().manual_seed(seed)
    for parameter in adapters.parameters(name):
        parameter.data.copy_(torch.randn(parameter.shape, generator=draw) * 0.15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def adapters(folder: Path) -> AdapterSet:
    adapters = AdapterSet(load_causal(str(folder), placement=CPU))
    trained(adapters, "a", 1)
    trained(adapters, "b", 2)
    return adapters


@pytest.fixture(scope="module")
def saved(adapters: AdapterSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    target = tmp_path_factory.mktemp("saved")
    for name in ("a", "b"):
        loaded = adapters.loaded
        card = AdapterCard(name=name, base=loaded.name, base_fingerprint=loaded.fingerprint, data_sha256="0", seed=0)
        adapters.save(name, target / name, card)
    return {name: target / name for name in ("a", "b")}


def merged(folder: Path, adapter: Path) -> LocalGenerator:
    """A model of its own whose weights have the adapter in them."""
    loaded = load_causal(str(folder), placement=CPU)
    own = AdapterSet(loaded)
    own.use(own.attach(adapter))
    for module in loaded.model.modules():
        if hasattr(module, "lora_A") and hasattr(module, "merge"):
            module.merge()
    return LocalGenerator(loaded)


def texts(generator, prompts=PROMPTS) -> list[str]:
    return [completion.text for completion in generator.generate(prompts, SAMPLING)]


def test_texts_are_those_of_the_merged_model_and_of_the_bare_one(adapters, folder, saved) -> None:
    bare = texts(LocalGenerator(load_causal(str(folder), placement=CPU)))
    generators = {name: LocalGenerator(adapters.loaded, adapters=adapters, adapter=name) for name in ("a", "b", None)}
    for name in ("a", "b", None, "a", None, "b"):
        expected = bare if name is None else texts(merged(folder, saved[name]))
        assert texts(generators[name]) == expected
        if name is not None:
            assert expected != bare
    assert adapters.active is None
    assert generators["a"].name == f"{folder}+a" and generators[None].name == str(folder)


def test_scores_are_those_of_the_merged_model(adapters, folder, saved) -> None:
    own = LocalGenerator(adapters.loaded, adapters=adapters, adapter="a")
    other = merged(folder, saved["a"])
    after = [" high", " low", "十元", " there"]
    for found, expected in zip(own.score(PROMPTS, after), other.score(PROMPTS, after), strict=True):
        assert found.logprobs == pytest.approx(expected.logprobs, abs=1e-4)


def test_the_fast_way_is_checked_under_each_adapter(adapters, monkeypatch) -> None:
    seen = []
    from core.inference import forward

    check = forward.differs_from_model
    monkeypatch.setattr(forward, "differs_from_model", lambda *given: seen.append(adapters.active) or check(*given))
    for name in ("a", None, "b"):
        generator = LocalGenerator(adapters.loaded, adapters=adapters, adapter=name)
        generator.generate(PROMPTS[:1], Sampling(max_tokens=2))
        generator.generate(PROMPTS[:1], Sampling(max_tokens=2))
        request = generator.requests(PROMPTS[:1], Sampling(max_tokens=2))
        assert isinstance(generator.forward_for(request), SharedPrefixForward)
    assert seen == ["a", None, "b"]


def test_batches_under_way_at_once_keep_their_adapters(adapters) -> None:
    generators = [LocalGenerator(adapters.loaded, adapters=adapters, adapter=name) for name in ("a", None, "b")]
    alone = [texts(generator) for generator in generators]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(texts, generators * 4))
    assert together == alone * 4


def test_callers_of_a_running_batch_get_their_adapter_while_others_switch(adapters) -> None:
    local = LocalGenerator(adapters.loaded, adapters=adapters, adapter="a")
    expected = texts(local)
    shared = ContinuousGenerator(local, rows=8)
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            for name in ("b", None):
                adapters.use(name)
                LocalGenerator(adapters.loaded, adapters=adapters, adapter=name).score(["Hello"], [" you"])

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(lambda _: texts(shared), range(3)))
    finally:
        stop.set()
        disturber.join()
        adapters.use(None)
    assert results == [expected] * 3


def test_the_plain_way_keeps_its_adapter_too(adapters, folder, saved) -> None:
    plain = PlainForward(adapters.loaded.model, padding=0, device="cpu", turn=adapters.holding("a"))
    other = PlainForward(merged(folder, saved["a"])._model, padding=0, device="cpu")
    pairs = [([5, 6, 7, 8], [9, 10, 11]), ([5, 6], [3])]
    rows, expected = plain.start([[5, 6, 7], [4, 3]], [2, 1]), other.start([[5, 6, 7], [4, 3]], [2, 1])
    for both in (rows, expected):
        both.advance([1, 2], [0, 2])
    torch.testing.assert_close(rows.logits, expected.logits, rtol=1e-4, atol=1e-4)
    assert plain.score(pairs)[0] == pytest.approx(other.score(pairs)[0], abs=1e-4)


def test_a_generator_is_loaded_with_its_adapter_by_name(fresh_settings, folder, saved) -> None:
    fresh_settings(dtype="float32", device="cpu")
    promote_adapter(read_adapter(saved["a"]), "answers")
    bare = load_generator(str(folder))
    named = load_generator(str(folder), adapter="answers")
    assert named.name == f"{folder}+answers"
    assert named is load_generator(f"{folder}+answers")
    assert texts(named) == texts(merged(folder, saved["a"])) != texts(bare)
    assert named._model is bare._model  # one set of weights in memory
    by_folder = load_generator(f"{folder}+{saved['b']}")
    assert texts(by_folder) == texts(merged(folder, saved["b"]))
    promote_adapter(read_adapter(saved["b"]), "answers")  # the next to load it gets the new one
    assert texts(load_generator(f"{folder}+answers")) == texts(by_folder)
    assert texts(named) == texts(merged(folder, saved["a"]))
    assert texts(load_generator(f"{folder}+answers.previous")) == texts(named)
    fresh_settings(dtype="float32", device="cpu", generator=folder, adapter=saved["a"])
    assert texts(load_generator()) == texts(named)
    assert load_generator(str(folder)).name == str(folder)  # the setting is for the model of the settings


def test_a_quantised_model_generates_and_takes_adapters(fresh_settings, folder, saved) -> None:
    fresh_settings(dtype="float32", device="cpu", quantisation="int8")
    bare, adapted = load_generator(str(folder)), load_generator(f"{folder}+{saved['a']}")
    assert texts(bare) != texts(adapted)
    assert "int8" in bare.name and "int8" in adapted.name


def test_what_cannot_be_is_refused(fresh_settings, folder, saved, tmp_path) -> None:
    fresh_settings(dtype="float32", device="cpu", endpoint_url="http://localhost:9", endpoint_model="m")
    with pytest.raises(ConfigError, match="runs elsewhere"):
        load_generator("endpoint+answers")
    with pytest.raises(ConfigError, match="runs elsewhere"):
        load_generator("openai:gpt-5-mini", adapter="answers")
    with pytest.raises(UnknownName, match="no adapter named 'nothing'"):
        load_generator(f"{folder}+nothing")
    other = save_chat_model(tmp_path / "other", seed=1)
    with pytest.raises(ModelFileMismatch, match="was made for"):
        load_generator(f"{other}+{saved['a']}")
    fresh_settings(quantisation="int4", device="cpu")
    with pytest.raises(ModelNotAvailable, match="int4"):
        load_generator(str(folder))
