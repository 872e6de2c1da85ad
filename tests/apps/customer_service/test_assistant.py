import sqlite3
from pathlib import Path

import pytest

from apps.customer_service.dialogue.assistant import (
    MAX_CHARACTERS,
    Assistant,
    forget_conversation,
    hand_over_file,
    new_conversation,
    open_assistant,
)
from apps.customer_service.evaluation.conversations import quotes_hold
from core.errors import InputError, UnreadableFile


def test_a_conversation_goes_on_after_the_program_was_closed(desk, tmp_path) -> None:
    store = tmp_path / "kept.sqlite"
    with open_assistant(desk, store) as first:
        first.ask("What does a spare card cost?", "c1")
    with open_assistant(desk, store) as second:
        reply = second.ask("and how long does it take?", "c1")
        assert reply.parts[0].query == "Order a spare card: and how long does it take?"
        assert reply.citations[0].article_id == "spare-card-en"
        assert [turn.said for turn in second.turns("c1")] == [
            "What does a spare card cost?",
            "and how long does it take?",
        ]


def test_conversations_do_not_see_each_other(assistant: Assistant) -> None:
    assistant.ask("What does a spare card cost?", "c1")
    assert assistant.ask("and how long does it take?", "c2").parts[0].query == "and how long does it take?"
    assert len(assistant.turns("c2")) == 1


def test_personal_data_never_reaches_the_store(desk, tmp_path) -> None:
    store = tmp_path / "masked.sqlite"
    secrets = ["4111111111111111", "ann.lee@mail.example", "DE89370400440532013000", "Lovelace", "+442079460958"]
    with open_assistant(desk, store) as assistant:
        reply = assistant.ask(
            f"My name is Ada Lovelace, card {secrets[0]}, mail {secrets[1]}, IBAN {secrets[2]}, call {secrets[4]}. "
            "What does a spare card cost?",
            "c1",
        )
        assistant.ask("Let me talk to a real person", "c1")
    assert "card number" in reply.notices[0] and "name" in reply.notices[0]
    assert reply.citations[0].article_id == "spare-card-en"
    written = b"".join(path.read_bytes() for path in tmp_path.glob("masked.sqlite*"))
    with sqlite3.connect(store) as connection:
        rows = [
            b"".join(bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row)
            for row in connection.execute("SELECT checkpoint, metadata FROM checkpoints")
        ] + [bytes(row[0]) for row in connection.execute("SELECT value FROM writes")]
    for secret in secrets:
        assert secret.encode() not in written
        assert not any(secret.encode() in row for row in rows)
    assert any(b"CARD_NUMBER" in row for row in rows)


def test_forgetting_leaves_nothing(desk, tmp_path) -> None:
    store = tmp_path / "store.sqlite"
    with open_assistant(desk, store) as assistant:
        assistant.ask("Let me talk to a real person", "c1")
        path = hand_over_file("c1")
        assert path.is_file()
        assistant.ask("What does a spare card cost?", "c2")
    forget_conversation("c1", store)
    assert not path.exists()
    with open_assistant(desk, store) as assistant:
        assert assistant.turns("c1") == [] and len(assistant.turns("c2")) == 1


def test_the_hand_over_carries_the_conversation(assistant: Assistant) -> None:
    assistant.ask("What does a spare card cost?", "c1")
    assistant.ask("How is the weather in Berlin today?", "c1")
    reply = assistant.ask("I need a human", "c1")
    assert reply.decision == "hand_over" and quotes_hold(reply, assistant.desk.base)
    for part in (
        "What does a spare card cost?",
        "Order a spare card",
        "How is the weather",
        "not in the knowledge base",
    ):
        assert part in reply.summary
    assert hand_over_file("c1").read_text(encoding="utf-8").startswith("Summary")


def test_a_question_back_can_be_answered_by_number(assistant: Assistant) -> None:
    asked = assistant.ask("I have a problem", "c1")
    assert asked.decision == "clarify" and asked.options
    reply = assistant.ask("1", "c1")
    assert reply.decision == "answer" and reply.topics == (asked.options[0].topic,)


def test_an_answer_can_be_had_in_the_other_language(assistant: Assistant) -> None:
    asked = assistant.ask("I have a problem", "c1")
    reply = assistant.ask("1", "c1", language="zh")
    assert reply.language == "zh" and reply.citations[0].language == "zh"
    assert reply.topics == (asked.options[0].topic,)


def test_two_questions_are_both_answered(assistant: Assistant) -> None:
    reply = assistant.ask("What does a spare card cost? How do I cancel a transfer?", "c1")
    assert {citation.article_id for citation in reply.citations} == {"spare-card-en", "cancel-transfer-en"}
    assert [citation.number for citation in reply.citations] == list(range(1, len(reply.citations) + 1))


def test_a_failing_phraser_leaves_no_half_turn(desk, tmp_path) -> None:
    def broken(reply, question):
        raise InputError("no model")

    with open_assistant(desk, tmp_path / "s.sqlite", phrase=broken) as assistant:
        with pytest.raises(InputError):
            assistant.ask("What does a spare card cost?", "c1", phrase=True)
        assert assistant.turns("c1") == []
        assert assistant.ask("What does a spare card cost?", "c1").decision == "answer"
        assert len(assistant.turns("c1")) == 1


@pytest.mark.parametrize("said", ["", "   \n", "x" * (MAX_CHARACTERS + 1)])
def test_nothing_and_too_much_are_refused(assistant: Assistant, said: str) -> None:
    with pytest.raises(InputError):
        assistant.ask(said, "c1")


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65])
def test_odd_conversation_names_are_refused(assistant: Assistant, name: str) -> None:
    with pytest.raises(InputError, match="cannot name"):
        assistant.ask("What does a spare card cost?", name)


@pytest.mark.parametrize(
    "said", ["？！", "😀😀", "1", "\u202ehow", "SELECT * FROM checkpoints; --", "<script>alert(1)</script>"]
)
def test_odd_input_gets_a_reply_that_claims_nothing_unquoted(assistant: Assistant, said: str) -> None:
    reply = assistant.ask(said, new_conversation())
    assert quotes_hold(reply, assistant.desk.base)


def test_another_file_as_store_is_told(desk, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one " * 100)
    with pytest.raises(UnreadableFile, match="store of conversations"), open_assistant(desk, path):
        pass
