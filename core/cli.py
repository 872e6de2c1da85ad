"""The command line: `trivium …`.

Everything heavy is imported by the command that needs it, so that `trivium --help` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TextIO, cast

from core import __version__
from core.errors import TriviumError
from core.products import Command, try_products
from core.terminal import TerminalStream, for_terminal

_OF_THE_MACHINE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})
"""Errors of files that the user or the machine's owner can mend, and we cannot."""


def core_commands() -> tuple[Command, ...]:
    """The commands that belong to no product."""
    from core.config_commands import COMMANDS as config_commands
    from core.data.commands import COMMANDS as data_commands
    from core.evaluation.commands import COMMANDS as evaluation_commands
    from core.models.adapter_commands import COMMANDS as adapter_commands
    from core.models.commands import COMMANDS as model_commands
    from core.prompt_commands import COMMANDS as prompt_commands
    from core.serving import COMMANDS as serving_commands
    from core.training.commands import COMMANDS as training_commands

    return (
        *serving_commands,
        *evaluation_commands,
        *training_commands,
        *model_commands,
        *adapter_commands,
        *prompt_commands,
        *data_commands,
        *config_commands,
    )


def build_parser() -> argparse.ArgumentParser:
    """The parser with every product's and core's commands."""
    parser = argparse.ArgumentParser(
        prog="trivium", description="Customer service, finance risk and medical products on one language-model core."
    )
    parser.add_argument("--version", action="version", version=f"trivium {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    products, errors = try_products()
    for error in errors:
        print(f"warning: {error}", file=sys.stderr)
    product_commands = [command for product in products for command in product.commands]
    for command in (*product_commands, *core_commands()):
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.configure(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 the user can mend it, 2 we must, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a terminal in another encoding must not turn a Chinese answer into a crash
            reconfigure(errors="replace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        with redirect_stdout(cast(TextIO, TerminalStream(sys.stdout))):
            parsed = build_parser().parse_args(given)
            code: int = parsed.run(parsed)
            sys.stdout.flush()
    except TriviumError as error:
        if debug:
            raise
        print(f"error: {for_terminal(error.message)}", file=sys.stderr)
        if error.hint:
            print(f"       {for_terminal(error.hint)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was left half-written.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the outermost frame: a bug becomes a message and exit code 2
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            print(f"error: {for_terminal(str(error.filename or 'A file'))}: {error.strerror}.", file=sys.stderr)
            print("       Check permissions and free space; TRIVIUM_CACHE_DIR moves the cache.", file=sys.stderr)
            return 1
        print(f"error: this is a bug in Trivium: {type(error).__name__}: {for_terminal(str(error))}", file=sys.stderr)
        print("       Run the command again with `trivium --debug …` and report the traceback.", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
