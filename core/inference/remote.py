"""Text generation at an OpenAI-compatible endpoint (a vLLM or llama.cpp server, a hosted provider).

The key goes into one request header and nowhere else: not into messages, logs, `repr` or the URL. What the endpoint
says in an error is shown with the key cut out, should it repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.config import Settings
from core.errors import ConfigError, EndpointError, InputError
from core.inference.constraint import Constraint
from core.inference.generator import GREEDY, Completion, ContinuationScore, Sampling
from core.inference.http import EndpointClient
from core.progress import ProgressCallback
from core.prompts.messages import Prompt, RawText, as_messages

_PARALLEL_REQUESTS = 8


class RemoteGenerator:
    """A model behind an endpoint as a `Generator`.

    Sampling happens there: whether `seed` and `top_k` are honoured is the endpoint's affair. `top_k`, `min_p` and
    `repetition_penalty` are sent only where they are set, since providers other than vLLM and llama.cpp refuse them.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: SecretStr | None = None,
        *,
        timeout_seconds: float = 60.0,
        attempts: int = 4,
        logprobs: bool = False,
    ) -> None:
        """`logprobs`: ask for those of what is drawn after `RawText`; providers differ in whether they give them."""
        self._client = EndpointClient(url, key, timeout_seconds=timeout_seconds, attempts=attempts)
        self._model = model
        self._logprobs = logprobs

    @classmethod
    def from_settings(cls, current: Settings) -> RemoteGenerator:
        """Raises `ConfigError` where the settings name no endpoint or model."""
        if not current.endpoint_url or not current.endpoint_model:
            missing = "endpoint_url" if not current.endpoint_url else "endpoint_model"
            raise ConfigError(
                f"The generator is 'endpoint', and the setting '{missing}' is empty.",
                hint=f"Set TRIVIUM_{missing.upper()}.",
            )
        return cls(
            current.endpoint_url,
            current.endpoint_model,
            current.endpoint_key,
            timeout_seconds=current.endpoint_timeout_seconds,
        )

    def __repr__(self) -> str:
        return f"RemoteGenerator(url={self._client.url!r}, model={self._model!r})"

    @property
    def name(self) -> str:
        """The model and where it is."""
        return f"{self._model} at {self._client.url}"

    def load_adapter(self, name: str, folder: Path) -> None:
        """Let a vLLM server load the adapter in `folder`, which it must be able to read.

        Raises:
            EndpointError: the server does not take adapters while it runs (VLLM_ALLOW_RUNTIME_LORA_UPDATING).
        """
        self._client.send("/load_lora_adapter", {"lora_name": name, "lora_path": str(folder.resolve())})

    def unload_adapter(self, name: str) -> None:
        """Let a vLLM server forget an adapter. Raises as `load_adapter`."""
        self._client.send("/unload_lora_adapter", {"lora_name": name})

    def use_adapter(self, name: str) -> None:
        """Generate with this adapter from now on: servers take its name for a model's."""
        self._model = name

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling = GREEDY,
        progress: ProgressCallback | None = None,
    ) -> list[Completion]:
        """`sampling.n` completions a prompt, several requests at a time; the i-th completion has the seed + i.

        Raises:
            EndpointError: refused, timed out, or answered something unusable, after the retries.
        """
        if isinstance(prompts, str):
            raise InputError("`generate` takes a list of prompts.", hint="Write [prompt].")
        seeds = [replace(sampling, seed=sampling.seed + copy) for copy in range(sampling.n)]
        completions = []
        with ThreadPoolExecutor(max_workers=_PARALLEL_REQUESTS) as pool:
            running = [pool.submit(self._complete, prompt, one) for prompt in prompts for one in seeds]
            try:
                for request in running:
                    completions.append(request.result())
                    if progress:
                        progress(len(completions), len(running))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return completions

    def stream(self, prompt: Prompt, sampling: Sampling = GREEDY) -> Iterator[str]:
        """Pieces of the text as they come. Raises as `generate` does; not retried once text has come."""
        path, body = self._request(prompt, sampling)
        for event in self._client.stream(path, {**body, "stream": True}):
            for choice in event.get("choices") or ():
                piece = (
                    choice.get("text") if isinstance(prompt, RawText) else (choice.get("delta") or {}).get("content")
                )
                if piece:
                    yield piece

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[ContinuationScore]:
        """Log-probabilities of continuations of `RawText` prompts, at endpoints that can echo them (vLLM).

        Raises:
            InputError: a prompt in turns: the endpoint would not say where its template ends.
            EndpointError: the endpoint does not echo log-probabilities.
        """
        if not all(isinstance(prompt, RawText) for prompt in prompts):
            raise InputError("An endpoint scores continuations of RawText only.", hint="Wrap the prompt in RawText.")
        return [
            self._score(str(prompt), continuation) for prompt, continuation in zip(prompts, continuations, strict=True)
        ]

    def _request(self, prompt: Prompt, sampling: Sampling) -> tuple[str, dict[str, Any]]:
        if sampling.beams > 1:
            raise InputError("An endpoint has no beam search.", hint="Use beams = 1, or a local model.")
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        for name, neutral in (("top_k", 0), ("min_p", 0.0), ("repetition_penalty", 1.0)):
            if getattr(sampling, name) != neutral:
                body[name] = getattr(sampling, name)
        if sampling.constraint:
            body.update(_constrained(sampling.constraint))
        if isinstance(prompt, RawText):
            asked = {"logprobs": 0} if self._logprobs else {}
            return "/completions", {**body, **asked, "prompt": str(prompt)}
        messages = as_messages(prompt)
        if messages[-1]["role"] == "assistant":  # the beginning of the answer; what vLLM calls it
            body = {**body, "continue_final_message": True, "add_generation_prompt": False}
        return "/chat/completions", {**body, "messages": messages}

    def _complete(self, prompt: Prompt, sampling: Sampling) -> Completion:
        path, body = self._request(prompt, sampling)
        answer = self._client.post(path, body)
        try:
            choice = answer["choices"][0]
            text = choice["text"] if isinstance(prompt, RawText) else choice["message"]["content"]
            usage = answer.get("usage") or {}
            logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or () if self._logprobs else ()
            return Completion(
                text=text or "",
                logprobs=tuple(map(float, logprobs)),
                finish_reason="length" if choice.get("finish_reason") == "length" else "stop",
                prompt_tokens=int(usage.get("prompt_tokens", 0)),
                completion_tokens=int(usage.get("completion_tokens", 0)),
            )
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise _unusable(self._client.url, answer) from error

    def _score(self, prompt: str, continuation: str) -> ContinuationScore:
        body = {"model": self._model, "prompt": prompt + continuation, "max_tokens": 1, "echo": True, "logprobs": 0}
        answer = self._client.post("/completions", body)
        try:
            found = answer["choices"][0]["logprobs"]
            places, values = found["text_offset"], found["token_logprobs"]
            end = len(prompt) + len(continuation)
            inside = [
                (place - len(prompt), float(value))
                for place, value in zip(places, values, strict=True)
                if len(prompt) <= place < end
            ]
            return ContinuationScore((), tuple(value for _, value in inside), tuple(place for place, _ in inside))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _unusable(self._client.url, answer) from error


def _constrained(constraint: Constraint) -> dict[str, Any]:
    """A JSON schema as OpenAI and others take it; the other kinds as vLLM does."""
    if constraint.kind == "schema":
        schema = json.loads(constraint.grammar)
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}
    form = json.loads(constraint.grammar) if constraint.kind == "choice" else constraint.grammar
    return {"structured_outputs": {constraint.kind: form}}


def _unusable(url: str, answer: object) -> EndpointError:
    shape = json.dumps(answer, ensure_ascii=False, default=str)[:200]
    return EndpointError(
        f"The endpoint {url} answered something else than a completion: {shape}",
        hint="Check that TRIVIUM_ENDPOINT_URL is an OpenAI-compatible API (it usually ends in /v1).",
    )
