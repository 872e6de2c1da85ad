from __future__ import annotations

import gc
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.errors import InputError, InternalError
from core.inference import Sampling
from core.inference.constraint import matching_choice, matching_regex
from core.inference.continuous import ContinuousGenerator, QueueFull
from core.inference.local import LocalGenerator
from core.inference.shared_prefix import SharedPrefixForward

PROMPTS = ["Hello", "退款多久到账？", "a", "Tell me about fees. " * 3, "x y z", "Hello", "b", "c " * 40]


def until(condition, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def test_callers_that_come_and_go_get_what_they_would_get_alone(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=3)
    samplings = [
        Sampling(
            max_tokens=5 + 13 * (number % 4),
            temperature=number % 2,
            seed=number,
            repetition_penalty=1 + number % 3 / 10,
        )
        for number in range(24)
    ]
    jobs = [(PROMPTS[number % len(PROMPTS)], sampling) for number, sampling in enumerate(samplings)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda job: served.generate([job[0]], job[1])[0], jobs))
    for (prompt, sampling), completion in zip(jobs, found, strict=True):
        (alone,) = generator.generate([prompt], sampling)
        assert completion.token_ids == alone.token_ids
        assert completion.logprobs == pytest.approx(alone.logprobs, abs=1e-3)
    assert served.load == (0, 0)


def test_long_running_rows_stay_right_while_many_pass_by(generator: LocalGenerator):
    """Columns of rows long gone are dropped under the long one's feet."""
    served = ContinuousGenerator(generator, rows=2)
    long = Sampling(max_tokens=400, temperature=0.7, seed=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(served.generate, ["Hello"], long)
        second = pool.submit(lambda: [served.generate(["b"], replace(long, max_tokens=30, seed=n)) for n in range(20)])
        third = [served.generate(["c"], replace(long, max_tokens=150, seed=n))[0] for n in range(3)]
    assert first.result()[0].token_ids == generator.generate(["Hello"], long)[0].token_ids
    for seed, completions in enumerate(second.result()):
        assert (
            completions[0].token_ids == generator.generate(["b"], replace(long, max_tokens=30, seed=seed))[0].token_ids
        )
    for seed, completion in enumerate(third):
        assert completion.token_ids == generator.generate(["c"], replace(long, max_tokens=150, seed=seed))[0].token_ids


def test_several_streams_at_once(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=4)
    sampling = Sampling(max_tokens=40, temperature=1.0, seed=2, stop=["ab"])
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda prompt: "".join(served.stream(prompt, sampling)), PROMPTS))
    assert texts == [generator.generate([prompt], sampling)[0].text for prompt in PROMPTS]


def test_n_beams_and_scores_go_through(generator: LocalGenerator):
    served = ContinuousGenerator(generator)
    many, beams = Sampling(max_tokens=8, temperature=1.0, n=3), Sampling(max_tokens=8, beams=3)
    texts = [completion.text for completion in served.generate(["Hello", "a"], many)]
    assert texts == [completion.text for completion in generator.generate(["Hello", "a"], many)]
    assert served.generate(["Hello"], beams)[0].text == generator.generate(["Hello"], beams)[0].text
    assert "".join(served.stream("Hello", beams)) == generator.generate(["Hello"], beams)[0].text
    assert served.score(["a"], ["b"]) == generator.score(["a"], ["b"])
    assert served.generate([]) == []


def test_who_goes_away_frees_the_place(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=1)
    stream = served.stream("Hello", Sampling(max_tokens=450, temperature=1.0, seed=1))
    next(stream)
    assert served.load == (1, 0)
    stream.close()
    started = time.monotonic()
    assert len(served.generate(["a"], Sampling(max_tokens=3))) == 1
    until(lambda: served.load == (0, 0))
    assert time.monotonic() - started < 5


def test_what_does_not_fit_into_memory_waits(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch):
    token_bytes = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, width, bytes of a number
    monkeypatch.setattr("core.inference.engine._CACHE_BYTES", 500 * token_bytes)
    assert generator.cache_tokens == 500
    served = ContinuousGenerator(generator)
    stream = served.stream("Hello", Sampling(max_tokens=450, temperature=1.0, seed=1))
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(served.generate, ["a"], Sampling(max_tokens=50))
        until(lambda: served.load == (1, 1))
        stream.close()
        assert other.result()[0].text == generator.generate(["a"], Sampling(max_tokens=50))[0].text


def test_who_goes_away_leaves_the_line(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=1, waiting=2)
    running = served.stream("Hello", Sampling(max_tokens=450, temperature=1.0, seed=1))
    next(running)
    waiting = [served.stream(prompt, Sampling(max_tokens=3)) for prompt in "ab"]
    with pytest.raises(QueueFull):
        served.stream("c", Sampling(max_tokens=3))
    waiting[0].close()
    assert served.load == (1, 1)
    other = served.stream("c", Sampling(max_tokens=3))
    running.close()
    for stream, prompt in ((waiting[1], "b"), (other, "c")):
        assert "".join(stream) == generator.generate([prompt], Sampling(max_tokens=3))[0].text
    until(lambda: served.load == (0, 0))


def test_a_stream_nobody_holds_any_more_is_cancelled(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=1)
    next(served.stream("Hello", Sampling(max_tokens=450, temperature=1.0, seed=1)))
    gc.collect()
    started = time.monotonic()
    until(lambda: served.load == (0, 0))
    assert time.monotonic() - started < 5


RESUMED = [
    Sampling(max_tokens=30),
    Sampling(max_tokens=40, temperature=1.2, seed=8, top_p=0.9),
    Sampling(max_tokens=40, temperature=1.0, seed=3, stop=["ab", "z"], repetition_penalty=1.2),
    Sampling(max_tokens=30, temperature=1.0, constraint=matching_regex("(yes|no|退款){3,6}")),
]


@pytest.mark.parametrize("sampling", RESUMED)
@pytest.mark.parametrize("pieces", [0, 1, 4, 9, 40])
def test_a_dropped_stream_can_be_gone_on_with(generator: LocalGenerator, sampling: Sampling, pieces: int):
    served = ContinuousGenerator(generator, rows=2)
    prompt = "退款多久到账？"
    stream = served.stream(prompt, sampling)
    said = list(itertools.islice(stream, pieces))
    stream.close()
    resumed = ContinuousGenerator(generator).resume(prompt, sampling, stream.token_ids)
    (whole,) = generator.generate([prompt], sampling)
    assert whole.token_ids[: len(stream.token_ids)] == stream.token_ids
    assert "".join([*said, *resumed]) == whole.text
    assert resumed.token_ids == whole.token_ids
    assert resumed.finish_reason == whole.finish_reason


def test_a_stream_resumed_again_and_again(generator: LocalGenerator):
    served, sampling = ContinuousGenerator(generator), Sampling(max_tokens=25, temperature=0.9, seed=4)
    text, tokens = "", ()
    while len(tokens) < 25:
        stream = served.resume("Hello", sampling, tokens)
        text += next(stream, "")
        stream.close()
        tokens = stream.token_ids
    assert text == generator.generate(["Hello"], sampling)[0].text


def test_tokens_of_another_stream_are_refused(generator: LocalGenerator):
    served = ContinuousGenerator(generator)
    (whole,) = generator.generate(["Hello"], Sampling(max_tokens=5))
    with pytest.raises(InputError, match="ended after 5 of the 6"):
        served.resume("Hello", Sampling(max_tokens=5), (*whole.token_ids, 7))
    for wrong in (-1, generator.vocabulary):
        with pytest.raises(InputError, match="not a token"):
            served.resume("Hello", Sampling(), [wrong])
    with pytest.raises(InputError, match="cannot stand"):
        served.resume("Hello", Sampling(constraint=matching_choice(["yes"])), whole.token_ids[:1])
    with pytest.raises(InputError, match="beam search"):
        served.resume("Hello", Sampling(beams=2), [])


def test_a_full_queue_says_so_at_once(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=1, waiting=3)
    stream = served.stream("Hello", Sampling(max_tokens=450, temperature=1.0, seed=1))
    next(stream)
    with pytest.raises(QueueFull, match=r"0 requests are waiting; 4 more .* limit of 3"):
        served.generate(list("abcd"))
    stream.close()
    assert len(served.generate(list("abc"), Sampling(max_tokens=2))) == 3


def test_a_caller_with_many_requests_does_not_keep_out_another(generator: LocalGenerator):
    served = ContinuousGenerator(generator, rows=1)
    order: list[str] = []

    def many() -> None:
        served.generate(["a"] * 12, Sampling(max_tokens=20), lambda done, total: order.append("many"))

    thread = threading.Thread(target=many)
    thread.start()
    until(lambda: served.load[1] >= 5)
    served.generate(["b"], Sampling(max_tokens=2))
    order.append("one")
    thread.join()
    assert order.index("one") < len(order) - 1
    assert order.count("many") == 12


def test_wrong_requests_are_refused_before_they_wait(generator: LocalGenerator):
    served = ContinuousGenerator(generator)
    with pytest.raises(InputError, match="list"):
        served.generate("Hello")
    with pytest.raises(InputError, match="can read"):
        served.generate(["b" * 600])
    with pytest.raises(InputError, match="at least 1"):
        ContinuousGenerator(generator, rows=0)
    assert served.load == (0, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_breaks_off_fails_its_callers_and_starts_anew(
    generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch
):
    served = ContinuousGenerator(generator, rows=2)
    long = Sampling(max_tokens=450, temperature=1.0, seed=1)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    streams = [served.stream("Hello", replace(long, seed=seed)) for seed in range(6)]
    next(streams[0])
    assert served.load[1] == 4, "some are served, some wait"
    with monkeypatch.context() as patch:
        patch.setattr(SharedPrefixForward, "run", broken)
        for stream in streams:
            with pytest.raises(InternalError, match="broke off"):
                list(stream)
        with pytest.raises(InternalError, match="broke off"):
            served.generate(["a"])
    assert served.load == (0, 0)
    assert len(served.generate(["a"], Sampling(max_tokens=2))) == 1


def test_a_model_that_goes_the_plain_way_is_served_too(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(generator, "forward_for", lambda requests: generator._forwards._plain)
    sampling = Sampling(max_tokens=6, temperature=1.0)
    served = ContinuousGenerator(generator)
    with ThreadPoolExecutor(3) as pool:
        texts = list(pool.map(lambda prompt: served.generate([prompt], sampling)[0].text, "abc"))
    assert texts == [generator.generate([prompt], sampling)[0].text for prompt in "abc"]
