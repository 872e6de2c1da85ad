from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from apps.customer_service.recipes.intents import intents
from core.text import Language
from core.training.data.records import SPLITS, Labelled
from core.training.pipeline.classes.bench import open_class_bench
from core.training.pipeline.classes.labelled import check_labelled, group_of
from core.training.pipeline.classes.recipe import ClassRecipe
from core.training.pipeline.reading import known_recipes, read_any


@pytest.mark.parametrize("language", ["en", "zh", None])
def test_every_topic_is_in_every_split_and_no_question_in_two(language: Language | None) -> None:
    data = intents(language)
    check_labelled(data)
    languages = 1 if language else 2
    for name, each in (("train", 5 * languages + 1), ("validation", languages), ("test", 2 * languages)):
        counts = Counter(record.label for record in data.split(name) if isinstance(record, Labelled))
        assert len(counts) == 79 and set(counts.values()) == {each}, name
    groups = [{group_of(record) for record in data.split(name)} for name in SPLITS]
    assert not groups[0] & groups[1] and not (groups[0] | groups[1]) & groups[2]


def test_the_recipe_can_be_read_and_has_what_it_names(tmp_path: Path) -> None:
    recipe = read_any(known_recipes()["customer-service/intents"])
    assert isinstance(recipe, ClassRecipe)
    assert open_class_bench(recipe, tmp_path).data.task == "text"
    assert recipe.promoted_name == "customer-intents"
