"""What it costs to hold 200 completions to a JSON schema, and whether all of them are valid.

    OMP_NUM_THREADS=1 python -m benchmarks.constrained [--model smollm2-135m] [--texts 200]

Texts about orders (English and Chinese, from word lists with a fixed seed) are read into a schema with five fields,
drawn at temperature 0.7. Valid means that pydantic accepts the text as an object of the schema. The overhead is the
processor time of that over the time of free generation: the same model, prompts, sampling and number of tokens in each
completion, with no constraint, run before and after it. Compiling the grammar is counted, reading the vocabulary for
the first grammar (once a process) is told apart. One JSON object on the last line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from pydantic import BaseModel, Field, ValidationError

from core.inference.chat_template import ChatTokenizer
from core.inference.constraint import Grammars, matching_regex, matching_schema
from core.inference.engine import batches, run_requests
from core.inference.extract import extraction_prompt, locate
from core.inference.forward import ForwardChoice
from core.inference.generator import Sampling
from core.inference.request import Request, make_request
from core.models import Placement, load_causal
from core.models.hardware import BYTES_PER_NUMBER

NAMES = ("Anna Berg", "Tom Ode", "Lia Roth", "王芳", "李强", "陈静")
GOODS = ("desk lamp", "kettle", "office chair", "电饭煲", "台灯", "键盘")
CITIES = ("Leeds", "Turin", "Porto", "苏州", "成都", "青岛")


class Order(BaseModel):
    customer: str = Field(description="who ordered", max_length=20)
    item: str = Field(description="what was ordered", max_length=20)
    quantity: int = Field(ge=0, le=999)
    city: str = Field(max_length=16)
    status: Literal["shipped", "returned", "open"]


def make_texts(count: int) -> list[str]:
    random_ = random.Random(0)
    texts = []
    for number in range(count):
        half = 0 if number % 2 == 0 else 3
        name, item, city = (random_.choice(words[half : half + 3]) for words in (NAMES, GOODS, CITIES))
        quantity = random_.randint(1, 40)
        if half:
            texts.append(f"{name}在{random_.randint(1, 28)}日订购了{quantity}件{item}，送到{city}，目前尚未发货。")
        else:
            texts.append(f"{name} ordered {quantity} pieces of the {item}; the parcel left for {city} on Monday.")
    return texts


class Bench:
    def __init__(self, model: str, dtype: str) -> None:
        self.loaded = load_causal(model, placement=Placement("cpu", dtype, "chosen for the benchmark"))
        self.chat = ChatTokenizer(self.loaded.tokenizer)
        self.ends = frozenset(self.chat.end_ids(self.loaded.model))
        self.config = self.loaded.model.config.get_text_config(decoder=True)
        self.grammars = Grammars(self.loaded.tokenizer, self.config.vocab_size, self.ends)
        self.forwards = ForwardChoice(self.loaded.model, "cpu", dtype, self.chat.padding_id, model)
        self.forwards.for_length(100)  # the check of first use is not timed

    def run(self, prompts: Sequence[list[int]], sampling: Sampling, lengths: Sequence[int] = ()) -> list[Request]:
        """All completions; with `lengths`, each has exactly so many tokens."""
        requests = []
        for number, ids in enumerate(prompts):
            matcher = self.grammars.matcher(sampling.constraint) if sampling.constraint else None
            one = replace(sampling, max_tokens=lengths[number]) if lengths else sampling
            requests.append(
                make_request(ids, number, one, context_tokens=10**6, decode=self.chat.decode, matcher=matcher)
            )
        for batch in batches(requests, self.config, BYTES_PER_NUMBER[self.loaded.placement.dtype]):
            longest = max(len(request.prompt_ids) + request.limit for request in batch)
            for _ in run_requests(self.forwards.for_length(longest), batch, frozenset() if lengths else self.ends):
                pass
        return requests


def timed(run) -> tuple[list[Request], float]:
    started = time.process_time()
    return run(), time.process_time() - started


def is_valid(text: str) -> bool:
    try:
        Order.model_validate_json(text)
    except ValidationError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--dtype", default="float32", choices=sorted(BYTES_PER_NUMBER))
    parser.add_argument("--texts", type=int, default=200)
    given = parser.parse_args()

    bench = Bench(given.model, given.dtype)
    texts = make_texts(given.texts)
    prompts = [bench.chat.prompt_ids(extraction_prompt(text, Order)) for text in texts]
    started = time.process_time()
    bench.grammars.matcher(matching_regex("a"))
    setup_seconds = time.process_time() - started

    free = Sampling(max_tokens=120, temperature=0.7, seed=1)
    constrained = replace(free, constraint=matching_schema(Order))
    bench.run(prompts[:4], replace(free, max_tokens=2))  # warm
    written, spent = timed(lambda: bench.run(prompts, constrained))
    lengths = [len(request.token_ids) for request in written]
    before = timed(lambda: bench.run(prompts, free, lengths))[1]
    again = timed(lambda: bench.run(prompts, constrained))[1]
    after = timed(lambda: bench.run(prompts, free, lengths))[1]
    valid = sum(is_valid(request.stream.text) for request in written)
    overhead = min(spent, again) / min(before, after) - 1
    located = sum(
        locate(value, text) is not None
        for request, text in zip(written, texts, strict=True)
        if is_valid(request.stream.text)
        for key, value in json.loads(request.stream.text).items()
        if key != "status"
    )
    print(f"first: {written[0].stream.text}\nsecond: {written[1].stream.text}")
    print(
        f"{valid} of {len(texts)} valid; {sum(lengths)} tokens; CPU seconds: constrained {spent:.1f} and {again:.1f}, "
    )
    print(f"free {before:.1f} and {after:.1f}; reading the vocabulary {setup_seconds:.1f}")
    print(
        json.dumps(
            {
                "benchmark": "constrained",
                "model": given.model,
                "dtype": given.dtype,
                "texts": len(texts),
                "valid": valid,
                "tokens": sum(lengths),
                "threads": torch.get_num_threads(),
                "constrained_cpu_seconds": round(min(spent, again), 2),
                "free_cpu_seconds": round(min(before, after), 2),
                "overhead": round(overhead, 4),
                "vocabulary_setup_cpu_seconds": round(setup_seconds, 2),
                "values_located_in_the_text": located,
                "values": 4 * valid,
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    main()
