"""Few-shot prompts: worked examples as earlier turns of the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.prompts.budget import BudgetTooSmall, TokenBudget
from core.prompts.messages import Message
from core.prompts.template import ChatPrompt, PromptTemplate, compose


@dataclass(frozen=True, slots=True)
class Example:
    """Values for the template's placeholders, and the answer one wishes for."""

    values: Mapping[str, object]
    answer: str


@dataclass(frozen=True, slots=True)
class FewShotPrompt:
    """A template with examples, most important first."""

    template: PromptTemplate
    examples: Sequence[Example] = ()

    @classmethod
    def load(cls, prompt: str | Path) -> FewShotPrompt:
        """The prompt in a TOML file (see `core.prompts.stored`), or of that name among the stored ones, newest version.

        Raises:
            UnknownName: no stored prompt has that name.
            InputError: the file does not have that form.
            UnreadableFile: it cannot be read.
        """
        from core.prompts.store import load_prompt, read_prompt

        is_file = isinstance(prompt, Path) or prompt.endswith(".toml")
        return (read_prompt(prompt) if is_file else load_prompt(str(prompt))).prompt

    def format(self, *, budget: TokenBudget | None = None, **values: object) -> ChatPrompt:
        """The prompt with `values` in place.

        With a `budget`, examples give way before quotations, since facts outrank examples; the last example first. With
        `budget.first == "quotations"` it is the other way round. Instructions and question stay whole.

        Raises:
            InputError: a value is missing or unknown.
            BudgetTooSmall: the budget does not even hold instructions and question.
        """
        if budget is None:
            return compose(self.template, values, before=self._turns(len(self.examples)))
        for count in range(len(self.examples), 0, -1):
            prompt = self._within(budget, count, values)
            if prompt is not None:
                return prompt
        return self._noted(compose(self.template, values, budget=budget), 0)

    def _within(self, budget: TokenBudget, count: int, values: Mapping[str, object]) -> ChatPrompt | None:
        """The prompt with the first `count` examples, or None where the budget does not hold it."""
        before = self._turns(count)
        if budget.first == "examples":
            whole = compose(self.template, values, before=before)
            return self._noted(whole, count) if budget.fits(whole.turns) else None
        try:
            return self._noted(compose(self.template, values, before=before, budget=budget), count)
        except BudgetTooSmall:
            return None

    def _noted(self, prompt: ChatPrompt, count: int) -> ChatPrompt:
        dropped = len(self.examples) - count
        notes = (self._note(dropped),) if dropped else ()
        return ChatPrompt(turns=prompt.turns, left_out=(*notes, *prompt.left_out))

    def _note(self, dropped: int) -> str:
        return f"examples: {dropped} of {len(self.examples)}"

    def _turns(self, count: int) -> tuple[Message, ...]:
        turns: list[Message] = []
        for example in self.examples[:count]:
            turns += [self.template.turns(example.values)[-1], {"role": "assistant", "content": example.answer}]
        return tuple(turns)
