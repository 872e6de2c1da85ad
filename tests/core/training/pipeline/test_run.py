from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from core.models.adapters import read_adapter

WriteRecipe = Callable[..., Path]


def test_a_recipe_runs_from_end_to_end(write_recipe: WriteRecipe, tmp_path: Path, run_cli) -> None:
    code, out, err = run_cli("--debug", "train", "run", write_recipe(), "--out", tmp_path / "out")
    assert code == 0, err
    print(out)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["validation"]) == ["start", "1-sft", "2-grpo"]
    assert read_adapter(tmp_path / "out" / "adapter").card.report
