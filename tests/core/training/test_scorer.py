from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.models.loading import LoadedModel
from core.training.scorer import DenseScorer, PackedScorer, choose_scorer
from core.training.streams import Group, lay_out
from core.training.token_logprobs import chosen_logprobs

IDS = torch.randint(256, (400,), generator=torch.Generator().manual_seed(0)).tolist()
GROUPS = [
    Group(tuple(IDS[:30]), (tuple(IDS[30:50]), tuple(IDS[50:60]), ())),
    Group(tuple(IDS[60:70]), (tuple(IDS[70:90]),)),
    Group(tuple(IDS[90:91]), (tuple(IDS[91:92]), tuple(IDS[92:99]))),
]


@pytest.mark.parametrize("family", ["qwen2", "gpt2"])
def test_packed_and_dense_agree_in_values_and_gradients(family: str, tiny: Callable[..., LoadedModel]) -> None:
    model = tiny(family).model
    found = []
    for scorer in (PackedScorer(model), DenseScorer(model)):
        model.zero_grad()
        scores = scorer(GROUPS, temperature=0.7, states=True)
        weights = torch.linspace(-1, 1, scores.logprobs.numel()).view_as(scores.logprobs)
        loss = (scores.logprobs * weights).sum() + 0.3 * (scores.entropies * weights**2).sum()
        (loss + 0.01 * scores.states.pow(2).sum()).backward()
        found.append((scores, [parameter.grad.clone() for parameter in model.parameters()]))
    (packed, packed_grads), (dense, dense_grads) = found
    assert torch.equal(packed.mask, dense.mask)
    assert torch.allclose(packed.logprobs, dense.logprobs, atol=1e-5)
    assert torch.allclose(packed.entropies, dense.entropies, atol=1e-5)
    for one, other in zip(packed_grads, dense_grads, strict=True):
        assert torch.allclose(one, other, atol=1e-5 * float(other.abs().max().clamp(min=1)))
    assert torch.allclose(PackedScorer(model).states(GROUPS), DenseScorer(model).states(GROUPS), atol=1e-5)


@pytest.mark.parametrize("stream_tokens", [1, 40, 100_000])
def test_the_layout_changes_nothing(stream_tokens: int, tiny: Callable[..., LoadedModel]) -> None:
    model = tiny().model
    streams = lay_out(GROUPS, stream_tokens=stream_tokens)
    with torch.no_grad():
        output = model(
            input_ids=streams.tokens, position_ids=streams.positions, attention_mask=streams.mask, use_cache=False
        )
        chosen = output.logits.log_softmax(-1).flatten(0, 1)[streams.places, streams.chosen]
        expected = DenseScorer(model)(GROUPS).logprobs
    assert torch.allclose(streams.table(chosen), expected, atol=1e-5)


def test_prompts_are_computed_once() -> None:
    prompt, responses = tuple(IDS[:100]), tuple(tuple(IDS[start : start + 20]) for start in range(100, 260, 20))
    streams = lay_out([Group(prompt, responses)])
    assert streams.computed_tokens == 100 + 8 * 19


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="prompt"):
        lay_out([Group((), ((1, 2),))])


def test_choice_falls_back_with_a_warning_where_the_packed_way_is_wrong(tiny: Callable[..., LoadedModel]) -> None:
    loaded = tiny()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(choose_scorer(loaded.model, "cpu", "float32", "tiny"), PackedScorer)
    own = loaded.model.base_model.forward

    def blind(*arguments: object, attention_mask: torch.Tensor, **named: object) -> object:
        if attention_mask.dim() == 4:
            attention_mask = torch.ones_like(attention_mask).tril()
        return own(*arguments, attention_mask=attention_mask, **named)

    loaded.model.base_model.forward = blind
    with pytest.warns(RuntimeWarning, match="plain way"):
        assert isinstance(choose_scorer(loaded.model, "cpu", "float32", "tiny"), DenseScorer)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([0, 2**29]), st.booleans())
def test_chosen_logprobs_equal_log_softmax_with_gradients(seed: int, keep_bytes: int, biased: bool) -> None:
    torch.manual_seed(seed)
    hidden = torch.randn(7, 5, dtype=torch.float32, requires_grad=True)
    weight = torch.randn(11, 5, dtype=torch.float32, requires_grad=True)
    bias = torch.randn(11, requires_grad=True) if biased else None
    leaves = (hidden, weight) if bias is None else (hidden, weight, bias)
    tokens = torch.randint(11, (7,))
    outer = torch.randn(2, 7)
    logprobs, entropies = chosen_logprobs(hidden, weight, tokens, bias=bias, temperature=0.8, keep_bytes=keep_bytes)
    found = torch.autograd.grad((logprobs * outer[0] + entropies * outer[1]).sum(), leaves)
    logits = (hidden @ weight.T + (0 if bias is None else bias)) / 0.8
    log_p = logits.log_softmax(-1)
    plain = log_p[range(7), tokens], -(log_p.exp() * log_p).sum(-1)
    expected = torch.autograd.grad((plain[0] * outer[0] + plain[1] * outer[1]).sum(), leaves)
    assert torch.allclose(logprobs, plain[0], atol=1e-5)
    assert torch.allclose(entropies, plain[1], atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_chosen_logprobs_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight = torch.randn(50, 4, requires_grad=True), torch.randn(9, 4)
    tokens = torch.randint(9, (50,))
    whole = chosen_logprobs(hidden, weight, tokens)[0]
    (expected,) = torch.autograd.grad(whole.sum(), hidden)
    monkeypatch.setattr("core.training.token_logprobs._PIECE_NUMBERS", 9 * 7)
    pieces = chosen_logprobs(hidden, weight, tokens)[0]
    (found,) = torch.autograd.grad(pieces.sum(), hidden)
    assert torch.allclose(pieces, whole, atol=1e-6)
    assert torch.allclose(found, expected, atol=1e-6)
