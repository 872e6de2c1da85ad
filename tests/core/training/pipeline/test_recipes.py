from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError, TriviumError, UnknownName
from core.training.pipeline.examples import Example, RecipeData, check_data, file_data
from core.training.pipeline.placing import settings_of
from core.training.pipeline.reading import find_recipe, read_recipe
from core.training.pipeline.recipe import GRPOStage, PPOStage
from core.training.pipeline.rewards import build_reward
from core.training.reward import Sample

WriteRecipe = Callable[..., Path]
GRPO = 'kind = "grpo"\nmetric = "chrf"\nsteps = 2'


def refused(path: Path, *overrides: str) -> TriviumError:
    with pytest.raises(InputError) as caught:
        read_recipe(path, overrides)
    return caught.value


def test_settings_of_parts_may_stand_in_the_stage(write_recipe: WriteRecipe) -> None:
    ppo = 'kind = "ppo"\nmetric = "0.6*groundedness + 0.3*rouge_l"\nsteps = 200\nkl_target = 6.0\nclip = 0.1'
    stage = read_recipe(write_recipe(ppo), ["stage.1.prompts=3", "stage.1.loop.keep=5"]).stage[0]
    assert isinstance(stage, PPOStage)
    assert stage.practice.kl.target == 6.0
    assert (stage.algorithm.clip, stage.practice.prompts, stage.loop.keep) == (0.1, 3, 5)


def test_every_setting_in_the_stage_belongs_to_one_place() -> None:
    places = settings_of(GRPOStage)
    assert places["kl"] == ("algorithm", "kl")
    assert places["learning_rate"] == ("optimiser", "learning_rate")
    assert places["kl_target"] == ("practice", "kl", "target")
    assert "metric" not in places
    assert not [name for name in places if name.startswith("uses_")]  # what an algorithm is cannot be set


def test_an_unknown_setting_is_named_with_its_line_and_the_likely_one(write_recipe: WriteRecipe) -> None:
    path = write_recipe(GRPO, GRPO + "\npromts = 3")
    line = path.read_text().splitlines().index("promts = 3") + 1
    error = refused(path)
    assert f"line {line}: 'promts' is no setting of stage 2 (grpo)" in error.message
    assert "Did you mean 'prompts'?" in str(error.hint)


@pytest.mark.parametrize(
    ("stages", "overrides", "said"),
    [
        (['kind = "gro"'], [], "stage 1 (gro) has no kind that is known"),
        (["steps = 2"], [], "stage 1 (None) has no kind"),
        ([GRPO + "\nprompts = 0"], [], "prompts: Input should be greater than or equal to 1 (given: 0)"),
        ([GRPO + "\nprompts = 2\npractice = { prompts = 3 }"], [], "'prompts' is given twice"),
        (['kind = "grpo"\nsteps = 2'], [], "stage 1 (grpo) needs 'metric'"),
        ([GRPO.replace("chrf", "reward_model")], [], "no stage 'reward' stands before it"),
        (['kind = "reward"\nsteps = 1'], [], "no stage trains the policy"),
        ([GRPO, 'kind = "reward"\nsteps = 1'], [], "the last stage is 'reward'"),
        (['kind = "rloo"\nmetric = "chrf"\nsteps = 1\nbaseline = "none"'], [], "rloo has the baseline leave_one_out"),
        ([GRPO], ["stage.2.steps=3"], "there is no stage 2"),
        ([GRPO], ["stage.1.steps"], "does not set anything"),
        ([GRPO], ["seed=x"], "the recipe, seed"),
        ([GRPO], ["data.suite=x"], "name one of suite, prepared, file"),
        ([GRPO], ["adapter.rnk=3"], "'adapter.rnk' is no setting"),
        ([GRPO], ["adapter.rank=999999999"], "adapter.rank: Input should be less than or equal to 1024"),
        ([GRPO], ["stage.1.learning_rate=inf"], "learning_rate: Input should be a finite number"),
    ],
)
def test_bad_recipes_are_refused_in_words(
    stages: list[str], overrides: list[str], said: str, write_recipe: WriteRecipe
) -> None:
    error = refused(write_recipe(*stages), *overrides)
    assert said in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["promote.metric=chrff"], "no metric named 'chrff'"),
        (["stage.1.metric=0.5*chrf + nonsense"], "no metric named 'nonsense'"),
        (["model=nowhere"], "no model named 'nowhere'"),
        (["data.file=nofile.jsonl"], "There is no file"),
        (["stage.1.metric=relevance:x"], "does not allow"),
        (["stage.1.trace=0.5"], "does not say what each step of a response is worth"),
        (["stage.1.kind=reinforce", "stage.1.baseline=mean", "stage.1.redraw=1"], "all worth the same, too"),
    ],
)
def test_what_a_recipe_names_is_checked_before_any_model_is_loaded(
    overrides: list[str], said: str, write_recipe: WriteRecipe, run_cli
) -> None:
    settings = [argument for override in overrides for argument in ("--set", override)]
    code, _, err = run_cli("train", "run", write_recipe(GRPO), "--dry-run", *settings)
    assert code == 1
    assert said in err


def test_a_dry_run_prints_the_plan_and_writes_nothing(write_recipe: WriteRecipe, tmp_path: Path, run_cli) -> None:
    code, out, _ = run_cli("train", "run", write_recipe(GRPO), "--dry-run", "--out", tmp_path / "out")
    assert code == 0
    assert "stage 1: grpo" in out and "at most 128 responses drawn" in out and "memory: about" in out
    assert not (tmp_path / "out").exists()


def test_too_long_a_response_is_found_before_the_first_stage(write_recipe: WriteRecipe, run_cli) -> None:
    path = write_recipe('kind = "sft"\nrow_tokens = 50', GRPO)
    code, out, _ = run_cli("train", "run", path, "--dry-run")
    assert code == 0 and "of 12 examples are longer than row_tokens = 50 and are cut" in out
    code, _, err = run_cli("train", "run", path, "--dry-run", "--set", "stage.2.max_tokens=250")
    assert code == 1 and "with a response of 250 (stage 2 (grpo): max_tokens)" in err


def test_recipes_are_found_by_product_and_by_path(write_recipe: WriteRecipe, run_cli) -> None:
    assert find_recipe("customer-service/answers").name == "answers.toml"
    assert find_recipe(str(write_recipe(GRPO))).name == "words.toml"
    with pytest.raises(UnknownName, match="customer-service/answers"):
        find_recipe("customer-service/answer")
    code, out, _ = run_cli("train", "list")
    assert code == 0 and "customer-service/answers" in out


def test_a_metric_the_data_cannot_feed_is_named_with_the_example(
    write_recipe: WriteRecipe, tmp_path: Path, run_cli
) -> None:
    rows = [
        {"prompt": f"p{n}", "split": split} for n, split in enumerate(("train", *["validation"] * 2, *["test"] * 2))
    ]
    path = tmp_path / "bare.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = run_cli("train", "run", write_recipe(GRPO, data=path), "--dry-run")
    assert code == 1 and "needs references; the example '2' has none" in err
    tail = '[promote]\nmetric = "distinct_1"'
    sft = write_recipe('kind = "sft"', data=path, tail=tail)
    sft.write_text(sft.read_text().replace('["chrf", "rouge_l"]', "[]"))
    code, _, err = run_cli("train", "run", sft, "--dry-run")
    assert code == 1 and "Stage 1 (sft): No train example has a reference" in err
    code, _, err = run_cli("train", "run", sft, "--dry-run", "--set", "stage.1.kind=dpo", "--set", "stage.1.steps=1")
    assert code == 1 and "Stage 1 (dpo): No train example has a rejected response" in err


def example(name: str, group: str = "") -> Example:
    from core.training.data.records import Turn

    return Example(name, (Turn("user", f"ask {name}"),), ("yes",), group=group)


def test_splits_must_be_there_and_apart() -> None:
    train, held, test = (example("1", "a"),), (example("2", "b"), example("3", "c")), (example("4"), example("5"))
    check_data(RecipeData("x", train, held, test))
    with pytest.raises(InputError, match="no test examples"):
        check_data(RecipeData("x", train, held, ()))
    with pytest.raises(InputError, match="test examples of 'x' are of one group"):
        check_data(RecipeData("x", train, held, (example("4", "d"), example("5", "d"))))
    with pytest.raises(InputError, match="group of '6' is in train and in test"):
        check_data(RecipeData("x", train, held, (*test, example("6", "a"))))
    with pytest.raises(InputError, match="Two examples are called '1'"):
        check_data(RecipeData("x", train, held, (*test, example("1", "z"))))


def test_a_file_is_split_by_group_the_same_way_each_time(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rows = [{"prompt": f"问 {n}", "response": "答", "group": f"g{n // 4}"} for n in range(200)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    data = file_data(path, 1)
    check_data(data)
    assert data == file_data(path, 1)
    assert data != file_data(path, 2)
    assert 100 < len(data.train) < 180


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", "line 1: it is not an object"),
        ('{"prompt": "a", "respons": "b"}', "'respons' is not known"),
        ('{"response": "b"}', "either 'prompt' or 'messages'"),
        ('{"prompt": ""}', "'prompt' is no text"),
        ('{"prompt": "a", "split": "dev"}', "the split 'dev'"),
        ('{"prompt": "a", "evidence": [1]}', "neither a text nor a list"),
        ('{"prompt": ', "line 1"),
        ('{"prompt": "a", "split": "test"}\n{"prompt": "b"}', "some lines say their split"),
    ],
)
def test_bad_lines_are_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line)
    with pytest.raises(TriviumError) as caught:
        file_data(path, 0)
    assert said in caught.value.message


def test_an_expression_may_mix_the_reward_model_with_metrics() -> None:
    class Learned:
        name = "reward model"

        def __call__(self, samples: list[Sample]) -> list[float]:
            return [10.0 * len(sample.text) for sample in samples]

    reward = build_reward("0.5*reward_model + 2*distinct_1", {}, reward_model=Learned(), cut=-1.0)
    samples = [Sample("1", "p", "a b"), Sample("2", "p", "a a", finished=False)]
    alone = build_reward("2*distinct_1", {}, cut=-1.0)(samples)
    assert reward(samples) == pytest.approx([15 + alone[0], 15 + alone[1]])
    assert alone == pytest.approx([2.0, 0.0])
