"""How many tokens a second of processor time our engine writes, beside transformers' `generate()`.

    OMP_NUM_THREADS=1 python -m benchmarks.generate [--model smollm2-135m] [--prompts 16] [--samples 8] [--tokens 64]
    python -m benchmarks.generate --device cuda --dtype bfloat16 --batch 256 --random-weights

Both sides run the same model object in the same number format on the same prompts (texts made from word lists with a
fixed seed, of 85 to 100 % of `--prompt-tokens`, no common beginning), one process, the anchor first or last as the
round is odd or even. Timed are `--samples` drawn completions a prompt, at temperature 1 with top-p 0.95; both sides
always write the full number of tokens, so that neither gains by stopping early (our rows that leave early would gain
more). Then one greedy completion a prompt, whose tokens are compared: in float32 they must be the same. One JSON object
on the last line.

`--random-weights` takes the model's shape alone, with random weights and random prompts. `--batch` sets the number of
texts (prompts times samples). On a CPU seconds are of processor time, on a GPU of the clock, after a warm-up round, and
vLLM runs too where it is installed. Without that GPU the benchmark refuses. `TRIVIUM_CUDA_GRAPHS=off` shows what the
recorded steps bring; `way` in the result says which way our side went in the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from core.inference.engine import batches, run_requests
from core.inference.forward import ForwardChoice
from core.inference.generator import Sampling
from core.inference.request import make_request
from core.models import Placement, load_causal
from core.models.hardware import BYTES_PER_NUMBER
from core.models.loading import LoadedModel
from core.models.locate import locate

WORDS = (
    "the a of to in for and with on at by from is are was has will can not customer account transfer payment card fee "
    "limit balance statement branch invoice contract supplier deadline shipment warehouse patient symptom fever "
    "treatment dose physician record annual increased decreased reported confirmed delayed rejected approved"
)
NO_END: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Task:
    prompts: list[list[int]]
    samples: int
    tokens: int


def load(given: argparse.Namespace) -> LoadedModel:
    placement = Placement(given.device, given.dtype, "chosen for the benchmark")
    if not given.random_weights:
        return load_causal(given.model, placement=placement)
    from transformers import AutoConfig, AutoModelForCausalLM

    located = locate(given.model, "causal")
    config = AutoConfig.from_pretrained(located.folder, local_files_only=True)
    torch.manual_seed(0)
    with torch.device(given.device):
        model = AutoModelForCausalLM.from_config(config, dtype=placement.torch_dtype).eval()
    return LoadedModel(given.model, model, None, placement, located.folder, "random")


def make_prompts(loaded: LoadedModel, count: int, tokens: int) -> list[list[int]]:
    random_ = random.Random(0)
    prompts: list[list[int]] = []
    for _ in range(count):
        if loaded.tokenizer is None:
            length = random_.randint(int(0.85 * tokens), tokens)
            prompts.append(random_.choices(range(10, loaded.model.config.vocab_size), k=length))
            continue
        text = " ".join(random_.choices(WORDS.split(), k=2 * tokens))
        prompts.append(loaded.tokenizer(text)["input_ids"][: random_.randint(int(0.85 * tokens), tokens)])
    return prompts


def decoder(loaded: LoadedModel) -> Callable[[list[int]], str]:
    return loaded.tokenizer.decode if loaded.tokenizer else str


def padding_id(loaded: LoadedModel) -> int:
    return int(getattr(loaded.tokenizer, "pad_token_id", 0) or 0)


def ours(loaded: LoadedModel, forwards: ForwardChoice, task: Task, temperature: float) -> list[list[int]]:
    sampling = Sampling(max_tokens=task.tokens, temperature=temperature, top_p=0.95 if temperature else 1.0, seed=1)
    requests = [
        make_request(ids, copy, sampling, context_tokens=10**6, decode=decoder(loaded))
        for ids in task.prompts
        for copy in range(task.samples)
    ]
    config = loaded.model.config.get_text_config(decoder=True)
    for batch in batches(requests, config, BYTES_PER_NUMBER[loaded.placement.dtype]):
        longest = max(len(request.prompt_ids) + request.limit for request in batch)
        for _ in run_requests(forwards.for_length(longest), batch, NO_END):
            pass
    return [request.token_ids for request in requests]


def anchor(loaded: LoadedModel, task: Task, temperature: float) -> list[list[int]]:
    """One batch, padded on the left, as the documentation of transformers has it."""
    longest = max(map(len, task.prompts))
    padding = padding_id(loaded)
    device = loaded.placement.device
    tokens = torch.tensor([[padding] * (longest - len(ids)) + ids for ids in task.prompts])
    mask = torch.tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in task.prompts])
    drawing = {"do_sample": True, "temperature": temperature, "top_p": 0.95, "top_k": 0}
    torch.manual_seed(1)
    output = loaded.model.generate(
        tokens.to(device),
        attention_mask=mask.to(device),
        max_new_tokens=task.tokens,
        min_new_tokens=task.tokens,
        num_return_sequences=task.samples,
        pad_token_id=padding,
        **(drawing if temperature else {"do_sample": False}),
    )
    texts: list[list[int]] = output[:, longest:].tolist()
    return texts


def vllm_run(loaded: LoadedModel, task: Task) -> Callable[[], list[list[int]]] | None:
    """The same work for vLLM, weights of its own at random; None where it is not installed."""
    if importlib.util.find_spec("vllm") is None:
        return None
    from vllm import LLM, SamplingParams

    engine = LLM(
        str(loaded.folder),
        load_format="dummy",
        skip_tokenizer_init=True,
        dtype=loaded.placement.dtype,
        gpu_memory_utilization=0.5,
    )
    params = SamplingParams(
        n=task.samples, temperature=1.0, top_p=0.95, max_tokens=task.tokens, ignore_eos=True, detokenize=False
    )

    def run() -> list[list[int]]:
        outputs = engine.generate([{"prompt_token_ids": ids} for ids in task.prompts], params)
        return [list(text.token_ids) for output in outputs for text in output.outputs]

    return run


def timed(run: Callable[[], list[list[int]]], device: str) -> tuple[list[list[int]], float]:
    """Texts and seconds: of processor time on a CPU, of the clock on a GPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    texts = run()
    if device == "cuda":
        torch.cuda.synchronize()
    return texts, clock() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--dtype", default="float32", choices=sorted(BYTES_PER_NUMBER))
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--prompt-tokens", type=int, default=256)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int, help="texts in all, `--samples` of each prompt")
    parser.add_argument("--random-weights", action="store_true", help="the model's shape alone")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: this machine has no CUDA GPU, so there is nothing to measure; leave it out.")
    if given.batch:
        if given.batch % given.samples:
            parser.error(f"--batch {given.batch} is no multiple of --samples {given.samples}.")
        given.prompts = given.batch // given.samples

    loaded = load(given)
    loaded.model.generation_config.repetition_penalty = None  # some models bring one; here both sides draw plainly
    loaded.model.generation_config.eos_token_id = None
    prompts = make_prompts(loaded, given.prompts, given.prompt_tokens)
    forwards = ForwardChoice(loaded.model, given.device, given.dtype, 0, given.model)
    forwards.for_length(given.prompt_tokens)  # the check of first use is not timed
    task = Task(prompts, given.samples, given.tokens)
    runs = {"anchor": lambda: anchor(loaded, task, 1.0), "ours": lambda: ours(loaded, forwards, task, 1.0)}
    if given.device == "cuda" and (other := vllm_run(loaded, task)):
        runs["vllm"] = other
    if given.device == "cuda":
        for run in runs.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    unit = "CPU s" if given.device == "cpu" else "s"
    written = given.prompts * given.samples * given.tokens
    for number in range(given.rounds):
        for name in sorted(runs, reverse=bool(number % 2)):
            texts, spent = timed(runs[name], given.device)
            assert sum(map(len, texts)) == written
            seconds[name].append(spent)
            print(f"{name}: {written} tokens in {spent:.1f} {unit}, {written / spent:.0f} a second", flush=True)
    best = {name: min(values) for name, values in seconds.items()}
    greedy = Task(prompts, 1, given.tokens)
    same = [
        one == other
        for one, other in zip(ours(loaded, forwards, greedy, 0.0), anchor(loaded, greedy, 0.0), strict=True)
    ]
    print(f"greedy texts that are the same: {sum(same)} of {len(same)}")
    print(
        json.dumps(
            {
                "benchmark": "generate",
                "model": given.model,
                "dtype": given.dtype,
                "prompts": given.prompts,
                "prompt_tokens": given.prompt_tokens,
                "samples": given.samples,
                "tokens": given.tokens,
                "threads": torch.get_num_threads(),
                "device": given.device,
                "way": type(forwards.for_length(given.prompt_tokens + given.tokens)).__name__,
                "random_weights": given.random_weights,
                "second_of": "processor time" if given.device == "cpu" else "the clock",
                "anchor_tokens_per_second": round(written / best["anchor"], 1),
                "ours_tokens_per_second": round(written / best["ours"], 1),
                "ratio": round(best["anchor"] / best["ours"], 2),
                "ratio_to_vllm": round(best["vllm"] / best["ours"], 2) if "vllm" in best else "not measured",
                "greedy_equal": sum(same),
                "greedy_compared": len(same),
            }
        )
    )


if __name__ == "__main__":
    main()
