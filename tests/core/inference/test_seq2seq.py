"""Encoder-decoder models against transformers' own generate and forward passes, on tiny random ones."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from tiny_models import CPU, byte_tokenizer, save

from core.errors import ConfigError, InputError, ModelNotAvailable
from core.inference import RawText, Sampling, load_generator
from core.inference.constraint import matching_choice
from core.inference.local import LocalGenerator
from core.inference.seq2seq import Seq2SeqGenerator
from core.models import load_causal, load_encoder, load_seq2seq

PROMPTS = ["How long does a refund take?", "退款多久到账？", "a", "fees " * 9, "a"]


def t5(make: type, size: int, **more: object) -> transformers.PretrainedConfig:
    return make(
        vocab_size=size,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
        initializer_factor=1.5,  # wide, so that the random model has clear preferences
        **more,
    )


def bart(make: type, size: int, **more: object) -> transformers.PretrainedConfig:
    return make(
        vocab_size=size,
        d_model=32,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=96,
        decoder_start_token_id=1,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
        forced_eos_token_id=None,
        init_std=0.3,
        **more,
    )


FAMILIES = {
    "t5": lambda size: transformers.T5ForConditionalGeneration(t5(transformers.T5Config, size)),
    "mt5": lambda size: transformers.MT5ForConditionalGeneration(
        t5(transformers.MT5Config, size, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    ),
    "bart": lambda size: transformers.BartForConditionalGeneration(bart(transformers.BartConfig, size)),
    "pegasus": lambda size: transformers.PegasusForConditionalGeneration(bart(transformers.PegasusConfig, size)),
}


def build(folder: Path, family: str) -> Path:
    """One token a byte; the tokenizer ends a text with the end mark, as those of these families do."""
    marks = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>"}
    tokenizer = byte_tokenizer(*marks.values(), single="$A </s>", model_max_length=96, **marks)
    torch.manual_seed(3)
    return save(folder, FAMILIES[family](len(tokenizer)), tokenizer)


@pytest.fixture(scope="module")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tiny-t5"), "t5")


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def generator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seq2SeqGenerator:
    folder = build(tmp_path_factory.mktemp(f"tiny-{request.param}"), request.param)
    return Seq2SeqGenerator(load_seq2seq(str(folder), placement=CPU))


@pytest.fixture(scope="module")
def one(t5_folder: Path) -> Seq2SeqGenerator:
    return Seq2SeqGenerator(load_seq2seq(str(t5_folder), placement=CPU))


def reference(generator: Seq2SeqGenerator, prompt: str, **options: object):
    """transformers' own generate, one prompt at a time, without padding."""
    ids = generator._chat.prompt_ids(prompt)
    assert ids[-1] == 1, "the end mark belongs to what the encoder reads"
    return generator._model.generate(
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )


def written(row: torch.Tensor) -> list[int]:
    """Without the start token, and without the padding after the end."""
    tokens = row.tolist()[1:]
    return tokens[: tokens.index(1) + 1] if 1 in tokens else tokens


def test_greedy_equals_transformers_whatever_the_batch(generator: Seq2SeqGenerator):
    completions = generator.generate(PROMPTS, Sampling(max_tokens=20))
    for prompt, completion in zip(PROMPTS, completions, strict=True):
        output = reference(generator, prompt, max_new_tokens=20)
        assert list(completion.token_ids) == written(output.sequences[0])
        expected = [
            scores[0].double().log_softmax(dim=-1)[token].item()
            for scores, token in zip(output.scores, completion.token_ids, strict=False)
        ]
        assert completion.logprobs == pytest.approx(expected, abs=1e-4)
        assert completion.prompt_tokens == len(generator._chat.prompt_ids(prompt))
    assert len({completion.token_ids for completion in completions}) >= 2, "the model should look at its prompt"


@pytest.mark.parametrize(("beams", "penalty"), [(2, 1.0), (4, 0.3), (3, 2.0)])
def test_beams_equal_transformers(generator: Seq2SeqGenerator, beams: int, penalty: float):
    sampling = Sampling(max_tokens=12, beams=beams, n=beams, length_penalty=penalty)
    completions = generator.generate(PROMPTS[:3], sampling)
    for place, prompt in enumerate(PROMPTS[:3]):
        output = reference(
            generator,
            prompt,
            max_new_tokens=12,
            num_beams=beams,
            num_return_sequences=beams,
            length_penalty=penalty,
            early_stopping=False,
        )
        found = completions[place * beams : (place + 1) * beams]
        for completion, row, score in zip(found, output.sequences, output.sequences_scores, strict=True):
            assert list(completion.token_ids) == written(row)
            total = sum(completion.logprobs) / len(completion.token_ids) ** penalty
            assert total == pytest.approx(score.item(), abs=1e-4)


def test_scores_against_a_plain_forward_pass(generator: Seq2SeqGenerator):
    prompts = [*PROMPTS[:3], RawText("Once upon"), PROMPTS[0]]
    continuations = ["yes", "三天。", " a time", "!", "no, never"]
    scores = generator.score(prompts, continuations)
    for prompt, continuation, score in zip(prompts, continuations, scores, strict=True):
        before, after = generator._chat.prompt_ids(prompt), generator._chat.continuation_ids(continuation)
        start = generator._model.config.decoder_start_token_id
        with torch.no_grad():
            logits = generator._model(
                input_ids=torch.tensor([before]), decoder_input_ids=torch.tensor([[start, *after[:-1]]])
            ).logits[0]
        expected = logits.double().log_softmax(dim=-1)[range(len(after)), after].tolist()
        assert score.token_ids == tuple(after)
        assert score.logprobs == pytest.approx(expected, abs=1e-4)


def test_what_is_generated_scores_as_it_was_drawn(generator: Seq2SeqGenerator):
    (drawn,) = generator.generate(["退款"], Sampling(max_tokens=6, temperature=1.5, seed=4, top_k=40))
    ((score),) = generator._forward(0).score([(generator._chat.prompt_ids("退款"), list(drawn.token_ids))])
    assert score == pytest.approx(drawn.logprobs, abs=1e-4)


def test_the_repetition_penalty_is_that_of_transformers(generator: Seq2SeqGenerator):
    completions = generator.generate(PROMPTS, Sampling(max_tokens=20, repetition_penalty=1.8))
    for prompt, completion in zip(PROMPTS, completions, strict=True):
        output = reference(generator, prompt, max_new_tokens=20, repetition_penalty=1.8)
        assert list(completion.token_ids) == written(output.sequences[0])


def test_a_prompt_goes_through_the_encoder_once(one: Seq2SeqGenerator, monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[int, ...]] = []
    encoder = one._model.get_encoder()
    own = encoder.forward

    def counting(*arguments: object, **options: object) -> object:
        read.append(tuple(options["input_ids"].shape))
        return own(*arguments, **options)

    monkeypatch.setattr(encoder, "forward", counting)
    one.generate(["退款", "退款", "fee?"], Sampling(max_tokens=5, temperature=1.0, n=4))
    assert sum(rows for rows, _ in read) == 2


def test_a_drawn_text_does_not_depend_on_its_batch(generator: Seq2SeqGenerator):
    sampling = Sampling(max_tokens=24, temperature=0.9, top_p=0.95, min_p=0.01, seed=11, n=2)
    together = generator.generate(PROMPTS[:4], sampling)
    alone = [one for prompt in PROMPTS[:4] for one in generator.generate([prompt], sampling)]
    assert [one.text for one in together] == [one.text for one in alone]
    assert together[0].text != together[1].text
    assert generator.generate(["a"], replace(sampling, seed=12))[0].text != alone[4].text


def test_pieces_stop_strings_and_ends(one: Seq2SeqGenerator):
    sampling = Sampling(max_tokens=30, temperature=1.0, seed=5, stop=["b", "z"])
    for prompt in PROMPTS:
        (whole,) = one.generate([prompt], sampling)
        assert "".join(one.stream(prompt, sampling)) == whole.text
        assert not {"b", "z"} & set(whole.text)
    beams = Sampling(max_tokens=9, beams=3)
    assert "".join(one.stream("a", beams)) == one.generate(["a"], beams)[0].text
    drawn = one.generate(["a"], Sampling(max_tokens=60, temperature=4.0, n=40))
    ended = next(completion for completion in drawn if completion.finish_reason == "stop")
    assert ended.token_ids[-1] == 1
    assert "</s>" not in ended.text


def test_a_constraint_is_kept(one: Seq2SeqGenerator):
    sampling = Sampling(max_tokens=20, temperature=10.0, n=20, constraint=matching_choice(["退款", "运费"]))
    assert {completion.text for completion in one.generate(["a"], sampling)} == {"退款", "运费"}


def test_both_sides_have_the_whole_length(one: Seq2SeqGenerator):
    (completion,) = one.generate([RawText("a" * 90)], Sampling(max_tokens=500, temperature=1.0, stop=["\0"]))
    assert one.context_tokens == 96
    assert completion.completion_tokens <= 96
    with pytest.raises(InputError, match="can read 96"):
        one.generate(["a" * 96])
    with pytest.raises(InputError, match="can write 96"):
        one.score(["a"], ["b" * 97])
    with pytest.raises(InputError, match="empty"):
        one.score(["a"], [""])


def test_a_begun_answer_is_refused(one: Seq2SeqGenerator):
    with pytest.raises(InputError, match="begun"):
        one.generate([[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]])


def test_a_forced_first_token_is_not_part_of_the_text(tmp_path: Path):
    folder = build(tmp_path, "bart")
    transformers.GenerationConfig(
        decoder_start_token_id=1, forced_bos_token_id=2, eos_token_id=1, pad_token_id=0
    ).save_pretrained(folder)
    generator = Seq2SeqGenerator(load_seq2seq(str(folder), placement=CPU))
    (completion,) = generator.generate(["fees"], Sampling(max_tokens=10))
    expected = written(reference(generator, "fees", max_new_tokens=11).sequences[0])
    assert expected[0] == 2
    assert list(completion.token_ids) == expected[1:]
    (score,) = generator.score(["fees"], ["yes"])
    assert all(math.isfinite(value) for value in score.logprobs)


def test_many_callers_share_one(one: Seq2SeqGenerator):
    sampling = Sampling(max_tokens=8, temperature=1.0, seed=2)
    expected = [one.generate([prompt], sampling)[0].text for prompt in PROMPTS]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda prompt: one.generate([prompt], sampling)[0].text, PROMPTS)) == expected


def test_the_loader_looks_at_the_configuration(t5_folder: Path, tiny, fresh_settings):
    fresh_settings(dtype="float32", device="cpu")
    found = load_generator(str(t5_folder))
    assert isinstance(found, Seq2SeqGenerator)
    assert found.name == f"{t5_folder} (encoder-decoder)"
    causal = load_generator(str(tiny.folder))
    assert isinstance(causal, LocalGenerator)
    assert not isinstance(causal, Seq2SeqGenerator)


def test_a_setting_that_does_not_hold_is_an_error(t5_folder: Path, fresh_settings):
    fresh_settings(dtype="float32", device="cpu", quantisation="int8")
    with pytest.raises(ConfigError, match="quantisation"):
        load_generator(str(t5_folder))


def test_one_loader_does_not_take_the_other_s_models(t5_folder: Path, tiny):
    for load in (load_causal, load_encoder):
        with pytest.raises(ModelNotAvailable, match="encoder-decoder"):
            load(str(t5_folder), placement=CPU)
    with pytest.raises(ModelNotAvailable, match="qwen2"):
        load_seq2seq(str(tiny.folder), placement=CPU)
