from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from core.errors import InputError, ModelNotAvailable, UnknownName
from core.models.commands import COMMANDS


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    COMMANDS[0].configure(parser)
    return COMMANDS[0].run(parser.parse_args(arguments))


def test_list_says_what_is_here(toy, capsys: pytest.CaptureFixture[str]):
    assert run("list") == 0
    assert " no " in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("toy"))
    run("pull", "toy")
    capsys.readouterr()
    run("list")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("toy"))
    assert " yes " in line
    assert "MIT" in line


def test_list_says_of_which_kinds_there_is_none(toy, use_catalogue, capsys: pytest.CaptureFixture[str]):
    run("list")
    assert "No reranker is listed" in capsys.readouterr().out
    use_catalogue(toy.entry(kind="reranker"))
    run("list")
    out = capsys.readouterr().out
    assert "No reranker is listed" not in out
    assert "No encoder-decoder model is listed" in out


def test_list_names_what_is_not_in_the_catalogue(toy, use_catalogue, capsys: pytest.CaptureFixture[str]):
    run("pull", "toy")
    use_catalogue(toy.entry().replace('name = "toy"', 'name = "other"'))
    capsys.readouterr()
    run("list")
    assert "from pypi:" in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("toy "))


def test_pull_says_where_it_is_and_under_which_licence(toy, capsys: pytest.CaptureFixture[str]):
    assert run("pull", "toy", "toy") == 0
    out = capsys.readouterr().out
    assert out.count("toy: ready") == 1
    assert "licence: MIT" in out


def test_pull_defaults_takes_the_default_entries_alone(toy, use_catalogue, capsys: pytest.CaptureFixture[str]):
    other = toy.entry().replace('name = "toy"', 'name = "other"')
    use_catalogue(toy.entry(more="default = true") + other)
    assert run("pull", "--defaults") == 0
    assert "other" not in capsys.readouterr().out


def test_pull_needs_a_name(toy):
    with pytest.raises(InputError, match="No model") as raised:
        run("pull")
    assert "--defaults" in str(raised.value.hint)


def test_info_of_a_model_that_is_not_here(toy, capsys: pytest.CaptureFixture[str]):
    assert run("info", "toy") == 0
    out = capsys.readouterr().out
    assert "trivium models pull toy" in out
    assert "not on this machine" in out


def test_info_of_a_folder(tiny_encoder_folder: Path, toy, capsys: pytest.CaptureFixture[str]):
    assert run("info", str(tiny_encoder_folder)) == 0
    out = capsys.readouterr().out
    assert "BertModel: 2 layers, width 16" in out
    assert " MB in float32" in out
    assert "can run here  yes" in out


def test_info_of_nothing(toy):
    with pytest.raises(UnknownName):
        run("info", "nothing")
    with pytest.raises(ModelNotAvailable):
        run("info", "/nowhere")
