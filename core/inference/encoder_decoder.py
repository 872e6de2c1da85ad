"""The way an encoder-decoder model runs (T5, BART and their like): see `core.inference.forward.Forward`.

Each distinct prompt goes through the encoder once, and so does its projection to the decoder's cross-attention; all its
completions share them. A row has keys and values of its own for what it has written.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.inference.decoding import token_logprobs

if TYPE_CHECKING:
    import torch

_ENCODER_TOKENS = 4096
_LOGIT_NUMBERS = 2**26
"""Logits held at a time while scoring: 256 MiB in float32."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """U prompts as the decoder sees them: states ``(U, S, D)``, and a mask ``(U, S)`` that is 1 on real tokens."""

    states: torch.Tensor
    mask: torch.Tensor


class EncoderDecoderForward:
    """See `core.inference.forward.Forward`.

    Args:
        begin: what every text begins with, unseen: the decoder's start token, and a forced first one where there is.
        padding: any valid id; padded places are masked.
    """

    def __init__(self, model: Any, *, begin: Sequence[int], padding: int, device: str) -> None:
        self._model = model
        self.begin = list(begin)
        self._padding = padding
        self.device = device
        self._turn = threading.Lock()

    def start(self, prompts: Sequence[list[int]], copies: Sequence[int]) -> EncoderDecoderContinuation:
        """Rows for prompts, `copies[i]` rows for prompt i."""
        group = [prompt for prompt, count in enumerate(copies) for _ in range(count)]
        return EncoderDecoderContinuation(self, self.encode(prompts), group)

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability of each token of the second of a pair; a prompt with several continuations is read once."""
        import torch

        distinct = list(dict.fromkeys(tuple(prompt) for prompt, _ in pairs))
        number = {prompt: index for index, prompt in enumerate(distinct)}
        encoded = self.encode([list(prompt) for prompt in distinct])
        longest = max(len(continuation) for _, continuation in pairs)
        vocabulary = self._model.config.get_text_config(decoder=True).vocab_size
        step = max(1, _LOGIT_NUMBERS // ((longest + len(self.begin)) * vocabulary))
        scores: list[list[float]] = []
        for start in range(0, len(pairs), step):
            part = pairs[start : start + step]
            rows = torch.tensor([number[tuple(prompt)] for prompt, _ in part], device=self.device)
            texts = [continuation + [self._padding] * (longest - len(continuation)) for _, continuation in part]
            tokens = torch.tensor([[*self.begin, *text] for text in texts], device=self.device)  # (B, b + T)
            output = self.decode(tokens[:, :-1], encoded.states[rows], encoded.mask[rows], None)
            logits = output.logits[:, len(self.begin) - 1 :]  # (B, T, V): each says the next
            found = token_logprobs(logits, tokens[:, len(self.begin) :]).tolist()
            scores += [row[: len(continuation)] for row, (_, continuation) in zip(found, part, strict=True)]
        return scores

    def encode(self, prompts: Sequence[list[int]]) -> Encoded:
        """All prompts through the encoder, those of similar length together, padded on the right."""
        import torch

        lengths = [len(prompt) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda index: -lengths[index])
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long().to(self.device)  # (U, S)
        states = None
        done = 0
        while done < len(order):
            longest = lengths[order[done]]
            batch = order[done : done + max(1, _ENCODER_TOKENS // longest)]
            done += len(batch)
            tokens = [prompts[index] + [self._padding] * (longest - lengths[index]) for index in batch]
            rows = torch.tensor(batch, device=self.device)
            with self._turn, torch.inference_mode():
                found = self._model.get_encoder()(
                    input_ids=torch.tensor(tokens, device=self.device), attention_mask=mask[rows, :longest]
                ).last_hidden_state  # (u, longest, D)
                if states is None:
                    states = found.new_zeros(len(prompts), max(lengths), found.shape[2])
                states[rows, :longest] = found
        assert states is not None
        return Encoded(states, mask)

    def decode(self, tokens: torch.Tensor, states: torch.Tensor, mask: torch.Tensor, cache: Any) -> Any:
        """One forward pass of the decoder over new `tokens` ``(B, T)``: transformers' output, with logits and cache."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        with self._turn, torch.inference_mode():
            return self._model(
                decoder_input_ids=tokens,
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
            )


class EncoderDecoderContinuation:
    """See `core.inference.forward.Continuation`. Row i writes for prompt `group[i]`."""

    def __init__(self, forward: EncoderDecoderForward, encoded: Encoded, group: Sequence[int]) -> None:
        import torch

        self._forward = forward
        self._encoded = encoded
        prompts = len(encoded.mask)
        begin = torch.tensor([forward.begin] * prompts, device=forward.device)  # (U, b)
        output = forward.decode(begin, encoded.states, encoded.mask, None)
        self._cache = output.past_key_values
        self._read = [(layer.keys, layer.values) for layer in self._cache.cross_attention_cache.layers]  # (U, H, S, D)
        self._group = list(range(prompts))
        self._select(group)
        self.logits: torch.Tensor = output.logits[:, -1].float()[self._index]  # (B, V)

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        import torch

        self._select(rows)
        new = torch.tensor(tokens, device=self._forward.device).unsqueeze(-1)  # (B, 1)
        shape_only = self._encoded.states[:1].expand(len(self._group), -1, -1)  # what was read of it is in the cache
        output = self._forward.decode(new, shape_only, self._encoded.mask[self._index], self._cache)
        self.logits = output.logits[:, -1].float()

    def _select(self, rows: Sequence[int]) -> None:
        import torch

        if list(rows) != list(range(len(self._group))):
            index = torch.tensor(list(rows), device=self._forward.device)
            with torch.inference_mode():
                self._cache.self_attention_cache.batch_select_indices(index)
        group = [self._group[row] for row in rows]
        if group != self._group:
            self._share(group)
        self._group = group
        self._index = torch.tensor(group, device=self._forward.device)

    def _share(self, group: list[int]) -> None:
        """What the prompts say, for these rows: a view where there is one prompt, a copy a row where there are more."""
        import torch

        index = torch.tensor(group, device=self._forward.device)
        with torch.inference_mode():
            for layer, read in zip(self._cache.cross_attention_cache.layers, self._read, strict=True):
                layer.keys, layer.values = (
                    part.expand(len(group), -1, -1, -1) if len(part) == 1 else part[index] for part in read
                )
