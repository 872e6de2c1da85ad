"""A served page and a real browser for the end-to-end tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from core.products import find_product
from core.serving import page_command

OUTPUT = Path(__file__).parent / "output"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium of the system, driven by Playwright."""
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def served_page(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Serve a product's page; returns its address. The server ends with the test."""
    servers: list[subprocess.Popen[bytes]] = []

    def serve(product: str) -> str:
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
        log = (tmp_path / "server.log").open("wb")
        command = page_command(find_product(product), port)
        assert command[0] == sys.executable
        servers.append(subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ)))
        address = f"http://localhost:{port}"
        _wait_until_healthy(address, servers[-1], tmp_path / "server.log")
        return address

    yield serve
    for server in servers:
        server.terminate()
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"the page server ended: {log.read_text()}")
        try:
            with urlopen(f"{address}/_stcore/health", timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the page server did not answer in 60 s: {log.read_text()}")


@pytest.fixture
def screenshot_path(request: pytest.FixtureRequest) -> Path:
    """Where a test leaves its picture."""
    OUTPUT.mkdir(exist_ok=True)
    return OUTPUT / f"{request.node.name}.png"
