"""Many callers on one engine for a long time: is a request lost, does memory grow, do those who leave free their place?

    OMP_NUM_THREADS=1 python -m benchmarks.soak [--requests 5000] [--minutes 30] [--clients 16]

Clients ask one after the other for texts of mixed length, some streamed, and one in ten goes away in the middle. The
soak ends when the requests or the minutes are used up, whichever comes first. Every 20th text is compared with the one
its request gives alone. Memory is the resident set after a tenth of the requests (the caches have their size then) and
at the end. The model is tiny and random unless one is named: what is looked at is the engine. One JSON object on the
last line.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import tempfile
import threading
import time
from pathlib import Path

from core.inference.continuous import ContinuousGenerator, QueueFull
from core.inference.generator import Sampling
from core.inference.local import LocalGenerator
from core.models import Placement, load_causal

TINY = Path(__file__).parent.parent / "tests" / "core" / "inference" / "tiny_model.py"


class Soak:
    def __init__(self, engine: ContinuousGenerator, requests: int, seconds: float) -> None:
        self.engine = engine
        self.requests = requests
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.begun = self.finished = self.left = self.refused = 0
        self.samples: list[tuple[str, Sampling, str]] = []
        self.early_bytes = 0

    def next_number(self) -> int | None:
        with self.lock:
            if self.begun == self.requests or time.monotonic() > self.end:
                return None
            self.begun += 1
            if self.begun == self.requests // 10:
                self.early_bytes = resident_bytes()
            return self.begun

    def client(self) -> None:
        while (number := self.next_number()) is not None:
            random_ = random.Random(number)
            prompt = random_.choice(["Why? ", "退款 ", "Tell me more. "]) * random_.randint(1, 12)
            sampling = Sampling(max_tokens=random_.randint(1, 60), temperature=random_.choice([0, 0.8]), seed=number)
            while not self.ask(number, prompt, sampling, leaves=random_.random() < 0.1):
                time.sleep(0.05)

    def ask(self, number: int, prompt: str, sampling: Sampling, *, leaves: bool) -> bool:
        try:
            if leaves:
                stream = self.engine.stream(prompt, sampling)
                next(stream, None)
                stream.close()
            elif number % 3:
                text = self.engine.generate([prompt], sampling)[0].text
            else:
                text = "".join(self.engine.stream(prompt, sampling))
        except QueueFull:
            with self.lock:
                self.refused += 1
            return False
        with self.lock:
            self.left += leaves
            self.finished += not leaves
            if not leaves and number % 20 == 0:
                self.samples.append((prompt, sampling, text))
        return True


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def load(name: str) -> LocalGenerator:
    placement = Placement("cpu", "float32", "chosen for the benchmark")
    if name != "tiny":
        return LocalGenerator(load_causal(name, placement=placement))
    spec = importlib.util.spec_from_file_location("tiny_model", TINY)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with tempfile.TemporaryDirectory() as folder:
        return LocalGenerator(load_causal(str(module.build(Path(folder))), placement=placement))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rows", type=int, default=8)
    given = parser.parse_args()

    local = load(given.model)
    engine = ContinuousGenerator(local, rows=given.rows, waiting=6)
    soak = Soak(engine, given.requests, 60 * given.minutes)
    started = time.monotonic()
    clients = [threading.Thread(target=soak.client) for _ in range(given.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.monotonic() - started
    time.sleep(0.5)
    late_bytes = resident_bytes()
    differing = sum(local.generate([prompt], sampling)[0].text != text for prompt, sampling, text in soak.samples)
    print(
        json.dumps(
            {
                "benchmark": "soak",
                "model": given.model,
                "clients": given.clients,
                "seconds": round(seconds, 1),
                "requests": soak.begun,
                "finished": soak.finished,
                "left_early": soak.left,
                "lost": soak.begun - soak.finished - soak.left,
                "refused_and_asked_again": soak.refused,
                "compared_with_alone": len(soak.samples),
                "differing": differing,
                "served_and_waiting_at_the_end": engine.load,
                "resident_mib_early": round(soak.early_bytes / 2**20),
                "resident_mib_late": round(late_bytes / 2**20),
            }
        )
    )


if __name__ == "__main__":
    main()
