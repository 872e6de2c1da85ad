"""The fast way against transformers itself, on tiny models of several families."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import transformers

from core.inference import Sampling
from core.inference.decoding import device_source, token_logprobs
from core.inference.engine import batches, run_requests
from core.inference.forward import ForwardChoice, differs_from_model, shared_prefix_limit
from core.inference.plain import PlainForward
from core.inference.reading import PromptReading
from core.inference.request import go_on_after, make_request
from core.inference.shared_prefix import SharedPrefixForward

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
CONFIGS = {
    "gpt2": transformers.GPT2Config(
        vocab_size=97,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    ),
    "llama": transformers.LlamaConfig(**SIZES),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "gemma2": transformers.Gemma2Config(**SIZES, head_dim=8, sliding_window=100),  # softcaps, and its own attention
}
SINKS = transformers.GptOssConfig(**SIZES, head_dim=8, num_local_experts=2, num_experts_per_tok=1)
ENDS = frozenset({0})


def build(config: transformers.PreTrainedConfig) -> torch.nn.Module:
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    return build(CONFIGS[request.param])


def prompts(count: int = 5) -> list[list[int]]:
    """A common beginning of 20 tokens, then 1 to 40 of their own."""
    source = torch.Generator().manual_seed(3)
    common = torch.randint(2, 97, (20,), generator=source).tolist()
    return [common + torch.randint(2, 97, (1 + 9 * n,), generator=source).tolist() for n in range(count)]


def run(
    forward, texts: list[list[int]], sampling: Sampling, copies: int = 1, ends: frozenset[int] = ENDS
) -> list[tuple[int, ...]]:
    requests = [
        make_request(ids, copy, sampling, context_tokens=128, decode=lambda ids: "".join(map(chr, ids)))
        for ids in texts
        for copy in range(copies)
    ]
    for _ in run_requests(forward, requests, ends):
        pass
    return [request.completion().token_ids for request in requests]


def test_greedy_equals_transformers(model):
    texts = prompts()
    found = run(SharedPrefixForward(model, "cpu"), texts, Sampling(max_tokens=30))
    for ids, tokens in zip(texts, found, strict=True):
        output = model.generate(torch.tensor([ids]), max_new_tokens=30, do_sample=False, eos_token_id=0, pad_token_id=1)
        assert list(tokens) == output[0, len(ids) :].tolist()


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_repetition_penalty_equals_transformers(model, penalty: float):
    texts = prompts(3)
    found = run(SharedPrefixForward(model, "cpu"), texts, Sampling(max_tokens=20, repetition_penalty=penalty))
    for ids, tokens in zip(texts, found, strict=True):
        output = model.generate(
            torch.tensor([ids]),
            max_new_tokens=20,
            do_sample=False,
            eos_token_id=0,
            pad_token_id=1,
            repetition_penalty=penalty,
        )
        assert list(tokens) == output[0, len(ids) :].tolist()


def test_samples_are_those_of_the_plain_way_and_of_any_batch(model):
    texts, sampling = prompts(), Sampling(max_tokens=24, temperature=0.8, top_p=0.9, min_p=0.02, seed=4)
    fast, plain = SharedPrefixForward(model, "cpu"), PlainForward(model, padding=1, device="cpu")
    ends = frozenset(range(0, 97, 8))
    together = run(fast, texts, sampling, copies=3, ends=ends)
    assert together == run(plain, texts, sampling, copies=3, ends=ends)
    assert len(set(together)) > len(texts)
    assert {len(tokens) for tokens in together} != {24}, "rows should leave at different times"
    apart = [tokens for ids in texts for tokens in run(fast, [ids], sampling, copies=3, ends=ends)]
    assert together == apart
    first_copies = run(fast, texts[::-1], sampling, ends=ends)[::-1]
    assert together[::3] == first_copies


def test_noise_of_a_device_gives_the_same_text_in_any_batch_and_after_a_break(model):
    """As on an accelerator, where each request draws from a generator of the device."""

    def drawn(texts: list[list[int]], begun: int = 0) -> list[list[int]]:
        requests = [make_request(ids, 0, sampling, context_tokens=128, decode=str) for ids in texts]
        for request, done in zip(requests, whole, strict=False):
            request.on_device = device_source(request.source, torch.device("cpu"))
            go_on_after(request, done[:begun], ENDS, 97)
        for _ in run_requests(SharedPrefixForward(model, "cpu"), requests, ENDS):
            pass
        return [request.token_ids for request in requests]

    sampling, whole = Sampling(max_tokens=15, temperature=0.8, top_p=0.9, seed=4), [[]] * 5
    whole = drawn(prompts())
    assert drawn(prompts()[:1]) == whole[:1]
    assert drawn(prompts(), begun=min(map(len, whole)) - 1) == whole


def test_scores_equal_a_plain_forward_pass(model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.shared_prefix._LOGIT_NUMBERS", 97 * 6 * 3)  # three places at a time
    texts = prompts(4)
    pairs = [(texts[0], [5]), (texts[1], [6, 7, 8, 9, 3]), (texts[1], [6, 2]), (texts[1], list(range(2, 14)))]
    pairs += [(texts[2], [4, 4, 4]), ([8], [1, 2, 3, 4, 5, 6, 7, 8])]
    found = SharedPrefixForward(model, "cpu").score(pairs)
    plain = PlainForward(model, padding=1, device="cpu").score(pairs)
    for (before, after), fast_score, plain_score in zip(pairs, found, plain, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([before + after])).logits[0, len(before) - 1 : -1]
        expected = token_logprobs(logits, torch.tensor(after)).tolist()
        assert fast_score == pytest.approx(expected, abs=1e-4)
        assert plain_score == pytest.approx(expected, abs=1e-4)


def test_a_distinct_prompt_and_a_common_beginning_are_read_once(model, monkeypatch: pytest.MonkeyPatch):
    sizes = []
    fast = SharedPrefixForward(model, "cpu")
    inner = fast.run
    monkeypatch.setattr(
        fast, "run", lambda rows, tokens, keep: sizes.append(tokens.shape) or inner(rows, tokens, keep=keep)
    )
    fast.start(prompts(3), [4, 4, 4])
    assert sum(rows * columns for rows, columns in sizes) == 20 + 1 + 10 + 19


@pytest.mark.parametrize("piece", [1, 7, 30, 55])
def test_a_prompt_read_in_pieces_goes_on_as_one_read_at_once(model, piece: int):
    fast, prompt = SharedPrefixForward(model, "cpu"), prompts()[-1]
    reading = PromptReading(fast, [prompt])
    sizes = [reading.tokens_left]
    while not reading.read(piece):
        sizes.append(reading.tokens_left)
    assert sizes == list(range(len(prompt), 0, -piece))
    assert reading.tokens_left == 0
    found, expected = reading.continuation([0, 0]), fast.start([prompt], [2])
    for token in range(2, 12):
        torch.testing.assert_close(found.logits, expected.logits, atol=1e-4, rtol=1e-4)
        for rows in (found, expected):
            rows.advance([token, token + 1], [0, 1])


def test_the_models_own_attention_is_put_back(model):
    before = model.config._attn_implementation
    run(SharedPrefixForward(model, "cpu"), prompts(2), Sampling(max_tokens=2))
    assert model.config._attn_implementation == before


def test_a_family_the_fast_way_gets_wrong_goes_the_plain_way_with_a_warning():
    model = build(SINKS)  # attention sinks, which our attention knows nothing of
    choice = ForwardChoice(model, "cpu", "float32", 1, "sinks")
    with pytest.warns(RuntimeWarning, match=r"'sinks' is run the plain way.*logits differ"):
        assert isinstance(choice.for_length(50), PlainForward)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(choice.for_length(50), PlainForward)


def test_families_that_agree_go_the_fast_way(model):
    assert differs_from_model(SharedPrefixForward(model, "cpu"), model, "cpu", "float32") == ""
    choice = ForwardChoice(model, "cpu", "float32", 1, "tiny")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(choice.for_length(90), SharedPrefixForward)


def test_a_window_that_fills_up_goes_the_plain_way():
    model = build(CONFIGS["gemma2"])
    assert shared_prefix_limit(model) == 100
    choice = ForwardChoice(model, "cpu", "float32", 1, "tiny")
    assert isinstance(choice.for_length(100), SharedPrefixForward)
    assert isinstance(choice.for_length(101), PlainForward)
    assert shared_prefix_limit(build(transformers.BloomConfig(vocab_size=97, hidden_size=32, n_layer=1, n_head=4))) == 0


def test_batches_keep_equal_prompts_together_and_stay_within_memory(monkeypatch: pytest.MonkeyPatch):
    sampling = Sampling(max_tokens=10)
    texts = [[1] * 10, [2] * 50, [1] * 10, [3] * 49, [2] * 50]
    requests = [make_request(ids, 0, sampling, context_tokens=128, decode=str) for ids in texts]
    config = CONFIGS["llama"]  # 2 layers × 2 heads × 8 numbers, keys and values: 64 numbers a token
    monkeypatch.setattr("core.inference.engine._CACHE_BYTES", 64 * 4 * 100)
    found = [[len(request.prompt_ids) for request in batch] for batch in batches(requests, config, 4)]
    assert found == [[50, 50], [49, 10, 10]]
    monkeypatch.setattr("core.inference.engine._CACHE_BYTES", 1)
    assert [len(batch) for batch in batches(requests, config, 4)] == [1] * 5


def test_both_ways_may_run_at_once():
    """A long request goes the plain way while a short one has put our attention into the model."""
    model = build(CONFIGS["gemma2"])
    choice = ForwardChoice(model, "cpu", "float32", 1, "tiny")
    short, long = Sampling(max_tokens=30), Sampling(max_tokens=60)
    texts = prompts(5)
    expected = run(choice.for_length(90), texts, short), run(choice.for_length(120), texts[-1:], long)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            fast = pool.submit(run, choice.for_length(90), texts, short)
            plain = pool.submit(run, choice.for_length(120), texts[-1:], long)
            assert (fast.result(), plain.result()) == expected
