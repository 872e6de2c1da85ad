from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from core.metrics.metric import Context
from core.metrics.rouge import RougeL
from core.products import load_products
from core.training.pipeline.checks import check_stages
from core.training.pipeline.examples import check_data
from core.training.pipeline.reading import known_recipes, read_recipe
from core.training.pipeline.run import load_data, open_bench

RECIPES = ("customer-service/answers", "finance-risk/events", "medical/fields")


def test_every_product_ships_a_recipe() -> None:
    assert all(product.recipes for product in load_products())
    assert set(RECIPES) <= set(known_recipes())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_for_the_default_model_and_learns_in_two_stages(name: str, tmp_path: Path) -> None:
    path = known_recipes()[name]
    recipe = read_recipe(path)
    bench = open_bench(recipe, path, tmp_path)
    check_stages(bench)
    assert recipe.model == "qwen2.5-coder-0.5b"
    assert [stage.kind for stage in recipe.stage] == ["sft", "grpo"]
    assert recipe.promote


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_language_can_be_learnt_alone(name: str, language: str) -> None:
    path = known_recipes()[name]
    suite = read_recipe(path).data.suite
    data = load_data(read_recipe(path, [f"data.suite={suite}-{language}"]))
    check_data(data)
    assert data.name == f"{suite}-{language}"
    assert min(len(data.validation), len(data.test)) > 20


@pytest.mark.parametrize("product", ["finance_risk", "medical"])
def test_patterns_of_different_splits_are_no_near_copies(product: str) -> None:
    """With one mark for every slot, no two share three quarters of their words in order (ROUGE-L)."""
    folder = Path(__file__).parents[2] / "apps" / product / "recipes"
    if (folder / "sentences").is_dir():
        kinds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (folder / "sentences").glob("*.yaml")]
    else:
        kinds = list(yaml.safe_load((folder / "sentences.yaml").read_text(encoding="utf-8")).values())
    assert kinds
    for languages in kinds:
        for splits in languages.values():
            masked = {name: [re.sub(r"\{[^}]*\}", " slot ", one) for one in found] for name, found in splits.items()}
            for held_out, seen in (("validation", "train"), ("test", "train"), ("test", "validation")):
                contexts = [Context(tuple(masked[seen]), (), "")] * len(masked[held_out])
                for pattern, score in zip(splits[held_out], RougeL().score(masked[held_out], contexts), strict=True):
                    assert score.value < 0.75, pattern


@pytest.mark.model("qwen2.5-coder-0.5b")
@pytest.mark.parametrize("name", RECIPES)
def test_what_a_recipe_will_take_can_be_seen_without_training(name: str, tmp_path: Path, run_cli) -> None:
    code, out, err = run_cli("train", "run", name, "--dry-run", "--out", tmp_path / "out")
    assert code == 0, err
    assert "stage 2: grpo" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.model("qwen2.5-coder-0.5b")
@pytest.mark.parametrize("name", RECIPES)
def test_every_right_answer_fits_into_what_may_be_drawn(name: str) -> None:
    import transformers

    from core.models.locate import locate
    from core.training.data.chat_tokens import ChatEncoder

    recipe = read_recipe(known_recipes()[name])
    tokenizer = transformers.AutoTokenizer.from_pretrained(locate(recipe.model).folder, local_files_only=True)
    encoder, data = ChatEncoder(tokenizer), load_data(recipe)
    longest = max(len(encoder.answer(example.references[0])) for split in (data.train, data.test) for example in split)
    assert longest <= recipe.evaluate.max_tokens
    assert longest <= json.loads(recipe.stage[1].model_dump_json())["practice"]["max_tokens"]
