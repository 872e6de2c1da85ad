from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.anchors.runs import Side, apart, costs, curves, replay


@pytest.fixture
def printing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A module `printed` that prints the file it is given, wherever sides are run."""
    (tmp_path / "printed.py").write_text(
        "import pathlib, sys\nprint('a note')\nprint(pathlib.Path(sys.argv[2]).read_text())"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def side(folder: Path, name: str, reports: list[dict[str, object]]) -> Side:
    (folder / name).write_text("\n".join(map(json.dumps, reports)))
    return Side(Path(sys.executable), "printed", (str(folder / name),))


def test_costs_are_medians_over_rounds_and_steps(printing: Path) -> None:
    report = {"seconds": [3.0, 1.0, 2.0], "seconds_of": "the clock", "peak_mib": 9, "held_mib": 5, "step_mib": 4}
    found = costs({"one": side(printing, "one", [report])}, printing, rounds=2)["one"]
    assert (found["seconds"], found["least"], found["most"], found["steps"]) == (2.0, 1.0, 3.0, 6)
    assert (found["peak_mib"], found["seconds_of"]) == (9, "the clock")


def test_curves_are_compared_over_the_last_steps_in_standard_errors(printing: Path) -> None:
    ours = [{"rewards": [0, 1, level, level], "kls": [0, 0, 1, 1 + level]} for level in (2, 4)]
    theirs = [{"rewards": [0, 1, level, level], "kls": [0, 0, 1, 1 + level]} for level in (1, 3)]
    sides = {"ours": side(printing, "ours", ours), "theirs": side(printing, "theirs", theirs)}
    found = curves(sides, printing, seeds=2, last=2)
    assert (found["ours"]["reward"], found["ours"]["reward_error"]) == (3, 1)
    assert found["theirs"]["kl"] == 2
    difference = apart(found, "theirs")["ours"]["reward"]
    assert difference["difference"] == difference["in_errors_of_the_anchor"] == 1
    assert difference["in_errors_of_the_difference"] == pytest.approx(2**-0.5, abs=0.01)


def test_a_side_that_fails_says_why(printing: Path) -> None:
    with pytest.raises(SystemExit, match="No such file"):
        costs({"one": Side(Path(sys.executable), "printed", ("nowhere",))}, printing, rounds=1)


def test_a_replay_is_told_by_the_largest_difference(printing: Path) -> None:
    theirs = side(printing, "theirs", [{"rewards": [1, 4], "kls": [0, 2], "losses": [0, -2]}])
    ours = side(printing, "ours", [{"rewards": [1, 4], "kls": [0.5, 2], "losses": [0, -1], "weights_apart": [0.25, 0]}])
    found = replay(theirs, ours, printing)
    assert found["largest"] == {"rewards": 0, "kls": 0.25, "losses": 0.5, "weights": 0.25}
    assert found["by_step"]["kls"] == [0.25, 0]
