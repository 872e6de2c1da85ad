"""Prompt templates with named placeholders: a missing or unknown name is an error, and values are never templates."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import PromptValue

from core.errors import InputError
from core.prompts.budget import BudgetTooSmall, TokenBudget, fit_quotations
from core.prompts.messages import Message
from core.prompts.quotation import Quotation, as_quotations, quotation_note, render_quotations
from core.text import detect_language

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

Values = Mapping[str, object]


class ChatPrompt(PromptValue):
    """A finished prompt: its turns, and what the token budget left out, in words. A LangChain prompt value."""

    turns: tuple[Message, ...]
    left_out: tuple[str, ...] = ()
    type: Literal["TriviumChatPrompt"] = "TriviumChatPrompt"  # type: ignore[assignment]

    def to_string(self) -> str:
        """All turns in one text, each under its role."""
        return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in self.turns)

    def to_messages(self) -> list[BaseMessage]:
        """The turns as LangChain messages."""
        kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
        return [kinds[turn["role"]](content=turn["content"]) for turn in self.turns]


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A user turn, and optionally a system turn, with placeholders `{name}`; `{{` and `}}` stand for braces.

    A value is text of our own, a number, or text of somebody else's: a `Quotation`, or a sequence of quotations,
    passages or hits. The latter are put between marks, numbered, and the system turn says what the marks mean.
    """

    user: str
    system: str = ""
    placeholders: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Raises `InputError` for a placeholder that is more than a name."""
        object.__setattr__(self, "placeholders", _placeholders(self.system) | _placeholders(self.user))

    @classmethod
    def load(cls, prompt: str | Path) -> PromptTemplate:
        """The template of a stored prompt, without its examples. Takes and raises what `FewShotPrompt.load` does."""
        from core.prompts.few_shot import FewShotPrompt

        return FewShotPrompt.load(prompt).template

    def format(self, *, budget: TokenBudget | None = None, **values: object) -> ChatPrompt:
        """The prompt with `values` in place.

        With a `budget`, quoted text is shortened from its end, at sentence boundaries, until the prompt fits.

        Raises:
            InputError: a value is missing, unknown or of no known kind.
            BudgetTooSmall: the budget does not even hold the text without quotations.
        """
        return compose(self, values, budget=budget)

    def turns(self, values: Values) -> list[Message]:
        """The turns for complete `values`."""
        self._check(values)
        texts = {name: _render(value) for name, value in values.items()}
        user = self.user.format_map(texts)
        notes = [self.system.format_map(texts)] if self.system else []
        if any(_is_quoted(value) for value in values.values()):
            notes.append(quotation_note(detect_language(self.system or self.user)))
        system: list[Message] = [{"role": "system", "content": "\n".join(notes)}] if notes else []
        return [*system, {"role": "user", "content": user}]

    def as_runnable(self) -> Runnable[dict[str, Any], PromptValue]:
        """For LangChain pipelines: `template.as_runnable() | chat_model` takes a dict of values."""
        from langchain_core.runnables import RunnableLambda

        return RunnableLambda(lambda values: self.format(**values))

    def _check(self, values: Values) -> None:
        missing = sorted(self.placeholders - set(values))
        unknown = sorted(set(values) - self.placeholders)
        if missing or unknown:
            problem = f"has no value for {missing[0]!r}" if missing else f"has no placeholder {unknown[0]!r}"
            known = ", ".join(sorted(self.placeholders)) or "none"
            raise InputError(f"The prompt template {problem}.", hint=f"Its placeholders: {known}.")


def compose(
    template: PromptTemplate,
    values: Values,
    *,
    before: tuple[Message, ...] = (),
    budget: TokenBudget | None = None,
) -> ChatPrompt:
    """A prompt with the turns `before` between system and user turn, within `budget`. Raises as `format` does."""
    values = {name: as_quotations([value]) if isinstance(value, Quotation) else value for name, value in values.items()}
    quoted = {name: as_quotations(_items(value)) for name, value in values.items() if _is_quoted(value)}

    def turns(kept: Values) -> list[Message]:
        own = template.turns({**values, **kept})
        return [*own[:-1], *before, own[-1]]

    if budget is None:
        return ChatPrompt(turns=tuple(turns(quoted)))
    kept, left_out = fit_quotations(quoted, lambda candidate: budget.fits(turns(candidate)))
    if not budget.fits(turns(kept)):
        raise BudgetTooSmall(budget.tokens)
    return ChatPrompt(turns=tuple(turns(kept)), left_out=left_out)


def _placeholders(text: str) -> frozenset[str]:
    names = set()
    try:
        for _, name, form, conversion in string.Formatter().parse(text):
            if name is None:
                continue
            if not name.isidentifier() or form or conversion:
                raise InputError(f"The placeholder '{{{name}}}' is not a plain name.", hint="Write {{ for a brace.")
            names.add(name)
    except ValueError as error:
        raise InputError(f"The prompt template cannot be read: {error}.", hint="Write {{ and }} for braces.") from error
    return frozenset(names)


def _is_quoted(value: object) -> bool:
    return isinstance(value, Quotation) or (isinstance(value, Iterable) and not isinstance(value, str | Mapping))


def _items(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) else (value,)


def _render(value: object) -> str:
    if _is_quoted(value):
        return render_quotations(as_quotations(_items(value)))
    if isinstance(value, str | int | float):
        return str(value)
    raise InputError(
        f"A value of type {type(value).__name__} cannot go into a prompt.", hint="Give text, numbers or quotations."
    )
