"""The common task of both sides: one folder with models, prompts and settings; runs under the anchors' Pythons too."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Task:
    """Model, prompts and hyper-parameters. Every response is drawn to its full length; there is no end token.

    Attributes:
        reward: "model" (a reward model of the policy's shape), or "share": the share of a response's tokens whose ids
            are even.
        draws: responses to each prompt.
    """

    vocabulary: int = 50_257
    width: int = 384
    layers: int = 6
    heads: int = 6
    prompt_tokens: int = 64
    response_tokens: int = 24
    prompts: int = 16
    draws: int = 1
    steps: int = 3
    learning_rate: float = 1e-5
    kl: float = 0.05
    reward: str = "model"
    pool: int = 64
    initial_spread: float = 0.02
    prompt_ids: list[list[int]] = field(default_factory=list)

    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "prompt_ids"}


def make_task(task: Task, folder: Path) -> None:
    """Random weights from a fixed seed; value model and reward model have the policy's trunk.

    The value head starts at 0 on both sides, the reward head at random.
    """
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=task.vocabulary,
        n_embd=task.width,
        n_layer=task.layers,
        n_head=task.heads,
        n_positions=2 * (task.prompt_tokens + task.response_tokens),
        initializer_range=task.initial_spread,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
    )
    policy = GPT2LMHeadModel(config)
    policy.save_pretrained(folder / "policy")
    config.num_labels = 1
    other = GPT2ForSequenceClassification(config)
    other.transformer.load_state_dict(policy.transformer.state_dict())
    other.save_pretrained(folder / "reward")
    torch.nn.init.zeros_(other.score.weight)
    other.save_pretrained(folder / "value")
    tokenizer(task).save_pretrained(folder / "policy")
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(task.vocabulary, (task.pool, task.prompt_tokens), generator=generator).tolist()
    (folder / "task.json").write_text(json.dumps(asdict(task) | {"prompt_ids": ids}), encoding="utf-8")


def read_task(folder: Path) -> Task:
    return Task(**json.loads((folder / "task.json").read_text(encoding="utf-8")))


def tokenizer(task: Task) -> PreTrainedTokenizerFast:
    """A word a token; end and padding lie beyond what the model can draw."""
    words = {f"w{number}": number for number in range(task.vocabulary)}
    made = Tokenizer(WordLevel(words | {"<pad>": task.vocabulary, "<end>": task.vocabulary + 1}, unk_token="<pad>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<end>", padding_side="left")
