"""Conversations written as data: with a toy base and no model, and with the real one where it is there."""

from pathlib import Path

import pytest

from apps.customer_service.dialogue.assistant import open_assistant
from apps.customer_service.evaluation.conversations import judge_conversation, read_conversations, summarise_aspects
from apps.customer_service.evaluation.suites import DEVELOPMENT_FILE, TEST_FILE
from core.errors import InputError

TOY = read_conversations(Path(__file__).parent / "toy_conversations.yaml")


@pytest.mark.parametrize("conversation", TOY, ids=lambda conversation: conversation.id)
def test_toy_conversation(conversation, assistant) -> None:
    for turn in judge_conversation(assistant, conversation):
        assert turn.right, turn.describe()


@pytest.mark.model("multilingual-e5-small")
@pytest.mark.model("all-minilm-l6-v2")
def test_development_conversations_with_the_real_models(tmp_path) -> None:
    """Below what was measured, so that another machine's rounding does not fail it; far above chance."""
    from apps.customer_service.dialogue.desk import open_desk

    judged = []
    with open_assistant(open_desk(), tmp_path / "store.sqlite") as assistant:
        for conversation in read_conversations(DEVELOPMENT_FILE):
            judged += judge_conversation(assistant, conversation)
    counts = summarise_aspects(judged)
    assert counts["citation"][0] == counts["citation"][1]
    assert counts["language"][0] == counts["language"][1]
    assert counts["decision"][0] >= 0.9 * counts["decision"][1], [turn.describe() for turn in judged if not turn.right]
    assert counts["article"][0] >= 0.8 * counts["article"][1]


def test_the_test_part_is_large_enough_bilingual_and_disjoint_from_development() -> None:
    test, development = read_conversations(TEST_FILE), read_conversations(DEVELOPMENT_FILE)
    assert len(test) >= 60
    assert {conversation.language for conversation in test} == {"zh", "en"}
    assert {"plain", "neighbour", "typo", "follow-up", "two-in-one", "outside", "vague", "injection", "hand-over"} <= {
        conversation.kind for conversation in test
    }
    said = [turn.say for part in (test, development) for conversation in part for turn in conversation.turns]
    assert len(said) == len(set(said))


def test_calibration_examples_stand_in_no_evaluation_file() -> None:
    from apps.customer_service.dialogue.coverage import written_examples

    evaluated = {
        turn.say
        for file in (TEST_FILE, DEVELOPMENT_FILE)
        for conversation in read_conversations(file)
        for turn in conversation.turns
    }
    assert not evaluated & set(written_examples()[0])


def test_a_malformed_file_is_told(tmp_path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("- {id: x, language: fr, turns: []}", encoding="utf-8")
    with pytest.raises(InputError, match=r"bad\.yaml"):
        read_conversations(path)
