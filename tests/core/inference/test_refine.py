from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.inference import Completion, ContinuationScore, RawText, Sampling
from core.inference.generator import GREEDY
from core.inference.local import LocalGenerator
from core.inference.refine import evaluator, guarded, refine
from core.inference.revise import EditWorst, Redraw, Regenerate, ResampleUnlikely
from core.metrics import Context, Groundedness, Part, Score
from core.text.spans import Span


def by_length(texts: Sequence[str]) -> list[Score]:
    """0.1 a character."""
    return [Score(len(text) / 10) for text in texts]


class Offers:
    """A reviser that offers what it was given, round by round."""

    def __init__(self, *rounds: list[str], name: str = "offers") -> None:
        self.name = name
        self.rounds = list(rounds)

    def __call__(self, draft: str, score: Score) -> list[str]:
        return self.rounds.pop(0) if self.rounds else []


class Scripted:
    """A generator that answers with the texts it was given, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *texts: str, logprobs: Sequence[float] = (), offsets: Sequence[int] = ()) -> None:
        self.texts, self.asked = texts, []
        self._score = ContinuationScore((), tuple(logprobs), tuple(offsets))

    def generate(self, prompts, sampling=GREEDY, progress=None) -> list[Completion]:
        self.asked += prompts
        count = len(prompts) * sampling.n
        return [Completion(self.texts[index % len(self.texts)], "stop") for index in range(count)]

    def score(self, prompts, continuations) -> list[ContinuationScore]:
        return [self._score]


def test_better_texts_take_the_drafts_place_until_nothing_is_better():
    found = refine("a", by_length, Offers(["bbb", "bb"], ["cccc"], ["ddd"], ["eeeee"]), rounds=9)
    assert [version.text for version in found.versions] == ["a", "bbb", "cccc"]
    assert (found.text, found.stopped, len(found.steps)) == ("cccc", "no gain", 3)
    assert [step.taken for step in found.steps] == [0, 0, None]
    assert found.texts_measured == 5


@pytest.mark.parametrize(
    ("options", "stopped", "text"),
    [
        ({"rounds": 1}, "budget", "bbb"),
        ({"enough": 0.3}, "enough", "bbb"),
        ({"texts": 3}, "budget", "bbb"),
        ({"patience": 2, "rounds": 9}, "converged", "eeeee"),
    ],
)
def test_why_it_stops(options: dict[str, float], stopped: str, text: str):
    found = refine("a", by_length, Offers(["bbb", "bb"], ["dd"], ["eeeee"]), **options)
    assert (found.stopped, found.text) == (stopped, text)


def test_what_was_seen_and_blank_texts_are_not_measured_again():
    found = refine("a", by_length, Offers(["a", " ", "", "bb"], ["bb", "a"]))
    assert [[proposal.text for proposal in step.proposals] for step in found.steps] == [["bb"]]
    assert found.stopped == "converged"


def test_several_revisers_compete_and_the_trace_says_who_offered():
    found = refine("a", by_length, [Offers(["bb"], name="one"), Offers(["ccc", "bb"], name="two")], rounds=1)
    assert [(proposal.by, proposal.text) for proposal in found.steps[0].proposals] == [("one", "bb"), ("two", "ccc")]
    assert found.versions[-1].by == "two"


@given(
    values=st.dictionaries(st.text(min_size=1, max_size=3), st.floats(-1, 1), min_size=1),
    rounds=st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=4), max_size=6),
    limits=st.tuples(st.integers(1, 5), st.integers(1, 8), st.integers(1, 3)),
)
def test_no_version_scores_below_an_earlier_one(values, rounds, limits):
    def evaluate(texts: Sequence[str]) -> list[Score]:
        return [Score(values.get(text, 0.0)) for text in texts]

    found = refine("d", evaluate, Offers(*rounds), rounds=limits[0], texts=limits[1], patience=limits[2])
    scores = [version.score.value for version in found.versions]
    assert scores == sorted(set(scores))
    assert found.texts_measured <= max(1, limits[1])
    assert len(found.steps) <= limits[0]
    everything = [found.draft, *(proposal for step in found.steps for proposal in step.proposals)]
    assert found.score.value == max(proposal.score.value for proposal in everything)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"texts": 0}, {"patience": 0}])
def test_a_budget_of_nothing_is_refused(wrong: dict[str, int]):
    with pytest.raises(InputError, match=next(iter(wrong))):
        refine("a", by_length, Offers(), **wrong)


def test_regenerate_tells_the_model_what_is_wrong():
    generator = Scripted(" better ", "best")
    score = Score(0.2, (Part("sentence", 0.0, "not in the evidence", Span(0, 4)),), "1 of 2")
    assert Regenerate(generator, "Why?")("Old text.", score) == ["better", "best"]
    (messages,) = generator.asked
    assert messages[0] == {"role": "user", "content": "Why?"}
    assert messages[1] == {"role": "assistant", "content": "Old text."}
    assert "“Old ”: not in the evidence" in messages[2]["content"]
    assert "1 of 2" in messages[2]["content"]
    Regenerate(generator, "为什么？")("旧的文本。", score)
    assert "请改正" in generator.asked[-1][2]["content"]
    with pytest.raises(InputError, match="raw text"):
        Regenerate(generator, RawText("Why"))("Old.", score)


def test_edit_worst_replaces_or_drops_the_worst_span():
    draft = "It is blue. It costs 9. Call us."
    score = Score(0.5, (Part("s", 1.0, "", Span(0, 11)), Part("s", 0.0, "the number 9", Span(12, 23))))
    offered = EditWorst(Scripted("It is cheap."), "Tell me.", Sampling(n=1))(draft, score)
    assert offered == ["It is blue. Call us.", "It is blue. It is cheap. Call us."]
    last = Score(0.5, (Part("s", 0.0, "", Span(24, 32)),))
    assert EditWorst(Scripted(" "), "Tell me.")(draft, last) == ["It is blue. It costs 9."]
    assert EditWorst(Scripted("x"), "Tell me.")(draft, Score(0.5, (Part("s", 0.0),))) == []


def test_resample_goes_on_from_the_least_likely_tokens():
    generator = Scripted("X", "Y", logprobs=(-0.1, -5.0, -0.2, -3.0, -0.1), offsets=(0, 2, 2, 4, 6))
    offered = ResampleUnlikely(generator, "Go.", Sampling(n=2))("abcdefg", Score(0.0))
    assert offered == ["abX", "abY", "abcdX", "abcdY"]
    assert generator.asked[0][-1] == {"role": "assistant", "content": "ab"}
    raw = ResampleUnlikely(generator, RawText("Go "), places=1)
    raw("abcdefg", Score(0.0))
    assert generator.asked[-1] == RawText("Go ab")
    with pytest.raises(InputError, match="where its tokens begin"):
        ResampleUnlikely(Scripted("x", logprobs=(-1.0,)), "Go.")("a", Score(0.0))


def test_a_begun_answer_is_continued(generator: LocalGenerator):
    sampling = Sampling(max_tokens=12)
    (whole,) = generator.generate(["Hello"], sampling)
    cut = len(whole.text) // 2
    begun = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": whole.text[:cut]}]
    ids = generator._chat.prompt_ids(begun)
    assert ids == [*generator._chat.prompt_ids("Hello"), *generator._chat.continuation_ids(whole.text[:cut])]


def test_offsets_say_where_each_scored_token_begins(generator: LocalGenerator):
    (score,) = generator.score(["Hello"], ["a退b"])
    assert score.offsets == (0, 1, 1, 1, 2)


def test_all_ways_run_with_a_model_and_a_metric(generator: LocalGenerator):
    evaluate = evaluator(Groundedness(), Context(evidence=("Refunds take three days.",)))
    sampling = Sampling(max_tokens=8, temperature=1.0, n=2)
    ways = [way(generator, "Hi?", sampling) for way in (Regenerate, EditWorst, ResampleUnlikely)]
    found = refine("Refunds take nine days. Refunds take three days.", evaluate, ways, rounds=2)
    assert found.text == "Refunds take three days."  # the unsupported sentence is left out
    assert found.stopped == "enough"
    assert {proposal.by for step in found.steps for proposal in step.proposals} >= {"edit worst"}


def test_a_gain_within_the_margin_leaves_the_draft():
    offers = ["bb", "cccc"], ["ddddd"]
    assert refine("a", by_length, Offers(*offers), margin=0.2).text == "cccc"
    assert refine("a", by_length, Offers(*offers), margin=0.3).text == "a"
    with pytest.raises(InputError, match="margin"):
        refine("a", by_length, Offers(*offers), margin=-0.1)


def test_redrawing_asks_the_same_again():
    generator = Scripted(" one ", "two")
    assert Redraw(generator, "Where?")("draft", Score(0.2, reason="bad")) == ["one", "two"]
    assert generator.asked == ["Where?"]


def test_a_guarded_draft_is_not_replaced_by_what_the_guard_ranks_lower():
    def guard(texts: Sequence[str]) -> list[Score]:
        return [Score(1.0 - 0.1 * text.count("x")) for text in texts]

    offers = ["xxxxxxxx", "aaxa", "aa"], ["xxxxxxxxx"]
    found = refine("a", guarded(by_length, guard, "a", loss=0.15), Offers(*offers), rounds=5)
    assert [version.text for version in found.versions] == ["a", "aaxa"]
    refused = found.steps[0].proposals[0]
    assert refused.score.value == 0 and "guard" in refused.score.reason
    strict = refine("a", guarded(by_length, guard, "a", loss=0.0), Offers(*offers), rounds=5)
    assert strict.text == "aa"
