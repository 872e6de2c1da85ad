from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import InputError, ModelFileMismatch, ModelNotAvailable
from core.models.loading import LoadedModel
from core.training.data.batches import pad_batch
from core.training.data.records import Labelled, LabelledSpan, SpanLabelled, TextPair
from core.training.loop import LoopConfig
from core.training.optimiser import OptimiserConfig
from core.training.supervised.classification import (
    ClassObjective,
    balanced_weights,
    standardise,
    text_numbers,
    with_class_head,
)
from core.training.supervised.classifier import load_classifier, new_classifier
from core.training.supervised.classify import ClassifyConfig, learn_classifier, measured
from core.training.supervised.trainable import TrainableConfig, make_trainable

FULL = TrainableConfig(weights="full")


def config(**changes: Any) -> ClassifyConfig:
    options = {
        "trainable": FULL,
        "optimiser": OptimiserConfig(learning_rate=3e-3),
        "loop": LoopConfig(steps=30, evaluate_every=15, trackers=()),
        "batch": 8,
        "max_tokens": 24,
        **changes,
    }
    return ClassifyConfig(**options)


def intents(count: int, seed: int) -> list[Labelled]:
    draw = np.random.default_rng(seed)
    made = []
    for number in range(count):
        words = draw.choice(["my", "the", "a", "is", "was", "so"], size=3).tolist()
        key, label = [("stolen", "theft"), ("fee", "price"), ("open", "account")][number % 3]
        words.insert(int(draw.integers(4)), key)
        made.append(Labelled(text=" ".join(words), label=label))
    return made


def symptoms(count: int, seed: int) -> list[SpanLabelled]:
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        parts = draw.permutation(["发烧", "咳嗽", "三天", "，", "无"]).tolist()
        text = "".join(parts)
        spans = tuple(LabelledSpan(text.index(word), text.index(word) + 2, "症状") for word in ("发烧", "咳嗽"))
        made.append(SpanLabelled(text=text, spans=tuple(sorted(spans))))
    return made


def _batch(classifier: Any, texts: list[Any], labels: list[int]) -> dict[str, torch.Tensor]:
    return pad_batch(classifier.encode(texts), np.array(labels), np.arange(len(texts)), 0)


@pytest.mark.parametrize("reading", ["mean", "cls", "last"])
def test_the_loss_is_that_of_each_text_alone(reading: Any, tiny_encoder: Callable[[], LoadedModel]) -> None:
    classifier = new_classifier(tiny_encoder(), ["a", "b", "c"], "text", reading=reading, max_tokens=64, trainable=FULL)
    texts, labels = ["my card", "the fee is so high", "open"], [0, 2, 1]
    weights = (0.5, 1.0, 2.0)
    tally = classifier.objective(weights).tally(classifier.module, _batch(classifier, texts, labels))
    expected = 0.0
    for text, label in zip(texts, labels, strict=True):
        ids = torch.tensor(classifier.encode([text])[0].astype(int))[None]
        states = classifier.loaded.model(input_ids=ids).last_hidden_state[0]
        read = {"mean": states.mean(dim=0), "cls": states[0], "last": states[-1]}[reading]
        logits = classifier.module["head"](read)
        expected += weights[label] * float(cross_entropy(logits, torch.tensor(label)).detach())
    assert tally.targets == 3 and float(tally.loss.detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("reading", ["mean", "tokens"])
def test_a_head_begins_with_standardised_features(reading: Any, tiny_encoder: Callable[[], LoadedModel]) -> None:
    model = with_class_head(tiny_encoder().model, 2, seed=0)
    objective = ClassObjective(reading)
    rows = [np.array([2, 5, 3], dtype=np.int32), np.array([2, 6, 7, 8, 3], dtype=np.int32)]
    batch = pad_batch(rows, np.array([0, 1]), np.arange(2), 0)
    standardise(model, objective, batch)
    with torch.no_grad():
        found = model["head"][0](objective.features(model, batch))
    found = found[batch["attention_mask"] > 0] if reading == "tokens" else found
    assert torch.allclose(found.mean(dim=0), torch.zeros(32), atol=1e-5)
    assert float(found.square().mean()) == pytest.approx(1, rel=1e-4)


def test_pairs_have_the_text_numbers_of_the_tokenizer(word_tokenizer: Any) -> None:
    pairs = [("my card is lost", "why"), ("fee", "the fee is high so high")]
    encoded = word_tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    assert torch.equal(text_numbers(encoded, 3), encoded["token_type_ids"])
    single = word_tokenizer(["my card", "fee is so high"], padding=True, return_tensors="pt")
    assert text_numbers(single, 3).sum() == 0


def test_balanced_weights_have_mean_one_and_even_out() -> None:
    labels = [0] * 6 + [1] * 3 + [2]
    weights = balanced_weights(labels, 3)
    assert sum(weights[label] for label in labels) == pytest.approx(10)
    assert 6 * weights[0] == pytest.approx(3 * weights[1]) == pytest.approx(weights[2])
    with pytest.raises(InputError, match="Class 3"):
        balanced_weights(labels, 4)


@pytest.mark.parametrize("weights", ["full", "lora", "none"])
def test_it_learns_is_kept_and_says_the_same_again(
    weights: Any, tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]
) -> None:
    base = tiny_encoder()
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    splits = {"train": intents(48, 0), "validation": intents(18, 1), "test": intents(18, 2)}
    trainable = TrainableConfig(weights=weights, rank=4, targets="all")
    rate = {"full": 3e-3, "lora": 2e-2, "none": 1e-1}[weights]
    settings = config(trainable=trainable, optimiser=OptimiserConfig(learning_rate=rate))
    learned = learn_classifier(base, splits, settings, tmp_path / "run", data_sha256="d")
    scores = {m.metric: m for m in learned.scores["test"]}
    least = 0.5 if weights == "none" else 0.9  # a head alone can do little with a random trunk
    assert scores["accuracy"].value >= least and scores["accuracy"].n == 18
    card = learned.classifier.save(tmp_path / "kept")
    assert {m.metric for m in card.report} >= {"validation/macro_f1", "test/accuracy"} and card.data_sha256 == "d"
    texts = ["my card was stolen", "why is the fee so high", "open"]
    again = load_classifier(tmp_path / "kept", placement=base.placement)
    assert again.card == card
    for one, other in zip(learned.classifier.predict(texts), again.predict(texts), strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert sum(one.probabilities.values()) == pytest.approx(1)
    if weights != "none":
        assert [p.label for p in again.predict(texts)] == ["theft", "price", "account"]
    if weights != "full":
        left = {name.replace(".base_layer", ""): value for name, value in base.model.state_dict().items()}
        assert all(torch.equal(left[name], value) for name, value in before.items()), "the base stays as it was"


def test_what_is_cut_off_is_said(tiny_encoder: Callable[[], LoadedModel]) -> None:
    classifier = new_classifier(tiny_encoder(), ["a", "b"], "text", max_tokens=6)
    short, long = classifier.predict(["my card", "my card " * 5])
    assert (short.tokens_cut, long.tokens_cut) == (0, 12 - 6)
    assert classifier.predict([]) == []
    with pytest.raises(InputError, match="for texts"):
        classifier.predict([("one", "two")])
    with pytest.raises(InputError, match="not to their parts"):
        classifier.tag(["one"])


def test_spans_are_found_at_their_characters(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    splits = {"train": symptoms(40, 0), "validation": symptoms(12, 1)}
    learned = learn_classifier(tiny_encoder(), splits, config(), tmp_path / "run")
    f1 = next(m for m in learned.scores["validation"] if m.metric == "entity_f1")
    assert f1.value >= 0.9 and f1.n == 12
    learned.classifier.save(tmp_path / "kept")
    text = "无 发烧，三天，咳嗽三天" + "，三天" * 20 + "发烧"
    (found,) = load_classifier(tmp_path / "kept", placement=tiny_encoder().placement).tag([text])
    assert [text[span.start : span.end] for span in found] == ["发烧", "咳嗽", "发烧"]
    assert all(0.3 < span.probability <= 1 for span in found)
    assert learned.classifier.tag(["", "，"]) == [(), ()]


def test_pairs_learn_which_text_follows(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    draw = np.random.default_rng(0)
    words = ["card", "fee", "pay", "open"]
    pairs = [(words[a], words[b]) for a, b in draw.integers(4, size=(64, 2))]
    pairs += [(word, word) for word in words for _ in range(12)]
    records = [TextPair(first=a, second=b, label="same" if a == b else "other") for a, b in pairs]
    learned = learn_classifier(
        tiny_encoder(),
        {"train": records, "validation": records[::3]},
        config(
            optimiser=OptimiserConfig(learning_rate=6e-3), loop=LoopConfig(steps=100, evaluate_every=25, trackers=())
        ),
        tmp_path / "run",
    )
    assert next(m.value for m in learned.scores["validation"] if m.metric == "accuracy") > 0.9
    assert learned.classifier.predict([("fee", "fee"), ("fee", "pay")])[0].label == "same"


def test_a_decoder_is_read_at_its_last_token(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    splits = {"train": intents(30, 0), "validation": intents(12, 1)}
    settings = config(
        trainable=TrainableConfig(rank=8, targets="all"),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        max_tokens=40,
        loop=LoopConfig(steps=30, evaluate_every=15, trackers=()),
    )
    learned = learn_classifier(tiny(), splits, settings, tmp_path / "run", family="causal")
    assert learned.classifier.card.reading == "last"
    assert next(m.value for m in learned.scores["validation"] if m.metric == "accuracy") > 0.6
    learned.classifier.save(tmp_path / "kept")
    text = splits["validation"][0].text
    again = load_classifier(tmp_path / "kept", placement=tiny().placement)
    assert again.predict([text]) == learned.classifier.predict([text])


def test_wrong_data_is_refused(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    one = [Labelled(text="my card", label="only")]
    with pytest.raises(InputError, match=r"one class \('only'\)"):
        learn_classifier(tiny_encoder(), {"train": one, "validation": one}, config(), tmp_path)
    with pytest.raises(InputError, match="labelled, spans"):
        learn_classifier(tiny_encoder(), {"train": [*one, *symptoms(1, 0)], "validation": one}, config(), tmp_path)
    classifier = new_classifier(tiny_encoder(), ["a", "b"], "text", max_tokens=64)
    with pytest.raises(InputError, match="not among those learnt"):
        measured(classifier, one)
    with pytest.raises(InputError, match="nothing to measure"):
        measured(classifier, [])


def test_a_damaged_or_foreign_folder_is_refused(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    with pytest.raises(ModelNotAvailable, match="is not a classifier"):
        load_classifier(tmp_path / "none")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    classifier = new_classifier(tiny_encoder(), ["a", "b"], "text", max_tokens=64)
    with pytest.raises(InputError, match="something else"):
        classifier.save(tmp_path / "mine")
    classifier.save(tmp_path / "kept")
    path = tmp_path / "kept" / "classifier.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelFileMismatch, match="not the file of the card"):
        load_classifier(tmp_path / "kept")
    (tmp_path / "kept" / "classifier.json").write_text("{}")
    with pytest.raises(ModelNotAvailable, match="cannot be used"):
        load_classifier(tmp_path / "kept")


def test_two_heads_on_one_trunk_are_told_apart(tiny_encoder: Callable[[], LoadedModel]) -> None:
    made = make_trainable(tiny_encoder(), FULL, seed=0)
    model = with_class_head(made.loaded.model, 2, seed=0, head="one")
    model.update(with_class_head(made.loaded.model, 3, seed=0, head="other"))
    batch = pad_batch([np.array([2, 5, 3])], np.array([0]), np.arange(1), 0)
    assert ClassObjective("mean", head="one").logits(model, batch).shape == (1, 2)
    assert ClassObjective("mean", head="other").logits(model, batch).shape == (1, 3)
