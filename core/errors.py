"""The one family of errors Trivium raises on purpose.

A message says what was wrong and where; `hint` says what to do next. The command line prints both and
exits with `exit_code`; a page shows both in an error box. Anything that is not a `TriviumError` is a bug.
"""

from __future__ import annotations


class TriviumError(Exception):
    """Base of the family. `exit_code` is 1 where the user can mend it, 2 where only we can."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class InputError(TriviumError):
    """The user's input (an argument, a text, a value) cannot be used."""


class UnreadableFile(InputError):
    """A file is missing, empty, binary where text was expected, encrypted, broken or of an unknown kind."""


class FileTooLarge(InputError):
    """A file, or what it unpacks to, is larger than the limit in force."""


class UnwritableFile(TriviumError):
    """A file cannot be written where it should be: no permission, no such place, no room."""


class UnknownName(InputError):
    """A name (model, data set, suite, product) is not in the catalogue it was looked up in."""

    def __init__(self, kind: str, name: str, known: list[str] | tuple[str, ...]) -> None:
        from difflib import get_close_matches

        close = get_close_matches(name, known, n=1)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        super().__init__(
            f"There is no {kind} named '{name}'.",
            hint=f"{guess}Known: {', '.join(sorted(known)) or 'none'}.",
        )


class ConfigError(TriviumError):
    """A setting has a value that cannot be used."""


class DataNotAvailable(TriviumError):
    """A public data set is neither in the data folder nor in the cache."""


class DataMismatch(TriviumError):
    """A data file is not the one its registry entry describes."""


class ModelNotAvailable(TriviumError):
    """A model's files are not on this machine, or could not be fetched."""


class ModelFileMismatch(TriviumError):
    """A model file is not the one its catalogue entry describes."""


class EndpointError(TriviumError):
    """A remote model endpoint refused, timed out or answered something unusable."""


class MissingExtra(TriviumError):
    """An optional dependency is needed for what was asked."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This needs the package '{package}'.", hint=f"Install it with: pip install 'trivium[{extra}]'."
        )


class InternalError(TriviumError):
    """An invariant of ours does not hold; the user cannot mend it."""

    exit_code = 2
