"""The patterns of sentences themselves: how many there are, what they hold, and how far the splits are apart."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.finance_risk.matters import declared_kinds
from apps.finance_risk.recipes.events import events
from core.training.data.records import SPLITS, Turn
from core.training.pipeline.examples import Example
from core.training.pipeline.reading import known_recipes, read_recipe

FOLDER = Path(__file__).parents[4] / "apps" / "finance_risk" / "recipes"
PATTERNS = {"train": 16, "validation": 8, "test": 18}
CELLS = [(kind.name, language) for kind in declared_kinds() for language in ("en", "zh")]
MOST_SHARED = 0.45
"""Of the words that two patterns have between them. Set by reading: above it stood rewordings of one sentence, below it
sentences that share the words which tell the kind of matter."""
SOURCE = r"party|person|bank|(?:(?:earlier|later)_)?date|(?:(?:more|less)_)?(?:money|shares)|ratio|rate"


@cache
def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def patterns(kind: str, language: str, split: str) -> list[str]:
    return read(f"sentences/{kind}.yaml")[language][split]


def words(pattern: str, language: str) -> set[str]:
    """Words, or pairs of neighbouring characters, outside of slots."""
    bare = re.sub(r"\{[^}]*\}", " ", pattern).lower()
    if language == "en":
        return set(re.findall(r"[a-z'-]+", bare))
    return {run[place : place + 2] for run in re.findall(r"[\u4e00-\u9fff]+", bare) for place in range(len(run) - 1)}


def test_there_is_a_file_for_every_kind_and_no_other() -> None:
    assert {path.stem for path in (FOLDER / "sentences").iterdir()} == {kind.name for kind in declared_kinds()}


@pytest.mark.parametrize(("kind", "language"), CELLS)
def test_every_kind_and_language_has_as_many_patterns(kind: str, language: str) -> None:
    found = read(f"sentences/{kind}.yaml")[language]
    assert {split: len(rows) for split, rows in found.items()} == PATTERNS
    masked = [re.sub(r"\{[^}]*\}", "{}", pattern) for rows in found.values() for pattern in rows]
    assert not [one for one, times in Counter(masked).items() if times > 1]


@pytest.mark.parametrize(("kind", "language"), CELLS)
def test_a_slot_is_a_role_or_other_and_has_a_known_source(kind: str, language: str) -> None:
    roles = {role.name for one in declared_kinds() if one.name == kind for role in one.roles}
    slot = re.compile(rf"(?:{'|'.join(roles)})(?::(?:{SOURCE})|=[^}}]+)?|other:(?:{SOURCE})")
    for pattern in (one for split in SPLITS for one in patterns(kind, language, split)):
        found = re.findall(r"\{([^}]*)\}", pattern)
        assert len(found) == pattern.count("{") == pattern.count("}"), pattern
        assert len({one.split(":")[0] for one in found} & roles) + ("=" in pattern) >= 2, pattern
        for one in found:
            assert slot.fullmatch(one), (one, pattern)


@pytest.mark.parametrize(("kind", "language"), CELLS)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_patterns_share_few_words_with_those_of_training(kind: str, language: str, split: str) -> None:
    for pattern in patterns(kind, language, split):
        mine = words(pattern, language)
        for other in patterns(kind, language, "train"):
            theirs = words(other, language)
            assert len(mine & theirs) / len(mine | theirs) < MOST_SHARED, (pattern, other)


@pytest.mark.parametrize(("kind", "language"), CELLS)
def test_all_splits_are_as_hard(kind: str, language: str) -> None:
    """In each, a quarter of the patterns or more hold a value that is no role, and a person takes part."""
    for split in SPLITS:
        found = patterns(kind, language, split)
        assert sum("{other:" in pattern for pattern in found) >= len(found) / 4, split
        assert any(":person}" in pattern for pattern in found), split


def test_the_company_is_a_value_in_every_split() -> None:
    for split in SPLITS:
        for language in ("en", "zh"):
            assert sum("=" in one for kind in declared_kinds() for one in patterns(kind.name, language, split)) >= 5


@pytest.mark.parametrize("language", ["", "en", "zh"])
def test_what_a_run_measures_is_spread_over_patterns_and_kinds(language: str) -> None:
    """No pattern has a second sentence while another has none, but for those that the limit leaves out."""
    recipe = read_recipe(known_recipes()["finance-risk/events"])
    data = events(language or None)  # type: ignore[arg-type]
    limits = recipe.data.model_dump(include={"validation", "test"})
    limited = data.limited(limits)
    for split, limit in limits.items():
        rows, every = limited.split(split), {example.group for example in data.split(split)}
        times = Counter(example.group for example in rows)
        assert len(rows) == limit
        assert len(times) == min(limit, len(every))
        assert max(times.values()) == -(-limit // len(every))
        kinds = Counter(example.group.split("-")[0] for example in rows)
        assert set(kinds) == {kind.name for kind in declared_kinds()}
        assert max(kinds.values()) - min(kinds.values()) <= 1


@pytest.mark.model("smollm2-135m")
def test_the_longest_prompts_with_their_answers_fit_into_a_row() -> None:
    """Of the models it runs on, the one with most tokens for Chinese."""
    import transformers

    from core.models.locate import locate
    from core.training.data.chat_tokens import ChatEncoder

    recipe = read_recipe(known_recipes()["finance-risk/events"])
    encoder = ChatEncoder(
        transformers.AutoTokenizer.from_pretrained(locate("smollm2-135m").folder, local_files_only=True)
    )
    cells: dict[str, list[Example]] = {}
    for example in (one for split in SPLITS for one in events().split(split)):
        cells.setdefault(example.group.rpartition("-")[0], []).append(example)
    assert len(cells) == len(CELLS) * len(SPLITS)
    for cell in cells.values():
        for example in sorted(cell, key=lambda one: len(one.prompt[0].content + one.references[0]))[-2:]:
            answered = (*example.prompt, Turn("assistant", example.references[0]))
            assert len(encoder.encode(answered).ids) <= recipe.stage[0].row_tokens, example.question
