"""Cards of what training has made: a JSON file beside the weights, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from core.config import settings
from core.errors import FileTooLarge, ModelNotAvailable, UnreadableFile
from core.files import read_bytes

C = TypeVar("C", bound=BaseModel)


def read_model_card(path: Path, card: type[C], what: str) -> C:
    """The card at `path`, no larger than an upload may be.

    Args:
        what: names what the folder should hold, with its article: "an adapter".

    Raises:
        ModelNotAvailable: there is no such file, it is too large, or it is no such card.
    """
    try:
        content = read_bytes(path, max_bytes=settings().max_upload_bytes)
    except (UnreadableFile, FileTooLarge) as error:
        raise ModelNotAvailable(
            f"'{path.parent}' is not {what}: its card cannot be read. {error.message}",
            hint="Name a folder that training has made.",
        ) from error
    try:
        return card.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ModelNotAvailable(
            f"The card '{path}' cannot be used: {place}: {first['msg']}.",
            hint=f"Take another copy of the folder, or train {what} anew.",
        ) from error
