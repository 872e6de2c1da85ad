"""Fetching a public set into the cache, file by file, so that an interrupted download goes on where it stopped."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from core.config import settings
from core.data.registry import DataFile, Dataset
from core.errors import DataMismatch, DataNotAvailable
from core.files import atomic_path, sha256_of
from core.progress import ProgressCallback

_TIMEOUT_SECONDS = 60.0


def pull(entry: Dataset, *, force: bool = False, progress: ProgressCallback | None = None) -> int:
    """Download what is missing of `entry` into the cache; returns how many files were fetched.

    Raises:
        DataNotAvailable: the set has no public address, or the address could not be reached.
        DataMismatch: what arrived is not the registered file; it is not kept.
    """
    if entry.download is None:
        raise DataNotAvailable(
            f"'{entry.name}' has no address of its own to download from.",
            hint=f"Get it from {entry.home} and put its files under '{entry.folder}' in TRIVIUM_DATA_DIR.",
        )
    folder = settings().cache_dir / "data" / entry.folder
    fetched = 0
    for done, file in enumerate(entry.files.values(), start=1):
        target = folder / file.path
        if force or not target.is_file() or sha256_of(target) != file.sha256:
            with atomic_path(target) as part:
                part.write_bytes(_fetch(entry, file))
            fetched += 1
        if progress:
            progress(done, len(entry.files))
    return fetched


def _fetch(entry: Dataset, file: DataFile) -> bytes:
    import httpx

    address = f"{entry.download}{quote(file.path)}"
    digest, content = hashlib.sha256(), bytearray()
    try:
        with httpx.stream("GET", address, timeout=_TIMEOUT_SECONDS, follow_redirects=True) as response:
            response.raise_for_status()
            for block in response.iter_bytes():
                content += block
                digest.update(block)
                if len(content) > file.size_bytes:
                    break
    except httpx.HTTPError as error:
        raise DataNotAvailable(
            f"'{file.path}' of '{entry.name}' could not be fetched: {error or type(error).__name__}.",
            hint="Check the network, then run the command again; files already fetched are kept.",
        ) from error
    if digest.hexdigest() != file.sha256:
        raise DataMismatch(
            f"'{file.path}' of '{entry.name}' arrived with another content than registered; it was not kept.",
            hint=f"Get the set from {entry.home}.",
        )
    return bytes(content)
