from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch.nn.functional import cross_entropy

from core.models.hardware import Placement
from core.models.loading import LoadedModel
from core.training.data.batches import PackedBatches
from core.training.data.masking import MaskedBatches, MaskedText, MaskingRule
from core.training.data.packing import causal_blocks
from core.training.data.permutation import PermutedBatches
from core.training.loop import LoopConfig, run
from core.training.optimiser import OptimiserConfig
from core.training.supervised import CausalObjective, SupervisedLearner
from core.training.supervised.learner import evaluate
from core.training.supervised.masked_lm import MaskedLMObjective, with_new_head

WORDS = 40
SIZES = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def _models() -> dict[str, Any]:
    small = {**SIZES, "intermediate_size": 64, "initializer_range": 0.2, "max_position_embeddings": 40}
    distil = {"vocab_size": WORDS, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "initializer_range": 0.2}
    modern = {**small, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    return {
        "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**small)),
        "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**small, pad_token_id=1)),
        "distilbert": lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**distil)),
        "modernbert": lambda: hf.ModernBertForMaskedLM(hf.ModernBertConfig(**modern)),
    }


def _model(family: str) -> Any:
    torch.manual_seed(0)
    return _models()[family]().eval()


def masked_batches(seed: int = 0) -> MaskedBatches:
    """Three texts, many times over, in which each word is one more than the one before it."""
    starts = [5, 15, 25] * 7
    texts = [
        MaskedText("", np.arange(start, start + 7 + start // 10, dtype=np.int32), (), np.arange(7 + start // 10))
        for start in starts
    ]
    rule = MaskingRule(mask_id=4, replacements=np.arange(5, WORDS), rate=0.3)
    return MaskedBatches(texts, rule, 4, seed=seed, pad_id=1, join_chinese=False)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "modernbert"])
def test_the_loss_and_all_gradients_are_those_of_the_models_own_head(family: str) -> None:
    model, batch = _model(family), masked_batches().batch(0, 1)
    wanted = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    cross_entropy(wanted.flatten(0, 1), batch["labels"].flatten(), reduction="sum").backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    tally = MaskedLMObjective().tally(model, batch)
    tally.loss.backward()
    assert tally.targets == MaskedLMObjective().targets(batch) > 4
    for name, grad in expected.items():
        assert torch.allclose(dict(model.named_parameters())[name].grad, grad, atol=1e-4), name


def test_it_learns_to_fill_gaps() -> None:
    model, batches = _model("bert"), masked_batches()
    before = evaluate(model, MaskedLMObjective(), masked_batches(1))["loss"]
    learns = SupervisedLearner(
        model,
        dict(model.named_parameters()),
        MaskedLMObjective(),
        batches,
        optimiser=OptimiserConfig(learning_rate=5e-3),
        steps=60,
        seed=0,
    )
    for index in range(60):
        learns.step(index)
    assert evaluate(model, MaskedLMObjective(), masked_batches(1))["loss"] < 0.6 * before


@pytest.mark.parametrize("family", ["bert", "roberta", "qwen2"])
def test_permutation_loss_is_each_tokens_own_and_is_not_shifted(family: str, tiny: Callable[..., LoadedModel]) -> None:
    """The slow way: each predicted token by itself, in a text where what comes later in the order is cut out."""
    model = tiny().model if family == "qwen2" else _model(family)
    ids = [np.arange(5, 14, dtype=np.int32), np.arange(9, 21, dtype=np.int32)]
    fixed = [np.zeros(len(row), dtype=bool) for row in ids]
    batch = PermutedBatches(ids, fixed, mask_id=4, batch_size=2, seed=0).batch(0, 0)
    offset = 2 if family == "roberta" else 0
    total = 0.0
    for row in range(2):
        for place in torch.nonzero(batch["labels"][row] != -100).flatten().tolist():
            seen = torch.nonzero(batch["attention_mask"][row, 0, place]).flatten()
            with torch.no_grad():
                logits = model(
                    input_ids=batch["input_ids"][row, seen][None],
                    position_ids=batch["position_ids"][row, seen][None] + offset,
                    attention_mask=batch["attention_mask"][row, 0][seen][:, seen][None, None],
                ).logits[0]
            at = seen.tolist().index(place)
            total += float(cross_entropy(logits[at], batch["labels"][row, place]))
    tally = MaskedLMObjective("permutation_lm").tally(model, batch)
    assert tally.targets == 4  # a sixth of 9 and of 12 tokens, rounded
    assert float(tally.loss.detach()) == pytest.approx(total, rel=1e-4)


def test_a_new_head_shares_the_trunk_and_its_words() -> None:
    trunk = _model("bert").bert
    loaded = LoadedModel("tiny", trunk, None, Placement("cpu", "float32", "test"), None, "f")  # type: ignore[arg-type]
    model = with_new_head(loaded, seed=1).model
    assert model.base_model is trunk
    assert model.get_output_embeddings().weight is trunk.embeddings.word_embeddings.weight
    again = with_new_head(loaded, seed=1).model
    assert torch.equal(model.cls.predictions.transform.dense.weight, again.cls.predictions.transform.dense.weight)


def test_causal_pretraining_on_blocks_runs_and_resumes(tmp_path: Any, tiny: Callable[..., LoadedModel]) -> None:
    texts = [np.frombuffer(b"the fee of the card is due at the end of the month. " * 4, dtype=np.uint8) % 97] * 3
    rows = causal_blocks([text.astype(np.int32) for text in texts], end_id=0, max_tokens=48)
    batches = PackedBatches(rows, 4, seed=0)

    def learn(folder: str, steps: int) -> Any:
        loaded = tiny()
        learns = SupervisedLearner(
            loaded.model,
            dict(loaded.model.named_parameters()),
            CausalObjective(),
            batches,
            optimiser=OptimiserConfig(learning_rate=3e-3),
            steps=20,
            seed=0,
        )
        run(learns, LoopConfig(steps=steps, checkpoint_every=5, trackers=()), tmp_path / folder)
        return loaded.model

    before = evaluate(tiny().model, CausalObjective(), batches)["loss"]
    whole = learn("whole", 20)
    assert evaluate(whole, CausalObjective(), batches)["loss"] < before / 2
    learn("parts", 10)
    parts = learn("parts", 20)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)
