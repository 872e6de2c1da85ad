from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, UnknownName
from core.prompts import (
    Example,
    FewShotPrompt,
    PromptEvaluation,
    PromptTemplate,
    StoredPrompt,
    load_prompt,
    save_prompt,
)
from core.prompts.store import next_version, own_folder, stored_prompts
from core.prompts.stored import parse_prompt


def prompt(version: int = 1, system: str = "Name the topic.") -> StoredPrompt:
    examples = (Example({"input": "Where is my card?"}, "card"),)
    return StoredPrompt("topic", version, "en", FewShotPrompt(PromptTemplate("{input}", system), examples))


def evaluation(of: StoredPrompt, value: float = 0.6) -> PromptEvaluation:
    return PromptEvaluation(
        "exact_match", value, value - 0.1, value + 0.1, 100, "questions", "d" * 64, "tiny", "2025-01-31", of.sha256
    )


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ['"""', 'ends with "', "back\\slash", "\x7f\x00\x1f", "\n\nlines\n", "字\n符", "'''", "\r\n", "# no comment"]
)
NUMBER = st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.sampled_from(["a", "b"]), TEXT | NUMBER | st.lists(TEXT, max_size=3))


@given(system=TEXT, user=TEXT, values=VALUES, answer=TEXT, schema=TEXT, value=st.floats(0, 1))
def test_a_file_gives_back_what_was_written(system: str, user: str, values, answer: str, schema: str, value: float):
    template = PromptTemplate(*(text.replace("{", "{{").replace("}", "}}") for text in (user, system)))
    stored = StoredPrompt("topic", 3, "zh", FewShotPrompt(template, (Example(values, answer),)), schema=schema)
    stored = stored.evaluated(evaluation(stored, value))
    again = parse_prompt(stored.to_toml(), "topic.3.toml")
    assert again == stored
    assert again.sha256 == stored.sha256


def test_a_prompt_is_kept_by_version_in_the_users_folder(fresh_settings):
    first = save_prompt(prompt(1))
    save_prompt(prompt(2, "Name the topic in one word."))
    assert first.parent == own_folder()
    assert load_prompt("topic") == prompt(2, "Name the topic in one word.")
    assert load_prompt("topic", 1) == prompt(1)
    assert next_version("topic") == 3
    assert FewShotPrompt.load("topic").template.system == "Name the topic in one word."
    assert PromptTemplate.load("topic").user == "{input}"
    with pytest.raises(UnknownName, match="version"):
        load_prompt("topic", 9)
    with pytest.raises(UnknownName, match="Did you mean 'topic'"):
        load_prompt("topik")


def test_a_version_never_changes_its_text(tmp_path: Path):
    path = save_prompt(prompt(1), tmp_path)
    with pytest.raises(InputError, match="another text") as raised:
        save_prompt(prompt(1, "Guess."), tmp_path)
    assert "version 2" in str(raised.value.hint)
    assert path.read_text() == prompt(1).to_toml()
    save_prompt(prompt(1).evaluated(evaluation(prompt(1))), tmp_path)
    assert load_prompt("topic", folders=[tmp_path]).current_evaluations


def test_the_users_own_comes_before_a_shipped_one(tmp_path: Path):
    own, shipped = tmp_path / "own", tmp_path / "shipped"
    save_prompt(prompt(1, "Mine."), own)
    save_prompt(prompt(1, "Theirs."), shipped)
    save_prompt(prompt(2, "Newer."), shipped)
    assert load_prompt("topic", 1, folders=[own, shipped]).prompt.template.system == "Mine."
    assert load_prompt("topic", folders=[own, shipped]).prompt.template.system == "Newer."
    assert stored_prompts([tmp_path / "absent"]) == {}


def test_a_text_edited_after_its_evaluation_is_not_evaluated(tmp_path: Path):
    path = save_prompt(prompt().evaluated(evaluation(prompt())), tmp_path)
    assert "exact_match 0.600 [0.500, 0.700], n = 100" in load_prompt("topic", folders=[tmp_path]).describe_evaluation()
    path.write_text(path.read_text().replace("Name the topic.", "Name the topic!"))
    edited = load_prompt("topic", folders=[tmp_path])
    assert edited.current_evaluations == ()
    assert edited.describe_evaluation() == "not evaluated (edited since its evaluation)"
    assert prompt().describe_evaluation() == "not evaluated"


def test_the_hash_is_of_what_a_model_sees():
    same = [replace(prompt(), name="x"), replace(prompt(), version=7), replace(prompt(), metric="bleu")]
    assert {one.sha256 for one in same} == {prompt().sha256}
    others = [
        prompt(system="Name it."),
        replace(prompt(), schema="Topic"),
        replace(prompt(), prompt=replace(prompt().prompt, examples=())),
    ]
    assert prompt().sha256 not in {one.sha256 for one in others}


def test_a_new_evaluation_takes_the_place_of_one_of_the_same_kind():
    twice = prompt().evaluated(evaluation(prompt(), 0.5)).evaluated(evaluation(prompt(), 0.7))
    assert [one.value for one in twice.evaluations] == [0.7]
    other = twice.evaluated(replace(evaluation(prompt(), 0.4), model="other"))
    assert [one.value for one in other.evaluations] == [0.7, 0.4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('user = "x"\nversion = 0', "version"),
        ('user = "x"\nlanguage = "fr"', "language"),
        ('user = "x"\n[[evaluation]]\nvalue = 1.0', "evaluation.0.metric"),
        ('user = "x"\n[[example]]\nvalues = { a = { b = 1 } }\nanswer = "y"', "example.0.values.a"),
        ("x = [", "TOML"),
        ('user = "{input.__class__}"', "'topic.1.toml': The placeholder '{input.__class__}'"),
        ('user = "{input!r:>{width}}"', "'topic.1.toml': The placeholder"),
        ('user = "{"', "'topic.1.toml': The prompt template"),
    ],
)
def test_a_broken_file_names_the_place(text: str, problem: str):
    with pytest.raises(InputError, match=problem):
        parse_prompt(text, "topic.1.toml")


@pytest.mark.parametrize("name", ["../topic", "Topic", "", "a/b", "a.b", "-a", "x" * 65])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="name"):
        save_prompt(replace(prompt(), name=name), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownName):
        load_prompt(name, folders=[tmp_path])


def test_a_file_under_another_name_is_refused(tmp_path: Path):
    save_prompt(prompt(), tmp_path).rename(tmp_path / "subject.1.toml")
    with pytest.raises(InputError, match="version 1 of 'topic'"):
        load_prompt("subject", folders=[tmp_path])


@pytest.mark.parametrize("name", ["answer_with_sources", "answer_with_sources_zh"])
def test_shipped_prompts_load(fresh_settings, name: str):
    prompt = load_prompt(name)
    whole = prompt.prompt.format(passages=["Two days."], question="How long?")
    assert "Two days." in whole.turns[-1]["content"]
    assert prompt.language == ("zh" if name.endswith("zh") else "en")
