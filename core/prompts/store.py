"""Where prompts are kept: the user's own in the cache, those the products and the core bring in their folders.

One file a version, `NAME.VERSION.toml`. A version never changes its text once saved; a better text is the next one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from core.config import settings
from core.errors import InputError, UnknownName
from core.files import decode_text, read_bytes, write_atomic
from core.products import try_products
from core.prompts.stored import StoredPrompt, parse_prompt

SHIPPED = Path(__file__).parent / "shipped"
_FILE = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,63})\.(?P<version>[1-9]\d{0,5})\.toml")


def own_folder() -> Path:
    """Where the user's own prompts are."""
    return settings().cache_dir / "prompts"


def prompt_folders() -> tuple[Path, ...]:
    """Where prompts are looked for, in order: the user's, each product's, the core's."""
    products, _ = try_products()
    return (own_folder(), *(product.prompts for product in products if product.prompts), SHIPPED)


def stored_prompts(folders: Sequence[Path] | None = None) -> dict[tuple[str, int], Path]:
    """Files by name and version, sorted; where two folders have the same one, that of the earlier folder."""
    found: dict[tuple[str, int], Path] = {}
    for folder in prompt_folders() if folders is None else folders:
        for path in folder.glob("*.toml") if folder.is_dir() else ():
            match = _FILE.fullmatch(path.name)
            if match:
                found.setdefault((match["name"], int(match["version"])), path)
    return dict(sorted(found.items()))


def load_prompt(name: str, version: int | None = None, *, folders: Sequence[Path] | None = None) -> StoredPrompt:
    """The prompt called `name`, in its newest version where none is asked for.

    Args:
        folders: where to look; `prompt_folders()` where it is None.

    Raises:
        UnknownName: there is no such prompt, or not in that version.
        InputError: the file does not have the form of a prompt, or says another name or version than it is called.
        UnreadableFile: it cannot be read.
    """
    known = stored_prompts(folders)
    versions = [number for known_name, number in known if known_name == name]
    if not versions:
        raise UnknownName("prompt", name, sorted({known_name for known_name, _ in known}))
    wanted = max(versions) if version is None else version
    if wanted not in versions:
        raise UnknownName(f"version of the prompt '{name}'", str(wanted), [str(number) for number in versions])
    path = known[name, wanted]
    prompt = read_prompt(path)
    if (prompt.name, prompt.version) != (name, wanted):
        raise InputError(
            f"'{path}' says that it is version {prompt.version} of '{prompt.name}'.",
            hint="Let the file's name and its keys `name` and `version` agree.",
        )
    return prompt


def read_prompt(path: str | Path) -> StoredPrompt:
    """The prompt in a file. Raises `InputError` and `UnreadableFile` as `load_prompt` does."""
    path = Path(path)
    return parse_prompt(decode_text(read_bytes(path, max_bytes=settings().max_upload_bytes), path.name), path.name)


def save_prompt(prompt: StoredPrompt, folder: Path | None = None) -> Path:
    """Write the prompt into `folder` (the user's own where it is None), in one step; returns the file.

    Saving the same text again is how an evaluation is added.

    Raises:
        InputError: its name cannot be a file's, or that version is there already with another text.
    """
    file_name = f"{prompt.name}.{prompt.version}.toml"
    if not _FILE.fullmatch(file_name):
        raise InputError(
            f"'{prompt.name}' cannot be a prompt's name.", hint="Use a-z, 0-9, - and _, at most 64 characters."
        )
    path = (folder or own_folder()) / file_name
    if path.exists() and read_prompt(path).sha256 != prompt.sha256:
        raise InputError(
            f"Version {prompt.version} of '{prompt.name}' is there already, with another text: {path}.",
            hint=f"Save it as version {next_version(prompt.name, [path.parent])}.",
        )
    write_atomic(path, prompt.to_toml())
    return path


def next_version(name: str, folders: Sequence[Path] | None = None) -> int:
    """One above the newest version of `name`, 1 where there is none."""
    return 1 + max((number for known, number in stored_prompts(folders) if known == name), default=0)
