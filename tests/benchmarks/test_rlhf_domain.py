from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import rlhf_domain
from benchmarks.rlhf_domain import learn_apart, most_memory, open_seed
from core.training.memory import PEAK_MIB


def test_the_most_memory_of_a_journal() -> None:
    assert most_memory([{"loss": 1.0}, {PEAK_MIB: 10.2}, {PEAK_MIB: 11.6}]) == 12
    assert most_memory([{"loss": 1.0}]) is None


def test_seeds_keep_answers_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    rows = [
        {"id": f"{split} {n}", "prompt": f"say {split} {n}", "response": "yes", "split": split, "group": f"{split} {n}"}
        for split in ("train", "validation", "test")
        for n in range(3)
    ]
    (tmp_path / "words.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text(
        f'model = "smollm2-135m"\n[data]\nfile = "{tmp_path / "words.jsonl"}"\n'
        '[[stage]]\nkind = "sft"\nsteps = 1\n[evaluate]\nmetrics = ["chrf"]\n[promote]\nmetric = "chrf"\n'
    )
    benches = [open_seed(path, [], seed, tmp_path / "out") for seed in (0, 1)]
    assert [bench.recipe.seed for bench in benches] == [0, 1]
    assert [bench.folder.name for bench in benches] == ["seed-0", "seed-1"]
    assert benches[0].evaluator("test")._path("key") == benches[1].evaluator("test")._path("key")
    assert benches[0].recipe.promote is None


@pytest.mark.parametrize("code", [0, 3])
def test_a_seed_learns_in_a_process_of_its_own(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def ran(command: list[str]) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=code)

    run: Callable[..., object] = ran
    monkeypatch.setattr(subprocess, "run", run)
    if code:
        with pytest.raises(SystemExit, match="3"):
            learn_apart(["--product", "medical"], 2)
    else:
        learn_apart(["--product", "medical"], 2)
    assert commands == [[sys.executable, "-m", rlhf_domain.__name__, "--product", "medical", "--seed", "2"]]
