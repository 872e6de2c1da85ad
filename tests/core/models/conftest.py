from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.models import wheels
from core.models.catalogue import CatalogueEntry, catalogue_entries, parse_catalogue

FAKE_PIP = """
import json, shutil, sys
from pathlib import Path
shop = Path(__file__).parent
with (shop / "calls.jsonl").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
trouble = shop / "trouble.json"
requirement = sys.argv[-1]
if trouble.exists():
    said = json.loads(trouble.read_text()).get(requirement)
    if said is not None:
        print(said, file=sys.stderr)
        sys.exit(1)
name = requirement.replace("==", "-").replace("-part", "_part")
dest = next(a.split("=", 1)[1] for a in sys.argv if a.startswith("--dest="))
shutil.copy(shop / f"{name}-py3-none-any.whl", dest)
"""


class Shop:
    """A package index in a folder, and a pip that reads it. `trouble` maps a requirement to what pip then says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "pip.py"
        self.script.write_text(FAKE_PIP)

    def add_wheel(self, requirement: str, members: dict[str, bytes]) -> None:
        name = requirement.replace("==", "-").replace("-part", "_part")
        with zipfile.ZipFile(self.folder / f"{name}-py3-none-any.whl", "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)

    def troubles(self, said: dict[str, str]) -> None:
        (self.folder / "trouble.json").write_text(json.dumps(said))

    @property
    def calls(self) -> list[list[str]]:
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_settings: Callable[..., None]) -> Shop:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    monkeypatch.setattr(wheels, "pip_command", lambda: [sys.executable, str(made.script)])
    return made


@pytest.fixture
def use_catalogue(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, CatalogueEntry]]:
    """Put another catalogue in the place of ours, everywhere it is looked at."""

    used: list[object] = [catalogue_entries]

    def use(text: str) -> dict[str, CatalogueEntry]:
        entries = {entry.name: entry for entry in parse_catalogue(text)}

        def replacement() -> dict[str, CatalogueEntry]:
            return entries

        for module in [module for name, module in sys.modules.items() if name.startswith("core.models")]:
            if getattr(module, "catalogue_entries", None) in used:
                monkeypatch.setattr(module, "catalogue_entries", replacement)
        used.append(replacement)
        return entries

    return use
