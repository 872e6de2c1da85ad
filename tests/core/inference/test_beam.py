"""Beam search against transformers' own, on the tiny models of several families."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import transformers

from core.errors import InputError
from core.inference import Sampling
from core.inference.beam import beam_search
from core.inference.local import LocalGenerator
from core.inference.plain import PlainForward
from core.inference.shared_prefix import SharedPrefixForward

CONFIGS = {
    "gpt2": transformers.GPT2Config(
        vocab_size=61,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    ),
    **{
        name: make(
            vocab_size=61,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            initializer_range=0.2,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=1,
        )
        for name, make in {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}.items()
    },
}


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(5)
    return transformers.AutoModelForCausalLM.from_config(CONFIGS[request.param]).eval()


@pytest.mark.parametrize(
    ("beams", "penalty", "ends"), [(2, 1.0, (0,)), (4, 1.0, tuple(range(0, 60, 4))), (3, 0.3, (0, 5)), (5, 2.0, (0,))]
)
def test_beams_equal_transformers(model, beams: int, penalty: float, ends: tuple[int, ...]):
    source = torch.Generator().manual_seed(6)
    texts = [torch.randint(2, 61, (length,), generator=source).tolist() for length in (3, 9, 9, 20, 33, 5)]
    sampling = Sampling(max_tokens=18, beams=beams, length_penalty=penalty)
    found = beam_search(
        SharedPrefixForward(model, "cpu"),
        texts,
        sampling,
        limits=[18] * len(texts),
        end_ids=frozenset(ends),
        decode=str,
    )
    lengths = set()
    for ids, hypotheses in zip(texts, found, strict=True):
        output = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=18,
            num_beams=beams,
            num_return_sequences=beams,
            do_sample=False,
            length_penalty=penalty,
            eos_token_id=list(ends),
            pad_token_id=1,
            output_scores=True,
            return_dict_in_generate=True,
        )
        for hypothesis, row, score in zip(hypotheses, output.sequences, output.sequences_scores, strict=True):
            tokens = row[len(ids) :].tolist()
            assert list(hypothesis.token_ids) == tokens[: len(hypothesis.token_ids)]
            assert set(tokens[len(hypothesis.token_ids) :]) <= {1}, "what follows is padding"
            assert hypothesis.score == pytest.approx(score.item(), abs=1e-4)
            assert sum(hypothesis.logprobs) == pytest.approx(
                score.item() * len(hypothesis.token_ids) ** penalty, abs=1e-3
            )
            lengths.add(len(hypothesis.token_ids))
    if len(ends) > 2:
        assert len(lengths) > 1, "some should end early"


def test_the_plain_way_finds_the_same(model):
    texts = [[5, 6, 7], [9, 8, 7, 6, 5]]
    sampling = Sampling(max_tokens=10, beams=3)
    given = {"limits": [10, 7], "end_ids": frozenset({0}), "decode": str}
    fast = beam_search(SharedPrefixForward(model, "cpu"), texts, sampling, **given)
    plain = beam_search(PlainForward(model, padding=1, device="cpu"), texts, sampling, **given)
    assert [[one.token_ids for one in best] for best in fast] == [[one.token_ids for one in best] for best in plain]
    assert max(len(one.token_ids) for one in fast[1]) <= 7


def diverse_reference(model, ids: list[int], sampling: Sampling, limit: int, ends: set[int]) -> list[tuple]:
    """Algorithm 1 of Vijayakumar et al. 2016 written down: a forward pass for each beginning, no batch, no cache."""
    size, groups = sampling.beams // sampling.beam_groups, sampling.beam_groups
    running: list[list[tuple]] = [[((), 0.0)] for _ in range(groups)]
    finished: list[list[tuple]] = [[] for _ in range(groups)]
    while any(running):
        said: list[int] = []
        for group in range(groups):
            candidates = []
            for tokens, score in running[group]:
                with torch.no_grad():
                    logits = model(torch.tensor([[*ids, *tokens]])).logits[0, -1]
                for token, logprob in enumerate(logits.log_softmax(dim=-1).tolist()):
                    cost = sampling.diversity * said.count(token)
                    candidates.append(((*tokens, token), score + logprob - cost))
            candidates.sort(key=lambda one: -one[1])
            going_on = []
            for rank, (tokens, score) in enumerate(candidates[: max(2, 1 + len(ends)) * size]):
                if tokens[-1] in ends or len(tokens) == limit:
                    if rank < size:
                        finished[group].append((tokens, score / len(tokens) ** sampling.length_penalty))
                elif len(going_on) < size:
                    going_on.append((tokens, score))
            finished[group] = sorted(finished[group], key=lambda one: -one[1])[:size]
            if going_on and len(finished[group]) == size:
                tokens, score = going_on[0]
                if score / len(tokens) ** sampling.length_penalty <= finished[group][-1][1]:
                    going_on = []
            running[group] = going_on
            said += [tokens[-1] for tokens, _ in going_on]
    return sorted((one for texts in finished for one in texts), key=lambda one: -one[1])


@pytest.mark.parametrize(
    ("beams", "groups", "diversity", "penalty", "ends"),
    [(4, 2, 0.5, 1.0, (0,)), (6, 3, 2.0, 0.5, tuple(range(0, 60, 4))), (3, 3, 1.0, 1.0, (0, 5))],
)
@pytest.mark.parametrize("way", ["fast", "plain"])
def test_diverse_beams_equal_a_slow_reference(model, way: str, beams, groups, diversity, penalty, ends):
    source = torch.Generator().manual_seed(7)
    texts = [torch.randint(2, 61, (length,), generator=source).tolist() for length in (3, 9, 20, 9)]
    limits = [9, 10, 3, 10]
    sampling = Sampling(
        max_tokens=10, beams=beams, beam_groups=groups, diversity=diversity, length_penalty=penalty, n=beams
    )
    forward = SharedPrefixForward(model, "cpu") if way == "fast" else PlainForward(model, padding=1, device="cpu")
    found = beam_search(forward, texts, sampling, limits=limits, end_ids=frozenset(ends), decode=str)
    for ids, limit, hypotheses in zip(texts, limits, found, strict=True):
        expected = diverse_reference(model, ids, sampling, limit, set(ends))
        assert [one.token_ids for one in hypotheses] == [tokens for tokens, _ in expected]
        assert [one.score for one in hypotheses] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_the_model_says_how_likely_a_diverse_text_is_without_what_it_paid(generator: LocalGenerator):
    sampling = Sampling(max_tokens=12, beams=6, beam_groups=3, diversity=1.5, n=6)
    diverse = generator.generate(["Hello"], sampling)
    plain = generator.generate(["Hello"], Sampling(max_tokens=12, beams=6, n=6))
    assert len({one.token_ids[0] for one in diverse}) > len({one.token_ids[0] for one in plain})
    for completion in diverse:
        ids = generator._chat.prompt_ids("Hello")
        with torch.no_grad():
            logits = generator._model(torch.tensor([[*ids, *completion.token_ids]])).logits[0, len(ids) - 1 : -1]
        own = logits.log_softmax(dim=-1)[range(len(completion.token_ids)), list(completion.token_ids)].tolist()
        assert completion.logprobs == pytest.approx(own, abs=1e-4)


def test_a_generator_returns_the_best_texts(generator: LocalGenerator):
    sampling = Sampling(max_tokens=12, beams=4, n=3)
    prompts = ["Hello", "退款多久到账？", "Hello"]
    completions = generator.generate(prompts, sampling)
    assert len(completions) == 9
    assert completions[:3] == completions[6:]
    means = [sum(one.logprobs) / len(one.logprobs) for one in completions[:3]]
    assert means == sorted(means, reverse=True)
    assert len({one.token_ids for one in completions[:3]}) == 3
    alone = generator.generate(["退款多久到账？"], replace(sampling, n=1))
    assert alone[0].token_ids == completions[3].token_ids
    assert "".join(generator.stream("退款多久到账？", replace(sampling, n=1))) == alone[0].text
    greedy = generator.generate(prompts[:1], Sampling(max_tokens=12))[0]
    assert (
        sum(completions[0].logprobs) / len(completions[0].logprobs)
        >= sum(greedy.logprobs) / len(greedy.logprobs) - 1e-6
    )


def test_a_beam_ends_before_a_stop_string(generator: LocalGenerator):
    (free,) = generator.generate(["Hello"], Sampling(max_tokens=12, beams=3))
    stops = list(free.text[1:8])
    completions = generator.generate(["Hello"], Sampling(max_tokens=12, beams=3, n=3, stop=stops))
    assert not any(stop in completion.text for completion in completions for stop in stops)
    assert any(completion.finish_reason == "stop" for completion in completions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beams": 4, "beam_groups": 3, "diversity": 1.0},
        {"beams": 4, "beam_groups": 2},
        {"beams": 4, "diversity": 1.0},
        {"beams": 4, "beam_groups": 2, "diversity": -1.0},
        {"beam_groups": 0},
        {"beam_groups": 2, "diversity": 1.0},
    ],
)
def test_groups_that_do_not_fit_are_refused(wrong: dict[str, float]):
    with pytest.raises(InputError, match=r"beam_groups|diversity"):
        Sampling(**wrong)


@pytest.mark.parametrize("wrong", [{"temperature": 0.5}, {"repetition_penalty": 1.2}, {"n": 4}])
def test_what_beam_search_cannot_do_is_refused(wrong: dict[str, float]):
    with pytest.raises(InputError, match="beams"):
        Sampling(beams=3, **wrong)
