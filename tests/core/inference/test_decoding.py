from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from core.inference import Sampling
from core.inference.decoding import (
    _first_in_nucleus,
    _likeliest_in_nucleus,
    device_source,
    draw,
    exponential_noise,
    random_source,
    token_logprobs,
)
from core.inference.detokenize import TextStream

LOGITS = [2.0, 1.0, 0.5, 0.0, -1.0]

CPU = torch.device("cpu")


def frequencies(
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0, rows: int = 40_000
) -> list[float]:
    logits = torch.tensor([LOGITS]).expand(rows, -1)
    noise = torch.empty(rows, len(LOGITS)).exponential_(generator=torch.Generator().manual_seed(0))
    drawn = draw(logits, noise, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    counts = Counter(drawn.tolist())
    return [counts[token] / rows for token in range(len(LOGITS))]


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature: float):
    expected = softmax([value / temperature for value in LOGITS])
    # 40,000 draws: four standard errors are at most 0.01
    assert frequencies(temperature) == pytest.approx(expected, abs=0.01)


def test_top_k_keeps_the_k_likeliest():
    assert frequencies(top_k=2) == pytest.approx([*softmax(LOGITS[:2]), 0, 0, 0], abs=0.01)


def test_top_p_keeps_the_smallest_set_that_reaches_p():
    # probabilities .56 .21 .13 .08 .03: .6 is reached by two tokens
    assert frequencies(top_p=0.6) == pytest.approx([*softmax(LOGITS[:2]), 0, 0, 0], abs=0.01)
    assert frequencies(top_p=1e-6) == [1, 0, 0, 0, 0]


def test_min_p_keeps_tokens_near_the_likeliest():
    # e^-1 = .37 and e^-1.5 = .22 of the likeliest
    assert frequencies(min_p=0.3) == pytest.approx([*softmax(LOGITS[:2]), 0, 0, 0], abs=0.01)
    assert frequencies(min_p=0.2) == pytest.approx([*softmax(LOGITS[:3]), 0, 0], abs=0.01)


def test_temperature_zero_takes_the_likeliest():
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    assert draw(logits, logits, temperature=0, top_k=0, top_p=1).tolist() == [1, 0]


def test_random_numbers_depend_on_seed_prompt_and_copy_alone():
    def first(*key: object) -> list[float]:
        return exponential_noise([random_source(*key)], 4, CPU)[0].tolist()

    assert first(1, "a", 0) == first(1, "a", 0)
    assert len({tuple(first(*key)) for key in [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1)]}) == 4
    together = exponential_noise([random_source(1, "b", 0), random_source(1, "a", 0)], 4, CPU)
    assert together[1].tolist() == first(1, "a", 0)


def test_token_logprobs_against_a_plain_sum():
    logits, tokens = torch.randn(2, 3, 5), torch.tensor([[0, 1, 4], [2, 2, 3]])
    found = token_logprobs(logits, tokens)
    for row in range(2):
        for place in range(3):
            expected = math.log(softmax(logits[row, place].double().tolist())[tokens[row, place]])
            assert found[row, place].item() == pytest.approx(expected, abs=1e-5)


def decode_bytes(ids: list[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


@settings(max_examples=300)
@given(
    text=st.text(alphabet="ab。退€😀 ", max_size=20),
    stop=st.lists(st.text(alphabet="ab。退😀", min_size=1, max_size=4), max_size=3),
)
def test_streamed_text_is_the_text_up_to_the_first_stop(text: str, stop: list[str]):
    stream = TextStream(decode_bytes, stop)
    shown = []
    for token in text.encode():
        shown.append(stream.add(token))
        assert not any(mark in "".join(shown) for mark in stop)
        if stream.stopped:
            break
    shown.append(stream.finish())
    places = [text.index(mark) for mark in stop if mark in text]
    expected = text[: _first_completed(text, stop)] if places else text
    assert "".join(shown) == stream.text == expected
    assert stream.stopped == bool(places)


def _first_completed(text: str, stop: list[str]) -> int:
    """Where the text ends: at the earliest stop string among those complete when the first one is."""
    end = min(text.index(mark) + len(mark) for mark in stop if mark in text)
    return min(text[:end].index(mark) for mark in stop if mark in text[:end])


def test_half_a_character_is_held_back_and_shown_as_such_at_the_end():
    stream = TextStream(decode_bytes)
    assert [stream.add(token) for token in "退".encode()] == ["", "", "退"]
    assert stream.add("款".encode()[0]) == ""
    assert stream.finish() == "\ufffd"


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0},
        {"temperature": -1},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"stop": [""]},
        {"seed": -1},
        {"min_p": 1.5},
        {"repetition_penalty": 0},
        {"n": 0},
    ],
)
def test_sampling_refuses_what_makes_no_sense(wrong: dict[str, object]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_one_stop_string_may_be_given_bare():
    assert Sampling(stop="\n").stop == ("\n",)


@pytest.mark.parametrize("top_p", [1e-9, 0.05, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("spread", [0.01, 5.0])
def test_nucleus_draws_against_a_full_sort(top_p: float, spread: float):
    logits = torch.randn(40, 1000, generator=torch.Generator().manual_seed(2)) * spread
    noise = torch.empty(40, 1000).exponential_(generator=torch.Generator().manual_seed(3))
    found = draw(logits, noise, temperature=1.0, top_k=0, top_p=top_p)
    ranked, ids = logits.double().softmax(dim=-1).sort(dim=-1, descending=True)
    outside = (ranked.cumsum(dim=-1) - ranked >= top_p).gather(-1, ids.argsort(dim=-1))
    expected = (logits - noise.log()).masked_fill(outside, -math.inf).argmax(dim=-1)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.999])
def test_the_nucleus_by_a_sort_is_that_of_the_search(top_p: float):
    source = torch.Generator().manual_seed(9)
    scores = 3 * torch.randn((200, 50), generator=source)
    scores[:, 7] = scores[:, 9]  # a tie
    scores[:, 3] = float("-inf")  # not allowed
    noisy = scores - torch.empty_like(scores).exponential_(generator=source).log()
    assert _likeliest_in_nucleus(scores, noisy, top_p).tolist() == _first_in_nucleus(scores, noisy, top_p).tolist()


def test_noise_made_on_a_device_depends_on_the_row_alone():
    def source(copy: int) -> torch.Generator:
        return device_source(random_source(5, "prompt", copy), CPU)

    alone = torch.cat([exponential_noise([source(copy)], 2000, CPU) for copy in range(3)])
    together = exponential_noise([source(copy) for copy in range(3)], 2000, CPU)
    assert torch.equal(alone, together)
    assert together.min() > 0
    assert together.mean().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(together[0], together[1])
    first = source(1)
    steps = [exponential_noise([first], 2000, CPU) for _ in range(2)]
    assert torch.equal(steps[0][0], together[1])
    assert not torch.equal(*steps)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_token_without_a_chance_is_not_drawn(on_device: bool):
    """Noise of exactly 0 must not beat every probability: with 152,000 tokens a row that would be 6 of these rows."""
    vocabulary, chosen = 152_000, []
    for row in range(350):
        source = random_source(1, "prompt", row)
        noise = exponential_noise([device_source(source, CPU) if on_device else source], vocabulary, CPU)
        logits = torch.zeros(1, vocabulary)
        logits[0, 7] = 25.0  # any other together: 2 in a million
        chosen.append(draw(logits, noise, temperature=1.0, top_k=0, top_p=1.0).item())
    assert set(chosen) == {7}
