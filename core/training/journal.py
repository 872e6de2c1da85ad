"""What is written down while learning: figures a step as JSON lines and for TensorBoard, and tables of samples.

A run that resumes drops what was written after its checkpoint, so the record reads as if it had never stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from core.errors import MissingExtra, UnknownName
from core.files import OWN_MAX_BYTES, parse_json, read_bytes, write_atomic


class Tracker(Protocol):
    """Somewhere else to send figures."""

    def log(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class Journal:
    """The record of one run in `folder`: `metrics.jsonl`, `tensorboard/`, `samples/`.

    Args:
        trackers: names of further trackers: "tensorboard", "mlflow", "wandb".
        resumed_at: the run goes on after so many steps; lines and samples of later ones are dropped.
    """

    def __init__(self, folder: Path, *, trackers: Iterable[str] = ("tensorboard",), resumed_at: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "metrics.jsonl"
        self._samples = folder / "samples"
        _drop_after(self._path, self._samples, resumed_at)
        self._stream = self._path.open("a", encoding="utf-8")
        self._trackers = [_open_tracker(name, folder, resumed_at) for name in trackers]

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of `step`."""
        self._stream.write(json.dumps({"step": step, **figures}) + "\n")
        self._stream.flush()
        for tracker in self._trackers:
            tracker.log(step, figures)

    def samples(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write a table of samples as JSON lines, a file a step."""
        self._samples.mkdir(exist_ok=True)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomic(self._samples / f"step-{step:08d}.jsonl", text.encode())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        for tracker in self._trackers:
            tracker.close()


class NoJournal:
    """Writes nothing: what all but the first of the processes that train together have for a journal."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Nothing."""

    def samples(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Nothing."""

    def __enter__(self) -> NoJournal:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def read_journal(folder: Path) -> list[dict[str, float]]:
    """The figures of each step written so far; a last line cut short by a kill is left out."""
    path = folder / "metrics.jsonl"
    if not path.is_file() or not path.stat().st_size:
        return []
    lines = read_bytes(path, max_bytes=OWN_MAX_BYTES).splitlines(keepends=True)
    return [parse_json(line, str(path)) for line in lines if line.endswith(b"\n")]


def _drop_after(path: Path, samples: Path, step: int) -> None:
    if path.is_file():
        kept = [row for row in read_journal(path.parent) if step and row["step"] <= step]  # 0 is measured anew
        write_atomic(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
    if samples.is_dir():
        for table in samples.glob("step-*.jsonl"):
            if int(table.stem.removeprefix("step-")) > step:
                table.unlink()
    if step == 0:
        shutil.rmtree(path.parent / "tensorboard", ignore_errors=True)


class _TensorBoard:
    def __init__(self, folder: Path, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=resumed_at + 1 if resumed_at else None)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    def __init__(self, folder: Path) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtra("mlflow", "track") from error
        self._mlflow = mlflow
        self._run = mlflow.start_run(run_name=folder.name)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(figures), step=step)

    def close(self) -> None:
        self._mlflow.end_run()


class _WandB:
    def __init__(self, folder: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtra("wandb", "track") from error
        self._run = wandb.init(project="trivium", name=folder.name, dir=str(folder))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


def _open_tracker(name: str, folder: Path, resumed_at: int) -> Tracker:
    if name == "tensorboard":
        return _TensorBoard(folder, resumed_at)
    if name == "mlflow":
        return _MLflow(folder)
    if name == "wandb":
        return _WandB(folder)
    raise UnknownName("tracker", name, ("tensorboard", "mlflow", "wandb"))
