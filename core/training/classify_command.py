"""`trivium train classify PREPARED --base MODEL --out DIR` and `trivium train label NAME|DIR TEXT…`.

`classify` is a recipe of classes, written by its options.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.models.adapters import Measurement
    from core.training.pipeline.classes.recipe import ClassRecipe
    from core.training.supervised.classifier import Classifier


def _configure_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="PREPARED", help="labelled texts, pairs or spans of `train prepare`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the classifier")
    parser.add_argument("--base", metavar="MODEL", help="encoder or decoder to learn on (default: the embedder)")
    parser.add_argument(
        "--weights",
        choices=("lora", "full", "none"),
        default="lora",
        help="what learns beside the head: an adapter, all weights, or nothing (default lora)",
    )
    parser.add_argument("--rank", type=int, default=16, help="of the adapter (default 16)")
    parser.add_argument("--steps", type=int, default=200, help="default 200")
    parser.add_argument("--batch", type=int, default=16, help="texts a step (default 16)")
    parser.add_argument("--max-tokens", type=int, default=128, metavar="N", help="of a text or window (default 128)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="default 0.001; with --weights full 0.0001")
    parser.add_argument(
        "--start", choices=("probe", "untaught"), help="where the head begins (default: as a probe; untaught for spans)"
    )
    parser.add_argument("--balanced", action="store_true", help="weigh classes against their frequency")
    parser.add_argument("--easy-first", choices=("length", "difficulty"), help="order of the first epoch")
    parser.add_argument("--seed", type=int, default=0)


def _classify(arguments: argparse.Namespace) -> int:
    from core.models.locate import locate
    from core.training.pipeline.classes.bench import open_class_bench
    from core.training.pipeline.classes.plan import describe_class_plan
    from core.training.pipeline.classes.run import run_class_recipe
    from core.training.supervised.classifier_card import check_free, read_classifier_card
    from core.training.supervised.classifier_store import copy_classifier

    check_free(arguments.out)
    recipe = _recipe(arguments)
    fingerprint = locate(recipe.model).fingerprint
    bench = open_class_bench(recipe, Path())
    bench = replace(bench, folder=run_folder("classify", recipe.model_dump_json(), fingerprint, bench.data_sha256))
    print(describe_class_plan(bench), flush=True)
    outcome = run_class_recipe(bench)
    copy_classifier(outcome.artefact, arguments.out)
    card = read_classifier_card(arguments.out)
    print(f"\n{len(card.labels)} {'tags' if card.task == 'token' else 'classes'} on {card.base}, {arguments.weights}")
    for score in card.report:
        print(_line(score))
    print(f"Classifier: {arguments.out} (its run: {bench.folder})")
    return 0


def _configure_label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "classifier", metavar="NAME|DIR", help="a name that a recipe promoted, or a folder of `train classify`"
    )
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="texts; for pairs the first and second in turn")


def _label(arguments: argparse.Namespace) -> int:
    from core.training.supervised.classifier_store import load_classifier

    classifier = load_classifier(arguments.classifier)
    texts: list[str] = arguments.texts
    if classifier.card.task == "token":
        _print_spans(classifier, texts)
        return 0
    if classifier.card.task == "labels":
        _print_sets(classifier, texts)
        return 0
    asked = texts if classifier.card.task == "text" else _pairs(texts)
    for item, found in zip(asked, classifier.predict(asked), strict=True):
        shown = item if isinstance(item, str) else " | ".join(item)
        print(f"{found.label}\t{found.probability:.3f}\t{shown}{_unread(found.tokens_cut)}")
    return 0


def _print_sets(classifier: Classifier, texts: Sequence[str]) -> None:
    for text, found in zip(texts, classifier.predict_sets(texts), strict=True):
        given = ", ".join(f"{label} {found.probabilities[label]:.3f}" for label in found.labels)
        print(f"{given or 'no class'}\t{text}{_unread(found.tokens_cut)}")


def _unread(tokens: int) -> str:
    return f" (the last {tokens} tokens were not read)" if tokens else ""


def _print_spans(classifier: Classifier, texts: Sequence[str]) -> None:
    for text, spans in zip(texts, classifier.tag(texts), strict=True):
        print(text)
        for span in spans:
            place = f"[{span.start}, {span.end})"
            print(f"  {span.label}\t{span.probability:.3f}\t{place}\t{text[span.start : span.end]}")
        if not spans:
            print("  nothing found")


def _pairs(texts: Sequence[str]) -> list[str | tuple[str, str]]:
    from core.errors import InputError

    if len(texts) % 2:
        raise InputError("This classifier is for pairs, and one text is left over.", hint="Give texts two by two.")
    return list(zip(texts[::2], texts[1::2], strict=True))


def _recipe(arguments: argparse.Namespace) -> ClassRecipe:
    """The recipe that the options stand for."""
    from pydantic import ValidationError

    from core.config import settings
    from core.errors import InputError
    from core.training.data.prepare import load_prepared
    from core.training.pipeline.classes.recipe import ClassRecipe
    from core.training.supervised.classify import task_of
    from core.training.supervised.label_figures import METRICS

    rate = arguments.learning_rate or (1e-4 if arguments.weights == "full" else 1e-3)
    often = max(1, arguments.steps // 4)
    stage = {
        "kind": "classify",
        "steps": arguments.steps,
        "trainable": {"weights": arguments.weights, "rank": arguments.rank, "targets": "all"},
        "optimiser": {
            "learning_rate": rate,
            "schedule": "linear",
            "warmup_steps": max(0, min(10, arguments.steps // 10)),
            "weight_decay": 0.01,
        },
        "loop": {"evaluate_every": often, "checkpoint_every": often, "trackers": ()},
        "start": arguments.start or "",
        "batch": arguments.batch,
        "max_tokens": arguments.max_tokens,
        "balanced": arguments.balanced,
        "easy_first": arguments.easy_first or "",
    }
    train = load_prepared(arguments.data).splits["train"]
    try:
        return ClassRecipe.model_validate(
            {
                "name": "classify",
                "model": arguments.base or settings().embedder,
                "seed": arguments.seed,
                "data": {"prepared": arguments.data},
                "stage": [stage],
                "evaluate": {"metrics": METRICS[task_of(train)], "samples": 0},
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"The setting '{first['loc'][-1]}' cannot be used: {first['msg']}.",
            hint="See `trivium train classify --help`.",
        ) from error


def run_folder(kind: str, config: str, fingerprint: str, data_sha256: str) -> Path:
    """The checkpoints' place: another configuration, base or data never goes on from them."""
    import hashlib

    from core.config import settings

    key = hashlib.sha256(f"{config}\0{fingerprint}\0{data_sha256}".encode()).hexdigest()[:16]
    return settings().cache_dir / "training" / f"{kind}-{key}"


def _line(score: Measurement) -> str:
    split, _, metric = score.metric.rpartition(": ")
    low, high = score.interval or (score.value, score.value)
    interval = f"  [{low:.3f}, {high:.3f}]" if score.interval else ""
    return f"{split or 'validation':<12}{metric:<20}{score.value:.3f}{interval}  n = {score.n}"


CLASSIFY = Command("classify", "learn classes of texts, pairs or spans", _configure_classify, _classify)
LABEL = Command("label", "let a learned classifier say what texts are", _configure_label, _label)
