"""Rollouts for training: what is drawn, its log-probabilities, and what is left of the model's state."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.errors import InputError
from core.inference import RawText, Sampling
from core.inference.local import LocalGenerator
from core.inference.rollout import TokenSampler, evaluation_mode, sample_tokens
from core.models.loading import LoadedModel

PROMPTS = [[5, 6, 7], [70, 71, 72, 73, 74, 75], [9], [5, 6, 7], list(range(20, 60))]
DRAWING = Sampling(max_tokens=12, temperature=0.7, seed=3)


def own_logprobs(model: torch.nn.Module, prompt: list[int], drawn: tuple[int, ...], temperature: float) -> list[float]:
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *drawn]])).logits[0, len(prompt) - 1 : -1].double()
    return (logits / temperature).log_softmax(dim=-1)[range(len(drawn)), list(drawn)].tolist()


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logprobs_are_those_of_a_plain_forward_pass(tiny: LoadedModel, temperature: float):
    drawn = sample_tokens(tiny, PROMPTS, DRAWING, 3, logprob_temperature=temperature)
    assert [len(samples) for samples in drawn] == [3] * len(PROMPTS)
    for prompt, samples in zip(PROMPTS, drawn, strict=True):
        for sample in samples:
            expected = own_logprobs(tiny.model, prompt, sample.token_ids, temperature)
            assert sample.logprobs == pytest.approx(expected, abs=1e-4)


def test_tokens_depend_on_seed_step_prompt_and_sample_alone(tiny: LoadedModel):
    sampler = TokenSampler(tiny)
    together = sampler.sample(PROMPTS, DRAWING, 4, step=2)
    for one, other in zip(together[1], sampler.sample(PROMPTS[1:2], DRAWING, 4, step=2)[0], strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
    backwards = sampler.sample(PROMPTS[::-1], DRAWING, 2, step=2)
    assert [sample.token_ids for sample in backwards[0]] == [sample.token_ids for sample in together[4][:2]]
    everything = [sample.token_ids for samples in together[:2] + together[3:4] for sample in samples]
    assert len(set(everything)) == len(everything), "samples differ, also of a prompt that comes twice"
    assert sampler.sample(PROMPTS, DRAWING, 4, step=3)[0][0].token_ids != together[0][0].token_ids
    assert sampler.sample(PROMPTS, replace(DRAWING, seed=4), 4, step=2)[0][0].token_ids != together[0][0].token_ids


def test_greedy_rollouts_are_what_a_generator_writes(tiny: LoadedModel, generator: LocalGenerator):
    text = RawText("Tell me about fees.")
    (completion,) = generator.generate([text], Sampling(max_tokens=20))
    ((sample,),) = sample_tokens(tiny, [generator._chat.prompt_ids(text)], Sampling(max_tokens=20))
    assert sample.token_ids == completion.token_ids
    assert sample.logprobs == pytest.approx(completion.logprobs, abs=1e-5)
    assert sample.finish_reason == completion.finish_reason


def test_ends_stops_and_limits(tiny: LoadedModel):
    sampler = TokenSampler(tiny, end_ids=frozenset(range(0, 256, 20)))
    drawn = [sample for samples in sampler.sample(PROMPTS, DRAWING, 8) for sample in samples]
    assert {sample.finish_reason for sample in drawn} == {"stop", "length"}
    for sample in drawn:
        assert all(token % 20 for token in sample.token_ids[:-1])
        assert (sample.token_ids[-1] % 20 == 0) == (sample.finish_reason == "stop")
    long = [7] * 500
    ((cut,),) = sampler.sample([long], replace(DRAWING, max_tokens=100), 1)
    assert len(cut.token_ids) <= 12, "prompt and completion have 512 places"
    free = TokenSampler(tiny, end_ids=frozenset())
    ((sample,),) = free.sample([[5]], replace(DRAWING, max_tokens=60))
    stop = tiny.tokenizer.decode(list(sample.token_ids))[10:12]
    ((stopped,),) = free.sample([[5]], replace(DRAWING, max_tokens=60, stop=[stop]))
    assert stopped.finish_reason == "stop"
    assert stopped.token_ids == sample.token_ids[: len(stopped.token_ids)]
    assert len(stopped.token_ids) < 60


@pytest.fixture
def adapted(tiny: LoadedModel) -> LoadedModel:
    """The tiny model with a LoRA adapter that changes what it writes, dropout, and training mode on."""
    import copy

    from peft import LoraConfig, get_peft_model

    torch.manual_seed(2)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.5, init_lora_weights=False)
    wrapped = get_peft_model(copy.deepcopy(tiny.model), config)
    return replace(tiny, model=wrapped)


def test_an_adapter_counts_and_can_be_switched_off(tiny: LoadedModel, adapted: LoadedModel):
    model = adapted.model.train()
    sampler = TokenSampler(adapted)
    on = sampler.sample(PROMPTS, DRAWING, 2)
    with model.disable_adapter():
        off = sampler.sample(PROMPTS, DRAWING, 2)
    again = sampler.sample(PROMPTS, DRAWING, 2)
    assert on == again
    assert on != off
    assert off == sample_tokens(tiny, PROMPTS, DRAWING, 2)
    with evaluation_mode(model):
        for prompt, samples in zip(PROMPTS, on, strict=True):
            for sample in samples:
                expected = own_logprobs(model, prompt, sample.token_ids, 1.0)
                assert sample.logprobs == pytest.approx(expected, abs=1e-4)


def test_the_model_can_be_trained_on(adapted: LoadedModel):
    model = adapted.model.train()
    model.base_model.model.lm_head.eval()  # a module of its own mode
    model.activation_checkpointing_enable()
    modes = [module.training for module in model.modules()]
    sampler = TokenSampler(adapted)
    before = sampler.sample(PROMPTS, DRAWING, 2)
    assert [module.training for module in model.modules()] == modes
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=1.0)
    loss = model(torch.tensor([PROMPTS[4]]), labels=torch.tensor([PROMPTS[4]])).loss
    loss.backward()
    optimiser.step()
    assert sampler.sample(PROMPTS, DRAWING, 2) != before, "new weights are used at once"


def test_wrong_requests_are_refused(tiny: LoadedModel):
    with pytest.raises(InputError, match="Prompt 1 has 0 tokens"):
        sample_tokens(tiny, [[1], []], DRAWING)
    with pytest.raises(InputError, match="Prompt 0 has 512 tokens; 1 to 511"):
        sample_tokens(tiny, [[1] * 512], DRAWING)
    with pytest.raises(InputError, match="no beams"):
        sample_tokens(tiny, [[1]], Sampling(beams=2))
    for wrong in ({"n": 0}, {"step": -1}, {"logprob_temperature": 0.0}):
        with pytest.raises(InputError, match="cannot be used"):
            sample_tokens(tiny, [[1]], DRAWING, **wrong)
    assert sample_tokens(tiny, [], DRAWING) == []
