from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = ("sun", "sea", "red", "map", "tea", "cup", "hat", "key", "ox", "茶", "海", "红")


def rows() -> list[dict[str, object]]:
    """A word is to be said twice; each word is a group."""
    splits = ("train", "train", "train", "validation", "test", "validation")
    return [
        {
            "id": f"{word}-{number}",
            "prompt": f"{ask} {word}",
            "response": f"{word} {word}",
            "rejected": "zzz",
            "evidence": f"{word} {word}.",
            "group": word,
            "split": splits[place % 6],
        }
        for place, word in enumerate(WORDS)
        for number, ask in enumerate(("say", "说"))
    ]


@pytest.fixture
def examples_file(tmp_path: Path) -> Path:
    path = tmp_path / "words.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows()), encoding="utf-8")
    return path


SFT = (
    'kind = "sft"\nsteps = 6\nrows = 2\nrow_tokens = 128\nlearning_rate = 0.01\n'
    "loop = { evaluate_every = 3, trackers = [] }"
)
GRPO = (
    'kind = "grpo"\nmetric = "rouge_l + 0.1*chrf"\nsteps = 4\nprompts = 2\nsamples = 3\nmax_tokens = 6\n'
    "learning_rate = 0.01\nloop = { evaluate_every = 2, trackers = [] }"
)


@pytest.fixture
def write_recipe(
    tmp_path: Path,
    examples_file: Path,
    tiny_folders: dict[str, Path],
    fresh_settings: Callable[..., None],
) -> Callable[..., Path]:
    """Writes a recipe for a tiny model; returns its path."""
    fresh_settings(dtype="float32", device="cpu", chat_format="chatml")

    def write(
        *stages: str,
        name: str = "words",
        head: str = "adapter = { rank = 2 }",
        tail: str = '[promote]\nmetric = "chrf"',
        data: Path = examples_file,
    ) -> Path:
        parts = [f'model = "{tiny_folders["qwen2"]}"', "seed = 3", head, f'[data]\nfile = "{data}"']
        parts += [f"[[stage]]\n{stage}" for stage in (stages or (SFT, GRPO))]
        parts += ['[evaluate]\nmetrics = ["chrf", "rouge_l"]\nmax_tokens = 6\nsamples = 2', tail]
        path = tmp_path / f"{name}.toml"
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path

    return write
