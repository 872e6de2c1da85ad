"""A tiny model of each family: described by `models info`, loaded from its folder, run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers
from tiny_models import byte_tokenizer, save

from core.errors import ModelFileMismatch, ModelNotAvailable
from core.models import load_causal, load_embedder, load_encoder, load_reranker, load_seq2seq
from core.models.describe import describe, verdict
from core.models.family import family_of
from core.models.hardware import memory_bytes
from core.models.quantise import _choose_layers

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
T5 = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}


def gpt2(size: int) -> torch.nn.Module:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=size, n_embd=16, n_layer=2, n_head=4, n_positions=64, bos_token_id=1)
    )


def llama(size: int) -> torch.nn.Module:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=size, num_key_value_heads=2, **SMALL))


def qwen2(size: int) -> torch.nn.Module:
    config = transformers.Qwen2Config(vocab_size=size, num_key_value_heads=2, tie_word_embeddings=True, **SMALL)
    return transformers.Qwen2ForCausalLM(config)


def gemma(size: int) -> torch.nn.Module:
    config = transformers.GemmaConfig(vocab_size=size, num_key_value_heads=1, head_dim=8, **SMALL)
    return transformers.GemmaForCausalLM(config)


def bert(size: int) -> torch.nn.Module:
    return transformers.BertModel(transformers.BertConfig(vocab_size=size, **SMALL))


def masked_bert(size: int) -> torch.nn.Module:
    return transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=size, **SMALL))


def reranker(size: int) -> torch.nn.Module:
    return transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=size, num_labels=1, **SMALL))


def classifier(size: int) -> torch.nn.Module:
    return transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=size, num_labels=5, **SMALL))


def t5(size: int) -> torch.nn.Module:
    return transformers.T5ForConditionalGeneration(transformers.T5Config(vocab_size=size, **T5))


def bart(size: int) -> torch.nn.Module:
    more = {"encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 4}
    more |= {"d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64}
    return transformers.BartForConditionalGeneration(transformers.BartConfig(vocab_size=size, **more))


CASES = {
    gpt2: ("causal", "GPT2LMHeadModel: 2 layers, width 16", "64 tokens", 64),
    llama: ("causal", "LlamaForCausalLM: 2 layers, width 16", "64 tokens", 32),
    qwen2: ("causal", "Qwen2ForCausalLM: 2 layers, width 16", "64 tokens", 32),
    gemma: ("causal", "GemmaForCausalLM: 2 layers, width 16", "64 tokens", 32),
    bert: ("encoder", "BertModel: 2 layers, width 16", "64 tokens; longer texts are cut", 0),
    masked_bert: ("encoder", "BertForMaskedLM: 2 layers, width 16", "64 tokens; longer texts are cut", 0),
    reranker: ("reranker", "BertForSequenceClassification: 2 layers", "64 tokens, query and passage together", 0),
    classifier: ("classifier", "BertForSequenceClassification: 2 layers", "64 tokens", 0),
    t5: ("seq2seq", "2 encoder and 2 decoder layers, width 16", "96 tokens each for source and text (relative", 64),
    bart: ("seq2seq", "2 encoder and 1 decoder layers, width 16", "64 tokens each for source and text", 32),
}


@pytest.fixture(autouse=True)
def _small_cpu(fresh_settings: Callable[..., None]) -> None:
    fresh_settings(dtype="float32", device="cpu")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    def make(model: Callable[[int], torch.nn.Module]) -> Path:
        folder = tmp_path / model.__name__
        marks = {"pad_token": "<pad>", "eos_token": "</s>"}
        tokenizer = byte_tokenizer(*marks.values(), model_max_length=96, **marks)
        torch.manual_seed(0)
        return save(folder, model(len(tokenizer)), tokenizer)

    return make


@pytest.mark.parametrize("family", CASES, ids=lambda family: family.__name__)
def test_a_model_of_each_family_is_described(build, run_cli, family):
    folder = build(family)
    kind, architecture, context, numbers_per_token = CASES[family]
    facts = describe(str(folder))
    model = family(258)
    assert (facts.kind, family_of(folder)) == (kind, kind)
    assert architecture in facts.architecture
    assert facts.context.startswith(context)
    assert facts.numbers_per_token == numbers_per_token
    stored = {tensor.data_ptr(): tensor.numel() for tensor in model.state_dict().values()}
    assert facts.weights.total == sum(stored.values())
    if kind == "causal":
        paths, _ = _choose_layers(model)
        assert facts.weights.linear == sum(model.get_submodule(path).weight.numel() for path in paths)
    code, out, _ = run_cli("models", "info", folder)
    assert code == 0
    assert architecture in out and "in float32" in out and ("in int8" in out) == (kind == "causal") and "licence" in out
    assert ("can run here  yes" in out) == (kind != "classifier")


def test_each_loads_from_its_folder_and_runs(build):
    tokens = torch.tensor([[5, 6, 7]])
    for family in (gpt2, llama, qwen2, gemma):
        assert load_causal(str(build(family))).model(input_ids=tokens).logits.shape == (1, 3, 258)
    for family in (t5, bart):
        loaded = load_seq2seq(str(build(family)))
        assert loaded.model(input_ids=tokens, decoder_input_ids=tokens[:, :2]).logits.shape == (1, 2, 258)
    assert load_encoder(str(build(bert))).model(input_ids=tokens).last_hidden_state.shape == (1, 3, 16)
    assert load_embedder(str(build(masked_bert))).encode_queries(["退款"]).shape == (1, 16)
    assert load_reranker(str(build(reranker))).score("fees", ["a", "b"]).shape == (2,)


def test_an_encoder_is_not_a_language_model(build):
    for family in (bert, masked_bert):
        with pytest.raises(ModelNotAvailable):
            load_causal(str(build(family)))


def test_keys_and_values_are_those_of_the_model(build):
    for family in (gpt2, llama, gemma):
        cache = load_causal(str(build(family))).model(input_ids=torch.tensor([[5, 6, 7]])).past_key_values
        held = sum(layer.keys.numel() + layer.values.numel() for layer in cache.layers)
        assert describe(str(build(family))).numbers_per_token == held / 3


def test_memory_by_number_format_and_what_fits(build, monkeypatch: pytest.MonkeyPatch):
    facts = describe(str(build(llama)))
    total, linear = facts.weights.total, facts.weights.linear
    assert facts.weights.memory_bytes() == {
        "float32": 4 * total,
        "bfloat16": 2 * total,
        "float16": 2 * total,
    }
    assert facts.weights.quantised_bytes(8, "bfloat16") == linear + 2 * (total - linear)
    assert facts.weights.quantised_bytes(4, "float32") == linear / 2 + 4 * (total - linear)
    assert verdict(facts).startswith("yes: about 0.0 GB in float32 on cpu")
    assert memory_bytes() > 10**8
    monkeypatch.setattr("core.models.describe.memory_bytes", lambda: 4 * total)
    assert verdict(facts).startswith("no: about")


def test_the_licence_is_what_the_folder_says(build):
    folder = build(bert)
    assert describe(str(folder)).licence.startswith("unknown")
    (folder / "LICENSE.txt").write_text("\n  Some Licence, version 2\n\nText.")
    assert describe(str(folder)).licence == "see LICENSE.txt: Some Licence, version 2"
    (folder / "README.md").write_text("---\nlanguage: zh\nlicense: mit\n---\n# Card\nlicense: other\n")
    assert describe(str(folder)).licence == "mit (its model card)"
    (folder / "README.md").write_text("# Card\nlicense: other\n")
    assert describe(str(folder)).licence.startswith("see LICENSE.txt")


def test_a_sentence_encoder_says_what_it_is(build):
    folder = build(bert)
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Transformer"}]')
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}')
    assert describe(str(folder)).kind == "embedder"
    assert describe(str(folder)).context.startswith("48 tokens")
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    assert verdict(describe(str(folder))).startswith("no: 'bert' needs a dense layer")


def test_a_split_model_is_counted_once(build):
    folder = build(llama)
    whole = describe(str(folder)).weights
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="8KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    assert describe(str(folder)).weights == whole
    next(iter(sorted(folder.glob("*.safetensors")))).unlink()
    with pytest.raises(ModelFileMismatch, match="missing"):
        describe(str(folder))


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, (8).to_bytes(8, "little") + b'{"a": 1}', b"\0" * 8])
def test_weights_that_are_none(build, run_cli, content: bytes):
    folder = build(bert)
    (folder / "model.safetensors").write_bytes(content)
    code, _, err = run_cli("models", "info", folder)
    assert code == 1
    assert "not a safetensors file" in err


def test_weights_that_are_cut_off(build):
    folder = build(bert)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelFileMismatch, match="cut off"):
        describe(str(folder))


@pytest.mark.parametrize(
    "config",
    ['{"model_type": "odd"}', "{", "[]", '{"model_type": 5}', '{"model_type": "llama", "num_hidden_layers": "many"}'],
)
def test_a_configuration_nobody_knows(build, run_cli, config: str):
    folder = build(bert)
    (folder / "config.json").write_text(config)
    code, out, _ = run_cli("models", "info", folder)
    assert code == 0
    assert "can run here  no" in out
    assert "unknown to transformers" in out


def test_quantised_weights_are_not_counted_as_if_they_were_not(build):
    folder = build(llama)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    facts = describe(str(folder))
    assert facts.weights is None
    assert verdict(facts) == "unknown: the weights are stored quantised (gptq)"


def write_gguf(path: Path, architecture: str) -> int:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(3)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_license("apache-2.0")
    writer.add_tensor("token_embd.weight", np.zeros((64, 32), dtype=np.float32))
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((32, 32), dtype=np.float16))
    writer.add_tensor("blk.0.attn_norm.weight", np.zeros(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 64 * 32 + 32 * 32 + 32


def test_a_gguf_file_is_described_without_being_converted(tmp_path: Path, run_cli, monkeypatch):
    monkeypatch.setattr("core.models.gguf_weights.convert_gguf", lambda *_: pytest.fail("converted"))
    path = tmp_path / "tiny.gguf"
    total = write_gguf(path, "qwen2")
    facts = describe(str(path))
    assert (facts.kind, facts.licence, facts.context) == ("causal", "apache-2.0", "128 tokens")
    assert (facts.weights.total, facts.weights.linear) == (total, 32 * 32)
    assert facts.numbers_per_token == 2 * 3 * 2 * 8
    code, out, _ = run_cli("models", "info", path)
    assert code == 0
    assert "GGUF qwen2: 3 layers, width 32; tensors: 2 F32, 1 F16" in out
    assert "can run here  yes" in out


def test_gguf_files_we_cannot_run(tmp_path: Path, run_cli):
    write_gguf(tmp_path / "odd.gguf", "odd")
    assert verdict(describe(str(tmp_path / "odd.gguf"))).startswith("no: 'odd' is not restored")
    for content in (b"", b"GGUF", b"GGUF" + bytes(100), b"not at all" * 20, b"GGUF\x03\0\0\0" + b"\xff" * 64):
        (tmp_path / "broken.gguf").write_bytes(content)
        code, _, err = run_cli("models", "info", tmp_path / "broken.gguf")
        assert code == 1, content
        assert "cannot be read as GGUF" in err


def test_what_there_is_not(run_cli):
    for name, said in (("nothing", "no model named"), ("/nowhere", "no model folder"), ("a/b", "models pull a/b")):
        code, _, err = run_cli("models", "info", name)
        assert code == 1
        assert said in err
