from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError, UnreadableFile
from core.metrics import Context, ScoredBy
from core.metrics.answer_place import answer_place
from core.metrics.learned import LearnedReward, LinearHead
from core.metrics.learned_fit import fit_head


def groups(count: int, columns: int, seed: int = 0):
    """Targets that follow the first two features within a group, with a difficulty of the group that they do not."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        features = random.normal(size=(5, columns)).astype(np.float32)
        made.append((features, features[:, 0] - 2 * features[:, 1] + 10 * random.normal()))
    return made


@pytest.mark.parametrize("columns", [4, 80])
def test_a_head_orders_the_answers_of_a_group(columns: int):
    head = fit_head(groups(40, columns), ridge=1.0)
    for features, targets in groups(10, columns, seed=1):
        assert np.argmax(head.values(features)) == np.argmax(targets)


def test_both_ways_to_solve_give_the_same_weights():
    """As many rows as columns more or less: the same features with columns of zeros added."""
    made = groups(8, 6)
    wide = [(np.concatenate([features, np.zeros((5, 60), np.float32)], axis=1), targets) for features, targets in made]
    narrow_head, wide_head = fit_head(made, ridge=2.0), fit_head(wide, ridge=2.0)
    np.testing.assert_allclose(wide_head.weights[:6], narrow_head.weights, atol=1e-5)
    assert not wide_head.weights[6:].any()


def test_a_larger_prior_lets_a_weight_grow_further():
    plain, favoured = (fit_head(groups(10, 4), ridge=50.0, prior=prior).weights for prior in (None, [5, 1, 1, 1]))
    assert abs(favoured[0]) > abs(plain[0])


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError):
        fit_head([], ridge=1.0)
    with pytest.raises(InputError):
        fit_head(groups(2, 3), ridge=0.0)


def test_a_head_comes_back_from_its_folder(tmp_path):
    head = LinearHead(np.array([1.0, -2.0], dtype=np.float32), 0.25)
    head.write(tmp_path)
    found = LinearHead.read(tmp_path)
    assert (found.weights.tolist(), found.bias) == ([1.0, -2.0], 0.25)


@pytest.mark.parametrize("content", [None, b"not safetensors"])
def test_a_head_that_is_missing_or_damaged_is_refused(tmp_path, content):
    if content:
        (tmp_path / "head.safetensors").write_bytes(content)
    with pytest.raises(UnreadableFile, match="learned head"):
        LinearHead.read(tmp_path)


def test_a_head_that_is_not_finite_is_refused(tmp_path):
    LinearHead(np.array([np.nan], dtype=np.float32), 0.0).write(tmp_path)
    with pytest.raises(UnreadableFile, match="damaged"):
        LinearHead.read(tmp_path)


def test_a_reward_asks_for_all_features_at_once():
    asked = []

    def features(candidates, contexts):
        asked.append((list(candidates), [context.prompt for context in contexts]))
        return np.array([[len(text)] for text in candidates], dtype=np.float32)

    reward = LearnedReward(features, LinearHead(np.array([0.5], dtype=np.float32), 1.0))
    scores = reward.score(["a", "bbb"], Context(prompt="q", evidence=("e",)))
    assert [score.value for score in scores] == [1.5, 2.5]
    assert asked == [(["a", "bbb"], ["q", "q"])]
    with pytest.raises(InputError, match="learned on 1"):
        reward.head.values(np.zeros((2, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("罗马", [0.0, 1.0, 1.0, 0.5, 1.0]),
        ("罗马。", [0.0, 1.0, 1.0, 0.5, 1.0]),
        ("巴黎", [0.0, 0.0, 0.0, 0.0, 0.0]),
        ("", [0.0, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_where_an_answer_stands(answer: str, expected: list[float]):
    assert answer_place("公司？", ["该公司设在罗马。"], answer) == expected


def test_an_answer_that_repeats_the_question_is_told_apart():
    repeats, *rest = answer_place("公司总部在哪里？", ["该公司设在罗马。"], "公司总部")
    assert (repeats, rest) == (1.0, [0.0, 0.0, 0.0, 0.0])
    assert answer_place("Where is the office?", ["Our office is in Rome."], "Rome") == [0.0, 0.5, 0.5, 1.0, 1.0]


def test_any_function_of_texts_is_a_metric():
    metric = ScoredBy(lambda texts, contexts: [len(text) for text in texts], "length")
    assert [score.value for score in metric.score(["a", "bb"])] == [1.0, 2.0]
