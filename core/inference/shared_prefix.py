"""The fast way to run a causal model: each distinct prompt is read once, and once for all what prompts begin with.

Made for decoders with full attention that take transformers' attention interface; `core.inference.forward` decides.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.inference.decoding import token_logprobs
from core.inference.rows import Prefix, SharedPrefixRows

if TYPE_CHECKING:
    import torch

    from core.inference.forward import JoinableContinuation
    from core.inference.static_rows import StaticRows

_ATTENTION = "trivium_shared_prefix"
_COMMON_TOKENS = 16
"""A common beginning shorter than this is not worth a forward pass of its own."""
_PADDING_SHARE = 0.12
"""Prompts are read together while padding stays below this share."""
_PREFILL_TOKENS = 4096
_FIRST_COLUMNS = 32
_LOGIT_NUMBERS = 2**26
"""Logits held at a time while scoring: 256 MiB in float32."""


class SharedPrefixForward:
    """See `core.inference.forward.Forward`.

    Args:
        turn: held while our attention is in force, by whoever runs the model.
    """

    def __init__(self, model: Any, device: str, turn: threading.Lock | None = None) -> None:
        self.device = device
        self._model = model
        self._turn = turn or threading.Lock()
        _register_attention()

    def start(self, prompts: Sequence[list[int]], copies: Sequence[int]) -> JoinableContinuation:
        """Rows for prompts, `copies[i]` rows for prompt i."""
        prefix, logits = self.prefill(prompts)
        group = [prompt for prompt, count in enumerate(copies) for _ in range(count)]
        return self.continuation(prefix, group, logits)

    def continuation(self, prefix: Prefix, group: Sequence[int], logits: torch.Tensor) -> JoinableContinuation:
        """Rows that go on, the i-th with prompt `group[i]` of `prefix`; `logits` ``(U, V)`` follow the prompts."""
        return SharedPrefixContinuation(self, prefix, group, logits[list(group)])

    def score(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """Log-probability of each token of the second of a pair; a prompt with several continuations is read once."""
        import torch

        distinct = list(dict.fromkeys(tuple(prompt) for prompt, _ in pairs))
        number = {prompt: index for index, prompt in enumerate(distinct)}
        group = [number[tuple(prompt)] for prompt, _ in pairs]
        prefix, logits = self.prefill([list(prompt) for prompt in distinct])
        first = torch.tensor([continuation[0] for _, continuation in pairs], device=self.device)
        scores = [[value] for value in token_logprobs(logits[group], first).tolist()]
        longest = max(len(continuation) for _, continuation in pairs)
        rows = SharedPrefixRows(prefix, group, columns=longest, device=self.device)
        width = max(1, _LOGIT_NUMBERS // (len(pairs) * logits.shape[1]))
        for start in range(0, longest - 1, width):
            stop = min(start + width, longest - 1)
            piece = [_padded(continuation[start : stop + 1], stop - start + 1) for _, continuation in pairs]
            tokens = torch.tensor(piece, device=self.device)  # (B, step + 1): each says the next
            found = token_logprobs(self.run(rows, tokens[:, :-1], keep=stop - start), tokens[:, 1:]).tolist()
            for score, row, (_, continuation) in zip(scores, found, pairs, strict=True):
                score.extend(row[: max(0, len(continuation) - 1 - start)])
        return scores

    def prefill(self, prompts: Sequence[list[int]]) -> tuple[Prefix, torch.Tensor]:
        """Keys and values of prompts, and what follows each, ``(U, V)`` float32."""
        import torch

        common = _common_length(prompts) if len(prompts) > 1 else 0
        base = None
        if common >= _COMMON_TOKENS:
            rows = SharedPrefixRows(None, [0], columns=common, device=self.device)
            self.run(rows, torch.tensor([prompts[0][:common]], device=self.device), keep=1)
            base = rows.as_prefix([common])
        else:
            common = 0
        lengths = [len(prompt) for prompt in prompts]
        layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        logits = None
        for bucket in _buckets([length - common for length in lengths]):
            rows, last = self._prefill_bucket([prompts[index][common:] for index in bucket], base)
            index = torch.tensor(bucket, device=self.device)
            if logits is None:
                logits = last.new_empty(len(prompts), last.shape[1])
                layers = [_prompt_buffers(rows.own(layer), lengths) for layer in range(rows.layers)]
            logits[index] = last
            for layer, buffers in enumerate(layers):
                for part, (buffer, own) in enumerate(zip(buffers, rows.own(layer), strict=True)):
                    if base:
                        buffer[:, :, :common] = base.layers[layer][part]
                    buffer[index, :, common : common + own.shape[2]] = own
        assert logits is not None
        return Prefix(layers, lengths), logits

    def _prefill_bucket(
        self, prompts: Sequence[list[int]], base: Prefix | None
    ) -> tuple[SharedPrefixRows, torch.Tensor]:
        import torch

        longest = max(map(len, prompts))
        tokens = torch.tensor([_padded(prompt, longest) for prompt in prompts], device=self.device)  # (u, T)
        ends = torch.tensor([[len(prompt) - 1] for prompt in prompts], device=self.device)  # (u, 1)
        rows = SharedPrefixRows(base, [0] * len(prompts), columns=longest, device=self.device)
        return rows, self.run(rows, tokens, keep=ends)[:, 0]

    def run(
        self, rows: SharedPrefixRows | StaticRows, tokens: torch.Tensor, *, keep: int | torch.Tensor
    ) -> torch.Tensor:
        """One forward pass over `tokens` ``(B, T)``.

        Args:
            keep: how many of the last places to say what follows of, or which ``(B, K)``.

        Returns:
            ``(B, K, V)`` float32.
        """
        import torch

        with self._turn, torch.inference_mode(), _attention_in_force(self._model):
            output = self._model(
                input_ids=tokens,
                position_ids=rows.begin(tokens.shape[1]),
                past_key_values=rows,
                use_cache=True,
                logits_to_keep=keep,
                shared_prefix_rows=rows,
            )
        logits: torch.Tensor = output.logits.float()
        return logits


class SharedPrefixContinuation:
    """See `core.inference.forward.JoinableContinuation`."""

    def __init__(
        self, forward: SharedPrefixForward, prefix: Prefix, group: Sequence[int], logits: torch.Tensor
    ) -> None:
        self.logits = logits
        self._forward = forward
        self._rows = SharedPrefixRows(prefix, group, columns=_FIRST_COLUMNS, device=forward.device)

    def advance(self, tokens: Sequence[int], rows: Sequence[int]) -> None:
        """Go on with `rows`, in this order, the i-th of them with `tokens[i]` appended."""
        import torch

        self._rows.select(rows)
        new = torch.tensor(tokens, device=self._forward.device).unsqueeze(-1)  # (B, 1)
        self.logits = self._forward.run(self._rows, new, keep=1)[:, 0]

    def join(self, prefix: Prefix, logits: torch.Tensor, group: Sequence[int]) -> None:
        """Add rows after those that are there, the i-th of them with prompt `group[i]` of `prefix`.

        Args:
            logits: what follows each prompt, ``(U, V)`` float32.
        """
        import torch

        self._rows.join(prefix, group)
        self.logits = torch.cat([self.logits, logits[list(group)]])


def _register_attention() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(_ATTENTION, _attention)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    shared_prefix_rows: SharedPrefixRows | StaticRows,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls for attention while our rows run; returns ``(B, T, H, Dv)``."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    output = shared_prefix_rows.attend(module.layer_idx, query, scaling=scaling, softcap=softcap)
    return output.transpose(1, 2).contiguous(), None


@contextlib.contextmanager
def _attention_in_force(model: Any) -> Iterator[None]:
    """Our attention for one forward pass; the model's own is put back."""
    config = model.config.get_text_config(decoder=True)
    own = config._attn_implementation
    config._attn_implementation = _ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = own


def _prompt_buffers(
    own: tuple[torch.Tensor, torch.Tensor], lengths: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Room for one layer's keys and values of all prompts; zeros, as padding must be finite."""
    keys, values = own
    shape = (len(lengths), keys.shape[1], max(lengths))
    return keys.new_zeros((*shape, keys.shape[3])), values.new_zeros((*shape, values.shape[3]))


def _common_length(prompts: Sequence[list[int]]) -> int:
    """How many first tokens all prompts share; each keeps one token or more of its own."""
    shortest, longest = min(prompts), max(prompts)  # in the order of lists; what they share, all share
    limit = min(map(len, prompts)) - 1
    return next((place for place in range(limit) if shortest[place] != longest[place]), limit)


def _buckets(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of prompts to read together: of similar length, and not too many tokens."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    bucket: list[int] = []
    for index in order:
        longest = lengths[bucket[0]] if bucket else lengths[index]
        full = (len(bucket) + 1) * longest > _PREFILL_TOKENS
        if bucket and (full or lengths[index] < (1 - _PADDING_SHARE) * longest):
            yield bucket
            bucket = []
        bucket.append(index)
    yield bucket


def _padded(tokens: Sequence[int], length: int) -> list[int]:
    """Padded on the right; what stands there is never seen from a real place."""
    return [*tokens, *[0] * (length - len(tokens))]
