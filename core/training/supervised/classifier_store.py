"""Classifiers on disk: in a folder of their own, or under a name, in `<cache>/classifiers`.

See `core.models.named_folders` for how a name comes to stand for another classifier.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from core.config import settings
from core.errors import InputError, ModelFileMismatch, UnknownName
from core.files import MEBIBYTE, read_bytes
from core.models.hardware import Placement
from core.models.loading import LoadedModel, load_causal, load_encoder
from core.models.named_folders import NAME, NamedFolders
from core.models.staging import new_model_folder
from core.training.supervised.classifier import WEIGHTS, Classifier, built
from core.training.supervised.classifier_card import CARD, ClassifierCard, card_json, check_free, read_classifier_card

_MOST_BYTES = 8192 * MEBIBYTE


def named_classifiers() -> NamedFolders:
    """Those with a name."""
    return NamedFolders(settings().cache_dir / "classifiers")


def find_classifier(name: str | Path) -> Path:
    """The folder of a classifier, given that folder or a name. Raises `UnknownName` where it is neither."""
    named = named_classifiers()
    found = named.folder(str(name)) or Path(name)
    if not found.exists():
        raise UnknownName("classifier or folder", str(name), named.names())
    return found


def load_classifier(
    folder: str | Path, *, placement: Placement | None = None, base: LoadedModel | None = None
) -> Classifier:
    """The classifier in `folder`, or of that name, on its base model.

    Args:
        base: the base model, where it is loaded already.

    Raises:
        UnknownName: there is neither a folder nor a name like this.
        ModelNotAvailable: no card, or one that cannot be read; or the base is not here.
        ModelFileMismatch: the weights are not those of the card, or the base has changed since.
    """
    from safetensors.torch import load

    folder = find_classifier(folder)
    card = read_classifier_card(folder)
    data = read_bytes(folder / WEIGHTS, max_bytes=_MOST_BYTES)
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelFileMismatch(f"'{folder / WEIGHTS}' is not the file of the card.", hint="Train it again.")
    base = base or (load_encoder if card.family == "encoder" else load_causal)(card.base, placement=placement)
    if base.fingerprint != card.base_fingerprint:
        raise ModelFileMismatch(
            f"The classifier was trained on '{card.base}' with other files than those that are here.",
            hint="Restore the model's files, or train again.",
        )
    made = built(card, base)
    weights = load(data)
    if weights.keys() != made.parameters.keys():
        raise ModelFileMismatch(f"The weights in '{folder}' are not those of its card.", hint="Train it again.")
    for name, parameter in made.parameters.items():
        parameter.data.copy_(weights[name])
    return made


def promote_classifier(folder: Path, name: str) -> Path:
    """Let `name` stand for a copy of the classifier in `folder`; what it stood for becomes `name.previous`.

    Raises:
        InputError: the name cannot be used.
        ModelNotAvailable: there is no classifier.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"'{name}' cannot be a classifier's name.", hint="Use letters, digits, '-' and '_'.")
    read_classifier_card(folder)
    version = hashlib.sha256((folder / CARD).read_bytes()).hexdigest()[:16]  # the card names the weights' hash
    return named_classifiers().promote(name, version, lambda fresh: copy_classifier(folder, fresh))


def copy_classifier(folder: Path, target: Path, card: ClassifierCard | None = None) -> None:
    """Copy a classifier's folder to `target`, with another `card` if need be, all or nothing. Raises `InputError` where
    something else is there."""
    check_free(target)
    with new_model_folder(target) as fresh:
        for file in (CARD, WEIGHTS):
            shutil.copyfile(folder / file, fresh / file)
        if card is not None:
            (fresh / CARD).write_text(card_json(card), encoding="utf-8")
