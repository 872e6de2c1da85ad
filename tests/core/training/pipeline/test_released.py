from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.training.pipeline import bench
from core.training.pipeline.reading import read_recipe
from core.training.pipeline.run import open_bench, run_recipe


def test_a_model_is_gone_before_the_next_is_loaded(
    write_recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe()
    load = bench.load_causal
    models: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def loading(*given: Any, **more: Any) -> Any:
        alive.append(sum(one() is not None for one in models))
        loaded = load(*given, **more)
        models.append(weakref.ref(loaded.model))
        return loaded

    monkeypatch.setattr(bench, "load_causal", loading)
    run_recipe(open_bench(read_recipe(path, []), path, tmp_path / "out"), quiet=True)
    assert len(alive) > 2
    assert not any(alive)
