from __future__ import annotations

import http.server
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from core.errors import ConfigError, EndpointError, InputError
from core.inference import RawText, Sampling, load_generator
from core.inference import http as endpoint_http
from core.inference.constraint import matching_choice, matching_regex, matching_schema
from core.inference.remote import RemoteGenerator

KEY = "sk-very-secret-0123456789"
Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Endpoint:
    """A server that answers from a list, then with an echo of the last message; it keeps what it was sent."""

    url: str = ""
    replies: list[Reply | None] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


def answer(text: str, **more: object) -> Reply:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}
    body = {"choices": [choice], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}
    return 200, {}, json.dumps(body).encode()


def events(*pieces: str, end: bytes = b"data: [DONE]\n\n") -> Reply:
    lines = [b": a comment\n\n", b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\n']
    lines += [f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n".encode() for piece in pieces]
    return 200, {"Content-Type": "text/event-stream"}, b"".join(lines) + end


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.bodies.append(body)
            state.paths.append(self.path)
            state.keys.append(self.headers.get("Authorization"))
            reply = state.replies.pop(0) if state.replies else answer(f"echo: {body['messages'][-1]['content']}")
            if reply is None:  # hang up without a word
                self.close_connection = True
                return
            status, headers, data = reply
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(endpoint_http.time, "sleep", slept.append)
    return slept


def remote(endpoint: Endpoint, **options: Any) -> RemoteGenerator:
    return RemoteGenerator(endpoint.url, "tiny", SecretStr(KEY), **options)


def test_completions_come_in_the_order_of_the_prompts(endpoint: Endpoint):
    completions = remote(endpoint).generate([f"问题 {n}" for n in range(20)])
    assert [completion.text for completion in completions] == [f"echo: 问题 {n}" for n in range(20)]
    assert completions[0].finish_reason == "stop"
    assert (completions[0].prompt_tokens, completions[0].completion_tokens) == (4, 2)


def test_what_is_sent(endpoint: Endpoint):
    sampling = Sampling(max_tokens=5, temperature=0.3, top_p=0.9, top_k=7, seed=3, stop=["\n"])
    remote(endpoint).generate([[{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]], sampling)
    assert endpoint.paths == ["/v1/chat/completions"]
    assert endpoint.keys == [f"Bearer {KEY}"]
    assert endpoint.bodies[0] == {
        "model": "tiny",
        "max_tokens": 5,
        "temperature": 0.3,
        "top_p": 0.9,
        "top_k": 7,
        "seed": 3,
        "stop": ["\n"],
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    }


def test_raw_text_is_completed_without_turns(endpoint: Endpoint):
    endpoint.replies = [(200, {}, json.dumps({"choices": [{"text": " upon", "finish_reason": "length"}]}).encode())]
    (completion,) = remote(endpoint).generate([RawText("Once")])
    assert (completion.text, completion.finish_reason) == (" upon", "length")
    assert endpoint.paths == ["/v1/completions"]
    assert endpoint.bodies[0]["prompt"] == "Once"
    assert "top_k" not in endpoint.bodies[0]


def test_streamed_pieces(endpoint: Endpoint):
    endpoint.replies = [events("三", "天", "。")]
    assert list(remote(endpoint).stream("多久？")) == ["三", "天", "。"]
    assert endpoint.bodies[0]["stream"] is True


@pytest.mark.parametrize(
    ("end", "problem"),
    [(b"data: {broken\n\n", "not JSON"), (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory")],
)
def test_a_stream_that_breaks_off_is_an_error_after_its_text(endpoint: Endpoint, end: bytes, problem: str):
    endpoint.replies = [events("三", end=end)]
    pieces: list[str] = []
    with pytest.raises(EndpointError, match=problem):
        pieces.extend(remote(endpoint).stream("多久？"))
    assert pieces in (["三"], [])


def test_busy_and_broken_answers_are_tried_again_with_growing_waits(endpoint: Endpoint, waits: list[float]):
    endpoint.replies = [(503, {}, b"busy"), (429, {"Retry-After": "7"}, b"slow down"), None, answer("at last")]
    assert remote(endpoint).generate(["x"])[0].text == "at last"
    assert len(waits) == 3
    assert 0.3 < waits[0] < 0.7
    assert waits[1] == 7.0
    assert waits[2] > 1.4


def test_tries_are_bounded(endpoint: Endpoint, waits: list[float]):
    endpoint.replies = [(500, {}, b"no") for _ in range(9)]
    with pytest.raises(EndpointError, match="answered 500: no"):
        remote(endpoint, attempts=3).generate(["x"])
    assert len(endpoint.bodies) == 3


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "ENDPOINT_KEY"), (404, "ENDPOINT_MODEL"), (400, "did not accept"), (302, "did not accept")],
)
def test_a_refusal_is_not_tried_again(endpoint: Endpoint, waits: list[float], status: int, hint: str):
    endpoint.replies = [(status, {"Location": "http://127.0.0.1:9/"}, b'{"error": "because"}')]
    with pytest.raises(EndpointError, match=f"answered {status}.*because") as raised:
        remote(endpoint).generate(["x"])
    assert hint in str(raised.value.hint)
    assert len(endpoint.bodies) == 1
    assert waits == []


def test_a_slow_endpoint_times_out(waits: list[float]):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        generator = RemoteGenerator(f"http://127.0.0.1:{port}", "tiny", timeout_seconds=0.2)
        with pytest.raises(EndpointError, match=r"within 0\.2 s") as raised:
            generator.generate(["x"])
    assert "TIMEOUT" in str(raised.value.hint)
    assert waits == []


def test_nobody_there(waits: list[float]):
    generator = RemoteGenerator("http://127.0.0.1:9", "tiny", attempts=2)
    with pytest.raises(EndpointError, match="could not be reached"):
        generator.generate(["x"])


@pytest.mark.parametrize(
    "data", [b"<html>hello</html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}']
)
def test_an_unusable_answer_is_said_plainly(endpoint: Endpoint, data: bytes):
    endpoint.replies = [(200, {}, data)]
    with pytest.raises(EndpointError, match="answered"):
        remote(endpoint).generate(["x"])


def test_the_key_shows_nowhere(endpoint: Endpoint, waits: list[float], caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    endpoint.replies = [(400, {}, f"bad key {KEY}".encode()), (500, {}, KEY.encode()), answer("fine")]
    generator = remote(endpoint, attempts=2)
    messages = []
    with pytest.raises(EndpointError) as raised:
        generator.generate(["x"])
    messages += [str(raised.value), repr(raised.value), raised.value.message]
    generator.generate(["x"])
    seen = " ".join([repr(generator), generator.name, repr(vars(generator)), *messages, caplog.text])
    assert "***" in messages[0]
    assert KEY not in seen


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://user:secret@host/v1", "http://host/v1?key=secret", "http:///v1"]
)
def test_addresses_that_cannot_be_used_or_would_leak(url: str):
    with pytest.raises(ConfigError) as raised:
        RemoteGenerator(url, "tiny")
    assert "secret" not in str(raised.value)


def test_an_address_without_a_path_means_v1():
    assert "http://host:8000/v1'" in repr(RemoteGenerator("http://host:8000/", "tiny"))


def test_settings_name_the_endpoint(endpoint: Endpoint, fresh_settings: Callable[..., None]):
    fresh_settings(generator="endpoint")
    with pytest.raises(ConfigError, match="endpoint_url"):
        load_generator()
    fresh_settings(generator="endpoint", endpoint_url=endpoint.url, endpoint_model="tiny", endpoint_key=KEY)
    assert load_generator().generate(["hi"])[0].text == "echo: hi"
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_scores_by_echo(endpoint: Endpoint):
    logprobs = {"text_offset": [0, 4, 6, 9], "token_logprobs": [None, -1.0, -2.0, -9.0]}
    endpoint.replies = [(200, {}, json.dumps({"choices": [{"logprobs": logprobs}]}).encode())]
    (score,) = remote(endpoint).score([RawText("Once")], [" upon"])
    assert score.logprobs == (-1.0, -2.0)
    with pytest.raises(InputError, match="RawText"):
        remote(endpoint).score(["Once"], [" upon"])


def test_several_completions_are_as_many_requests_with_seeds_of_their_own(endpoint: Endpoint):
    completions = remote(endpoint).generate(["a", "b"], Sampling(n=3, seed=5, min_p=0.1, repetition_penalty=1.2))
    assert [completion.text for completion in completions] == ["echo: a"] * 3 + ["echo: b"] * 3
    sent = sorted((body["messages"][0]["content"], body["seed"]) for body in endpoint.bodies)
    assert sent == [(prompt, seed) for prompt in "ab" for seed in (5, 6, 7)]
    assert {(body["min_p"], body["repetition_penalty"]) for body in endpoint.bodies} == {(0.1, 1.2)}


def test_constraints_and_begun_answers_are_sent_as_endpoints_take_them(endpoint: Endpoint):
    generator = remote(endpoint)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    generator.generate(["x"], Sampling(constraint=matching_schema(schema)))
    sent = endpoint.bodies[0]["response_format"]["json_schema"]["schema"]
    assert sent == {**schema, "additionalProperties": False}
    generator.generate(["x"], Sampling(constraint=matching_choice(["yes", "不"])))
    assert endpoint.bodies[1]["structured_outputs"] == {"choice": ["yes", "不"]}
    generator.generate(["x"], Sampling(constraint=matching_regex("[0-9]+")))
    assert endpoint.bodies[2]["structured_outputs"] == {"regex": "[0-9]+"}
    generator.generate([[{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is"}]])
    assert (endpoint.bodies[3]["continue_final_message"], endpoint.bodies[3]["add_generation_prompt"]) == (True, False)
    assert "continue_final_message" not in endpoint.bodies[0]


def test_an_endpoint_has_no_beam_search(endpoint: Endpoint):
    with pytest.raises(InputError, match="beam"):
        remote(endpoint).generate(["x"], Sampling(beams=2))
    with pytest.raises(InputError, match="beam"):
        list(remote(endpoint).stream("x", Sampling(beams=2)))
    assert endpoint.bodies == []
