"""How model families write a conversation, for tokenizers that bring no chat template of their own.

Each format is data: what stands before and after a turn of each role. The families' own template files and papers are
the authority (Touvron et al. 2023, appendix A, for Llama 2; Taori et al. 2023 for Alpaca); where the tokenizer brings
a template, that one is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import UnknownName
from core.prompts.messages import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """What stands around the text of a turn. `{begin}` and `{end}` stand for the tokenizer's marks of a text."""

    before: str
    after: str

    def write(self, text: str) -> str:
        return f"{self.before}{text}{self.after}"


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """One way to write a conversation as a text.

    Attributes:
        begin: what the text begins with.
        system: the system turn, or what is put before the first user turn's text where `system_in_user`.
        answer: what the model's own turn begins with.
        marks: texts that have a meaning in the format; a message must not contain them.
        stops: marks that end the model's turn, where the tokenizer knows them as one token.
        needs: marks that the tokenizer must know as one token each, or the format says nothing to the model.
        between: what stands between two turns.
        strips: whether white space around a message is dropped.
    """

    name: str
    system: Turn
    user: Turn
    assistant: Turn
    answer: str
    begin: str = ""
    system_in_user: bool = False
    marks: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    between: str = ""
    strips: bool = False

    def render(self, messages: Sequence[Message], *, begin_mark: str = "", end_mark: str = "") -> str:
        """The conversation up to where the model has to go on.

        Args:
            begin_mark, end_mark: the tokenizer's marks of the beginning and the end of a text, "" where it has none.
        """
        marks = {"{begin}": begin_mark, "{end}": end_mark}
        turns = {role: self._marked(turn, marks) for role, turn in self._turns().items()}
        written: list[str] = []
        carried = ""
        for message in messages:
            role, text = message["role"], message["content"]
            text = text.strip() if self.strips else text
            if role == "system" and self.system_in_user:
                carried += turns["system"].write(text)
                continue
            if role == "user":
                text, carried = carried + text, ""
            written.append(turns[role].write(text))
        if carried:  # a system turn that no user turn follows
            written.append(turns["user"].write(carried.strip()))
        if self.answer:
            written.append(self.answer)
        return _put(self.begin, marks) + self.between.join(written)

    def _turns(self) -> Mapping[str, Turn]:
        return {"system": self.system, "user": self.user, "assistant": self.assistant}

    @staticmethod
    def _marked(turn: Turn, marks: Mapping[str, str]) -> Turn:
        return Turn(_put(turn.before, marks), _put(turn.after, marks))


def _put(text: str, marks: Mapping[str, str]) -> str:
    for place, mark in marks.items():
        text = text.replace(place, mark)
    return text


def _tagged(role: str, end: str) -> Turn:
    return Turn(f"<|{role}|>\n", f"{end}\n")


_CHATML = ("<|im_start|>", "<|im_end|>")
_LLAMA_3 = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
_GEMMA = ("<start_of_turn>", "<end_of_turn>")
_INSTRUCTION = ("[INST]", "[/INST]")
_FORMATS = (
    ChatFormat(
        "chatml",
        system=Turn("<|im_start|>system\n", "<|im_end|>\n"),
        user=Turn("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=Turn("<|im_start|>assistant\n", "<|im_end|>\n"),
        answer="<|im_start|>assistant\n",
        marks=_CHATML,
        stops=("<|im_end|>",),
        needs=_CHATML,
    ),
    ChatFormat(
        "llama-3",
        begin="{begin}",
        system=Turn("<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"),
        user=Turn("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        assistant=Turn("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"),
        answer="<|start_header_id|>assistant<|end_header_id|>\n\n",
        marks=_LLAMA_3,
        stops=("<|eot_id|>",),
        needs=_LLAMA_3,
        strips=True,
    ),
    ChatFormat(
        "llama-2",
        system=Turn("<<SYS>>\n", "\n<</SYS>>\n\n"),
        user=Turn("{begin}[INST] ", " [/INST]"),
        assistant=Turn(" ", " {end}"),
        answer="",
        system_in_user=True,
        marks=(*_INSTRUCTION, "<<SYS>>", "<</SYS>>"),
        strips=True,
    ),
    ChatFormat(
        "mistral",
        begin="{begin}",
        system=Turn("", "\n\n"),
        user=Turn("[INST] ", "[/INST]"),
        assistant=Turn(" ", "{end}"),
        answer="",
        system_in_user=True,
        marks=_INSTRUCTION,
    ),
    ChatFormat(
        "gemma",
        begin="{begin}",
        system=Turn("", "\n\n"),
        user=Turn("<start_of_turn>user\n", "<end_of_turn>\n"),
        assistant=Turn("<start_of_turn>model\n", "<end_of_turn>\n"),
        answer="<start_of_turn>model\n",
        system_in_user=True,
        marks=_GEMMA,
        stops=("<end_of_turn>",),
        needs=_GEMMA,
        strips=True,
    ),
    ChatFormat(
        "zephyr",
        system=_tagged("system", "{end}"),
        user=_tagged("user", "{end}"),
        assistant=_tagged("assistant", "{end}"),
        answer="<|assistant|>\n",
        marks=("<|system|>", "<|user|>", "<|assistant|>"),
    ),
    ChatFormat(
        "phi-3",
        system=_tagged("system", "<|end|>"),
        user=_tagged("user", "<|end|>"),
        assistant=_tagged("assistant", "<|end|>"),
        answer="<|assistant|>\n",
        marks=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        stops=("<|end|>",),
        needs=("<|user|>", "<|assistant|>", "<|end|>"),
    ),
    ChatFormat(
        "alpaca",
        begin="{begin}",
        system=Turn("", ""),
        user=Turn("### Instruction:\n", ""),
        assistant=Turn("### Response:\n", "{end}"),
        answer="### Response:\n",
        marks=("### Instruction:", "### Response:"),
        between="\n\n",
    ),
)
PLAIN = ChatFormat("plain", system=Turn("", ""), user=Turn("", ""), assistant=Turn("", ""), answer="", between="\n\n")
"""The turns one after the other, without marks: for a model that was never taught a conversation."""

CHAT_FORMATS: Mapping[str, ChatFormat] = {known.name: known for known in (*_FORMATS, PLAIN)}

_BY_MODEL_TYPE: Mapping[str, tuple[str, ...]] = {
    "qwen2": ("chatml",),
    "qwen2_moe": ("chatml",),
    "qwen3": ("chatml",),
    "qwen3_moe": ("chatml",),
    "llama": ("llama-3", "chatml", "llama-2"),
    "mistral": ("chatml", "mistral"),
    "mixtral": ("chatml", "mistral"),
    "gemma": ("gemma",),
    "gemma2": ("gemma",),
    "gemma3": ("gemma",),
    "gemma3_text": ("gemma",),
    "phi3": ("phi-3",),
    "t5": ("plain",),
    "mt5": ("plain",),
    "bart": ("plain",),
    "mbart": ("plain",),
}
"""Formats a family is known to use, to be tried in this order: the first whose marks the tokenizer knows is taken."""


def find_chat_format(name: str) -> ChatFormat:
    """The format called `name`. Raises `UnknownName`."""
    if name not in CHAT_FORMATS:
        raise UnknownName("chat format", name, list(CHAT_FORMATS))
    return CHAT_FORMATS[name]


def format_of_family(model_type: str, vocabulary: Mapping[str, int]) -> ChatFormat | None:
    """The format that models of `model_type` (as in `config.json`) with these added tokens use; None where unknown."""
    for name in _BY_MODEL_TYPE.get(model_type, ()):
        if all(mark in vocabulary for mark in CHAT_FORMATS[name].needs):
            return CHAT_FORMATS[name]
    return None
