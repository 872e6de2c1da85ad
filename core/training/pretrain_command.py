"""`trivium train pretrain PREPARED --base MODEL --out DIR`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from core.products import Command

if TYPE_CHECKING:
    from core.training.supervised.pretrain import PretrainConfig


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=Path, metavar="PREPARED", help="plain texts of `trivium train prepare`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the model or adapter")
    parser.add_argument("--base", required=True, metavar="MODEL", help="decoder or encoder to go on with")
    parser.add_argument(
        "--way",
        choices=("causal", "masked", "permutation"),
        default="causal",
        help="what is predicted: the next token (decoders), hidden words, words in a random order (encoders)",
    )
    parser.add_argument("--weights", choices=("lora", "full"), help="default: lora for decoders, full for encoders")
    parser.add_argument("--rank", type=int, default=16, help="of the adapter (default 16)")
    parser.add_argument("--steps", type=int, default=100, help="default 100")
    parser.add_argument("--rows", type=int, default=4, help="blocks or texts a step (default 4)")
    parser.add_argument("--max-tokens", type=int, default=256, metavar="N", help="of a block or text (default 256)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="default 0.0005; with all weights 0.00005")
    parser.add_argument("--seed", type=int, default=0)


def _run(arguments: argparse.Namespace) -> int:
    from core.models.hardware import Placement, choose_placement
    from core.progress import ProgressLine
    from core.training.classify_command import run_folder
    from core.training.data.prepare import load_prepared
    from core.training.supervised.pretrain import (
        check_free,
        load_for,
        pretrain,
        save_pretrained,
        splits_of,
    )

    prepared = load_prepared(arguments.data)
    config = _config(arguments)
    check_free(arguments.out, config)
    train, validation = splits_of(prepared.splits)
    placement = Placement(choose_placement().device, "float32", "training")
    loaded, new = load_for(config.way, arguments.base, placement=placement, seed=config.seed)
    if new:
        print(f"'{loaded.name}' comes without a head for words: it gets a new one, so its first loss says little.")
    folder = run_folder("pretrain", config.model_dump_json(), loaded.fingerprint, prepared.card.sha256)
    done = pretrain(loaded, train, validation, config, folder, progress=ProgressLine("learning"))
    save_pretrained(done, arguments.out, data_sha256=prepared.card.sha256, config=config)
    for name, value in (("before", done.before), ("after", done.after)):
        print(f"validation  {name:<7} loss {value:.3f}  perplexity {math.exp(value):.1f}  n = {done.tokens} tokens")
    print(f"{'Model' if config.trainable.weights == 'full' else 'Adapter'}: {arguments.out} (its run: {folder})")
    return 0


def _config(arguments: argparse.Namespace) -> PretrainConfig:
    from core.errors import InputError
    from core.training.supervised.pretrain import PretrainConfig

    weights = arguments.weights or ("lora" if arguments.way == "causal" else "full")
    quarter = max(1, arguments.steps // 4)
    try:
        return PretrainConfig.model_validate(
            {
                "way": arguments.way,
                "trainable": {"weights": weights, "rank": arguments.rank, "targets": "all"},
                "optimiser": {
                    "learning_rate": arguments.learning_rate or (5e-4 if weights == "lora" else 5e-5),
                    "schedule": "linear",
                    "warmup_steps": min(10, arguments.steps // 10),
                },
                "loop": {
                    "steps": arguments.steps,
                    "evaluate_every": quarter,
                    "checkpoint_every": quarter,
                    "trackers": (),
                },
                "rows": arguments.rows,
                "max_tokens": arguments.max_tokens,
                "seed": arguments.seed,
            }
        )
    except ValueError as error:
        raise InputError(f"A setting cannot be used: {error}", hint="See `trivium train pretrain --help`.") from error


PRETRAIN = Command("pretrain", "go on learning the language of a field from plain text", _configure, _run)
