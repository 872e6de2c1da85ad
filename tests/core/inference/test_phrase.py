from __future__ import annotations

import pytest

from core.errors import InputError
from core.inference import Completion, ContinuationScore, Sampling
from core.inference.generator import GREEDY
from core.inference.local import LocalGenerator
from core.inference.phrase import every_sentence_supported, finished_sentences, phrase
from core.inference.revise import EditWorst, Regenerate, ResampleUnlikely
from core.metrics import Context, Groundedness, MissingContext, Part, Score

EVIDENCE = Context(evidence=("A refund takes three days. It is paid to the card that was used.",))
TRUE = "A refund takes three days."
FALSE = "A refund takes nine weeks and is paid in gold."


class Scripted:
    """A generator that answers with the texts it was given, call by call, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *calls: list[str]) -> None:
        self.calls, self.asked, self.samplings = list(calls), [], []

    def generate(self, prompts, sampling=GREEDY, progress=None) -> list[Completion]:
        self.asked.append(list(prompts))
        self.samplings.append(sampling)
        texts = self.calls.pop(0)
        assert len(texts) == len(prompts) * sampling.n
        return [Completion(text, "stop") for text in texts]

    def score(self, prompts, continuations) -> list[ContinuationScore]:
        return [ContinuationScore((1,), (-1.0,), ()) for _ in prompts]


def test_a_supported_draft_is_shown_and_costs_one_call():
    generator = Scripted([TRUE, "It is paid to the card that was used."])
    found = phrase(generator, ["One?", "Two?"], EVIDENCE)
    assert [one.text for one in found] == [TRUE, "It is paid to the card that was used."]
    assert len(generator.asked) == 1 and generator.samplings[0].temperature == 0
    assert found[0].accepted and found[0].reason == ""
    assert [(one.step, one.by, one.kept, one.accepted) for one in found[0].attempts] == [(0, "draft", True, True)]


def test_a_draft_that_fails_is_revised_until_one_holds():
    generator = Scripted([FALSE], [FALSE + " It shines.", TRUE])
    (found,) = phrase(generator, ["One?"], EVIDENCE, ways=(Regenerate,))
    assert found.text == TRUE and found.chosen is not None and found.chosen.by == "regenerate"
    assert [(one.step, one.kept, one.accepted) for one in found.attempts] == [
        (0, True, False),
        (1, False, False),
        (1, True, True),
    ]
    assert any("nine" in reason or "9" in reason for reason in found.attempts[0].reasons)
    assert generator.samplings[1].temperature > 0 and generator.samplings[1].n == 2


def test_what_never_holds_is_refused_with_its_reason_and_its_trace():
    generator = Scripted([FALSE], [FALSE + " Really."] * 2)
    (found,) = phrase(generator, ["One?"], EVIDENCE, ways=(Regenerate,), rounds=3)
    assert found.text is None and not found.accepted
    assert "not supported" in found.reason
    assert found.refinement.stopped == "no gain" and len(found.attempts) == 2


def test_revisions_of_a_draft_that_was_searched_for_are_drawn():
    generator = Scripted([FALSE], [TRUE])
    searched = Sampling(beams=4, beam_groups=2, diversity=0.5)
    assert phrase(generator, ["One?"], EVIDENCE, sampling=searched, samples=1, ways=(Regenerate,))[0].text == TRUE
    draft, revision = generator.samplings
    assert (draft.beams, draft.beam_groups, draft.diversity) == (4, 2, 0.5)
    assert (revision.beams, revision.beam_groups, revision.diversity, revision.n) == (1, 1, 0.0, 1)
    assert revision.temperature > 0


def test_the_budget_bounds_the_calls():
    worse = [f"{TRUE} Sun {number}." for number in range(20)]
    generator = Scripted([FALSE], *([text, text] for text in worse))
    phrase(generator, ["One?"], EVIDENCE, ways=(Regenerate,), rounds=2)
    assert len(generator.asked) <= 3
    generator = Scripted([FALSE])
    (found,) = phrase(generator, ["One?"], EVIDENCE, ways=())
    assert not found.accepted and len(generator.asked) == 1 and found.refinement.stopped == "converged"


class SupportedThenFluent:
    """Scores a text by its length; sentences with a 9 do not stand. So a refused text can score above an accepted."""

    name, needs = "odd", frozenset()

    def score(self, candidates, contexts=None) -> list[Score]:
        return [Score(len(text) / 100, (Part("sentence", 0.0 if "9" in text else 1.0),)) for text in candidates]


def test_an_accepted_text_is_shown_even_where_a_refused_one_scores_higher():
    generator = Scripted(["A 9."], ["It is so.", "It is 9 times longer."], ["A 9 99.", "A 999."])
    (found,) = phrase(generator, ["One?"], Context(), metric=SupportedThenFluent(), ways=(Regenerate,))
    assert found.text == "It is so."
    assert found.refinement.text == "It is 9 times longer."


@pytest.mark.parametrize("text", ["", "  ", "A refund takes three"])
def test_an_empty_or_a_cut_text_is_never_shown(text: str):
    generator = Scripted([text], [text, text])
    (found,) = phrase(generator, ["One?"], EVIDENCE)
    assert found.text is None and found.reason


def test_where_nothing_was_written_it_is_asked_again_without_critique():
    generator = Scripted([""], [TRUE, TRUE])
    (found,) = phrase(generator, ["One?"], EVIDENCE, ways=(Regenerate,))
    assert found.text == TRUE and generator.asked[1] == ["One?"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two. Thr", "One. Two."),
        ("第一句。第二句！“第三句。”第四", "第一句。第二句！“第三句。”"),
        ("Is it 3.5", ""),
        ("Done.", "Done."),
        ("", ""),
    ],
)
def test_finished_sentences(text: str, kept: str):
    assert finished_sentences(text) == kept


def test_a_score_without_parts_is_not_accepted():
    assert not every_sentence_supported(Score(1.0))
    assert every_sentence_supported(Score(0.1, (Part("sentence", 0.1),)))
    assert not every_sentence_supported(Score(0.9, (Part("sentence", 0.9), Part("sentence", 0.0))))


def test_evidence_is_needed_and_contexts_must_fit():
    with pytest.raises(MissingContext):
        phrase(Scripted([TRUE]), ["One?"], Context())
    with pytest.raises(InputError, match="1 prompts and 2 contexts"):
        phrase(Scripted([TRUE]), ["One?"], [EVIDENCE, EVIDENCE])
    assert phrase(Scripted(), [], []) == []


def test_each_prompt_is_held_to_its_own_evidence_and_reasons_speak_its_language():
    generator = Scripted([TRUE, TRUE, "退款需要九十天。"])
    other = Context(evidence=("A transfer takes two hours.",))
    chinese = Context(evidence=("退款需要三天。",))
    metric = Groundedness(language="zh")
    found = phrase(generator, ["a", "b", "c"], [EVIDENCE, other, chinese], metric=metric, ways=())
    assert [one.accepted for one in found] == [True, False, False]
    assert "缺乏依据" in found[2].reason


def test_it_runs_with_a_model_and_every_way(generator: LocalGenerator):
    ways = (Regenerate, EditWorst, ResampleUnlikely)
    sampling = Sampling(max_tokens=6)
    options = {"ways": ways, "sampling": sampling, "tidy": str.strip, "samples": 1}
    first = phrase(generator, ["Refunds?", "Refunds?"], EVIDENCE, **options)
    assert [one.text for one in first] == [None, None]  # a random model writes nothing that is supported
    assert {attempt.by for attempt in first[0].attempts} >= {"draft", "resample unlikely"}
    assert phrase(generator, ["Refunds?", "Refunds?"], EVIDENCE, **options) == first
