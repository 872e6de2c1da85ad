"""`trivium train prepare SOURCE… --out DIR`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.training.data.card import Card

_FORMS = ("preference", "chat", "spans", "pairs", "prompt-response", "multilabelled", "labelled", "plain", "columns")
_LANGUAGES = ("zh", "en", "other", "none")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a file, or a data set of `trivium data list`")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the prepared data")
    reading = parser.add_argument_group("reading")
    reading.add_argument("--format", choices=_FORMS, help="what the rows are, in place of what is detected")
    reading.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="what the file calls a field, e.g. text=utterance, label=topic, group=patient; may be repeated",
    )
    reading.add_argument("--strict", action="store_true", help="fail where a row cannot be used")
    cleaning = parser.add_argument_group("cleaning")
    cleaning.add_argument(
        "--language", action="append", default=[], choices=_LANGUAGES, help="keep this language; may be repeated"
    )
    cleaning.add_argument("--min-characters", type=int, default=1, metavar="N")
    cleaning.add_argument("--max-characters", type=int, metavar="N")
    cleaning.add_argument("--no-mask", action="store_true", help="leave personal data in the texts")
    cleaning.add_argument(
        "--similarity",
        type=float,
        default=0.8,
        metavar="S",
        help="Jaccard similarity of near-duplicates, 0.3 to 1; 0 looks for none (default 0.8)",
    )
    splitting = parser.add_argument_group("splits")
    splitting.add_argument("--validation", type=float, default=0.1, metavar="SHARE", help="default 0.1")
    splitting.add_argument("--test", type=float, default=0.1, metavar="SHARE", help="default 0.1")
    splitting.add_argument("--stratify", action="store_true", help="give every label its exact share")
    splitting.add_argument(
        "--keep-leaks", action="store_true", help="count training records like held-out ones, but keep them"
    )
    splitting.add_argument("--seed", type=int, default=0)


def _run(arguments: argparse.Namespace) -> int:
    import time
    from pathlib import Path

    from core.progress import ProgressLine
    from core.training.data.prepare import Preparation, prepare
    from core.training.data.splits import Fractions

    how = Preparation(
        form=arguments.format,
        fields=_fields(arguments.field),
        strict=arguments.strict,
        languages=tuple(dict.fromkeys(arguments.language)),
        min_characters=arguments.min_characters,
        max_characters=arguments.max_characters,
        mask=not arguments.no_mask,
        similarity=arguments.similarity or None,
        drop_leaks=not arguments.keep_leaks,
        fractions=Fractions(arguments.validation, arguments.test),
        stratify=arguments.stratify,
        seed=arguments.seed,
    )
    started = time.process_time()
    folder = Path(arguments.out)
    card = prepare(arguments.sources, folder, how, progress=ProgressLine)
    _show(card, folder, time.process_time() - started)
    return 0


def _fields(given: Sequence[str]) -> dict[str, str]:
    from core.errors import InputError, UnknownName
    from core.training.data.forms import OUR_FIELDS

    fields: dict[str, str] = {}
    for pair in given:
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs:
            raise InputError(f"'{pair}' does not name a field.", hint="Write it as --field text=utterance.")
        if ours not in OUR_FIELDS:
            raise UnknownName("field", ours, OUR_FIELDS)
        fields[ours] = theirs
    return fields


def _show(card: Card, folder: object, cpu_seconds: float) -> None:
    content = card.content
    for source in content["sources"]:
        bad = f", {source['bad']} unusable" if source["bad"] else ""
        print(f"{source['name']}: {source['container']}, {source['form']}; {source['rows']} rows{bad}")
    for reason, count in list(content["rejected_rows"].items())[:5]:
        print(f"  {count} × {reason}")
    if content["rejected_rows"]:
        print(f"  Each is named in '{folder}/rejected.jsonl'.")
    print()
    print(f"{'step':<28}{'before':>8}{'after':>8}{'changed':>9}  found")
    for step in content["steps"]:
        found = ", ".join(f"{name} {count}" for name, count in step["found"].items() if count)
        print(f"{step['name']:<28}{step['before']:>8}{step['after']:>8}{step['changed']:>9}  {found}")
    print()
    for name, split in content["splits"].items():
        labels = f", {len(split['labels'])} labels" if split["labels"] else ""
        languages = ", ".join(f"{language} {count}" for language, count in split["languages"].items())
        sizes = split["characters"]
        print(f"{name:<11}{split['records']:>7} records ({languages}){labels}, median {sizes['median']:g} characters")
    for note in card.notes:
        print(f"note: {note}")
    print(f"\n{content['records']} {card.kind} records in '{folder}', sha256 {card.sha256}")
    print(f"{cpu_seconds:.1f} CPU-seconds; the data card is '{folder}/card.md'.")


PREPARE = Command("prepare", "clean, split and describe annotated data", _configure, _run)
