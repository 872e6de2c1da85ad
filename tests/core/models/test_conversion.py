"""Conversions, on files built here in the two formats."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, BertModel

from core.errors import ModelFileMismatch
from core.inference import RawText, Sampling, load_generator
from core.models.convert import convert
from core.models.e5_weights import convert_e5
from core.models.gguf_weights import convert_gguf
from core.models.locate import locate

HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCABULARY, POSITIONS = 32, 2, 2, 64, 8, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁a", "退"]
random = np.random.default_rng(0)


def quantise(rows: int, columns: int) -> tuple[bytes, np.ndarray]:
    """Random 4-bit blocks, and what they stand for by a loop over single weights."""
    data, values = b"", []
    for _ in range(rows * columns // 32):
        scale = np.float16(random.uniform(0.01, 0.1))
        packed = random.integers(0, 256, 16, dtype=np.uint8)
        data += scale.tobytes() + packed.tobytes()
        values += [(int(byte) % 16 - 8) * float(scale) for byte in packed]
        values += [(int(byte) // 16 - 8) * float(scale) for byte in packed]
    return data, np.array(values, dtype=np.float32).reshape(rows, columns)


def e5_image(**header: int) -> tuple[bytes, dict[str, np.ndarray]]:
    """An image in the layout the module describes, and its tensors by name."""
    shapes = {"emb.word": (VOCABULARY, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN)}
    shapes |= {"emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for layer in range(LAYERS):
        sizes = {"q": (HIDDEN, HIDDEN), "k": (HIDDEN, HIDDEN), "v": (HIDDEN, HIDDEN), "ao": (HIDDEN, HIDDEN)}
        sizes |= {"fi": (FEED_FORWARD, HIDDEN), "fo": (HIDDEN, FEED_FORWARD)}
        for name, shape in sizes.items():
            shapes |= {f"l{layer}.{name}.w": shape, f"l{layer}.{name}.b": shape[:1]}
        shapes |= {f"l{layer}.{name}.{end}": (HIDDEN,) for name in ("aln", "oln") for end in "wb"}
    blobs, values = {}, {}
    for name, shape in shapes.items():
        if name == "emb.word" or (name.endswith(".w") and len(shape) == 2):
            blobs[name], values[name] = quantise(*shape)
        else:
            values[name] = random.normal(size=shape).astype(np.float32)
            blobs[name] = values[name].tobytes()
    encoded = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, encoded)]).astype("<u4").tobytes()
    head = b"E5S1" + struct.pack("<I", header.get("version", 1))
    head += struct.pack("<7i", HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCABULARY, POSITIONS, 2)
    head += struct.pack("<fi", 1e-12, header.get("block", 32)) + struct.pack("<5i", len(PIECES), 0, 2, 1, 3)
    head += struct.pack("<Q", sum(map(len, encoded))) + offsets + bytes(4 * len(PIECES)) + b"".join(encoded)
    head += struct.pack("<iI", 1, 5) + b"table" + struct.pack("<i", len(blobs))
    start = len(head) + sum(2 + len(name) + 21 for name in blobs)
    directory, body = b"", b""
    for name, blob in blobs.items():
        place = struct.pack("<BIQQ", 0, values[name].size, start + len(body), len(blob))
        directory += struct.pack("<H", len(name)) + name.encode() + place
        body += blob
    return head + directory + body, values


def e5_files(folder: Path, image: bytes, pieces: list[str] = PIECES) -> tuple[Path, Path]:
    image_path, tokenizer_path = folder / "e5-small-q4.bin", folder / "tokenizer.json"
    image_path.write_bytes(image)
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [[piece, -1.0] for piece in pieces]},
    }
    tokenizer_path.write_text(json.dumps(tokenizer))
    return image_path, tokenizer_path


def test_an_e5_image_becomes_a_bert_with_its_weights(tmp_path: Path):
    image, values = e5_image()
    convert_e5(*e5_files(tmp_path, image), tmp_path / "out")
    model = BertModel.from_pretrained(tmp_path / "out", add_pooling_layer=False)
    state = model.state_dict()
    expected = {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.LayerNorm.bias": "emb.ln.b",
        "encoder.layer.1.attention.self.value.weight": "l1.v.w",
        "encoder.layer.0.attention.output.dense.bias": "l0.ao.b",
        "encoder.layer.0.intermediate.dense.weight": "l0.fi.w",
        "encoder.layer.1.output.dense.weight": "l1.fo.w",
        "encoder.layer.1.output.LayerNorm.weight": "l1.oln.w",
    }
    for name, short in expected.items():
        assert state[name].float().numpy() == pytest.approx(values[short], abs=2e-3), name
    assert model.config.num_hidden_layers == LAYERS
    assert model.config.layer_norm_eps == 1e-12
    assert model.config.pad_token_id == 1
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.convert_tokens_to_ids("退") == 5


@pytest.mark.parametrize(("header", "problem"), [({"version": 2}, "version 2"), ({"block": 64}, "64 weights")])
def test_another_format_is_refused(tmp_path: Path, header: dict[str, int], problem: str):
    image, _ = e5_image(**header)
    with pytest.raises(ModelFileMismatch, match=problem):
        convert_e5(*e5_files(tmp_path, image), tmp_path / "out")


@pytest.mark.parametrize("keep", [2, 40, 300, 2_000, -10])
def test_a_cut_image_is_refused(tmp_path: Path, keep: int):
    image, _ = e5_image()
    with pytest.raises(ModelFileMismatch, match="format"):
        convert_e5(*e5_files(tmp_path, image[:keep]), tmp_path / "out")


def test_another_vocabulary_is_refused(tmp_path: Path):
    image, _ = e5_image()
    swapped = [PIECES[0], PIECES[1], PIECES[2], PIECES[3], PIECES[5], PIECES[4]]
    with pytest.raises(ModelFileMismatch, match="vocabulary"):
        convert_e5(*e5_files(tmp_path, image, swapped), tmp_path / "out")


def write_gguf(path: Path, *, apart: np.ndarray | None = None) -> np.ndarray:
    """A one-layer Qwen2 as GGUF, `apart` being its output matrix; returns the input embedding, always the same."""
    hidden, heads, feed_forward = 32, 2, 64
    rng = np.random.default_rng(7)
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_context_length(64)
    writer.add_embedding_length(hidden)
    writer.add_block_count(1)
    writer.add_feed_forward_length(feed_forward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * 3)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(257)
    writer.add_eos_token_id(259)
    writer.add_pad_token_id(257)
    writer.add_chat_template("{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}<|im_start|>")
    shapes = {"attn_norm": (hidden,), "ffn_norm": (hidden,), "attn_output": (hidden, hidden)}
    shapes |= {f"attn_{name}": (hidden, hidden) for name in "qkv"}
    shapes |= {"ffn_gate": (feed_forward, hidden), "ffn_up": (feed_forward, hidden), "ffn_down": (hidden, feed_forward)}
    embedding = rng.normal(size=(len(tokens), hidden)).astype(np.float32)
    tensors = {"token_embd.weight": embedding, "output_norm.weight": np.ones(hidden, np.float32)}
    tensors |= {f"blk.0.{name}.weight": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    tensors |= {f"blk.0.attn_{name}.bias": rng.normal(size=hidden).astype(np.float32) for name in "qkv"}
    if apart is not None:
        tensors["output.weight"] = apart
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return embedding


def converted(tmp_path: Path, **options: np.ndarray) -> tuple[Path, np.ndarray]:
    embedding = write_gguf(tmp_path / "model.gguf", **options)
    (tmp_path / "out").mkdir()
    convert_gguf(tmp_path / "model.gguf", tmp_path / "out")
    return tmp_path / "out", embedding


def test_a_gguf_becomes_a_trainable_folder(tmp_path: Path):
    folder, embedding = converted(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.get_input_embeddings().weight.float().detach().numpy() == pytest.approx(embedding, abs=0.02)
    assert all(parameter.requires_grad and parameter.is_floating_point() for parameter in model.parameters())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer("退款 fee")["input_ids"]) == "退款 fee"
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False).endswith("<|im_start|>")


def test_two_copies_of_one_matrix_are_tied_by_the_better_one(tmp_path: Path):
    embedding = write_gguf(tmp_path / "probe.gguf")
    better = embedding + random.normal(size=embedding.shape).astype(np.float32) * 0.05
    folder, same = converted(tmp_path, apart=better)
    assert (same == embedding).all()
    model = AutoModelForCausalLM.from_pretrained(folder)
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert inputs.data_ptr() == outputs.data_ptr()
    assert inputs.float().detach().numpy() == pytest.approx(better, abs=0.02)


def test_two_different_matrices_stay_apart(tmp_path: Path):
    other = random.normal(size=(260, 32)).astype(np.float32)
    folder, embedding = converted(tmp_path, apart=other)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.get_output_embeddings().weight.float().detach().numpy() == pytest.approx(other, abs=0.02)
    assert model.get_input_embeddings().weight.float().detach().numpy() == pytest.approx(embedding, abs=0.02)


def test_a_gguf_of_the_users_is_converted_once(tmp_path: Path, fresh_settings: Callable[..., None], monkeypatch):
    write_gguf(tmp_path / "mine.gguf")
    generator = load_generator(str(tmp_path / "mine.gguf"))
    assert generator.generate([RawText("a")], Sampling(max_tokens=2))[0].completion_tokens >= 1
    monkeypatch.setattr("core.models.gguf_weights.convert_gguf", lambda *_: pytest.fail("converted again"))
    assert locate(f"file:{tmp_path / 'mine.gguf'}").folder.is_dir()


def test_a_gguf_that_is_none(tmp_path: Path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelFileMismatch, match=r"model\.gguf"):
        convert_gguf(tmp_path / "model.gguf", tmp_path)


def test_an_archive_gives_data_files_of_its_top_folder_alone(tmp_path: Path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    out.mkdir()
    with zipfile.ZipFile(raw / "model.zip", "w") as archive:
        for name in (
            "m/config.json",
            "m/model.safetensors",
            "m/run.py",
            "m/1_Pooling/config.json",
            "../up.json",
            "top.json",
        ):
            archive.writestr(name, name)
    convert("zip", raw, out, lambda _done, _total: None)
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    assert (out / "config.json").read_text() == "m/config.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]
