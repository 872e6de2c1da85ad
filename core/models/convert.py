"""From fetched files to a folder that transformers or spaCy can read."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from core.errors import ModelFileMismatch
from core.models.catalogue import Conversion
from core.progress import ProgressCallback

_DATA_SUFFIXES = (".json", ".safetensors", ".txt", ".model")


def convert(conversion: Conversion, raw: Path, folder: Path, progress: ProgressCallback) -> None:
    """Fill `folder` from the checked files in `raw`.

    Raises:
        ModelFileMismatch: a file passes its hash but not the format it is said to have.
    """
    progress(0, 1)
    if conversion == "gguf":
        from core.models.gguf_weights import convert_gguf

        convert_gguf(raw / "model.gguf", folder)
    elif conversion == "e5-q4":
        from core.models.e5_weights import convert_e5

        convert_e5(raw / "e5-small-q4.bin", raw / "tokenizer.json", folder)
    elif conversion == "zip":
        _unzip_flat(raw / "model.zip", folder)
    else:
        # Moved file by file: `folder` exists already, and both are on the same disk.
        for path in sorted(raw.rglob("*")):
            if path.is_file():
                target = folder / path.relative_to(raw)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, target)
    progress(1, 1)


def _unzip_flat(archive_path: Path, folder: Path) -> None:
    """Data files of the archive's one top folder, by file name alone; deeper folders, other suffixes are left out."""
    with zipfile.ZipFile(archive_path) as archive:
        for info in archive.infolist():
            path = PurePosixPath(info.filename)
            if info.is_dir() or len(path.parts) != 2 or path.parts[0] == ".." or path.suffix not in _DATA_SUFFIXES:
                continue
            with archive.open(info) as source, (folder / path.name).open("wb") as target:
                shutil.copyfileobj(source, target, 4 * 1024 * 1024)
    if not (folder / "config.json").is_file():
        raise ModelFileMismatch(f"'{archive_path.name}' holds no model.", hint="The catalogue entry is wrong: tell us.")
