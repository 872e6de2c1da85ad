"""Few-shot prompts from a pool of demonstrations: which of them to show, and the prompt with them.

Which demonstrations are shown, and in what order, changes what a model answers (Liu et al. 2022, "What makes good
in-context examples for GPT-3?"; Lu et al. 2022). A choice returns them most important first, as `FewShotPrompt` takes
them: under a token budget the last ones are dropped first.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.errors import InputError
from core.models.semantic_space import TextEncoder, maximal_marginal_relevance
from core.prompts.budget import TokenBudget
from core.prompts.few_shot import Example, FewShotPrompt
from core.prompts.template import ChatPrompt, PromptTemplate

if TYPE_CHECKING:
    from core.models.semantic_space import Vectors


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An input with the answer one wishes for. Where the answer is one of a few labels, choices can balance them."""

    input: str
    answer: str


class DemonstrationChoice(Protocol):
    """Picks demonstrations for an input, most important first. Equal arguments, equal result.

    `per_input` says whether other inputs may get other demonstrations.
    """

    @property
    def per_input(self) -> bool: ...

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        """At most `shots` of `pool`, all of it where it is smaller. The input itself has been taken out of the pool."""
        ...


@dataclass(frozen=True, slots=True)
class InOrder:
    """The first ones."""

    per_input: ClassVar[bool] = False

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        return list(pool[:shots])


@dataclass(frozen=True, slots=True)
class AtRandom:
    """Drawn with a seed: the same ones for every input, so that prompts share their beginning."""

    seed: int = 0

    per_input: ClassVar[bool] = False

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        return sorted(pool, key=lambda one: random.Random(f"{self.seed}\n{one.input}\n{one.answer}").random())[:shots]


@dataclass(frozen=True, slots=True)
class MostSimilar:
    """The nearest to the input by the embedder (Liu et al. 2022, section 3)."""

    embedder: TextEncoder

    per_input: ClassVar[bool] = True

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        import numpy as np

        if not pool:
            return []
        near = _vectors(self.embedder, _inputs(pool)) @ self.embedder.encode_queries([input])[0]
        return [pool[index] for index in np.argsort(-near, kind="stable")[:shots]]


@dataclass(frozen=True, slots=True)
class SimilarAndDiverse:
    """Near to the input and unlike one another: maximal marginal relevance (Carbonell & Goldstein 1998)."""

    embedder: TextEncoder
    relevance: float = 0.5

    per_input: ClassVar[bool] = True

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        if not pool or shots < 1:
            return []
        vectors = _vectors(self.embedder, _inputs(pool))
        near = vectors @ self.embedder.encode_queries([input])[0]
        return [pool[index] for index in maximal_marginal_relevance(near, vectors, shots, relevance=self.relevance)]


@dataclass(frozen=True, slots=True)
class Covering:
    """One from each of `shots` groups of the pool, whatever the input: the nearest to each centre of k-means.

    Those of large groups come first.
    """

    embedder: TextEncoder

    per_input: ClassVar[bool] = False

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        if not pool or shots < 1:
            return []
        if shots >= len(pool):
            return list(pool)
        return [pool[index] for index in _cover(self.embedder, _inputs(pool), shots)]


@dataclass(frozen=True, slots=True)
class LabelBalanced:
    """As many of each answer as can be: the first of every answer in the order of `among`, then the second, …"""

    among: DemonstrationChoice

    @property
    def per_input(self) -> bool:
        return self.among.per_input

    def choose(self, input: str, pool: Sequence[Demonstration], shots: int) -> list[Demonstration]:
        ordered = self.among.choose(input, pool, len(pool))
        seen: Counter[str] = Counter()
        rounds = []
        for one in ordered:
            rounds.append(seen[one.answer])
            seen[one.answer] += 1
        places = sorted(range(len(ordered)), key=lambda place: (rounds[place], place))
        return [ordered[place] for place in places[:shots]]


def choose_demonstrations(
    input: str, pool: Sequence[Demonstration], shots: int, choice: DemonstrationChoice
) -> list[Demonstration]:
    """What `choice` picks among the demonstrations that are not the input itself.

    The input is recognised whatever its case, width, marks and white space, so that no item is asked with its own
    answer in the prompt. Raises `InputError` for `shots` below 0.
    """
    if shots < 0:
        raise InputError(f"shots is {shots}.", hint="Give 0 or more.")
    own = plain_letters(input)
    others = [one for one in pool if plain_letters(one.input) != own]
    return choice.choose(input, others, shots) if shots and others else []


def build_prompt(
    task: str,
    input: str,
    demonstrations: Sequence[Demonstration] = (),
    shots: int = 0,
    *,
    choice: DemonstrationChoice | None = None,
    budget: TokenBudget | None = None,
) -> ChatPrompt:
    """The k-shot prompt of Brown et al. 2020, section 2: the task, `shots` demonstrations, then the input.

    Args:
        task: the instruction, taken as it is; braces mean nothing in it.
        choice: how the demonstrations are picked; the first ones where it is None.
        budget: see `FewShotPrompt.format`.

    Raises:
        InputError: `shots` is below 0.
        BudgetTooSmall: the budget does not even hold task and input.
    """
    chosen = choose_demonstrations(input, demonstrations, shots, choice or InOrder())
    return few_shot_prompt(task, chosen).format(budget=budget, input=input)


def few_shot_prompt(task: str, demonstrations: Sequence[Demonstration]) -> FewShotPrompt:
    """The prompt with the one placeholder `input`; `task` is taken as it is."""
    template = PromptTemplate("{input}", task.replace("{", "{{").replace("}", "}}"))
    return FewShotPrompt(template, tuple(Example({"input": one.input}, one.answer) for one in demonstrations))


def plain_letters(text: str) -> str:
    """Letters and digits of `text`, one width, lower case: equal for texts that differ in marks and spaces alone.

    A text without any is only stripped.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum()) or folded.strip()


def _inputs(pool: Sequence[Demonstration]) -> tuple[str, ...]:
    return tuple(one.input for one in pool)


@lru_cache(maxsize=8)
def _vectors(embedder: TextEncoder, texts: tuple[str, ...]) -> Vectors:
    return embedder.encode_queries(texts)


@lru_cache(maxsize=32)
def _cover(embedder: TextEncoder, texts: tuple[str, ...], count: int) -> tuple[int, ...]:
    import numpy as np
    from sklearn.cluster import KMeans

    vectors = _vectors(embedder, texts)
    count = min(count, len(set(texts)))
    found = KMeans(count, n_init=3, random_state=0).fit(vectors)
    sizes = np.bincount(found.labels_, minlength=count)
    chosen: list[int] = []
    for group in np.argsort(-sizes, kind="stable"):
        distances = np.linalg.norm(vectors - found.cluster_centers_[group], axis=1)
        distances[chosen] = np.inf
        chosen.append(int(distances.argmin()))
    return tuple(chosen)
