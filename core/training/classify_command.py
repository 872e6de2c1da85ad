"""`trivium train classify PREPARED --base MODEL --out DIR` and `trivium train label DIR TEXT…`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.products import Command

if TYPE_CHECKING:
    from core.models.adapters import Measurement
    from core.models.loading import LoadedModel
    from core.training.supervised.classifier import Classifier
    from core.training.supervised.classify import ClassifyConfig


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
    parser.add_argument("--balanced", action="store_true", help="weigh classes against their frequency")
    parser.add_argument("--easy-first", choices=("length", "difficulty"), help="order of the first epoch")
    parser.add_argument("--seed", type=int, default=0)


def _classify(arguments: argparse.Namespace) -> int:
    from core.config import settings
    from core.progress import ProgressLine
    from core.training.data.prepare import load_prepared
    from core.training.supervised.classifier_card import check_free
    from core.training.supervised.classify import learn_classifier
    from core.training.supervised.pretrain import splits_of

    prepared = load_prepared(arguments.data)
    check_free(arguments.out)
    config = _config(arguments)
    base, family = _base(arguments.base or settings().embedder)
    run = run_folder("classify", config.model_dump_json(), base.fingerprint, prepared.card.sha256)
    splits = {name: records for name, records in prepared.splits.items() if records}
    splits_of(splits)
    learned = learn_classifier(
        base,
        splits,
        config,
        run,
        family=family,
        data_sha256=prepared.card.sha256,
        progress=ProgressLine("learning"),
    )
    card = learned.classifier.save(arguments.out)
    print(f"{len(card.labels)} {'tags' if card.task == 'token' else 'classes'} on {card.base}, {arguments.weights}")
    for name, scores in learned.scores.items():
        for score in scores:
            print(_line(name, score))
    print(f"Classifier: {arguments.out} (its run: {run})")
    return 0


def _configure_label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("classifier", type=Path, metavar="DIR", help="a folder of `train classify`")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="texts; for pairs the first and second in turn")


def _label(arguments: argparse.Namespace) -> int:
    from core.training.supervised.classifier import load_classifier

    classifier = load_classifier(arguments.classifier)
    texts: list[str] = arguments.texts
    if classifier.card.task == "token":
        _print_spans(classifier, texts)
        return 0
    asked = texts if classifier.card.task == "text" else _pairs(texts)
    for item, found in zip(asked, classifier.predict(asked), strict=True):
        cut = f" (the last {found.tokens_cut} tokens were not read)" if found.tokens_cut else ""
        shown = item if isinstance(item, str) else " | ".join(item)
        print(f"{found.label}\t{found.probability:.3f}\t{shown}{cut}")
    return 0


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


def _config(arguments: argparse.Namespace) -> ClassifyConfig:
    from core.errors import InputError
    from core.training.supervised.classify import ClassifyConfig

    rate = arguments.learning_rate or (1e-4 if arguments.weights == "full" else 1e-3)
    try:
        return ClassifyConfig.model_validate(
            {
                "trainable": {"weights": arguments.weights, "rank": arguments.rank, "targets": "all"},
                "optimiser": {
                    "learning_rate": rate,
                    "schedule": "linear",
                    "warmup_steps": min(10, arguments.steps // 10),
                    "weight_decay": 0.01,
                },
                "loop": {
                    "steps": arguments.steps,
                    "evaluate_every": max(1, arguments.steps // 4),
                    "checkpoint_every": max(1, arguments.steps // 4),
                    "trackers": (),
                },
                "batch": arguments.batch,
                "max_tokens": arguments.max_tokens,
                "balanced": arguments.balanced,
                "easy_first": arguments.easy_first or "",
                "seed": arguments.seed,
            }
        )
    except ValueError as error:
        raise InputError(f"A setting cannot be used: {error}", hint="See `trivium train classify --help`.") from error


def _base(name: str) -> tuple[LoadedModel, Literal["encoder", "causal"]]:
    """The base in float32, in which small steps are not lost."""
    from core.models.family import family_of
    from core.models.hardware import Placement, choose_placement
    from core.models.loading import load_causal, load_encoder
    from core.models.locate import locate

    located = locate(name)
    placement = Placement(choose_placement().device, "float32", "training")
    if (located.entry.kind if located.entry else family_of(located.folder)) == "causal":
        return load_causal(name, placement=placement), "causal"
    return load_encoder(name, placement=placement), "encoder"


def run_folder(kind: str, config: str, fingerprint: str, data_sha256: str) -> Path:
    """The checkpoints' place: another configuration, base or data never goes on from them."""
    import hashlib

    from core.config import settings

    key = hashlib.sha256(f"{config}\0{fingerprint}\0{data_sha256}".encode()).hexdigest()[:16]
    return settings().cache_dir / "training" / f"{kind}-{key}"


def _line(split: str, score: Measurement) -> str:
    low, high = score.interval or (score.value, score.value)
    interval = f"  [{low:.3f}, {high:.3f}]" if score.interval else ""
    return f"{split:<12}{score.metric:<20}{score.value:.3f}{interval}  n = {score.n}"


CLASSIFY = Command("classify", "learn classes of texts, pairs or spans", _configure_classify, _classify)
LABEL = Command("label", "let a learned classifier say what texts are", _configure_label, _label)
