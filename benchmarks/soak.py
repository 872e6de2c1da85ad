"""Many callers on one engine for a long time: is a request lost, does memory grow, do those who leave free their place?

    OMP_NUM_THREADS=1 python -m benchmarks.soak [--requests 5000] [--minutes 30] [--clients 16]

Clients ask one after the other for texts of mixed length, some streamed; one prompt in twenty is long enough to be read
in several pieces. One request in ten is cancelled: before its first token, so in the line or while its prompt is read,
or after it. One stream in ten breaks off and is gone on with. The soak ends when the requests or the minutes are used
up, whichever is first. Every 20th text is compared with the one its request gives alone. Places are those of requests
that are served: `most_places_used` of `places`, and how long after the last client's end the engine held some still.
Memory is the resident set after each tenth of the requests; growth is that from the second tenth (the caches have their
size then) to the last. The model is tiny and random unless one is named: what is looked at is the engine. One JSON
object on the last line.
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
        self.begun = self.finished = self.refused = self.resumed = self.most_places = 0
        self.cancelled = {"before_first_token": 0, "after_first_token": 0}
        self.samples: list[tuple[str, Sampling, str]] = []
        self.resident: list[int] = []

    def next_number(self) -> int | None:
        with self.lock:
            if self.begun == self.requests or time.monotonic() > self.end:
                return None
            self.begun += 1
            if self.begun % max(1, self.requests // 10) == 0:
                self.resident.append(resident_bytes())
            self.most_places = max(self.most_places, self.engine.load[0])
            return self.begun

    def client(self) -> None:
        while (number := self.next_number()) is not None:
            random_ = random.Random(number)
            length = random_.randint(1, 12) if random_.random() < 0.95 else random_.randint(20, 28)
            prompt = random_.choice(["Why? ", "退款 ", "Tell me more. "]) * length
            sampling = Sampling(max_tokens=random_.randint(1, 60), temperature=random_.choice([0, 0.8]), seed=number)
            while not self.ask(number, prompt, sampling, random_):
                time.sleep(0.05)

    def ask(self, number: int, prompt: str, sampling: Sampling, random_: random.Random) -> bool:
        """Whether the engine took the request."""
        leaves, breaks_off = random_.random() < 0.1, random_.random() < 0.1
        try:
            if leaves:
                moment = random_.choice(sorted(self.cancelled))
                stream = self.engine.stream(prompt, sampling)
                if moment == "after_first_token":
                    next(stream, None)
                else:
                    time.sleep(random_.random() / 100)
                stream.close()
                with self.lock:
                    self.cancelled[moment] += 1
                return True
            if number % 3:
                text = self.engine.generate([prompt], sampling)[0].text
            elif breaks_off:
                text = self.ask_in_two_parts(prompt, sampling)
            else:
                text = "".join(self.engine.stream(prompt, sampling))
        except QueueFull:
            with self.lock:
                self.refused += 1
            return False
        with self.lock:
            self.finished += 1
            self.resumed += number % 3 == 0 and breaks_off
            if number % 20 == 0:
                self.samples.append((prompt, sampling, text))
        return True

    def ask_in_two_parts(self, prompt: str, sampling: Sampling) -> str:
        stream = self.engine.stream(prompt, sampling)
        text = next(stream, "")
        stream.close()
        return text + "".join(self.engine.resume(prompt, sampling, stream.token_ids))


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
    parser.add_argument("--piece-tokens", type=int, default=64, help="of a prompt in a step (default %(default)s)")
    given = parser.parse_args()

    local = load(given.model)
    engine = ContinuousGenerator(local, rows=given.rows, waiting=6, piece_tokens=given.piece_tokens)
    soak = Soak(engine, given.requests, 60 * given.minutes)
    started = time.monotonic()
    clients = [threading.Thread(target=soak.client) for _ in range(given.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    ended = time.monotonic()
    while engine.load != (0, 0) and time.monotonic() < ended + 60:
        time.sleep(0.01)
    freed = time.monotonic()
    left = engine.load
    soak.resident.append(resident_bytes())
    differing = sum(local.generate([prompt], sampling)[0].text != text for prompt, sampling, text in soak.samples)
    mebibytes = [round(size / 2**20, 1) for size in soak.resident]
    print(
        json.dumps(
            {
                "benchmark": "soak",
                "model": given.model,
                "clients": given.clients,
                "places": given.rows,
                "piece_tokens": given.piece_tokens,
                "seconds": round(ended - started, 1),
                "requests": soak.begun,
                "finished": soak.finished,
                "cancelled": soak.cancelled,
                "lost": soak.begun - soak.finished - sum(soak.cancelled.values()),
                "refused_and_asked_again": soak.refused,
                "broken_off_and_gone_on_with": soak.resumed,
                "compared_with_alone": len(soak.samples),
                "differing": differing,
                "most_places_used": soak.most_places,
                "served_and_waiting_at_the_end": left,
                "seconds_until_all_places_were_free": round(freed - ended, 2),
                "resident_mib": mebibytes,
                "growth_mib": round(mebibytes[-1] - mebibytes[min(1, len(mebibytes) - 1)], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
