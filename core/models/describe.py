"""What a model is and whether this machine can run it, as facts to print. Nothing is loaded, converted or fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import InputError, ModelFileMismatch, ModelNotAvailable
from core.files import read_json_object
from core.models.catalogue import CatalogueEntry, catalogue_entries
from core.models.embedder import read_embedding_rules
from core.models.family import family_of_config, longest_side, read_config, usable_positions
from core.models.hardware import choose_placement, memory_bytes
from core.models.licence import licence_of_folder
from core.models.locate import locate
from core.models.weights import Weights, read_weights

_WORKING_SHARE = 1.25
"""Activations, key-value cache and the loading itself, as a share of the weights: a rule of thumb, said as such."""
_LATER = "known once it is here"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts of one model.

    Attributes:
        kind: of `core.models.family`.
        weights: None where their number is not known; `unknown` then says why.
        numbers_per_token: keys and values a token adds while text is generated; 0 for models that generate none.
        context: the longest text, in words.
        folder: None where it is not on this machine; `problem` then says so.
        blocker: why no loader of ours runs it, "" if one does.
    """

    name: str
    kind: str
    architecture: str = _LATER
    weights: Weights | None = None
    unknown: str = ""
    numbers_per_token: int = 0
    context: str = _LATER
    licence: str = ""
    folder: Path | None = None
    disk_bytes: int = 0
    problem: str = ""
    blocker: str = ""
    entry: CatalogueEntry | None = None


def describe(name: str) -> ModelFacts:
    """Facts of a catalogue model, here or not, or of a hub model, folder or GGUF file that is here.

    Raises:
        UnknownName, ModelNotAvailable: as `locate` does.
        ModelFileMismatch: its files are cut off, or not the recorded ones.
    """
    path = Path(name.removeprefix("file:")).expanduser()
    entry = catalogue_entries().get(name)
    if entry is None and path.suffix == ".gguf" and path.is_file():
        return _of_gguf(name, path)
    try:
        folder = locate(name).folder
    except (ModelNotAvailable, ModelFileMismatch) as error:
        if entry is None:
            raise
        told = Weights(entry.parameters) if entry.parameters else None
        return ModelFacts(name, entry.kind, weights=told, licence=entry.licence, problem=error.message, entry=entry)
    facts = _of_spacy(name, folder) if (folder / "config.cfg").is_file() else _of_transformers(name, folder, entry)
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    licence = entry.licence if entry else licence_of_folder(folder)
    return replace(facts, kind=entry.kind if entry else facts.kind, licence=licence, disk_bytes=disk, entry=entry)


def verdict(facts: ModelFacts) -> str:
    """Whether this machine can run the model, in one sentence."""
    if facts.blocker:
        return f"no: {facts.blocker}"
    if facts.kind == "spacy":
        return "yes: a spaCy pipeline runs on any machine"
    if facts.weights is None:
        return f"unknown: {facts.unknown or 'its size is not known'}"
    placement = choose_placement()
    if placement.device == "cuda":
        import torch

        free, where = torch.cuda.get_device_properties(0).total_memory, "GPU memory"
    else:
        free, where = memory_bytes(), "memory"
    sizes = facts.weights.memory_bytes()
    needed = int(sizes[placement.dtype] * _WORKING_SHARE)
    answer = "yes" if needed < free else "no"
    return (
        f"{answer}: about {needed / 1e9:.1f} GB in {placement.dtype} on {placement.device}, "
        f"of {free / 1e9:.1f} GB {where} ({placement.reason})"
    )


def _of_transformers(name: str, folder: Path, entry: CatalogueEntry | None) -> ModelFacts:
    try:
        config = read_config(folder)
    except ModelNotAvailable as error:
        weights = read_weights(folder)
        return ModelFacts(
            name, "unknown", "unknown to transformers", weights, context="unknown", folder=folder, blocker=error.message
        )
    kind = entry.kind if entry else family_of_config(config, folder)
    quantised = getattr(config, "quantization_config", None)
    method = quantised.get("quant_method", "?") if isinstance(quantised, dict) else quantised
    blocker = f"a classifier with {config.num_labels} outputs has no loader here" if kind == "classifier" else ""
    context = _context(config, kind, folder)
    if kind in ("embedder", "encoder"):
        try:
            rules = entry.embedding if entry else read_embedding_rules(folder)
            context = f"{rules.max_tokens:,} tokens; longer texts are cut"
        except ModelNotAvailable as error:
            blocker = error.message
    return ModelFacts(
        name,
        kind,
        _architecture(config),
        None if quantised else read_weights(folder),
        unknown=f"the weights are stored quantised ({method})" if quantised else "",
        numbers_per_token=_numbers_per_token(config) if kind in ("causal", "seq2seq") else 0,
        context=context,
        folder=folder,
        blocker=blocker,
    )


def _of_spacy(name: str, folder: Path) -> ModelFacts:
    try:
        parts = ", ".join(str(part) for part in read_json_object(folder / "meta.json")["pipeline"])
    except (InputError, KeyError, TypeError) as error:
        raise ModelFileMismatch(f"'{folder}' has no meta.json that can be read.", hint="Fetch it again.") from error
    architecture = f"spaCy pipeline: {parts}"
    unknown = "spaCy does not say how many weights its parts have"
    return ModelFacts(
        name,
        "spacy",
        architecture,
        unknown=unknown,
        context="1,000,000 characters at a time, spaCy's own bound",
        folder=folder,
    )


def _of_gguf(name: str, path: Path) -> ModelFacts:
    from core.models.gguf_header import read_gguf_header

    header = read_gguf_header(path)
    formats = ", ".join(f"{count} {kind}" for kind, count in header.formats)
    return ModelFacts(
        name,
        "causal" if header.readable else "unknown",
        f"GGUF {header.architecture}: {header.layers} layers, width {header.width}; tensors: {formats}",
        header.weights,
        numbers_per_token=header.numbers_per_token,
        context=f"{header.context_tokens:,} tokens" if header.context_tokens else "the file does not say",
        licence=header.licence or "unknown: the file does not say",
        folder=path,
        disk_bytes=path.stat().st_size,
        blocker="" if header.readable else f"'{header.architecture}' is not restored from GGUF as a causal model",
    )


def _architecture(config: Any) -> str:
    text = config.get_text_config(decoder=True)
    layers, width = getattr(text, "num_hidden_layers", "?"), getattr(text, "hidden_size", "?")
    encoder = getattr(config, "encoder_layers", None) or getattr(config, "num_layers", None)
    if getattr(config, "is_encoder_decoder", False) and encoder:
        decoder = getattr(config, "decoder_layers", None) or getattr(config, "num_decoder_layers", None) or layers
        layers = f"{encoder} encoder and {decoder} decoder"
    names = ", ".join(config.architectures or [config.model_type])
    return f"{names}: {layers} layers, width {width}"


def _context(config: Any, kind: str, folder: Path) -> str:
    """The longest text, in words. Families with relative positions have no end of their own."""
    text = config.get_text_config(decoder=True)
    positions = getattr(text, "max_position_embeddings", None)
    if positions:
        tokens = usable_positions(config.model_type, int(positions), config.pad_token_id or 0)
        window = getattr(text, "sliding_window", None)
        slides = "sliding_attention" in (getattr(text, "layer_types", None) or ())
        whose = {"seq2seq": " each for source and text", "reranker": ", query and passage together"}.get(kind, "")
        return f"{tokens:,} tokens{whose}" + (f"; some layers see the last {window:,}" if window and slides else "")
    if kind == "seq2seq":
        return (
            f"{longest_side(config, _tokenizer_limit(folder)):,} tokens each for source and text (relative positions)"
        )
    return "unknown: the configuration does not say"


def _tokenizer_limit(folder: Path) -> float:
    try:
        return float(read_json_object(folder / "tokenizer_config.json").get("model_max_length") or 0)
    except (InputError, ValueError, TypeError):  # it says nothing
        return 0.0


def _numbers_per_token(config: Any) -> int:
    """Keys and values that a token adds over all layers of the decoder."""
    text = config.get_text_config(decoder=True)
    heads = getattr(text, "num_attention_heads", None) or 0
    key_heads = getattr(text, "num_key_value_heads", None) or heads
    width = getattr(text, "head_dim", None) or (text.hidden_size // heads if heads else 0)
    layers = int(getattr(text, "num_decoder_layers", None) or getattr(text, "num_hidden_layers", None) or 0)
    return int(2 * layers * key_heads * width)
