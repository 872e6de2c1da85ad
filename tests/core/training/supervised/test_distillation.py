from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from core.errors import InputError
from core.inference.generator import Completion, Sampling
from core.inference.local import LocalGenerator
from core.models.loading import LoadedModel
from core.training.data.batches import PackedBatches
from core.training.data.packing import pack
from core.training.data.records import Chat, Turn
from core.training.data.supervised import supervised_batches
from core.training.optimiser import OptimiserConfig
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.supervised.distillation import DistillationConfig, distillation, divergence_of
from core.training.supervised.learner import evaluate
from core.training.supervised.teacher_answers import teacher_answers


def batches(rows: int = 2) -> PackedBatches:
    draw = np.random.default_rng(0)
    ids = [draw.integers(97, size=draw.integers(4, 14)).astype(np.int32) for _ in range(8)]
    learnt = [np.arange(len(row)) >= 2 for row in ids]
    return PackedBatches(pack(ids, learnt, 24), rows, seed=0)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_the_loss_and_its_gradients_are_those_of_whole_logits(
    direction: Any, tiny: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.supervised.distillation._PIECE_NUMBERS", 5 * 258)
    student, teacher = tiny("qwen2"), tiny("gpt2")
    config = DistillationConfig(temperature=2.5, soft=0.7, direction=direction)
    batch = batches(4).batch(0, 0)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")}
    labels = batch["labels"][:, 1:].flatten()
    keep = labels != -100
    q, p = (m.model(**inputs).logits[:, :-1].flatten(0, 1)[keep].float() for m in (student, teacher))
    log_q, log_p = (q / 2.5).log_softmax(-1), (p / 2.5).log_softmax(-1).detach()
    pair = (log_q, log_p) if direction == "forward" else (log_p, log_q)
    kl = kl_div(*pair, reduction="sum", log_target=True)
    hard = cross_entropy(q, labels[keep], reduction="sum")
    (0.7 * 2.5**2 * kl + 0.3 * hard).backward()
    expected = {name: value.grad.clone() for name, value in student.model.named_parameters()}
    student.model.zero_grad(set_to_none=True)
    objective = distillation(student, teacher, config)
    tally = objective.tally(student.model, batch)
    tally.loss.backward()
    assert tally.targets == int(keep.sum()) == objective.targets(batch)
    assert tally.sums == pytest.approx({"kl": float(kl.detach()), "cross_entropy": float(hard.detach())}, rel=1e-4)
    for name, value in student.model.named_parameters():
        assert torch.allclose(value.grad, expected[name], atol=2e-3, rtol=1e-3), name
    assert all(value.grad is None for value in teacher.model.parameters())


def test_the_student_comes_closer_to_the_teacher(tiny: Callable[..., LoadedModel]) -> None:
    student, teacher = tiny("qwen2"), tiny("gpt2")
    objective = distillation(student, teacher, DistillationConfig(soft=1.0))
    data = batches()
    before = evaluate(student.model, objective, data)["kl"]
    learns = SupervisedLearner(
        student.model,
        dict(student.model.named_parameters()),
        objective,
        data,
        optimiser=OptimiserConfig(learning_rate=5e-3),
        steps=30,
        seed=0,
    )
    for index in range(30):
        learns.step(index)
    assert evaluate(student.model, objective, data)["kl"] < before / 2
    assert evaluate(teacher.model, objective, data)["kl"] == pytest.approx(0, abs=1e-4)


def test_rows_of_an_output_matrix_that_stand_for_no_token_are_left_out() -> None:
    torch.manual_seed(0)
    student, teacher = torch.nn.Linear(4, 11), torch.nn.Linear(6, 13, bias=False)
    hidden, wanted = torch.randn(5, 4), torch.randn(5, 6)
    found = divergence_of(hidden, student, wanted, teacher, temperature=1.0)
    p, q = teacher(wanted)[:, :11].log_softmax(-1), student(hidden).log_softmax(-1)
    assert float(found) == pytest.approx(float(kl_div(q, p, reduction="sum", log_target=True)), rel=1e-5)


def test_other_vocabularies_are_refused(tiny: Callable[..., LoadedModel]) -> None:
    student, teacher = tiny(), tiny("gpt2")
    with pytest.raises(InputError, match="one model in memory"):
        distillation(student, student, DistillationConfig())
    teacher.tokenizer.add_tokens(["<new>"])
    with pytest.raises(InputError, match=r"1 tokens differ, e.g. '<new>'"):
        distillation(student, teacher, DistillationConfig())


class Teacher:
    """Answers with the question in capitals; a long one is cut, and "nothing" gets no answer."""

    name = "teacher"

    def __init__(self) -> None:
        self.asked = 0

    def generate(self, prompts: Sequence[Any], sampling: Any = None, progress: Any = None) -> list[Completion]:
        self.asked += len(prompts)
        if self.asked > 40:
            raise KeyboardInterrupt
        said = [prompt[-1]["content"] for prompt in prompts]
        return [
            Completion("" if text == "nothing" else text.upper(), "length" if len(text) > 9 else "stop")
            for text in said
        ]


def _chats(texts: Sequence[str]) -> list[Chat]:
    return [Chat(turns=(Turn("user", text), Turn("assistant", "an answer nobody needs"))) for text in texts]


def test_answers_are_kept_and_asked_for_once(tmp_path: Path) -> None:
    chats = _chats(["card", "a question too long", "nothing", "fee", "card"])
    teacher = Teacher()
    found = teacher_answers(teacher, chats, tmp_path / "new" / "answers.json")
    assert [chat.response for chat in found.chats] == ["CARD", "FEE", "CARD"]
    assert (found.cut, found.empty, found.reused, teacher.asked) == (1, 1, 0, 4)
    again = teacher_answers(teacher, chats, tmp_path / "new" / "answers.json")
    assert again == replace(found, reused=4) and teacher.asked == 4
    teacher_answers(teacher, chats, tmp_path / "new" / "answers.json", version="other weights")
    assert teacher.asked == 8
    with pytest.raises(InputError, match="None of 1 answers"):
        teacher_answers(teacher, chats[1:2], tmp_path / "other.json")
    with pytest.raises(InputError, match="no prompt"):
        teacher_answers(teacher, [], tmp_path / "other.json")


def test_a_killed_teacher_goes_on_where_it_was(tmp_path: Path) -> None:
    chats = _chats([f"q{number}" for number in range(50)])
    with pytest.raises(KeyboardInterrupt):
        teacher_answers(Teacher(), chats, tmp_path / "answers.json")
    teacher = Teacher()
    assert teacher_answers(teacher, chats, tmp_path / "answers.json").reused == 32 and teacher.asked == 18


def test_a_student_learns_what_a_teacher_wrote(tmp_path: Path, tiny: Callable[..., LoadedModel]) -> None:
    teacher, student = tiny("gpt2"), tiny("qwen2")
    chats = _chats([f"why {letter}" for letter in "abcdef"])

    class Ended(LocalGenerator):
        """Random weights seldom end a text; what they wrote counts as whole here."""

        def generate(self, *arguments: Any, **named: Any) -> list[Completion]:
            return [replace(found, finish_reason="stop") for found in super().generate(*arguments, **named)]

    found = teacher_answers(Ended(teacher), chats, tmp_path / "answers.json", sampling=Sampling(max_tokens=8))
    data = supervised_batches(found.chats, student.tokenizer, "qwen2", max_tokens=128, rows_per_batch=2, seed=0).batches
    before = evaluate(student.model, CausalObjective(), data)["loss"]
    learns = SupervisedLearner(
        student.model,
        dict(student.model.named_parameters()),
        CausalObjective(),
        data,
        optimiser=OptimiserConfig(learning_rate=5e-3),
        steps=20,
        seed=0,
    )
    for index in range(20):
        learns.step(index)
    assert evaluate(student.model, CausalObjective(), data)["loss"] < before / 2
