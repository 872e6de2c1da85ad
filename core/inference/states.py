"""What a causal model makes of an answer while it reads it: states of a middle layer, as features for a learned reward.

Whether an answer is right shows in the hidden states of a model that reads it, more plainly than in the probability it
gives the answer (Azaria and Mitchell 2023, section 4; Orgad et al. 2024, section 3), and in the middle layers most.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.inference.chat_template import ChatTokenizer
from core.models.loading import LoadedModel
from core.prompts.messages import Prompt

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class AnswerStates:
    """Reads answers with the lowest layers of a decoder; each distinct prompt is read once for all its answers.

    Args:
        loaded: a decoder with full attention; its upper layers are not run.
        layers: so many layers are run, counted from the embeddings.

    Raises:
        InputError: the model has not so many layers, or they cannot be taken apart.
    """

    def __init__(self, loaded: LoadedModel, layers: int) -> None:
        self._decoder = _lowest(loaded.model, layers, loaded.name)
        self._chat = ChatTokenizer(loaded.tokenizer, loaded.model.config.model_type)
        self._device = loaded.placement.device
        config = loaded.model.config.get_text_config(decoder=True)
        self._context_tokens: int = config.max_position_embeddings
        self.dimension: int = 2 * config.hidden_size

    def read(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> Vectors:
        """``(n, 2d)``: of each answer after its prompt the mean state of its tokens, then that of its last token.

        An answer without tokens has zeros. Raises `InputError` for what is too long for the model.
        """
        import numpy as np

        ids = {repr(prompt): self._chat.prompt_ids(prompt) for prompt in prompts}
        rows: dict[str, list[int]] = {}
        for row, prompt in enumerate(prompts):
            rows.setdefault(repr(prompt), []).append(row)
        vectors = np.zeros((len(answers), self.dimension), dtype=np.float32)
        for key, own in rows.items():
            texts = [self._chat.continuation_ids(answers[row]) for row in own]
            filled = [index for index, text in enumerate(texts) if text]
            if filled:
                found = self._read_one(ids[key], [texts[index] for index in filled])
                vectors[[own[index] for index in filled]] = found
        return vectors

    def _read_one(self, prompt: list[int], texts: list[list[int]]) -> Vectors:
        """Padding stands on the right, where no token of an answer sees it."""
        import torch

        longest = max(map(len, texts))
        tokens_each = len(prompt) + longest
        if tokens_each > self._context_tokens:
            raise InputError(
                f"Prompt and answer have {tokens_each:,} tokens; the model can read {self._context_tokens:,}.",
                hint="Shorten them.",
            )
        lengths = torch.tensor([len(text) for text in texts], device=self._device)
        tokens = torch.tensor([text + [0] * (longest - len(text)) for text in texts], device=self._device)  # (n, T)
        with torch.inference_mode():
            cache = self._decoder(torch.tensor([prompt], device=self._device), use_cache=True).past_key_values
            cache.batch_repeat_interleave(len(texts))
            states = self._decoder(tokens, past_key_values=cache, use_cache=True).last_hidden_state.float()  # (n, T, d)
        inside = torch.arange(longest, device=self._device)[None, :] < lengths[:, None]
        mean = (states * inside[:, :, None]).sum(1) / lengths[:, None]
        last = states[torch.arange(len(texts), device=self._device), lengths - 1]
        result: Vectors = torch.cat([mean, last], dim=1).cpu().numpy()
        return result


def _lowest(model: Any, layers: int, name: str) -> Any:
    """The decoder cut off after `layers` layers, its weights shared with `model`."""
    import torch

    decoder = model.get_decoder()
    own = getattr(decoder, "layers", None)
    if own is None or not hasattr(decoder, "norm"):
        raise InputError(f"The layers of '{name}' cannot be taken apart.", hint="Choose a model of the Llama kind.")
    if not 1 <= layers <= len(own):
        raise InputError(f"'{name}' has {len(own)} layers, {layers} are asked for.", hint="Ask for fewer.")
    cut = copy.copy(decoder)
    cut._modules = dict(decoder._modules)
    cut.layers = torch.nn.ModuleList(own[:layers])
    cut.norm = torch.nn.Identity()
    return cut.eval()
