"""The anchors' virtual environments: made on first use from a pinned list beside this file, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from core.config import settings

_HERE = Path(__file__).parent


def anchor_python(name: str) -> Path:
    """The Python of the environment `name`, as `trl-1.10.0`; made now where it is not there (about 2 GB, minutes)."""
    wanted = (_HERE / f"{name}.txt").read_text(encoding="utf-8")
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    folder = settings().cache_dir / "anchors" / name
    done = folder / "installed"
    if not done.exists() or done.read_text() != digest:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"Making the environment of {name} in '{folder}' (once) …", file=sys.stderr)
        _make(folder, wanted)
        done.write_text(digest)
    return folder / "bin" / "python"


def _make(folder: Path, wanted: str) -> None:
    """The CPU build of torch is taken where an index offers one; elsewhere the platform's usual build."""
    lines = [line for line in wanted.splitlines() if line and not line.startswith("#")]
    torch = next(line for line in lines if line.startswith("torch=="))
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-q", "--no-deps"]
    subprocess.run([*install, *(line for line in lines if line != torch)], check=True)
    if subprocess.run([*install, f"{torch}+cpu"], check=False, stderr=subprocess.DEVNULL).returncode:
        subprocess.run([*install[:-1], torch], check=True)
