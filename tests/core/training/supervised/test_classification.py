from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import InputError, ModelFileMismatch, ModelNotAvailable, UnknownName
from core.models.loading import LoadedModel
from core.training.data.batches import pad_batch
from core.training.data.records import Labelled, LabelledSpan, MultiLabelled, SpanLabelled, TextPair
from core.training.loop import LoopConfig
from core.training.optimiser import OptimiserConfig
from core.training.supervised.classification import (
    ClassObjective,
    balanced_weights,
    standardise,
    text_numbers,
    with_class_head,
)
from core.training.supervised.classifier import Classifier, new_classifier
from core.training.supervised.classifier_store import load_classifier, promote_classifier
from core.training.supervised.classify import ClassifyConfig, begin_classifier, calibrated, judged, learn
from core.training.supervised.label_figures import METRICS
from core.training.supervised.trainable import TrainableConfig, make_trainable

FULL = TrainableConfig(weights="full")


def config(**changes: Any) -> ClassifyConfig:
    options = {
        "trainable": FULL,
        "optimiser": OptimiserConfig(learning_rate=3e-3),
        "start": "untaught",
        "batch": 8,
        "max_tokens": 24,
        **changes,
    }
    return ClassifyConfig(**options)


def learned(
    base: LoadedModel, splits: dict[str, list[Any]], how: ClassifyConfig, folder: Path, steps: int = 30, **options: Any
) -> Classifier:
    classifier = begin_classifier(base, splits, how, **options)
    loop = LoopConfig(steps=steps, evaluate_every=max(1, steps // 2), trackers=())
    learn(classifier, splits, how, loop, folder, metric=METRICS[classifier.card.task][0])
    return calibrated(classifier, splits["validation"])


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
    made = learned(base, splits, settings, tmp_path / "run")
    least = 0.5 if weights == "none" else 0.9  # a head alone can do little with a random trunk
    assert judged(made, splits["test"]).value("accuracy") >= least
    card = made.save(tmp_path / "kept")
    texts = ["my card was stolen", "why is the fee so high", "open"]
    again = load_classifier(tmp_path / "kept", placement=base.placement)
    assert again.card == card
    for one, other in zip(made.predict(texts), again.predict(texts), strict=True):
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
    made = learned(tiny_encoder(), splits, config(balanced=True), tmp_path / "run")
    assert judged(made, splits["validation"]).value("entity_f1") >= 0.9
    made.save(tmp_path / "kept")
    text = "无 发烧，三天，咳嗽三天" + "，三天" * 20 + "发烧"
    (found,) = load_classifier(tmp_path / "kept", placement=tiny_encoder().placement).tag([text])
    assert [text[span.start : span.end] for span in found] == ["发烧", "咳嗽", "发烧"]
    assert all(0.3 < span.probability <= 1 for span in found)
    assert made.tag(["", "，"]) == [(), ()]


def test_pairs_learn_which_text_follows(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    draw = np.random.default_rng(0)
    words = ["card", "fee", "pay", "open"]
    pairs = [(words[a], words[b]) for a, b in draw.integers(4, size=(64, 2))]
    pairs += [(word, word) for word in words for _ in range(12)]
    records = [TextPair(first=a, second=b, label="same" if a == b else "other") for a, b in pairs]
    splits = {"train": records, "validation": records[::3]}
    how = config(optimiser=OptimiserConfig(learning_rate=6e-3))
    made = learned(tiny_encoder(), splits, how, tmp_path / "run", steps=100)
    assert judged(made, splits["validation"]).value("accuracy") > 0.9
    assert made.predict([("fee", "fee"), ("fee", "pay")])[0].label == "same"


def test_a_head_begins_as_the_probe(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    from core.training.supervised.probe import learn_probe

    splits = {"train": intents(36, 0), "validation": intents(18, 1)}
    made = begin_classifier(tiny_encoder(), splits, config(start="probe"), probe=tmp_path / "probe.safetensors")
    seen, held_out = (made.features(made.encode([r.text for r in splits[name]])) for name in splits)
    truths = [[record.label for record in splits[name]] for name in splits]
    probe = learn_probe(seen, truths[0], held_out, truths[1]).classifier
    logits = made.logits(made.encode([record.text for record in splits["validation"]]))
    assert logits == pytest.approx(probe.logits(held_out), abs=1e-4)
    again = begin_classifier(tiny_encoder(), splits, config(start="probe"), probe=tmp_path / "probe.safetensors")
    assert again.logits(made.encode(["my card"])).tolist() == made.logits(made.encode(["my card"])).tolist()


def topics(count: int, seed: int) -> list[MultiLabelled]:
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        keys = [pair for pair in (("stolen", "theft"), ("fee", "price"), ("open", "account")) if draw.random() < 0.4]
        words = [*draw.choice(["my", "the", "a", "is"], size=2), *(word for word, _ in keys)]
        labels = tuple(sorted(label for _, label in keys))
        made.append(MultiLabelled(text=" ".join(draw.permutation(words).tolist()), labels=labels))
    return made


@pytest.mark.parametrize("start", ["probe", "untaught"])
def test_texts_may_have_any_number_of_classes(
    start: str, tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]
) -> None:
    splits = {"train": topics(80, 0), "validation": topics(30, 1), "test": topics(30, 2)}
    made = learned(tiny_encoder(), splits, config(start=start), tmp_path / "run", steps=40)
    found = judged(made, splits["test"])
    assert found.value("micro_f1") > 0.9 and found.value("exact") > 0.8
    made.save(tmp_path / "kept")
    again = load_classifier(tmp_path / "kept", placement=made.loaded.placement)
    none, two = again.predict_sets(["my the", "the open fee"])
    assert none.labels == () and two.labels == ("account", "price")
    assert again.card.threshold == made.card.threshold and sum(two.probabilities.values()) > 1.2
    with pytest.raises(InputError, match="any number of classes"):
        again.predict(["my card"])


def test_the_loss_of_sets_is_that_of_each_class_alone(tiny_encoder: Callable[[], LoadedModel]) -> None:
    from torch.nn.functional import binary_cross_entropy, sigmoid

    made = new_classifier(tiny_encoder(), ["a", "b", "c"], "labels", max_tokens=16)
    texts, labels = ["my card", "the fee is so high"], np.array([[0, 1, 1], [0, 0, 0]])
    batch = pad_batch(made.encode(texts), labels, np.arange(2), 0)
    tally = made.objective((1.0, 3.0, 1.0)).tally(made.module, batch)
    expected = 0.0
    for row, truth in zip(made.logits(made.encode(texts)), labels, strict=True):
        for number, (score, there) in enumerate(zip(row, truth, strict=True)):
            weight = 3.0 if number == 1 and there else 1.0
            one = binary_cross_entropy(sigmoid(torch.tensor(score)), torch.tensor(float(there), dtype=torch.double))
            expected += weight * float(one)
    assert tally.targets == 6 and float(tally.loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_a_name_stands_for_a_copy(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel], fresh_settings: Any) -> None:
    fresh_settings(cache_dir=tmp_path / "cache")
    made = new_classifier(tiny_encoder(), ["a", "b"], "text", max_tokens=16)
    made.save(tmp_path / "one")
    promote_classifier(tmp_path / "one", "kinds")
    assert load_classifier("kinds", placement=made.loaded.placement).predict(["pay"]) == made.predict(["pay"])
    other = new_classifier(tiny_encoder(), ["a", "c"], "text", max_tokens=16)
    other.save(tmp_path / "other")
    promote_classifier(tmp_path / "other", "kinds")
    assert load_classifier("kinds", placement=made.loaded.placement).card.labels == ("a", "c")
    assert load_classifier("kinds.previous", placement=made.loaded.placement).card.labels == ("a", "b")
    with pytest.raises(InputError, match="cannot be a classifier's name"):
        promote_classifier(tmp_path / "one", "../kinds")


def test_a_decoder_is_read_at_its_last_token(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    splits = {"train": intents(30, 0), "validation": intents(12, 1)}
    settings = config(
        trainable=TrainableConfig(rank=8, targets="all"),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        max_tokens=40,
    )
    made = learned(tiny(), splits, settings, tmp_path / "run", family="causal")
    assert made.card.reading == "last"
    assert judged(made, splits["validation"]).value("accuracy") > 0.6
    made.save(tmp_path / "kept")
    text = splits["validation"][0].text
    again = load_classifier(tmp_path / "kept", placement=tiny().placement)
    assert again.predict([text]) == made.predict([text])


def test_wrong_data_is_refused(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    one = [Labelled(text="my card", label="only")]
    with pytest.raises(InputError, match=r"one class \('only'\)"):
        begin_classifier(tiny_encoder(), {"train": one, "validation": one}, config())
    with pytest.raises(InputError, match="labelled, spans"):
        begin_classifier(tiny_encoder(), {"train": [*one, *symptoms(1, 0)], "validation": one}, config())
    with pytest.raises(InputError, match="no probe of spans"):
        spans = symptoms(4, 0)
        begin_classifier(tiny_encoder(), {"train": spans, "validation": spans}, config(start="probe"))
    classifier = new_classifier(tiny_encoder(), ["a", "b"], "text", max_tokens=64)
    with pytest.raises(InputError, match="not among those learnt"):
        calibrated(classifier, one)


def test_a_damaged_or_foreign_folder_is_refused(tmp_path: Path, tiny_encoder: Callable[[], LoadedModel]) -> None:
    with pytest.raises(UnknownName, match="no classifier or folder named"):
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
