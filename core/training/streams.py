"""Responses laid out so that each prompt is computed once: ``prompt, response 1 … response G`` in one stream.

A response sees its prompt and itself, never its siblings; its positions continue the prompt's. Several prompts with
their responses share a stream, so there is little padding. What a response token is predicted from is the hidden state
of the token before it, for the first one the prompt's last. Gradients are those of separate rows, in exact arithmetic.
For prompts of P tokens with G responses of R the model sees P + G·R tokens in place of G·(P + R).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

_EVEN_TOKENS = 512
"""Length at which attention over a stream, quadratic in it, costs about as much as everything else in the model:
measured on a CPU with six layers of width 384."""


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and its responses, as token ids. No prompt is empty."""

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Model input for groups, and where its output is to be read.

    Attributes:
        tokens, positions: ``(S, L)``.
        mask: ``(S, 1, L, L)`` boolean, true where a token may look.
        rows, columns, places: ``(N,)`` each: the n-th response token belongs to response `rows[n]` (counted through all
            groups), is its `columns[n]`-th token, and is predicted from the state at `places[n]` of the flattened
            ``(S * L)``.
        chosen: ``(N,)`` the response tokens themselves.
        shape: how many responses there are, and the length of the longest.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    places: torch.Tensor
    chosen: torch.Tensor
    shape: tuple[int, int]

    def table(self, values: torch.Tensor) -> torch.Tensor:
        """``(N, …)`` values of response tokens as ``(B, T, …)``, 0 beyond the ends; differentiable."""
        return values.new_zeros(*self.shape, *values.shape[1:]).index_put((self.rows, self.columns), values)

    def response_mask(self) -> torch.Tensor:
        """``(B, T)`` boolean, true where there is a token."""
        import torch

        mask = torch.zeros(self.shape, dtype=torch.bool, device=self.tokens.device)
        mask[self.rows, self.columns] = True
        return mask

    @property
    def computed_tokens(self) -> int:
        """Tokens that go through the model, padding included."""
        return self.tokens.numel()


def lay_out(groups: Sequence[Group], *, device: str = "cpu", stream_tokens: int | None = None) -> Streams:
    """Lay groups out in streams of about `stream_tokens`, longer where a single group is.

    Without `stream_tokens` the length is chosen that costs least, attention and padding taken together.

    Raises:
        InputError: a prompt is empty.
    """
    import numpy as np
    import torch

    if any(not group.prompt for group in groups):
        raise InputError("A prompt has no tokens.", hint="Give at least one character.")
    sizes = [_tokens_of(group) for group in groups]
    bins = _cheapest(sizes) if stream_tokens is None else _spread(sizes, -(-sum(sizes) // stream_tokens))
    length = max(sum(sizes[index] for index in bin_) for bin_ in bins)
    tokens = np.zeros((len(bins), length), dtype=np.int64)
    positions = np.zeros((len(bins), length), dtype=np.int64)
    segment = np.full((len(bins), length), -1, dtype=np.int64)
    prefix_of = np.full((len(bins), length), -2, dtype=np.int64)
    first_row = np.cumsum([0, *[len(group.responses) for group in groups]])
    found: list[tuple[np.ndarray, ...]] = []
    for number, bin_ in enumerate(bins):
        at = segments = 0
        for index in bin_:
            group = groups[index]
            size = len(group.prompt)
            _put(tokens, positions, segment, number, at, group.prompt, 0, segments)
            prefix_of[number, at : at + size] = segments
            prompt_segment, prompt_end = segments, at + size - 1
            at, segments = at + size, segments + 1
            for copy, response in enumerate(group.responses):
                fed = response[:-1]  # what follows the last token is nobody's question
                _put(tokens, positions, segment, number, at, fed, size, segments)
                prefix_of[number, at : at + len(fed)] = prompt_segment
                if response:
                    states = np.concatenate(([prompt_end], np.arange(at, at + len(fed)))) + number * length
                    row = np.full(len(response), first_row[index] + copy)
                    found.append((row, np.arange(len(response)), states, np.asarray(response)))
                at, segments = at + len(fed), segments + 1
    mask = _visible(segment, prefix_of)
    parts = [np.concatenate(part) for part in zip(*found, strict=True)] if found else [np.zeros(0, np.int64)] * 4
    rows, columns, places, chosen = (torch.from_numpy(part.astype(np.int64)).to(device) for part in parts)
    longest = max((len(response) for group in groups for response in group.responses), default=0)
    return Streams(
        tokens=torch.from_numpy(tokens).to(device),
        positions=torch.from_numpy(positions).to(device),
        mask=torch.from_numpy(mask).to(device).unsqueeze(1),
        rows=rows,
        columns=columns,
        places=places,
        chosen=chosen,
        shape=(int(first_row[-1]), longest),
    )


def _tokens_of(group: Group) -> int:
    return len(group.prompt) + sum(max(0, len(response) - 1) for response in group.responses)


def _cheapest(sizes: Sequence[int]) -> list[list[int]]:
    """The bins that cost least, in units of one token without attention."""

    def cost(bins: list[list[int]]) -> int:
        length = max(sum(sizes[index] for index in bin_) for bin_ in bins)
        return len(bins) * length * (_EVEN_TOKENS + length)

    most = -(-sum(sizes) // max(sizes))
    return min((_spread(sizes, count) for count in range(max(1, most // 8), most + 2)), key=cost)


def _spread(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Indices in `count` bins or fewer, about equally full: the largest first into the emptiest bin."""
    bins: list[list[int]] = [[] for _ in range(min(len(sizes), count))]
    heap = [(0, number) for number in range(len(bins))]
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        filled, number = heapq.heappop(heap)
        bins[number].append(index)
        heapq.heappush(heap, (filled + sizes[index], number))
    return bins


def _put(
    tokens: np.ndarray,
    positions: np.ndarray,
    segment: np.ndarray,
    stream: int,
    at: int,
    ids: Sequence[int],
    first_position: int,
    number: int,
) -> None:
    import numpy as np

    place = slice(at, at + len(ids))
    tokens[stream, place] = ids
    positions[stream, place] = first_position + np.arange(len(ids))
    segment[stream, place] = number


def _visible(segment: np.ndarray, prefix_of: np.ndarray) -> np.ndarray:
    """``(S, L, L)``: a token sees earlier ones of its segment and its prompt; padding sees itself, to stay finite."""
    import numpy as np

    length = segment.shape[1]
    earlier = np.tri(length, dtype=bool)
    own = segment[:, :, None] == segment[:, None, :]
    prompt = prefix_of[:, :, None] == segment[:, None, :]
    seen: np.ndarray = earlier & (own | prompt) & (segment >= 0)[:, :, None]
    return seen | np.eye(length, dtype=bool)
