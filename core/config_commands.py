"""`trivium config`."""

from __future__ import annotations

import argparse

from core.products import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--defaults", action="store_true", help="list every setting with its default and meaning")


def _run(arguments: argparse.Namespace) -> int:
    from core.config import ENV_PREFIX, Settings, config_file, describe_settings, settings

    if arguments.defaults:
        for name, field in Settings.model_fields.items():
            default = field.get_default(call_default_factory=True, validated_data={})
            print(f"{name:<26}{default!s:<28}{field.description}  [{ENV_PREFIX}{name.upper()}]")
        return 0
    state = "read" if config_file().is_file() else "absent"
    print(f"Order: environment {ENV_PREFIX}*, then '{config_file()}' ({state}), then defaults.\n")
    for name, value, origin in describe_settings(settings()):
        shown = "-" if value is None else str(value)
        print(f"{name:<26}{shown:<46}{origin}")
    return 0


COMMANDS = (Command("config", "the settings in force and where each comes from", _configure, _run),)
