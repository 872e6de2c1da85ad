"""Several processes for one recipe: what is handed to `accelerate launch`, and with which of the configurations here.

Nothing is started by us: accelerate starts the processes and ends them all when one fails.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import ConfigError, InputError, MissingExtra, UnknownName, UnreadableFile

FOLDER = Path(__file__).parent
CONFIGS = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def launch_command(
    config: str, command: Sequence[str], *, processes: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """The arguments of an `accelerate launch` of `command`, and what its environment has in addition.

    Args:
        config: one of `CONFIGS`, or the path of a file made by `accelerate config`.
        command: a script with its arguments, or ``-m`` and a module with its.
        processes: instead of the configuration's number.

    Raises:
        UnknownName, UnreadableFile: there is no such configuration, or it is none of accelerate's.
        InputError: fewer than one process.
    """
    path = _find(config)
    if processes is not None and processes < 1:
        raise InputError(f"{processes} processes cannot be started.", hint="Give a number of at least 1.")
    arguments = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(path)]
    if processes is not None:
        arguments += ["--num_processes", str(processes)]
    environment = {"ACCELERATE_USE_CPU": "true"} if _read(path).use_cpu else {}
    return [*arguments, *command], environment


def check_devices(config: str, processes: int | None = None) -> None:
    """Whether this machine can do what the configuration says. DeepSpeed works without any GPU, too.

    Raises:
        ConfigError: it has fewer GPUs than the configuration has processes on it.
        MissingExtra: DeepSpeed is not installed.
    """
    import torch

    settings = _read(_find(config))
    if settings.use_cpu:
        return
    sharded_by_deepspeed = settings.distributed_type == "DEEPSPEED"
    if sharded_by_deepspeed and importlib.util.find_spec("deepspeed") is None:
        raise MissingExtra("deepspeed", "cluster")
    wanted = (processes or settings.num_processes) // max(1, settings.num_machines)
    there = torch.accelerator.device_count() if torch.accelerator.is_available() else 0
    if there < wanted and (there or not sharded_by_deepspeed):
        raise ConfigError(
            f"'{config}' starts {wanted} processes on this machine, each with a GPU of its own; it has {there}.",
            hint="Give --processes, or --config ddp-cpu to train on the CPU.",
        )


def _find(config: str) -> Path:
    if config in CONFIGS:
        return CONFIGS[config]
    path = Path(config)
    if path.suffix in (".yaml", ".yml", ".json") or path.is_file():
        return path
    raise UnknownName("launch configuration", config, list(CONFIGS))


def _read(path: Path) -> Any:
    """The configuration as accelerate reads it."""
    import yaml
    from accelerate.commands.config.config_args import load_config_from_file

    try:
        return load_config_from_file(str(path))
    except (OSError, yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnreadableFile(
            f"'{path}' is no configuration of accelerate: {reason}", hint="Make one with `accelerate config`."
        ) from error
