"""The static way on a CPU: against the shared-prefix way and transformers, on tiny models of several families.

No graph is recorded by a GPU here. `Replayed` stands in for one: it notes every tensor operation of a step the first
time and from then on repeats these on the same tensors, without the step's Python code, as a graph does.
"""

from __future__ import annotations

import gc
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core.inference import Sampling
from core.inference.beam import beam_search
from core.inference.continuous import ContinuousGenerator
from core.inference.engine import run_requests
from core.inference.forward import ForwardChoice, differs_from_model
from core.inference.local import LocalGenerator
from core.inference.plain import PlainForward
from core.inference.reading import PromptReading
from core.inference.request import make_request
from core.inference.shared_prefix import SharedPrefixContinuation, SharedPrefixForward
from core.inference.static_forward import StaticContinuation, StaticForward
from core.inference.static_rows import arranged, columns_capacity, room_bytes, rows_capacity
from core.inference.static_runs import CudaGraphs, Eagerly
from core.models.adapter_config import lora_config
from core.models.adapter_set import AdapterSet
from core.models.loading import LoadedModel

SIZES = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
GPT2 = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.3}
CONFIGS = {
    "gpt2": transformers.GPT2Config(**GPT2, bos_token_id=0, eos_token_id=0),
    "llama": transformers.LlamaConfig(**SIZES),
    "qwen2": transformers.Qwen2Config(**SIZES),
    "gemma2": transformers.Gemma2Config(**SIZES, head_dim=8, sliding_window=200),  # softcaps
}
ENDS = frozenset(range(0, 97, 12))
NOT_RECORDED = {"_local_scalar_dense", "nonzero", "masked_select", "lift_fresh"}
"""Operations at which a processor waits for numbers of the GPU, or sends some of its own there."""


class Replayed:
    """See the module's description."""

    def __init__(self) -> None:
        self.steps: dict[object, list] = {}
        self.replays = 0
        self.forgotten = 0

    def run(self, key, step) -> None:
        if key not in self.steps:
            recorder = _Recorder()
            with recorder:
                step()
            self.steps[key] = recorder.calls
            return
        self.replays += 1
        for function, args, kwargs, output in self.steps[key]:
            again = tree_leaves(function(*args, **kwargs))
            for old, new in zip(tree_leaves(output), again, strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():  # no view, not in place
                    old.copy_(new)

    def forget(self) -> None:
        self.steps.clear()
        self.forgotten += 1


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert function.overloadpacket.__name__ not in NOT_RECORDED, f"{function} cannot be recorded"
        output = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, output))
        return output


def build(config: transformers.PreTrainedConfig) -> torch.nn.Module:
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module", params=sorted(CONFIGS))
def model(request: pytest.FixtureRequest) -> torch.nn.Module:
    return build(CONFIGS[request.param])


@pytest.fixture(scope="module")
def llama() -> torch.nn.Module:
    return build(CONFIGS["llama"])


def static(model: torch.nn.Module, runner=None) -> StaticForward:
    return StaticForward(model, "cpu", runner=runner or Replayed(), name="tiny")


def prompts(count: int = 5) -> list[list[int]]:
    """A common beginning of 20 tokens, then 1 to 40 of their own."""
    source = torch.Generator().manual_seed(3)
    common = torch.randint(2, 97, (20,), generator=source).tolist()
    return [common + torch.randint(2, 97, (1 + 9 * n,), generator=source).tolist() for n in range(count)]


def run(forward, texts, sampling: Sampling, copies: int = 1, ends: frozenset[int] = ENDS) -> list[list[int]]:
    requests = [
        make_request(ids, copy, sampling, context_tokens=256, decode=str) for ids in texts for copy in range(copies)
    ]
    for _ in run_requests(forward, requests, ends):
        pass
    return [request.token_ids for request in requests]


def test_greedy_equals_transformers_past_several_windows(model):
    texts, forward = prompts(), static(model)
    found = run(forward, texts, Sampling(max_tokens=80), ends=frozenset({0}))
    for ids, tokens in zip(texts, found, strict=True):
        output = model.generate(torch.tensor([ids]), max_new_tokens=80, do_sample=False, eos_token_id=0, pad_token_id=1)
        assert tokens == output[0, len(ids) :].tolist()
    assert not forward.failure
    longest = max(len(ids) + len(tokens) for ids, tokens in zip(texts, found, strict=True)) - 1  # the last is not read
    assert forward._room.columns == columns_capacity(longest) > columns_capacity(len(texts[-1]))


def test_drawn_texts_are_those_of_the_shared_prefix_way_while_rows_leave(model):
    sampling = Sampling(max_tokens=40, temperature=3.0, top_p=0.98, seed=4)
    forward, fast = static(model), SharedPrefixForward(model, "cpu")
    expected = run(fast, prompts(), sampling, copies=3)
    assert run(forward, prompts(), sampling, copies=3) == expected
    assert len({len(tokens) for tokens in expected}) > 3, "rows should leave at different times"
    assert len({key[0][0] for key in forward._runner.steps}) > 2, "the window should have shrunk"
    for texts in (prompts()[:2], prompts()[::-1], prompts(1)):  # in the buffers of before, which are not empty
        assert run(forward, texts, sampling) == run(fast, texts, sampling)
    assert forward._runner.replays > 40 and not forward.failure


def test_logits_are_those_of_the_model(model):
    for runner in (Replayed(), Eagerly()):
        forward = static(model, runner)
        for _ in range(2):
            assert differs_from_model(forward, model, "cpu", "float32") == ""
        assert isinstance(forward.start([[5, 6]], [1]), StaticContinuation) and not forward.failure


def test_bfloat16_is_within_rounding():
    for name in ("qwen2", "gemma2"):
        model = build(CONFIGS[name]).bfloat16()
        assert differs_from_model(static(model), model, "cpu", "bfloat16") == ""


def test_a_wrong_mask_is_found(llama, monkeypatch: pytest.MonkeyPatch):
    forward = static(llama)
    inner = forward.step
    monkeypatch.setattr(
        forward, "step", lambda rows, slots, tokens, places: inner(rows, slots, tokens, [p + 1 for p in places])
    )
    assert "logits differ" in differs_from_model(forward, llama, "cpu", "float32")


def test_beams_are_those_of_the_shared_prefix_way(model):
    sampling = Sampling(max_tokens=30, beams=6, beam_groups=2, diversity=0.5)
    given = {"limits": [30] * 3, "end_ids": ENDS, "decode": str}
    forward, fast = static(model), SharedPrefixForward(model, "cpu")
    found, expected = (beam_search(way, prompts(3), sampling, **given) for way in (forward, fast))
    assert [[one.token_ids for one in best] for best in found] == [[one.token_ids for one in best] for best in expected]
    assert forward._runner.replays > 3 and not forward.failure


@pytest.mark.parametrize("fits", [True, False])
def test_rows_join_and_leave_under_way(model, fits: bool, monkeypatch: pytest.MonkeyPatch):
    forward, fast = static(model), SharedPrefixForward(model, "cpu")
    first, late = prompts()[1:3], prompts()[3:]
    rows = [way.start(first, [2, 1]) for way in (forward, fast)]
    assert [type(one) for one in rows] == [StaticContinuation, SharedPrefixContinuation]
    if not fits:  # more rows than there are
        most = room_bytes(forward._room.layers, 4, 64)
        monkeypatch.setattr("core.inference.static_forward._ROOM_BYTES", most)
    for step, keep in enumerate([[0, 1, 2], [2, 1], [0, 1], [0, 1, 2, 3, 4], [4, 1, 3], [2], [0], [0, 1, 2]]):
        if step in (3, 7):
            reading = PromptReading(fast, late)
            while not reading.read(16):
                pass
            for one in rows:
                one.join(*reading.result(), [0, 1, 1] if step == 3 else [1, 0])
        for one in rows:
            one.advance([(7 * row + step) % 97 for row in keep], keep)
        torch.testing.assert_close(rows[0].logits, rows[1].logits, atol=2e-4, rtol=1e-4)
    assert not forward.failure and (rows[0]._instead is None) == fits


def test_one_batch_at_a_time_has_the_room_and_gives_it_back(llama):
    forward = static(llama)
    first = forward.start(prompts(2), [1, 1])
    second = forward.start(prompts(2), [1, 1])
    assert isinstance(first, StaticContinuation) and isinstance(second, SharedPrefixContinuation)
    room = forward._room
    del first
    gc.collect()
    third = forward.start(prompts(2), [1, 1])
    assert isinstance(third, StaticContinuation) and forward._room is room


def test_rows_that_outgrow_the_memory_go_on_the_other_way_without_a_warning(llama, monkeypatch: pytest.MonkeyPatch):
    token = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, width, bytes
    monkeypatch.setattr("core.inference.static_forward._ROOM_BYTES", 16 * 96 * token)
    sampling, forward = Sampling(max_tokens=60, temperature=0.8, seed=2), static(llama)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(forward, prompts(), sampling, copies=2, ends=frozenset())
        assert found == run(SharedPrefixForward(llama, "cpu"), prompts(), sampling, copies=2, ends=frozenset())
        assert isinstance(forward.start(prompts(), [4] * 5), SharedPrefixContinuation)
    assert forward._runner.replays > 20 and not forward.failure


class Failing(Replayed):
    """As where memory is short, or a graph cannot be recorded, after some steps."""

    def __init__(self, good_steps: int) -> None:
        super().__init__()
        self.good_steps = good_steps

    def run(self, key, step) -> None:
        self.good_steps -= 1
        if self.good_steps < 0:
            raise torch.OutOfMemoryError("out of memory")
        super().run(key, step)


@pytest.mark.parametrize("good_steps", [0, 1, 9])
def test_a_step_that_fails_turns_it_off_with_a_warning_and_no_text_is_lost(model, good_steps: int):
    sampling, forward = Sampling(max_tokens=30, temperature=0.8, seed=2), static(model, Failing(good_steps))
    expected = run(SharedPrefixForward(model, "cpu"), prompts(), sampling, copies=2)
    with pytest.warns(RuntimeWarning, match=r"'tiny' is run without recorded steps: OutOfMemoryError: out of memory"):
        assert run(forward, prompts(), sampling, copies=2) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(forward, prompts(), sampling, copies=2) == expected
    assert forward._room is None


def test_it_is_chosen_where_there_is_a_runner_and_it_agrees(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choice = ForwardChoice(model, "cpu", "float32", 1, "tiny", runner=Replayed())
        assert isinstance(choice.for_length(90), StaticForward)
        assert type(ForwardChoice(model, "cpu", "float32", 1, "tiny").for_length(90)) is SharedPrefixForward
    if model.config.model_type == "gemma2":  # its window fills up
        assert isinstance(choice.for_length(201), PlainForward)


def test_a_model_it_gets_wrong_goes_the_next_way_with_a_warning(llama, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.inference.static_rows.StaticRows.begin", lambda rows, _: rows._inputs[1])
    choice = ForwardChoice(llama, "cpu", "float32", 1, "tiny", runner=Eagerly())
    with pytest.warns(RuntimeWarning, match="'tiny' is run without recorded steps: "):
        assert type(choice.for_length(90)) is SharedPrefixForward


def test_a_failure_in_the_check_or_later_is_followed_by_the_next_way(llama):
    for good_steps in (2, 4):
        choice = ForwardChoice(llama, "cpu", "float32", 1, "tiny", runner=Failing(good_steps))
        with pytest.warns(RuntimeWarning, match="out of memory"):
            run(choice.for_length(90), prompts(), Sampling(max_tokens=5))
        assert type(choice.for_length(90)) is SharedPrefixForward


def test_graphs_without_a_gpu_to_record_on_are_not_used(llama):
    choice = ForwardChoice(llama, "cpu", "float32", 1, "tiny", runner=CudaGraphs())
    with pytest.warns(RuntimeWarning, match="'tiny' is run without recorded steps: "):
        assert type(choice.for_length(90)) is SharedPrefixForward


@pytest.mark.skipif(not torch.cuda.is_available(), reason="recording CUDA graphs needs a CUDA GPU")
@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_on_a_gpu_recorded_steps_write_what_the_shared_prefix_way_writes(name: str):
    model = build(CONFIGS[name]).cuda()
    choice = ForwardChoice(model, "cuda", "float32", 1, "tiny")
    fast = SharedPrefixForward(model, "cuda")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sampling in (Sampling(max_tokens=80), Sampling(max_tokens=80, temperature=3.0, top_p=0.98, seed=4)):
            for texts in (prompts(), prompts()[:2], prompts()):
                forward = choice.for_length(150)
                assert isinstance(forward, StaticForward)
                assert run(forward, texts, sampling, copies=3) == run(fast, texts, sampling, copies=3)


def test_the_setting_turns_it_off(llama, fresh_settings):
    assert isinstance(ForwardChoice(llama, "cuda", "float32", 1, "tiny")._static._runner, CudaGraphs)
    fresh_settings(cuda_graphs="off")
    assert ForwardChoice(llama, "cuda", "float32", 1, "tiny")._static is None
    fresh_settings()
    assert ForwardChoice(llama, "mps", "float32", 1, "tiny")._static is None


def test_a_record_is_of_the_weights_in_force():
    model = build(CONFIGS["llama"])
    forward, fast, sampling = static(model), SharedPrefixForward(model, "cpu"), Sampling(max_tokens=12)

    def texts() -> list[list[int]]:
        found = run(forward, prompts(2), sampling, ends=frozenset())
        assert found == run(fast, prompts(2), sampling, ends=frozenset())
        return found

    bare = texts()
    adapters = AdapterSet(SimpleNamespace(model=model, name="tiny", quantised=None))
    for name in ("a", "b"):
        adapters.create(name, lora_config(model, rank=4, targets="all"))
        for number, weight in enumerate(adapters.parameters(name)):
            weight.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(number + ord(name)))
    found = {}
    for name in (None, "a", "b", None, "b", "a"):
        adapters.use(name)
        assert found.setdefault(name, texts()) == texts()
    assert found[None] == bare and len({str(one) for one in found.values()}) == 3
    forgotten = forward._runner.forgotten
    adapters.parameters("a")[0].data.mul_(-3)  # a step of training: in place
    assert texts() != found["a"] and forward._runner.forgotten == forgotten
    adapters.parameters("a")[0].data = torch.zeros_like(adapters.parameters("a")[0])  # elsewhere
    assert texts() != found["a"] and forward._runner.forgotten == forgotten + 1
    adapters.detach("a")
    adapters.detach("b")
    assert texts() == bare


def test_generators_with_different_adapters_share_a_model_step_by_step():
    model = build(CONFIGS["llama"])
    adapters = AdapterSet(SimpleNamespace(model=model, name="tiny", quantised=None))
    adapters.create("a", lora_config(model, rank=4, targets="all"))
    for weight in adapters.parameters("a"):
        weight.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(5))
    chosen = {}
    for runner in (None, Replayed()):
        holdings = [adapters.holding(name) for name in ("a", None)]
        choices = [ForwardChoice(model, "cpu", "float32", 1, "tiny", turn, runner) for turn in holdings]
        rows = [choice.for_length(60).start(prompts(2), [2, 1]) for choice in choices]
        for step in range(20):
            for one in rows:
                one.advance([step, step + 1, step + 2], [0, 1, 2])
        chosen[runner is None] = torch.stack([one.logits for one in rows])
    torch.testing.assert_close(chosen[True], chosen[False], atol=2e-4, rtol=1e-4)
    assert (chosen[True][0] - chosen[True][1]).abs().max() > 0.1


def test_many_callers_at_once_get_the_texts_of_one(tiny: LoadedModel):
    local, way = LocalGenerator(tiny), Replayed()
    local._forwards = ForwardChoice(tiny.model, "cpu", "float32", 0, "tiny", runner=way)
    asked = ["Where is my card?", "A refund", "Where is the fee?", "We can help. " * 4] * 2
    sampling = Sampling(max_tokens=25, temperature=0.9, seed=7)
    continuous = ContinuousGenerator(local, rows=6, piece_tokens=16)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: continuous.generate([text], sampling)[0].text, asked))
    assert found == [LocalGenerator(tiny).generate([text], sampling)[0].text for text in asked]
    assert way.replays > 20


@given(st.lists(st.one_of(st.none(), st.integers(0, 15)), min_size=1, max_size=16))
def test_each_row_gets_a_slot_of_its_own_and_keeps_what_it_had(slots: list[int | None]):
    capacity = rows_capacity(len(slots))
    found, copies = arranged(slots, capacity)
    content = list(range(16))
    for target, source in copies:
        content[target] = source
    assert len(set(found)) == len(slots) and all(0 <= slot < capacity for slot in found)
    assert all(before is None or content[after] == before for before, after in zip(slots, found, strict=True))
    assert not {target for target, _ in copies} & {source for _, source in copies}
    assert len(copies) <= len([slot for slot in slots if slot is not None])


@given(st.integers(1, 5000))
def test_windows_are_large_enough_and_few(size: int):
    assert size <= rows_capacity(size) < 2 * size
    assert size <= columns_capacity(size) <= max(64, 3 * size // 2)
    assert len({columns_capacity(number) for number in range(1, size)}) <= 14
