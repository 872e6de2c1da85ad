from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError, InternalError
from core.models.embedding_cache import EmbeddingCache
from core.models.loading import LoadedModel
from core.training.supervised.features import frozen_features
from core.training.supervised.probe import LinearClassifier, cross_validated, fit, learn_probe


def _clusters(spread: float, classes: int = 3, each: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 8)) + 5  # all in one cone, as E5's vectors are
    vectors = np.vstack([centre + spread * rng.normal(size=(each, 8)) for centre in centres]).astype(np.float32)
    return vectors, [f"class-{index}" for index in range(classes) for _ in range(each)]


def test_separable_classes_are_learnt() -> None:
    vectors, labels = _clusters(0.1)
    model = fit(vectors, labels, strength=1.0)
    found = [model.labels[row] for row in model.log_probabilities(vectors).argmax(axis=1)]
    assert found == labels


def test_probabilities_sum_to_one_even_far_away() -> None:
    vectors, labels = _clusters(0.5)
    model = fit(vectors, labels, strength=1.0)
    far = np.vstack([vectors[:5], vectors[:5] * 1e4]).astype(np.float32)
    np.testing.assert_allclose(np.exp(model.log_probabilities(far)).sum(axis=1), 1.0)


def test_two_classes_give_the_probabilities_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, labels = _clusters(1.5, classes=2)
    model = fit(vectors, labels, strength=0.5, calibrate=False)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    reference = LogisticRegression(C=0.5, max_iter=1000, tol=1e-3).fit(centred / centred.std(), labels)
    np.testing.assert_allclose(
        np.exp(model.log_probabilities(vectors)), reference.predict_proba(centred / centred.std()), atol=1e-6
    )


def test_confidence_matches_accuracy_where_classes_overlap() -> None:
    vectors, labels = _clusters(1.6, each=200)
    unseen, truth = _clusters(1.6, each=200, seed=0)
    unseen = unseen + np.random.default_rng(9).normal(scale=0.3, size=unseen.shape).astype(np.float32)
    model = fit(vectors, labels, strength=100.0)
    probabilities = np.exp(model.log_probabilities(unseen))
    right = np.mean([model.labels[row] == label for row, label in zip(probabilities.argmax(1), truth, strict=True)])
    assert abs(probabilities.max(axis=1).mean() - right) < 0.05


def test_cross_validation_never_sees_the_row_it_judges() -> None:
    vectors, labels = _clusters(0.2, each=12)
    wrong = list(labels)
    wrong[0] = "class-2"  # a mislabelled row: judged by the others, it must look like its true class
    scores = cross_validated(vectors, wrong, strength=1.0)
    assert scores[0].argmax() == 0


def test_saved_and_loaded_predicts_the_same(tmp_path) -> None:
    vectors, labels = _clusters(0.5)
    model = fit(vectors, [label + "卡" for label in labels], strength=1.0)
    model.save(tmp_path / "model.safetensors")
    loaded = LinearClassifier.load(tmp_path / "model.safetensors")
    assert loaded.labels == model.labels
    np.testing.assert_array_equal(loaded.log_probabilities(vectors), model.log_probabilities(vectors))


def test_a_class_with_one_example_is_refused() -> None:
    vectors, labels = _clusters(0.5)
    with pytest.raises(InternalError, match="two examples"):
        fit(vectors, [*labels[:-1], "alone"], strength=1.0)


def test_the_penalty_is_the_best_on_held_out_vectors() -> None:
    vectors, labels = _clusters(1.5, each=20)
    held_out, truth = vectors[::2], labels[::2]
    chosen = learn_probe(vectors[1::2], labels[1::2], held_out, truth, strengths=(1e-6, 0.1, 10.0))
    best = max(chosen.accuracies.values())
    assert chosen.accuracies[chosen.strength] == best
    assert chosen.strength == min(strength for strength, value in chosen.accuracies.items() if value == best)
    found = chosen.classifier.log_probabilities(held_out).argmax(axis=1)
    assert np.mean([chosen.classifier.labels[row] == label for row, label in zip(found, truth, strict=True)]) == best


def test_data_that_cannot_be_told_apart_is_refused() -> None:
    vectors, labels = _clusters(0.5)
    with pytest.raises(InputError, match="one class"):
        fit(vectors, ["same"] * len(labels), strength=1.0)
    with pytest.raises(InputError, match="'new' is not among"):
        learn_probe(vectors, labels, vectors[:1], ["new"])


@pytest.mark.parametrize("reading", ["mean", "cls", "last"])
def test_features_are_those_of_each_text_alone_and_are_kept(
    reading: Any, tiny_encoder: Callable[[], LoadedModel], tmp_path: Path
) -> None:
    import torch

    loaded = tiny_encoder()
    texts = ["my card", "the fee is so high", "my card", *(f"pay {'so ' * n}" for n in range(20))]
    cache = EmbeddingCache(tmp_path / "features")
    found = frozen_features(loaded, texts, reading=reading, max_tokens=16, cache=cache)
    for row, text in zip(found[:3], texts[:3], strict=True):
        with torch.no_grad():
            states = loaded.model(**loaded.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        alone = {"mean": states.mean(dim=0), "cls": states[0], "last": states[-1]}[reading]
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-5)
    loaded.model.forward = None  # what is kept is not computed again
    again = frozen_features(loaded, texts, reading=reading, max_tokens=16, cache=EmbeddingCache(tmp_path / "features"))
    np.testing.assert_array_equal(found, again)
