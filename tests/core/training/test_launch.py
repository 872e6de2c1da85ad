from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

from core.cli import main
from core.errors import ConfigError, InputError, MissingExtra, UnknownName, UnreadableFile
from core.training.launch import CONFIGS, check_devices, launch_command


@pytest.mark.parametrize("name", ["ddp-cpu", "ddp", "fsdp2", "zero2", "zero3"])
def test_accelerate_takes_each_configuration(name: str) -> None:
    config = load_config_from_file(str(CONFIGS[name]))
    assert config.num_processes == 2
    arguments, environment = launch_command(name, ["script.py", "x"], processes=3)
    parsed, _, _ = _validate_launch_command(launch_command_parser().parse_args(arguments[3:]))
    assert (parsed.training_script, parsed.training_script_args, parsed.num_processes) == ("script.py", ["x"], 3)
    assert parsed.use_fsdp == (name == "fsdp2")
    assert parsed.use_deepspeed == name.startswith("zero")
    assert parsed.multi_gpu == name.startswith("ddp")
    if name == "fsdp2":
        assert (str(parsed.fsdp_version), parsed.fsdp_auto_wrap_policy) == ("2", "TRANSFORMER_BASED_WRAP")
    if name.startswith("zero"):
        assert parsed.zero_stage == int(name[-1])
    assert environment == ({"ACCELERATE_USE_CPU": "true"} if name == "ddp-cpu" else {})


def test_a_file_of_ones_own_is_taken_and_what_is_none_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(CONFIGS["ddp"].read_text("utf-8"), encoding="utf-8")
    assert launch_command(str(own), ["x.py"])[0] == [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(own), "x.py"),
    ]
    with pytest.raises(UnknownName, match="ddp-cpu"):
        launch_command("dpp-cpu", ["x.py"])
    for text in ("num_processes: [", "- a\n- b\n", "no_such_setting: 1\n"):
        own.write_text(text, encoding="utf-8")
        with pytest.raises(UnreadableFile, match="no configuration of accelerate"):
            launch_command(str(own), ["x.py"])
    with pytest.raises(UnreadableFile):
        launch_command(str(tmp_path / "none.yaml"), ["x.py"])
    with pytest.raises(InputError, match="0 processes"):
        launch_command("ddp", ["x.py"], processes=0)


def test_the_recipes_own_arguments_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Done:
        returncode = 7

    def start(command: list[str], **_: object) -> Done:
        started.append(command)
        return Done()

    monkeypatch.setattr("subprocess.run", start)
    given = ["--config", "ddp-cpu", "--processes", "4", "r.toml", "--out", "/o", "--set", "seed=1", "--set", "name=x"]
    assert main(["train", "launch", *given, "--restart"]) == 7
    handed = ["-m", "core.cli", "train", "run", "r.toml", "--out", "/o", "--set", "seed=1", "--set", "name=x"]
    assert started[0][started[0].index("--num_processes") :] == ["--num_processes", "4", *handed, "--restart"]


@pytest.mark.parametrize(("gpus", "processes", "fits"), [(0, 1, False), (2, 2, True), (2, 4, False)])
def test_a_launch_on_fewer_gpus_than_processes_is_refused_at_once(
    gpus: int, processes: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: gpus)
    check_devices("ddp-cpu", 64)
    if fits:
        check_devices("fsdp2", processes)
    else:
        with pytest.raises(ConfigError, match=f"starts {processes} processes .* it has {gpus}"):
            check_devices("fsdp2", processes)


def test_deepspeed_needs_to_be_installed_but_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"trivium\[cluster\]"):
        check_devices("zero3")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    check_devices("zero3")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="it has 1"):
        check_devices("zero3")


def test_help_says_what_is_tested(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "launch", "--help"])
    assert "on several GPUs nothing yet" in capsys.readouterr().out
