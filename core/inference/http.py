"""Requests to an endpoint: time limits, bounded retries, errors in plain words, and a key that never shows."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.errors import ConfigError, EndpointError

if TYPE_CHECKING:
    import httpx

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_CONNECT_SECONDS = 10.0


class EndpointClient:
    """One endpoint. `attempts` counts all tries of one request, the first included."""

    def __init__(self, url: str, key: SecretStr | None, *, timeout_seconds: float, attempts: int) -> None:
        import httpx

        self.url = _checked_url(url)
        self._key = key
        self._attempts = max(1, attempts)
        self._timeout_seconds = timeout_seconds
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds)),
            headers={"Authorization": f"Bearer {key.get_secret_value()}"} if key else {},
            follow_redirects=False,
        )

    def __repr__(self) -> str:
        return f"EndpointClient(url={self.url!r})"

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON answer. Raises `EndpointError`."""
        with closing(self._open(path, body)) as response:
            data = self._read(response)
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise self._error(f"answered with something that is not JSON: {self._shown(data)}") from error
        if not isinstance(answer, dict):
            raise self._error("answered with JSON that is not an object")
        return answer

    def send(self, path: str, body: dict[str, Any]) -> str:
        """The answer as text, of interfaces that do not answer in JSON. Raises `EndpointError`."""
        with closing(self._open(path, body)) as response:
            return self._read(response)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a server-sent stream, up to `[DONE]`. Raises `EndpointError`, also in mid-stream."""
        import httpx

        with closing(self._open(path, body)) as response:
            try:
                for line in response.iter_lines():
                    field, _, value = line.partition(":")
                    if field != "data" or not value.strip():
                        continue
                    if value.strip() == "[DONE]":
                        return
                    event = json.loads(value)
                    if "error" in event:
                        raise self._error(f"broke off: {self._shown(json.dumps(event['error'], ensure_ascii=False))}")
                    yield event
            except httpx.HTTPError as error:
                raise self._error(f"broke off: {type(error).__name__}") from error
            except ValueError as error:
                raise self._error("sent an event that is not JSON") from error

    def _open(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """A response with status 200, its content not yet read; tried again where that may help."""
        import httpx

        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                request = self._client.build_request("POST", self.url + path, json=body)
                response = self._client.send(request, stream=True)
            except httpx.ReadTimeout as error:  # it is at work; a second request would only add to that
                raise self._error(
                    f"did not answer within {self._timeout_seconds:g} s",
                    hint="Ask for fewer tokens, or raise TRIVIUM_ENDPOINT_TIMEOUT_SECONDS.",
                ) from error
            except httpx.TransportError as error:
                if last:
                    raise self._error(
                        f"could not be reached: {self._shown(str(error) or type(error).__name__)}"
                    ) from error
                _wait(attempt, None)
                continue
            if response.status_code == 200:
                return response
            retry_after = response.headers.get("Retry-After")
            problem = self._refusal(response)
            if last or response.status_code not in _RETRIED:
                raise problem
            _wait(attempt, retry_after)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _read(self, response: httpx.Response) -> str:
        import httpx

        try:
            response.read()
        except httpx.HTTPError as error:
            raise self._error(f"broke off: {type(error).__name__}") from error
        return response.text

    def _refusal(self, response: httpx.Response) -> EndpointError:
        status = response.status_code
        said = self._shown(self._read(response))
        response.close()
        hints = {
            401: "Check TRIVIUM_ENDPOINT_KEY.",
            403: "Check TRIVIUM_ENDPOINT_KEY and what it may do.",
            404: "Check TRIVIUM_ENDPOINT_URL (it usually ends in /v1) and TRIVIUM_ENDPOINT_MODEL.",
            429: "The endpoint is busy or the quota is used up: wait, then try again.",
        }
        hint = hints.get(
            status, "See the endpoint's own log." if status >= 500 else "The endpoint did not accept this."
        )
        return self._error(f"answered {status}: {said}", hint=hint)

    def _error(self, what: str, *, hint: str | None = None) -> EndpointError:
        return EndpointError(
            f"The endpoint {self.url} {what}.",
            hint=hint or "Check that it runs and that TRIVIUM_ENDPOINT_URL is right.",
        )

    def _shown(self, text: str) -> str:
        """What the other side said, in one short line, without our key."""
        text = text.replace(self._key.get_secret_value(), "***") if self._key else text
        line = " ".join(text.split())
        return line if len(line) <= 300 else f"{line[:299]}…"


def _checked_url(url: str) -> str:
    """The base URL without a slash at its end; `/v1` where it names no path.

    Raises:
        ConfigError: not http(s), or it carries a password or a query, which would show in logs.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "The setting 'endpoint_url' is no http(s) address.", hint="For instance http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "The setting 'endpoint_url' carries a password or a query, which logs would show.",
            hint="Put the key into TRIVIUM_ENDPOINT_KEY and keep the address plain.",
        )
    path = parts.path.rstrip("/") or "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def _wait(attempt: int, retry_after: str | None) -> None:
    """Twice as long each time, spread at random so that many clients do not come back together."""
    seconds = _FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)
    if retry_after is not None and retry_after.replace(".", "", 1).isdigit():
        seconds = max(seconds, float(retry_after))
    time.sleep(min(seconds, _LONGEST_WAIT_SECONDS))
