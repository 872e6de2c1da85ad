"""`trivium ask`: one question, or a conversation in the terminal; and the list of all commands."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from apps.customer_service.asked.commands import configure_utterances, run_utterances
from core.errors import InputError
from core.products import Command

if TYPE_CHECKING:
    from apps.customer_service.dialogue.assistant import Assistant
    from apps.customer_service.dialogue.records import Reply
    from core.errors import TriviumError
    from core.text import Language

_LABELS: dict[str, dict[Language, str]] = {
    "answer": {"en": "Answer", "zh": "回答"},
    "clarify": {"en": "Asking back", "zh": "反问"},
    "no_answer": {"en": "Not in the knowledge base", "zh": "知识库中没有"},
    "hand_over": {"en": "Handed over to a person", "zh": "已转人工"},
    "courtesy": {"en": "Assistant", "zh": "助手"},
    "sources": {"en": "Sources", "zh": "出处"},
    "related": {"en": "See also", "zh": "另请参阅"},
    "rewritten": {"en": "phrased by the language model, checked", "zh": "由语言模型改写，已核对"},
    "kept": {"en": "quoted, since the model's wording was refused", "zh": "模型的改写未通过核对，改用原文"},
    "phrasing": {"en": "Phrasing", "zh": "改写过程"},
    "saved": {"en": "Saved for the support team at", "zh": "已为客服团队保存在"},
}


def configure_ask(parser: argparse.ArgumentParser) -> None:
    """The options of `trivium ask`."""
    parser.add_argument("question", nargs="*", help="without one, a conversation starts")
    parser.add_argument("--conversation", metavar="ID", help="go on with this conversation, or give a new one its name")
    parser.add_argument("--kb", type=Path, metavar="FOLDER", help="documents to answer from (default: the demo bank)")
    parser.add_argument("--phrase", action="store_true", help="let the language model phrase the answer; checked")
    parser.add_argument("--lang", choices=("zh", "en"), help="answer in this language (default: that of the question)")
    parser.add_argument("--why", action="store_true", help="show the search, the scores and the time of each step")
    parser.add_argument("--json", action="store_true", help="print the reply as JSON")
    parser.add_argument("--forget", metavar="ID", help="delete a conversation and end")


def run_ask(arguments: argparse.Namespace) -> int:
    """Run `trivium ask`; returns the exit code."""
    from apps.customer_service.dialogue.assistant import forget_conversation, new_conversation, open_assistant
    from apps.customer_service.dialogue.desk import open_desk
    from apps.customer_service.dialogue.phrasing import open_phraser
    from core.progress import ProgressLine

    if arguments.forget:
        forget_conversation(arguments.forget)
        print(f"The conversation '{arguments.forget}' is deleted.")
        return 0
    question = " ".join(arguments.question).strip()
    if arguments.question and not question:
        raise InputError("The question is empty.", hint='Try: trivium ask "Where is my card?"')
    if not question and arguments.json:
        raise InputError("--json needs a question.", hint='Try: trivium ask --json "Where is my card?"')
    desk = open_desk(arguments.kb, progress=ProgressLine("Indexing the knowledge base"), on_error=_report_unreadable)
    phrase = open_phraser(desk.base.embedder) if arguments.phrase else None
    conversation = arguments.conversation or new_conversation()
    with open_assistant(desk, phrase=phrase) as assistant:
        if question:
            _ask_once(assistant, question, conversation, arguments)
            if not arguments.json:
                print(f'\n(to go on: trivium ask --conversation {conversation} "…")', file=sys.stderr)
        else:
            _converse(assistant, conversation, arguments)
    return 0


def render(reply: Reply, *, why: bool = False) -> str:
    """A reply as text for a terminal."""
    language = reply.language
    lines = [f"[{_LABELS[reply.decision][language]}]"]
    if reply.frame:
        lines.append(reply.frame)
    for sentence in reply.sentences:
        remark = f"  ({_LABELS['rewritten'][language]})" if sentence.rewritten else ""
        remark = f"  ({_LABELS['kept'][language]})" if sentence.rejected else remark
        lines.append(f"{sentence.text} [{sentence.citation}]{remark}")
    lines += [f"  {number}. {option.title}" for number, option in enumerate(reply.options, start=1)]
    lines += [f"! {notice}" for notice in reply.notices]
    if reply.citations:
        lines.append(f"{_LABELS['sources'][language]}:")
        lines += [
            f"  [{item.number}] {item.title} ({item.article_id}, {item.start}–{item.end}): “{item.quote}”"
            for item in reply.citations
        ]
    if reply.related:
        lines.append(f"{_LABELS['related'][language]}: {'; '.join(reply.related)}")
    if reply.summary:
        lines += ["", reply.summary]
    if why:
        lines += _why(reply)
    return "\n".join(lines)


def _why(reply: Reply) -> list[str]:
    lines = ["", "Why"]
    for part in reply.parts:
        cases = ", ".join(f"{name} {value:.2f}" for name, value in part.coverage.items())
        lines += [f"  searched: {part.query}", f"  coverage: {part.verdict} ({cases})"]
        for found in part.found:
            topic = "" if found.topic_probability is None else f" intent {found.topic_probability:.2f}"
            lines.append(
                f"  {found.probability:5.2f}  {found.article_id}: lexical {found.lexical:.2f} dense {found.dense:.3f} "
                f"fused {found.fused:.3f}{topic}"
            )
    steps = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in reply.seconds.items())
    return [*lines, f"  time: {steps}", *_phrasing(reply)]


def _phrasing(reply: Reply) -> list[str]:
    """What the language model tried for each sentence, one line a text."""
    from core.ui.attempts import attempt_rows

    lines = []
    for sentence in reply.sentences:
        if sentence.attempts:
            lines += ["", f"{_LABELS['phrasing'][reply.language]} [{sentence.citation}]"]
            lines += [
                f"  {step} {by}: “{text}”  {value}  {outcome}"
                for step, by, text, value, outcome in attempt_rows(sentence.attempts, reply.language)
            ]
    return lines


def _ask_once(assistant: Assistant, question: str, conversation: str, arguments: argparse.Namespace) -> None:
    from apps.customer_service.dialogue.assistant import hand_over_file

    reply = assistant.ask(question, conversation, language=arguments.lang, phrase=arguments.phrase)
    if arguments.json:
        print(json.dumps({"conversation": conversation, **reply.model_dump(mode="json")}, ensure_ascii=False, indent=2))
    else:
        print(render(reply, why=arguments.why))
    if reply.summary:
        print(f"{_LABELS['saved'][reply.language]} {hand_over_file(conversation)}", file=sys.stderr)


def _converse(assistant: Assistant, conversation: str, arguments: argparse.Namespace) -> None:
    print(
        f"{assistant.desk.base.name}. An empty line, or Ctrl-D, ends the conversation. 空行结束对话。", file=sys.stderr
    )
    while True:
        try:
            said = input("> ").strip()
        except EOFError:
            print(file=sys.stderr)
            return
        if not said:
            return
        try:
            _ask_once(assistant, said, conversation, arguments)
        except InputError as error:  # a message that is too long ends no conversation
            print(f"error: {error}", file=sys.stderr)


def _report_unreadable(path: Path, error: TriviumError) -> None:
    print(f"left out: {path}: {error}", file=sys.stderr)


COMMANDS = (
    Command("ask", "answer a question from a knowledge base, with citations", configure_ask, run_ask),
    Command(
        "utterances", "group past questions, and find which no article answers", configure_utterances, run_utterances
    ),
)
