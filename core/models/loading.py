"""Loading models that are on this machine: causal, encoder-decoder, encoder, embedder, reranker, spaCy pipeline.

Only safetensors are read and no code from a model folder is ever run. Nothing is fetched here: a model that is not
there is an error that names the command to fetch it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from core.config import settings
from core.errors import ConfigError, ModelNotAvailable
from core.models.activations import fuse_activations
from core.models.embedder import Embedder, read_embedding_rules
from core.models.embedding_cache import EmbeddingCache
from core.models.hardware import Placement, choose_placement
from core.models.locate import LocatedModel, locate
from core.models.quantise import Quantised, check_quantisation, quantise
from core.models.reranker import Reranker, longest_pair, why_not_a_reranker

_ONE_AT_A_TIME = threading.Lock()
"""transformers loads with global state, and two sessions that start together should share one model."""
_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "mpnet", "camembert")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A transformers model with its tokenizer, in evaluation mode, on its device; the caller's own, to train too."""

    name: str
    model: Any
    tokenizer: Any
    placement: Placement
    folder: Path
    fingerprint: str
    quantised: Quantised | None = None


def load_embedder(name: str | None = None) -> Embedder:
    """The sentence encoder `name` (default: the setting `embedder`); one instance a process and placement.

    Raises:
        UnknownName, ModelNotAvailable, ModelFileMismatch: see `locate`.
    """
    with _ONE_AT_A_TIME:
        return _load_embedder(name or settings().embedder, choose_placement(), settings().cache_dir)


def load_encoder(name: str | None = None, *, placement: Placement | None = None) -> LoadedModel:
    """The bare encoder (no head) with its tokenizer, fresh at each call. Raises as `load_embedder` does."""
    located = locate(name or settings().embedder, "embedder")
    placement = placement or choose_placement()
    with _ONE_AT_A_TIME:
        return _load(located, placement, "AutoModel")


def load_causal(
    name: str | None = None, *, placement: Placement | None = None, quantisation: str | None = None
) -> LoadedModel:
    """The causal language model `name` (default: the setting `generator`), fresh at each call.

    Args:
        quantisation: "int8" or "int4" for weights in so many bits, for inference only; what became of the model stands
            in `quantised`. The setting of this name is `load_generator`'s.

    Raises:
        UnknownName, ModelNotAvailable, ModelFileMismatch: see `locate`.
        InputError, ModelNotAvailable: the quantisation is unknown, or the device has none such.
    """
    placement = placement or choose_placement()
    if quantisation:
        check_quantisation(quantisation, placement.device)
    located = locate(name or settings().generator, "causal")
    with _ONE_AT_A_TIME:
        loaded = _load(located, placement, "AutoModelForCausalLM")
    if not quantisation:
        return loaded
    return replace(loaded, quantised=quantise(loaded.model, quantisation, placement.device))


def load_seq2seq(name: str, *, placement: Placement | None = None) -> LoadedModel:
    """The encoder-decoder model `name` (T5, BART and their like), fresh at each call. Raises as `load_causal` does."""
    located = locate(name, "seq2seq")
    placement = placement or choose_placement()
    with _ONE_AT_A_TIME:
        return _load(located, placement, "AutoModelForSeq2SeqLM")


def load_masked_lm(name: str, *, placement: Placement | None = None) -> LoadedModel:
    """The encoder `name` with its head for hidden words, fresh at each call.

    Raises as `load_causal` does; `ModelNotAvailable` also for an encoder whose files have no such head, as those of
    sentence encoders have not.
    """
    located = locate(name, "embedder")
    placement = placement or choose_placement()
    with _ONE_AT_A_TIME:
        return _load(located, placement, "AutoModelForMaskedLM")


def load_reranker(name: str | None = None) -> Reranker:
    """The cross-encoder `name` (default: the setting `reranker`); one instance a process and placement.

    Raises:
        ConfigError: no name is given, and none is set.
        UnknownName, ModelNotAvailable, ModelFileMismatch: see `locate`; also a model that does not give one score.
    """
    name = name or settings().reranker
    if not name:
        raise ConfigError("No reranker is set.", hint="Set TRIVIUM_RERANKER to a hub name or a folder.")
    with _ONE_AT_A_TIME:
        return _load_reranker(name, choose_placement(), settings().cache_dir)


def load_spacy(name: str = "en_core_web_sm", *, disable: tuple[str, ...] = ()) -> Any:
    """The spaCy pipeline `name` without its components `disable`; one instance a process.

    Raises:
        UnknownName, ModelNotAvailable, ModelFileMismatch: see `locate`.
    """
    folder = locate(name, "spacy").folder
    with _ONE_AT_A_TIME:
        return _load_spacy(folder, disable)


@cache
def _load_spacy(folder: Path, disable: tuple[str, ...]) -> Any:
    import spacy

    return spacy.load(folder, disable=list(disable))


@cache
def _load_embedder(name: str, placement: Placement, cache_dir: Path) -> Embedder:
    located = locate(name, "embedder")
    loaded = _load(located, placement, "AutoModel")
    rules = located.entry.embedding if located.entry else read_embedding_rules(located.folder)
    folder = (
        cache_dir / "embeddings" / f"{located.fingerprint[:24]}-{placement.dtype}-{rules.pooling}-{rules.max_tokens}"
    )
    return Embedder(
        name=name,
        dimension=loaded.model.config.hidden_size,
        rules=rules,
        placement=placement,
        model=loaded.model,
        tokenizer=loaded.tokenizer,
        cache=EmbeddingCache(folder),
    )


@cache
def _load_reranker(name: str, placement: Placement, _cache_dir: Path) -> Reranker:
    loaded = _load(locate(name, "reranker"), placement, "AutoModelForSequenceClassification")
    reason = why_not_a_reranker(loaded.model, loaded.tokenizer)
    if reason:
        raise ModelNotAvailable(
            f"'{name}' is not a reranker: {reason}.",
            hint="Choose a cross-encoder with one output, such as bge-reranker.",
        )
    return Reranker(name, longest_pair(loaded.model, loaded.tokenizer), placement, loaded.model, loaded.tokenizer)


def _load(located: LocatedModel, placement: Placement, auto_class: str) -> LoadedModel:
    import transformers
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    wrong_content = (ValueError, KeyError, TypeError, AttributeError, StrictDataclassError)  # of a file of settings
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with _quiet_transformers():
        try:
            config = transformers.AutoConfig.from_pretrained(located.folder, **options)
            _check_family(located, config, auto_class)
            tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder, **options)
            if auto_class == "AutoModel" and config.model_type in _WITH_POOLER:
                options["add_pooling_layer"] = False
            model, report = getattr(transformers, auto_class).from_pretrained(
                located.folder,
                config=config,
                dtype=placement.torch_dtype,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
        except (*wrong_content, OSError, RuntimeError, SafetensorError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelNotAvailable(
                f"'{located.name}' in '{located.folder}' cannot be loaded: {reason}",
                hint="Models that bring code of their own are not run; choose one that transformers knows.",
            ) from error
    _check_complete(located, report["missing_keys"])
    fuse_activations(model)
    model.to(placement.device).eval()
    return LoadedModel(located.name, model, tokenizer, placement, located.folder, located.fingerprint)


def _check_family(located: LocatedModel, config: Any, auto_class: str) -> None:
    """Refuse a model made for another loader where transformers would load a part of it and say nothing."""
    if auto_class == "AutoModelForSequenceClassification":
        return
    two_halves = bool(getattr(config, "is_encoder_decoder", False))
    reads_only = auto_class == "AutoModelForCausalLM" and "ForMaskedLM" in " ".join(config.architectures or ())
    if reads_only or two_halves != (auto_class == "AutoModelForSeq2SeqLM"):
        found = f"an encoder-decoder model ({config.model_type})" if two_halves else f"of family {config.model_type}"
        needed = "load_seq2seq" if two_halves else "load_encoder" if reads_only else "load_causal or load_encoder"
        raise ModelNotAvailable(f"'{located.name}' is {found}.", hint=f"It is for {needed}, not for this use.")


def _check_complete(located: LocatedModel, missing: Iterable[str]) -> None:
    """Refuse a model some of whose weights are not in its files: transformers would fill them with random numbers."""
    needed = sorted(key for key in missing if not key.startswith("pooler."))  # nobody here uses a pooler
    if needed:
        others = f" and {len(needed) - 1} more" if len(needed) > 1 else ""
        raise ModelNotAvailable(
            f"'{located.name}' has no weights for '{needed[0]}'{others}.",
            hint="Its files are incomplete, or made for another use (an encoder is not a reranker).",
        )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    """No progress bars and no notes about unused heads while loading; the levels are put back."""
    from transformers.utils import logging as transformers_logging

    level = logging.getLogger("transformers").level
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.getLogger("transformers").setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
