from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from core.errors import InputError, ModelFileMismatch, UnreadableFile
from core.inference.chat_template import ChatTokenizer
from core.inference.reward import Card, load_reward, save_reward
from core.inference.states import AnswerStates
from core.metrics import Context, MissingContext
from core.metrics.learned import LinearHead
from core.models.loading import LoadedModel

TEMPLATE = "{evidence}\n{question}"


def test_states_are_those_of_the_whole_model_answer_by_answer(tiny: LoadedModel):
    prompts, answers = ["Hi?", "Where is it?", "Hi?", "Hi?"], ["yes", "退款", "no, never", ""]
    found = AnswerStates(tiny, 1).read(prompts, answers)
    chat = ChatTokenizer(tiny.tokenizer, tiny.model.config.model_type)
    assert found.shape == (4, 64)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        before, after = chat.prompt_ids(prompt), chat.continuation_ids(answer)
        if not after:
            assert not found[row].any()
            continue
        with torch.inference_mode():
            layers = tiny.model(torch.tensor([before + after]), output_hidden_states=True).hidden_states
        states = layers[1][0, len(before) :]
        np.testing.assert_allclose(found[row, :32], states.mean(0).numpy(), atol=1e-4)
        np.testing.assert_allclose(found[row, 32:], states[-1].numpy(), atol=1e-4)


def test_the_model_itself_is_left_whole(tiny: LoadedModel):
    AnswerStates(tiny, 1)
    assert len(tiny.model.model.layers) == 2
    assert not isinstance(tiny.model.model.norm, torch.nn.Identity)


@pytest.mark.parametrize("layers", [0, 3])
def test_layers_the_model_has_not_are_refused(tiny: LoadedModel, layers: int):
    with pytest.raises(InputError, match="2 layers"):
        AnswerStates(tiny, layers)


def test_what_is_too_long_is_refused(tiny: LoadedModel):
    with pytest.raises(InputError, match="512"):
        AnswerStates(tiny, 1).read(["Hi?"], ["a" * 600])


@pytest.fixture
def card(tiny: LoadedModel) -> Card:
    return Card(model=str(tiny.folder), fingerprint=tiny.fingerprint, layers=1, template=TEMPLATE, learned_on="nothing")


def test_a_reward_comes_back_from_its_folder(card: Card, tmp_path):
    head = LinearHead(np.random.default_rng(0).normal(size=69).astype(np.float32), 0.5)
    save_reward(tmp_path, head, card)
    reward = load_reward(tmp_path)
    context = Context(prompt="Where?", evidence=("It is in Rome, they say.",))
    features = reward.features(["Rome", "Paris"], [context, context])
    assert features[:, :5].tolist() == [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    found = [score.value for score in reward.score(["Rome", "Paris"], context)]
    np.testing.assert_allclose(found, features @ head.weights + 0.5, rtol=1e-4)
    with pytest.raises(MissingContext):
        reward.score(["Rome"], Context(prompt="Where?"))
    assert reward.score([], context) == []


def test_a_reward_learned_with_other_files_is_refused(card: Card, tmp_path):
    save_reward(tmp_path, LinearHead(np.zeros(69, dtype=np.float32), 0.0), card.model_copy(update={"fingerprint": "x"}))
    with pytest.raises(ModelFileMismatch):
        load_reward(tmp_path)


@pytest.mark.parametrize(
    "template", ["{question}", "{evidence} {question} {0}", "{evidence.__class__} {question}", "{"]
)
def test_a_template_with_other_places_is_refused(card: Card, tmp_path, template: str):
    (tmp_path / "card.json").write_text(json.dumps({**card.model_dump(), "template": template}))
    with pytest.raises(UnreadableFile, match="card"):
        load_reward(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"model": "m"}'])
def test_a_damaged_card_is_refused(tmp_path, content: str):
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(UnreadableFile):
        load_reward(tmp_path)
