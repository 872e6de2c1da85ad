"""Fetching a model folder from the hub: configuration, tokenizer, safetensors and model card, never code or pickles."""

from __future__ import annotations

from pathlib import Path

from core.errors import ModelNotAvailable

_WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "LICENSE*", "README.md")


def download(repository: str, folder: Path) -> None:
    """Put the files of `owner/name[@revision]` into `folder`.

    Raises:
        ModelNotAvailable: no such repository, no network, or no safetensors in it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    hint = "Check the name and the network (HF_ENDPOINT names a mirror), or give a local folder instead."
    try:
        snapshot_download(name, revision=revision or None, local_dir=folder, allow_patterns=list(_WANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelNotAvailable(f"'{name}' could not be fetched from the hub: {reason}", hint=hint) from error
    except OSError as error:
        if error.errno is not None and error.strerror:
            raise
        raise ModelNotAvailable(f"The hub could not be reached for '{name}'.", hint=hint) from error
    if not any(folder.rglob("*.safetensors")):
        raise ModelNotAvailable(
            f"'{name}' has no safetensors weights.", hint="Only safetensors are read, never pickles."
        )
