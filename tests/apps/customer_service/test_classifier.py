import numpy as np
import pytest

from apps.customer_service.intents.classifier import LinearClassifier, cross_validated, fit
from core.errors import InternalError


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
    model.save(tmp_path / "model.npz")
    loaded = LinearClassifier.load(tmp_path / "model.npz")
    assert loaded.labels == model.labels
    np.testing.assert_array_equal(loaded.log_probabilities(vectors), model.log_probabilities(vectors))


def test_a_class_with_one_example_is_refused() -> None:
    vectors, labels = _clusters(0.5)
    with pytest.raises(InternalError, match="two examples"):
        fit(vectors, [*labels[:-1], "alone"], strength=1.0)
