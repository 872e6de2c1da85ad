"""`trivium train …`: each action is a command of its own module."""

from __future__ import annotations

import argparse

from core.products import Command
from core.training.classify_command import CLASSIFY, LABEL
from core.training.data.command import PREPARE
from core.training.launch.command import LAUNCH
from core.training.pipeline.command import LIST, RUN
from core.training.pretrain_command import PRETRAIN

ACTIONS = (PREPARE, RUN, LAUNCH, LIST, PRETRAIN, CLASSIFY, LABEL)


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action in ACTIONS:
        subparser = actions.add_parser(action.name, help=action.help, description=action.help)
        action.configure(subparser)
        subparser.set_defaults(run_action=action.run)


def _run(arguments: argparse.Namespace) -> int:
    code: int = arguments.run_action(arguments)
    return code


COMMANDS = (Command("train", "train small models: prepare data, run recipes, learn classes", _configure, _run),)
