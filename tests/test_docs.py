"""What the documents show must work: commands parse, Python runs, the two READMEs agree."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.cli import build_parser
from core.evaluation.runner import load_suites

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, kind: str) -> list[str]:
    return [body for name, body in _BLOCK.findall(path.read_text(encoding="utf-8")) if name == kind]


def commands(path: Path) -> list[list[str]]:
    lines = [line for body in blocks(path, "console") for line in body.splitlines()]
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_is_one_we_have(path: Path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands(path):
        while "=" in words[0]:
            words = words[1:]
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets
        elif words[0] == "trivium":
            parsed = build_parser().parse_args(words[1:])
            if parsed.command == "evaluate":
                assert set(parsed.suites) <= set(load_suites())
        files = [word for word in words if word.startswith(("apps/", "benchmarks/", "docs/"))]
        assert all((ROOT / name).exists() for name in files), files


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_shown_names_what_exists(path: Path):
    for body in blocks(path, "python"):
        imports = [line for line in body.splitlines() if line.startswith(("from ", "import "))]
        exec("\n".join(imports), {})
        compile(body, str(path), "exec")


def test_both_readmes_show_the_same_commands_code_and_figures():
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    assert commands(english) == commands(chinese)
    assert blocks(english, "python") == blocks(chinese, "python")
    figures = [re.findall(r"\d+\.\d+", path.read_text(encoding="utf-8")) for path in (english, chinese)]
    assert figures[0] == figures[1]
