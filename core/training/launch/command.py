"""`trivium train launch RECIPE`: `trivium train run` in several processes, started by `accelerate launch`."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.products import Command
from core.training.launch import CONFIGS, check_devices, launch_command
from core.training.pipeline.command import RUN

_NOTE = """
configurations:
  ddp-cpu       every process has the whole model, on this machine's CPU
  ddp           the same, a GPU each
  fsdp2         weights in parts over the GPUs (PyTorch's fully_shard)
  zero2, zero3  the same by DeepSpeed (trivium[cluster]); without any GPU, on the CPU
  FILE          one made by `accelerate config`, for several machines too

With fsdp2, zero2 and zero3 only supervised stages learn so far, of recipes in which all weights do
(adapter = false); with ddp and ddp-cpu all stages do. What is learned is that of one process, up to
rounding. Tested: all of it with two processes on a CPU over gloo; on several GPUs nothing yet.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _NOTE
    parser.add_argument(
        "--config", default="ddp-cpu", metavar="NAME|FILE", help=f"{', '.join(CONFIGS)} or a file (default: ddp-cpu)"
    )
    parser.add_argument("--processes", type=int, metavar="N", help="instead of the configuration's number")
    RUN.configure(parser)


def _run(arguments: argparse.Namespace) -> int:
    import os
    import shlex
    import subprocess
    import sys

    command, environment = launch_command(arguments.config, recipe_command(arguments), processes=arguments.processes)
    check_devices(arguments.config, arguments.processes)
    if arguments.dry_run:
        print(shlex.join([*(f"{name}={value}" for name, value in environment.items()), *command]), flush=True)
        return RUN.run(arguments)
    code = subprocess.run(command, env={**os.environ, **environment}, check=False).returncode  # noqa: S603
    if code:
        print(
            f"The launch ended with exit code {code}; the first 'error:' above says why. The same command goes on from "
            "the last checkpoint.",
            file=sys.stderr,
        )
    return code


def recipe_command(arguments: argparse.Namespace) -> list[str]:
    """`trivium train run` with the arguments that are its own."""
    command = ["-m", "core.cli", "train", "run", arguments.recipe]
    if arguments.out is not None:
        command += ["--out", str(Path(arguments.out))]
    for setting in arguments.set:
        command += ["--set", setting]
    return [*command, *(["--restart"] if arguments.restart else [])]


LAUNCH = Command("launch", "run a recipe in several processes, by `accelerate launch`", _configure, _run)
