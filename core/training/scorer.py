"""Log-probabilities, entropies and hidden states of sampled responses, with gradients: what every objective is made of.

`PackedScorer` shares prompts between responses and reads logits at response tokens only (`core.training.streams`,
`core.training.token_logprobs`). `DenseScorer` is the plain way, one padded row a response and all logits of the model
itself; it is the reference, and what models go that the packed way is not made for. `choose_scorer` compares them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.inference.decoding import token_logprobs
from core.training.narrow_casts import narrow_casts
from core.training.short_attention import fastest_attention
from core.training.streams import Group, Streams, lay_out
from core.training.token_logprobs import chosen_logprobs

if TYPE_CHECKING:
    import torch

_CHECK_TOLERANCE = {"float32": 2e-3, "bfloat16": 0.25, "float16": 0.05}
"""Difference of log-probabilities, root of the mean square, put down to rounding. Seen in bfloat16: .05 to .14, single
tokens up to .37 (they are improbable, so their logits are far apart); a prompt without its first token gives .5 to 2.9.
"""


@dataclass(frozen=True, slots=True, eq=False)
class TokenScores:
    """What a model says of response tokens; ``(B, T)`` float32 each, 0 beyond a response's end.

    Attributes:
        logprobs: of the tokens.
        entropies: of the distributions they were chosen from.
        mask: boolean, true where there is a token.
        states: ``(B, T, H)`` hidden states the tokens are predicted from, where asked for; else None.
    """

    logprobs: torch.Tensor
    entropies: torch.Tensor
    mask: torch.Tensor
    states: torch.Tensor | None = None


class Scorer(Protocol):
    """A way to run the model over given responses."""

    def __call__(self, groups: Sequence[Group], *, temperature: float = 1.0, states: bool = False) -> TokenScores:
        """Rows are the responses of all groups, in order."""
        ...

    def states(self, groups: Sequence[Group]) -> torch.Tensor:
        """``(B, T, H)`` states alone; the output matrix is not needed for them."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PackedScorer:
    """See above. `model` is a decoder of transformers with attention by `sdpa` or `eager`."""

    model: Any
    device: str = "cpu"

    def __call__(self, groups: Sequence[Group], *, temperature: float = 1.0, states: bool = False) -> TokenScores:
        streams = lay_out(groups, device=self.device)
        hidden = self._hidden(streams)
        head = self.model.get_output_embeddings()
        logprobs, entropies = chosen_logprobs(
            hidden, head.weight, streams.chosen, bias=getattr(head, "bias", None), temperature=temperature
        )
        table = streams.table(hidden) if states else None
        return TokenScores(streams.table(logprobs), streams.table(entropies), streams.response_mask(), table)

    def states(self, groups: Sequence[Group]) -> torch.Tensor:
        streams = lay_out(groups, device=self.device)
        return streams.table(self._hidden(streams))

    def _hidden(self, streams: Streams) -> torch.Tensor:
        """``(N, H)``: the states that response tokens are predicted from."""
        with fastest_attention(self.model, streams.tokens), narrow_casts():
            output = self.model.base_model(
                input_ids=streams.tokens, position_ids=streams.positions, attention_mask=streams.mask, use_cache=False
            )
        hidden: torch.Tensor = output.last_hidden_state.flatten(0, 1)[streams.places]
        return hidden


@dataclass(frozen=True, slots=True, eq=False)
class DenseScorer:
    """See above."""

    model: Any
    device: str = "cpu"

    def __call__(self, groups: Sequence[Group], *, temperature: float = 1.0, states: bool = False) -> TokenScores:
        rows = self._rows(groups)
        output = self.model(
            input_ids=rows.tokens, attention_mask=rows.attention, use_cache=False, output_hidden_states=states
        )
        logits = rows.at_responses(output.logits).float() / temperature  # (B, T, V)
        logprobs = token_logprobs(logits, rows.chosen) * rows.mask
        log_p = logits.log_softmax(dim=-1)
        entropies = -(log_p.exp() * log_p).sum(dim=-1) * rows.mask
        table = rows.at_responses(output.hidden_states[-1]) * rows.mask[..., None] if states else None
        return TokenScores(logprobs, entropies, rows.mask, table)

    def states(self, groups: Sequence[Group]) -> torch.Tensor:
        rows = self._rows(groups)
        output = self.model.base_model(input_ids=rows.tokens, attention_mask=rows.attention, use_cache=False)
        return rows.at_responses(output.last_hidden_state) * rows.mask[..., None]

    def _rows(self, groups: Sequence[Group]) -> _Rows:
        import torch

        pairs = [(group.prompt, response) for group in groups for response in group.responses]
        width = max(len(prompt) + len(response) for prompt, response in pairs)
        longest = max(len(response) for _, response in pairs)
        tokens = torch.zeros(len(pairs), width, dtype=torch.long)
        attention = torch.zeros_like(tokens)
        chosen = torch.zeros(len(pairs), longest, dtype=torch.long)
        places = torch.zeros_like(chosen)
        for row, (prompt, response) in enumerate(pairs):
            size = len(prompt) + len(response)
            tokens[row, :size] = torch.tensor([*prompt, *response])
            attention[row, :size] = 1
            chosen[row, : len(response)] = torch.tensor(response, dtype=torch.long)
            places[row, : len(response)] = torch.arange(len(prompt) - 1, size - 1)
        lengths = torch.tensor([len(response) for _, response in pairs])
        mask = torch.arange(longest) < lengths[:, None]
        return _Rows(*(part.to(self.device) for part in (tokens, attention, chosen, places, mask)))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Padded rows ``(B, L)``; of their response tokens ``(B, T)`` the ids and where the states before them are."""

    tokens: torch.Tensor
    attention: torch.Tensor
    chosen: torch.Tensor
    places: torch.Tensor
    mask: torch.Tensor

    def at_responses(self, output: torch.Tensor) -> torch.Tensor:
        """``(B, T, …)`` of ``(B, L, …)``."""
        import torch

        return output[torch.arange(len(output), device=output.device)[:, None], self.places]


def choose_scorer(model: Any, device: str, dtype: str, name: str) -> PackedScorer | DenseScorer:
    """The packed way where it agrees with the plain one on a small example; else the plain one, with a warning."""
    import torch

    packed, dense = PackedScorer(model, device), DenseScorer(model, device)
    vocabulary = model.config.get_text_config(decoder=True).vocab_size
    ids = torch.randint(vocabulary, (40,), generator=torch.Generator().manual_seed(0)).tolist()
    groups = [
        Group(tuple(ids[:9]), (tuple(ids[9:15]), tuple(ids[15:17]))),
        Group(tuple(ids[17:22]), (tuple(ids[22:30]), tuple(ids[30:31]), tuple(ids[31:36]))),
    ]
    try:
        with torch.no_grad():
            expected = dense(groups)
            apart = (packed(groups).logprobs - expected.logprobs)[expected.mask]
            difference = float(apart.square().mean().sqrt())
        limit = _CHECK_TOLERANCE[dtype]
        reason = "" if difference <= limit else f"log-probabilities differ by {difference:.2g}; {limit:g} is allowed"
    except (RuntimeError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    if not reason:
        return packed
    warnings.warn(f"'{name}' is trained the plain way, which is slower: {reason}.", RuntimeWarning, stacklevel=2)
    return dense
