"""Attention of rows that share the keys of their prompt.

Several rows continue the same prompt. Each layer keeps the prompt's keys and values once (`prefix`) and every row's
later ones apart (`own`). A row's query meets both, and the two partial softmaxes are merged by their normalisers:
exactly the attention over the concatenated keys, as in Juravsky et al. 2024, "Hydragen", section 3. The queries of all
rows of a prompt meet its keys in one matrix product, so these are read once a step and not once a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Grid:
    """Which rows continue which prompt, as a table that matrix products can use.

    Attributes:
        rows: ``(U, g)`` row at each place of each prompt; 0 where a prompt has fewer than g rows.
        places: ``(B,)`` where in the flattened table each row is.
    """

    rows: torch.Tensor
    places: torch.Tensor


def make_grid(group: list[int], prefixes: int, device: str) -> Grid | None:
    """The table of rows by prompt `group[row]`; None where row i alone continues prompt i, and no table is needed."""
    import torch

    if group == list(range(prefixes)):
        return None
    members: list[list[int]] = [[] for _ in range(prefixes)]
    slots = []
    for row, prefix in enumerate(group):
        slots.append(len(members[prefix]))
        members[prefix].append(row)
    width = max(map(len, members))
    table = [rows + [0] * (width - len(rows)) for rows in members]
    places = [prefix * width + slot for prefix, slot in zip(group, slots, strict=True)]
    return Grid(torch.tensor(table, device=device), torch.tensor(places, device=device))


def attend_to_all(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    scaling: float,
    softcap: float | None,
) -> torch.Tensor:
    """Plain attention, for several new tokens a row.

    Args:
        query: ``(B, H, T, D)``.
        keys, values: ``(B, Hkv, K, D)``.
        mask: boolean, broadcast to ``(B, H, T, K)``, true where a key may be seen; None if T = K and it is causal.

    Returns:
        ``(B, H, T, Dv)``.
    """
    import torch

    if softcap is None:
        shared_heads = query.shape[1] != keys.shape[1]
        return torch.nn.functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=shared_heads
        )
    repeats = query.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(repeats, dim=1), values.repeat_interleave(repeats, dim=1)
    scores = _capped(query.float() @ keys.float().transpose(-1, -2) * scaling, softcap)  # (B, H, T, K)
    if mask is None:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
    return (weights @ values.float()).to(query.dtype)


def attend_to_shared(
    query: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor],
    prefix_mask: torch.Tensor | None,
    own: tuple[torch.Tensor, torch.Tensor],
    own_mask: torch.Tensor | None,
    grid: Grid | None,
    *,
    scaling: float,
    softcap: float | None,
) -> torch.Tensor:
    """Attention of one new token a row to its prompt and to what the row has added.

    Args:
        query: ``(B, H, 1, D)``.
        prefix: keys and values ``(U, Hkv, P, D)`` of U prompts.
        prefix_mask: ``(U, 1, 1, P)``, added to scores; None where all prompts have length P.
        own: keys and values ``(B, Hkv, S, D)``, the new token's last.
        own_mask: ``(B, 1, 1, S)``, added to scores; None where every row has S tokens of its own.

    Returns:
        ``(B, H, 1, Dv)``.
    """
    import torch

    batch, heads, _, width = query.shape
    key_heads = own[0].shape[1]
    repeats = heads // key_heads
    scaled = (query * scaling).view(batch, key_heads, repeats, width)
    own_out, own_norm = _partial(scaled, own, own_mask, softcap)
    if grid is None:
        prefix_out, prefix_norm = _partial(scaled, prefix, prefix_mask, softcap)
    else:
        prompts, places = grid.rows.shape
        table = scaled[grid.rows].transpose(1, 2).reshape(prompts, key_heads, places * repeats, width)
        table_out, table_norm = _partial(table, prefix, prefix_mask, softcap)
        prefix_out = _rows_of(table_out, grid, repeats)
        prefix_norm = _rows_of(table_norm.unsqueeze(-1), grid, repeats).squeeze(-1)
    share = torch.sigmoid(prefix_norm - own_norm).unsqueeze(-1)  # of the prompt in the whole softmax
    merged = torch.lerp(own_out.float(), prefix_out.float(), share)
    return merged.to(query.dtype).view(batch, heads, 1, -1)


def attend_by_row(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    bias: torch.Tensor,
    *,
    scaling: float,
    softcap: float | None,
) -> torch.Tensor:
    """Attention of one new token a row to keys of its own.

    Heads that share keys are taken for places of one head: any kernel reads these keys once, whatever it knows of
    grouped heads, and none is made to expand them.

    Args:
        query: ``(B, H, 1, D)``.
        keys, values: ``(B, Hkv, K, D)``.
        bias: ``(B, 1, 1, K)`` in the number format of the keys, added to scores.

    Returns:
        ``(B, H, 1, Dv)``.
    """
    import torch

    batch, heads, _, width = query.shape
    grouped = query.reshape(batch, keys.shape[1], -1, width)
    if softcap is None:
        output = torch.nn.functional.scaled_dot_product_attention(grouped, keys, values, attn_mask=bias, scale=scaling)
    else:  # which no kernel knows
        scores = _capped(grouped.float() @ keys.float().transpose(-1, -2) * scaling, softcap) + bias
        output = (scores.softmax(dim=-1) @ values.float()).to(query.dtype)
    return output.reshape(batch, heads, 1, -1)


def _partial(
    query: torch.Tensor,
    keys_values: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    softcap: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention ``(N, Hkv, R, Dv)`` of `query` to some of the keys, and the log of its normaliser ``(N, Hkv, R)``.

    Scores stay in float32: those of some models (Qwen2) are so large that bfloat16 rounds differences of 1 away.
    """
    import torch

    keys, values = keys_values
    if query.device.type == "cpu" and softcap is None and keys.shape == values.shape:
        if mask is not None:
            mask = mask.to(query.dtype).expand(-1, -1, query.shape[2], -1)
        # What `scaled_dot_product_attention` calls here, which does not hand out the normaliser.
        output, norm = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, keys, values, 0.0, False, attn_mask=mask, scale=1.0
        )
        return output, norm
    scores = query.float() @ keys.float().transpose(-1, -2)  # (N, Hkv, R, K)
    if softcap is not None:
        scores = _capped(scores, softcap)
    if mask is not None:
        scores = scores + mask
    norm = scores.logsumexp(dim=-1)
    weights = (scores - norm.unsqueeze(-1)).exp()
    return torch.matmul(weights, values.float()), norm


def _rows_of(table: torch.Tensor, grid: Grid, repeats: int) -> torch.Tensor:
    """From ``(U, Hkv, g * R, X)``, ordered by prompt, to ``(B, Hkv, R, X)``, ordered by row."""
    prompts, key_heads, _, width = table.shape
    by_place = table.view(prompts, key_heads, -1, repeats, width).transpose(1, 2)
    return by_place.reshape(-1, key_heads, repeats, width)[grid.places]


def _capped(scores: torch.Tensor, softcap: float) -> torch.Tensor:
    return (scores / softcap).tanh() * softcap
