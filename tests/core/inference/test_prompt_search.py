from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, UnreadableFile
from core.inference import prompt_search
from core.inference.generator import GREEDY, Completion, ContinuationScore
from core.inference.held_out import LabelledInput, data_sha256, figure, split_examples
from core.inference.prompt_search import Shots, Task, halving_rounds, search_prompts
from core.inference.propose import propose_instructions
from core.metrics import AnswerF1, ExactMatch
from core.prompts.demonstrations import AtRandom, Demonstration, InOrder
from core.prompts.messages import as_messages

EXAMPLES = [
    LabelledInput(f"{'问题' if n % 2 else 'question'} {n}", (f"answer {n}",), f"group {n // 2}") for n in range(60)
]
POOL = tuple(Demonstration(f"other {n}", f"answer x{n}") for n in range(6))
TASK = Task(ExactMatch())


class Stopped(RuntimeError):
    pass


class FakeGenerator:
    """Right for the share of inputs that the instruction names, more with demonstrations; remembers what was asked."""

    name = "fake"

    def __init__(self, *, stops_after: int | None = None, right=None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.stops_after = stops_after
        self.right = right or self._right

    def _right(self, instruction: str, number: int, shots: int) -> bool:
        return number % 10 < int(instruction.split()[-1]) + shots

    def generate(self, prompts, sampling=GREEDY, progress=None):
        return [Completion(self._answer(prompt), "stop") for prompt in prompts for _ in range(sampling.n)]

    def stream(self, prompt, sampling=GREEDY):
        yield self._answer(prompt)

    def score(self, prompts, continuations):
        scores = []
        for prompt, continuation in zip(prompts, continuations, strict=True):
            right = self._answer(prompt) == continuation
            scores.append(ContinuationScore((1,), (-0.1 if right else -3.0,)))
        return scores

    def _answer(self, prompt) -> str:
        turns = as_messages(prompt)
        instruction, asked = turns[0]["content"], turns[-1]["content"]
        if self.stops_after is not None and len(self.asked) >= self.stops_after:
            raise Stopped
        self.asked.append((instruction, asked))
        number = int(asked.split()[-1])
        return f"answer {number}" if self.right(instruction, number, len(turns) // 2 - 1) else "no idea"


SHOTS = [Shots("0"), Shots("2", POOL, 2, AtRandom(0))]
INSTRUCTIONS = [f"right for {n}" for n in (3, 1, 6, 2)]


def search(generator=None, **options):
    given = {"instructions": INSTRUCTIONS, "demonstrations": SHOTS, "examples": EXAMPLES, "task": TASK, **options}
    return search_prompts(generator or FakeGenerator(), **given)


def test_the_best_pair_wins_and_is_measured_on_what_was_held_out():
    result = search()
    assert (result.best.instruction, result.best.shots.name) == ("right for 6", "2")
    parts = split_examples(EXAMPLES)
    test = [int(one.input.split()[-1]) for one in parts["test"]]
    assert result.test.value == pytest.approx(statistics.mean(number % 10 < 8 for number in test))
    assert result.baseline_test.value == pytest.approx(statistics.mean(number % 10 < 3 for number in test))
    assert result.gain.value == pytest.approx(result.test.value - result.baseline_test.value)
    assert result.gain.low <= result.gain.value <= result.gain.high
    assert result.test.n == len(parts["test"]) == result.sizes["test"]


def test_the_test_part_is_asked_of_winner_and_baseline_alone():
    generator = FakeGenerator()
    result = search(generator, demonstrations=SHOTS[:1])
    test = {one.input for one in split_examples(EXAMPLES)["test"]}
    asked = {instruction for instruction, text in generator.asked if text in test}
    assert asked == {INSTRUCTIONS[0], result.best.instruction}
    assert [trial.stage for trial in result.trials].count("test") == 2


def test_a_candidate_that_shines_on_the_test_part_alone_does_not_win():
    test = {int(one.input.split()[-1]) for one in split_examples(EXAMPLES)["test"]}
    generator = FakeGenerator(right=lambda text, number, _: (number in test) == text.endswith("1") and number % 3 > 0)
    result = search(generator, demonstrations=SHOTS[:1], finalists=4)
    assert result.best.instruction != "right for 1"


def test_without_anything_better_the_baseline_stays():
    result = search(FakeGenerator(right=lambda *_: False))
    assert result.winner == 0
    assert result.gain.value == result.gain.low == result.gain.high == 0


def test_a_stopped_search_goes_on_where_it_was(tmp_path: Path):
    whole = FakeGenerator()
    expected = search(whole)
    cache = tmp_path / "answers.json"
    with pytest.raises(Stopped):
        search(FakeGenerator(stops_after=70), cache=cache)
    rest = FakeGenerator()
    result = search(rest, cache=cache)
    assert result.trials == expected.trials
    assert (result.winner, result.test) == (expected.winner, expected.test)
    assert 0 < len(rest.asked) < len(whole.asked)
    again = FakeGenerator()
    assert search(again, cache=cache, task=Task(AnswerF1())).asked == len(again.asked) == 0


def test_another_model_is_asked_anew(tmp_path: Path):
    search(cache=tmp_path / "answers.json")
    other = FakeGenerator()
    other.name = "other"
    assert search(other, cache=tmp_path / "answers.json").asked == len(other.asked) > 0


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{", '{"a": "b"} x'])
def test_a_broken_cache_is_named(tmp_path: Path, text: str):
    (tmp_path / "answers.json").write_text(text)
    with pytest.raises(UnreadableFile, match=r"answers\.json"):
        search(cache=tmp_path / "answers.json")


def test_labels_are_chosen_by_their_likelihood():
    choices = tuple(sorted({one.references[0] for one in EXAMPLES} | {"no idea"}))
    result = search(task=Task(ExactMatch(), choices), demonstrations=SHOTS[:1])
    assert result.best.instruction == "right for 6"
    with pytest.raises(InputError, match="among the choices"):
        search(task=Task(ExactMatch(), choices[1:]))


def test_a_budget_bounds_the_halving_and_progress_ends_at_its_total():
    seen: list[tuple[int, int]] = []
    few = search(evaluations=30, progress=lambda done, total: seen.append((done, total)))
    assert sum(trial.figure.n for trial in few.trials if trial.stage == "round 1") <= 30
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert few.asked < search().asked


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"instructions": []}, "nothing to search"),
        ({"instructions": ["a 1", "a 1"]}, "twice"),
        ({"finalists": 0}, "finalist"),
        ({"examples": EXAMPLES[:2]}, "nothing for the"),
    ],
)
def test_what_cannot_be_searched_is_refused(options: dict[str, object], problem: str):
    with pytest.raises(InputError) as raised:
        search(**options)
    assert problem in str(raised.value)


def test_a_demonstration_that_is_held_out_is_refused():
    held_out = split_examples(EXAMPLES)["test"][0]
    pool = (Demonstration(f" {held_out.input.upper()}!", "answer"),)
    with pytest.raises(InputError, match="held out"):
        search(demonstrations=[Shots("1", pool, 1)])


def test_what_is_chosen_for_each_input_cannot_be_stored():
    class Nearest(InOrder):
        per_input = True

    shots = Shots("nearest", POOL, 1, Nearest())
    with pytest.raises(InputError, match="each input"):
        prompt_search.Candidate("Do.", shots).stored_form()
    stored = prompt_search.Candidate("Do {this}.", SHOTS[1]).stored_form()
    assert len(stored.examples) == 2
    assert stored.format(input="x").turns[0]["content"] == "Do {this}."


@given(
    groups=st.lists(st.integers(0, 8), min_size=1, max_size=40),
    seed=st.integers(0, 5),
    data=st.data(),
)
def test_no_group_is_on_two_sides(groups: list[int], seed: int, data):
    examples = [LabelledInput(f"q{n}", ("a",), f"g{group}") for n, group in enumerate(groups)]
    parts = split_examples(examples, seed=seed)
    assert sorted(one.input for part in parts.values() for one in part) == sorted(one.input for one in examples)
    sides = [{one.group for one in part} for part in parts.values()]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    shuffled = data.draw(st.permutations(examples))
    assert split_examples(shuffled, seed=seed) == parts
    assert data_sha256(shuffled) == data_sha256(examples)


def test_the_same_input_twice_is_one_group():
    examples = [LabelledInput(text, ("a",)) for text in ("Where is it?", "where is it", *"bcdefghij")]
    parts = split_examples(examples)
    assert any({"Where is it?", "where is it"} <= {one.input for one in part} for part in parts.values())


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 200), st.integers(1, 3000) | st.none())
def test_rounds_halve_the_candidates_and_keep_to_the_budget(count: int, finalists: int, size: int, budget: int | None):
    rounds = halving_rounds(count, finalists, size, budget)
    assert (rounds == []) == (count <= finalists)
    if not rounds:
        return
    assert rounds[0][0] == count
    assert all(1 <= more <= size for _, more in rounds)
    assert all(after == -(-before // 2) for (before, _), (after, _) in itertools.pairwise(rounds))
    assert [more for _, more in rounds] == sorted(more for _, more in rounds)
    if budget is None:
        assert rounds[-1][1] == size
    else:
        cost = sum(n * (more - known) for (n, more), known in zip(rounds, [0, *(m for _, m in rounds)], strict=False))
        assert cost <= max(budget, count) + count


def test_a_figure_draws_groups_not_inputs():
    values = [float(n // 10 % 2) for n in range(100)]
    together = [LabelledInput(str(n), ("a",), str(n // 10)) for n in range(100)]
    apart = [LabelledInput(str(n), ("a",)) for n in range(100)]
    wide, narrow = figure(values, together), figure(values, apart)
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_instructions_are_proposed_from_demonstrations():
    class Writer(FakeGenerator):
        def generate(self, prompts, sampling=GREEDY, progress=None):
            self.prompts = prompts
            texts = ["Say x.", "Say x.", " ", "y" * 500, "Say y."]
            return [Completion(text, "stop") for text, _ in zip(texts, prompts, strict=True)]

    writer = Writer()
    assert propose_instructions(writer, POOL, 5, language="zh") == ["Say x.", "Say y."]
    assert all("输入: other" in prompt for prompt in writer.prompts)
    assert propose_instructions(writer, POOL, 0) == []


PLAN = """
name = "topic"
instructions = ["right for 3", "right for 6"]
examples = "examples.jsonl"
demonstrations = "shown.jsonl"
shots = [0, 2]
choose = ["random", "balanced"]
"""


def write_plan(folder: Path, text: str = PLAN) -> Path:
    rows = [{"input": one.input, "answers": list(one.references), "group": one.group} for one in EXAMPLES]
    shown = [{"input": one.input, "answer": one.answer} for one in POOL]
    for name, lines in (("examples.jsonl", rows), ("shown.jsonl", shown)):
        (folder / name).write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n")
    (folder / "search.toml").write_text(text)
    return folder / "search.toml"


def test_the_command_searches_stores_and_shows(fresh_settings, tmp_path: Path, monkeypatch, run_cli):
    monkeypatch.setattr("core.inference.search_plan.load_generator", lambda _: FakeGenerator())
    code, out, err = run_cli("prompts", "search", write_plan(tmp_path), "--out", tmp_path / "report.json")
    assert (code, err) == (0, "")
    assert "held-out test" in out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["candidates"][report["winner"]]["instruction"] == "right for 6"
    code, out, _ = run_cli("prompts", "show", "topic")
    assert f"exact_match {report['test']['value']:.3f}" in out
    assert "[system]\nright for 6" in out
    code, out, _ = run_cli("prompts", "list")
    assert "topic" in out and "answer_with_sources_zh" in out
    (tmp_path / "cache" / "prompts" / "broken.1.toml").write_text("user = ")
    code, out, _ = run_cli("prompts", "list")
    assert code == 0 and "cannot be used" in out and "answer_with_sources" in out
    run_cli("prompts", "search", tmp_path / "search.toml")
    assert "version 2" in run_cli("prompts", "show", "topic")[1]
    run_cli("prompts", "search", tmp_path / "search.toml", "--no-save")
    assert "version 2" in run_cli("prompts", "show", "topic")[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x = ", "not valid TOML"),
        (PLAN + "shot = 3\n", "shot"),
        (PLAN.replace('"topic"', '"../topic"'), "name"),
        (PLAN.replace('demonstrations = "shown.jsonl"', ""), "without `demonstrations`"),
        (PLAN.replace("[0, 2]", "[0, 9]"), "only 6 demonstrations"),
        (PLAN.replace('"random",', '"nearest",'), "choose.0"),
        (PLAN.replace("examples.jsonl", "absent.jsonl"), "no file"),
        (PLAN.replace("examples.jsonl", "search.toml"), "line 2 is not JSON"),
        (PLAN + 'metric = "exactness"\n', "metric named 'exactness'"),
    ],
)
def test_a_broken_plan_is_explained(fresh_settings, tmp_path: Path, monkeypatch, run_cli, text: str, problem: str):
    monkeypatch.setattr("core.inference.search_plan.load_generator", lambda _: FakeGenerator())
    code, _, err = run_cli("prompts", "search", write_plan(tmp_path, text))
    assert code == 1
    assert problem in err


@pytest.mark.parametrize(
    "line", ["[]", '{"input": "x"}', '{"input": "", "answer": "y"}', '{"input": "x", "answers": 3}']
)
def test_a_broken_example_is_named_by_its_line(fresh_settings, tmp_path: Path, monkeypatch, run_cli, line: str):
    plan = write_plan(tmp_path)
    with (tmp_path / "examples.jsonl").open("a") as stream:
        stream.write(line)
    code, _, err = run_cli("prompts", "search", plan)
    assert code == 1
    assert "line 61" in err
