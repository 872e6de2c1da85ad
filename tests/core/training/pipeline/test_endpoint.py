from __future__ import annotations

import http.server
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.errors import EndpointError, InputError
from core.inference.generator import Sampling
from core.inference.remote import RemoteGenerator
from core.models.adapters import read_adapter
from core.models.loading import LoadedModel
from core.training.algorithms import GRPO
from core.training.endpoint_sampler import EndpointSampler
from core.training.experience import PromptItem
from core.training.journal import read_journal
from core.training.optimiser import OptimiserConfig
from core.training.policy import adapted_policy, full_policy
from core.training.policy_learner import PolicyLearner
from core.training.practice import PracticeConfig
from core.training.reward import FunctionReward
from core.training.scorer import PackedScorer
from core.training.streams import Group

LETTERS = FunctionReward(lambda sample: sum("a" <= letter <= "m" for letter in sample.text) / 8, "small letters")
ITEMS = [PromptItem(str(number), tuple(ids), "x") for number, ids in enumerate([(65, 66, 67), (70, 71), (65, 66, 67)])]


@dataclass
class Server:
    """Speaks as vLLM does: completions with the log-probabilities of a tiny model of its own, and adapters by name."""

    url: str = ""
    loaded: LoadedModel | None = None
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Said instead of letters at random, if any."""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        self.bodies.append((path, body))
        if path.endswith("lora_adapter"):
            return 200, f"Success: {body['lora_name']}".encode()
        if self.texts:
            choice: dict[str, Any] = {"text": self.texts.pop(0), "finish_reason": "length"}
            return 200, json.dumps({"choices": [choice], "usage": {"completion_tokens": 4}}).encode()
        assert self.loaded is not None
        read = self.loaded.tokenizer
        text = "".join(random.Random(body["seed"]).choices("abcdefyz", k=body["max_tokens"]))
        group = Group(tuple(read(body["prompt"])["input_ids"]), (tuple(read(text)["input_ids"]),))
        logprobs = PackedScorer(self.loaded.model)([group]).logprobs[0].tolist()
        choice = {"text": text, "finish_reason": "length", "logprobs": {"token_logprobs": logprobs}}
        return 200, json.dumps({"choices": [choice], "usage": {"completion_tokens": len(logprobs)}}).encode()


@pytest.fixture
def server(tiny: Callable[..., LoadedModel]) -> Iterator[Server]:
    state = Server(loaded=tiny())
    one_at_a_time = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with one_at_a_time:
                status, data = state.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    started = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{started.server_port}/v1"
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield state
    started.shutdown()
    started.server_close()


def test_responses_come_as_tokens_with_the_policys_own_logprobs(
    server: Server, tiny: Callable[..., LoadedModel]
) -> None:
    policy = full_policy(tiny(), reference=False)
    sampler = EndpointSampler(RemoteGenerator(server.url, "tiny", logprobs=True), policy)
    prompts = [item.token_ids for item in ITEMS]
    drawn = sampler.sample(prompts, Sampling(max_tokens=6, temperature=1.0), 3, step=2, first_copies=[0, 0, 3])
    assert [len(row) for row in drawn] == [3, 3, 3]
    assert {body["logprobs"] for _, body in server.bodies} == {0}
    for path, body in server.bodies:
        assert path == "/v1/completions"
        assert 0 <= body["seed"] < 2**31
    assert len({body["seed"] for _, body in server.bodies}) == 6  # a prompt that comes twice gets other seeds
    figures = sampler.figures()
    assert figures["policy/endpoint_retokenised"] == 0
    assert figures["policy/endpoint_gap"] == pytest.approx(0, abs=1e-4)  # the server's model is the same one
    for row in drawn:
        for one in row:
            assert len(one.token_ids) == len(one.logprobs) == 6
            assert all(value < 0 for value in one.logprobs)


def test_text_that_is_read_otherwise_is_counted(server: Server, tiny: Callable[..., LoadedModel]) -> None:
    policy = full_policy(tiny(), reference=False)
    sampler = EndpointSampler(RemoteGenerator(server.url, "tiny"), policy)
    server.texts = ["abcd", "ab"]
    (row,) = sampler.sample([(65, 66)], Sampling(max_tokens=4), 2)
    assert sorted(len(one.token_ids) for one in row) == [2, 4]
    assert sampler.figures() == {"policy/endpoint_retokenised": 0.5}
    server.texts = [""]
    with pytest.raises(EndpointError, match="empty completion"):
        sampler.sample([(65, 66)], Sampling(max_tokens=4), 1)


def test_a_policy_learns_from_an_endpoint_that_gets_its_adapters(
    server: Server, tiny: Callable[..., LoadedModel], tmp_path: Path
) -> None:
    policy = adapted_policy(tiny(), seed=0, rank=2)
    generator = RemoteGenerator(server.url, "tiny", logprobs=True)
    learner = PolicyLearner(
        policy,
        GRPO(samples=4),
        LETTERS,
        ITEMS,
        practice=PracticeConfig(prompts=2, max_tokens=5),
        optimiser=OptimiserConfig(learning_rate=1e-2),
        steps=3,
        seed=0,
        endpoint=EndpointSampler(generator, policy, folder=tmp_path, sync_every=2),
    )
    figures = [learner.step(index) for index in range(3)]
    assert [row["policy/endpoint_age"] for row in figures] == [0, 1, 0]
    assert all(row["gradient_norm"] > 0 for row in figures)
    loads = [(path.rpartition("/")[2], body) for path, body in server.bodies if path.endswith("lora_adapter")]
    assert loads == [
        ("load_lora_adapter", {"lora_name": "policy-0", "lora_path": str(tmp_path / "policy-0")}),
        ("load_lora_adapter", {"lora_name": "policy-2", "lora_path": str(tmp_path / "policy-2")}),
        ("unload_lora_adapter", {"lora_name": "policy-0"}),
    ]
    assert {body["model"] for path, body in server.bodies if path.endswith("completions")} == {"policy-0", "policy-2"}
    assert [path.name for path in tmp_path.iterdir()] == ["policy-2"]
    assert read_adapter(tmp_path / "policy-2").card.base_fingerprint == policy.loaded.fingerprint


def test_what_an_endpoint_cannot_do_is_said(server: Server, tiny: Callable[..., LoadedModel], tmp_path: Path) -> None:
    policy = full_policy(tiny(), reference=False)
    generator = RemoteGenerator(server.url, "tiny")
    with pytest.raises(InputError, match="adapters, not whole models"):
        EndpointSampler(generator, policy, folder=tmp_path)
    with pytest.raises(InputError, match="end token alone"):
        EndpointSampler(generator, policy).sample([(65,)], Sampling(stop="x"), 1)
    with pytest.raises(InputError, match="other tokens"):
        half = policy.loaded.tokenizer("é")["input_ids"][:1]
        EndpointSampler(generator, policy).sample([half], Sampling(), 1)


def test_a_recipe_names_the_endpoint(server: Server, write_recipe: Callable[..., Path], tmp_path: Path) -> None:
    stage = (
        'kind = "grpo"\nmetric = "chrf"\nsteps = 2\nprompts = 2\nsamples = 2\nmax_tokens = 4\n'
        f'endpoint = {{ url = "{server.url}", model = "tiny" }}\n'
        "loop = { evaluate_every = 0, trackers = [] }"
    )
    assert main(["train", "run", str(write_recipe(stage)), "--out", str(tmp_path / "out")]) == 0
    rows = [row for row in read_journal(tmp_path / "out/1-grpo") if row["step"]]
    assert [row["policy/endpoint_age"] for row in rows] == [0, 0]
    assert {body["model"] for path, body in server.bodies if path.endswith("completions")} == {"policy-0", "policy-1"}
