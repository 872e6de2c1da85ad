"""Models whose cache is not keys and values of everything: recurrent and hybrid families, sliding windows."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
import transformers

from core.inference import RawText, Sampling
from core.inference.beam import beam_search
from core.inference.continuous import ContinuousGenerator
from core.inference.engine import run_requests
from core.inference.forward import ForwardChoice
from core.inference.local import LocalGenerator
from core.inference.plain import PlainForward
from core.inference.request import make_request
from core.inference.uncached import UncachedForward
from core.models.loading import LoadedModel

VOCABULARY = 97
MARKS = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
RECURRENT = {**MARKS, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "initializer_range": 0.3}
ATTENTION = {
    **MARKS,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
}
CONFIGS = {
    "mamba": transformers.MambaConfig(**RECURRENT),
    "mamba2": transformers.Mamba2Config(**RECURRENT, num_heads=8, head_dim=8, n_groups=1, chunk_size=16),
    "bamba": transformers.BambaConfig(  # Mamba-2 and attention in turn
        **ATTENTION,
        attn_layer_indices=[1],
        mamba_n_heads=8,
        mamba_d_head=8,
        mamba_d_state=8,
        mamba_n_groups=1,
        mamba_chunk_size=16,
    ),
    "gemma3": transformers.Gemma3TextConfig(
        **ATTENTION, head_dim=8, sliding_window=12, layer_types=["sliding_attention", "full_attention"]
    ),
}
ENDS = frozenset(range(0, VOCABULARY, 12))


def build(config: transformers.PreTrainedConfig) -> torch.nn.Module:
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    return build(CONFIGS[request.param])


def prompts() -> list[list[int]]:
    source = torch.Generator().manual_seed(3)
    return [torch.randint(2, VOCABULARY, (length,), generator=source).tolist() for length in (3, 9, 30, 17)]


def way(model: torch.nn.Module):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ForwardChoice(model, "cpu", "float32", 1, "tiny").for_length(90)


def run(forward, texts: list[list[int]], sampling: Sampling) -> list[list[int]]:
    requests = [make_request(ids, 0, sampling, context_tokens=128, decode=str) for ids in texts]
    for _ in run_requests(forward, requests, ENDS):
        pass
    return [request.token_ids for request in requests]


def test_greedy_equals_transformers(model):
    forward = way(model)
    assert isinstance(forward, PlainForward)
    found = run(forward, prompts(), Sampling(max_tokens=20))
    for ids, tokens in zip(prompts(), found, strict=True):
        output = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=sorted(ENDS),
            pad_token_id=1,
        )
        assert tokens == output[0, len(ids) :].tolist()


def test_drawn_texts_do_not_depend_on_the_batch(model):
    forward, sampling = way(model), Sampling(max_tokens=30, temperature=3.0, top_p=0.98, seed=3)
    together = run(forward, prompts(), sampling)
    assert len({len(tokens) for tokens in together}) > 1, "rows should leave at different times"
    assert together == [run(forward, [ids], sampling)[0] for ids in prompts()]


def test_beams_and_scores_are_those_without_a_cache(model):
    forward, slow = way(model), way_without_cache(model)
    sampling = Sampling(max_tokens=6, beams=3)
    given = {"limits": [6] * 4, "end_ids": ENDS, "decode": str}
    found, expected = (beam_search(one, prompts(), sampling, **given) for one in (forward, slow))
    assert [[one.token_ids for one in best] for best in found] == [[one.token_ids for one in best] for best in expected]
    pairs = [(prompts()[0], [5, 6, 7]), (prompts()[2], [8])]
    for one, other in zip(forward.score(pairs), slow.score(pairs), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def way_without_cache(model: torch.nn.Module) -> UncachedForward:
    return ForwardChoice(model, "cpu", "float32", 1, "tiny")._uncached


def test_a_model_that_hands_out_no_cache_we_know_is_read_anew_each_step_with_a_warning():
    model = build(transformers.RwkvConfig(**MARKS, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32))
    choice = ForwardChoice(model, "cpu", "float32", 1, "rwkv")
    with pytest.warns(RuntimeWarning, match=r"'rwkv' is run without a cache, which is very slow: KeyError"):
        forward = choice.for_length(50)
    assert isinstance(forward, UncachedForward)
    found = run(forward, prompts()[:2], Sampling(max_tokens=6))
    for ids, tokens in zip(prompts(), found, strict=False):
        text = list(ids)
        while len(text) < len(ids) + len(tokens):
            with torch.no_grad():
                text.append(model(torch.tensor([text])).logits[0, -1].argmax().item())
        assert tokens == text[len(ids) :]


def test_a_recurrent_model_is_a_generator_like_any_other(tiny: LoadedModel):
    config = transformers.MambaConfig(**{**RECURRENT, "vocab_size": tiny.model.config.vocab_size})
    generator = LocalGenerator(replace(tiny, model=build(config)))
    sampling = Sampling(max_tokens=12, temperature=1.0, seed=2)
    texts = [RawText("Hello"), RawText("退款多久到账？"), RawText("a")]
    completions = generator.generate(texts, sampling)
    served = ContinuousGenerator(generator)
    assert [served.generate([text], sampling)[0].token_ids for text in texts] == [one.token_ids for one in completions]
    assert "".join(served.stream(texts[1], sampling)) == completions[1].text
