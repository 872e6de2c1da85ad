"""The conversation as a LangGraph state graph.

    understand ─┬─ courtesy ─────────────┐
                ├─ hand_over ────────────┤
                ├─ decline ──────────────┤
                └─ retrieve ─┬─ answer ──┼─ (phrase) ─ remember
                             ├─ clarify ─┤
                             └─ decline ─┘

The state is plain JSON, since the checkpointer writes it to disk. What comes in is masked already.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from apps.customer_service.dialogue import replying, utterances
from apps.customer_service.dialogue.desk import Desk
from apps.customer_service.dialogue.records import Part, Reply, Turn
from apps.customer_service.dialogue.understanding import Context, read_parts
from apps.customer_service.dialogue.wording import words
from core.privacy import without_injections, without_masks
from core.text import Language, detect_language

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

Phrase = Callable[[Reply, str], Reply]
"""Rewrites the sentences of an answer to what was asked; see `phrasing`."""


class State(TypedDict, total=False):
    """What the graph carries. `turns` grows; everything else belongs to the turn in progress."""

    said: str
    asked_language: str | None
    phrase: bool
    notices: list[str]
    language: Language
    act: str
    question: str
    choice: int | None
    parts: list[dict[str, Any]]
    decision: str
    reply: dict[str, Any]
    seconds: dict[str, float]
    turns: Annotated[list[dict[str, Any]], operator.add]


def build_graph(
    desk: Desk, checkpointer: BaseCheckpointSaver[str], phrase: Phrase | None = None
) -> CompiledStateGraph[State, None, State, State]:
    """The compiled graph over `desk`, its conversations kept by `checkpointer`."""
    from langgraph.graph import END, START, StateGraph

    nodes = _Nodes(desk, phrase)
    graph = StateGraph(State)
    for node in (
        "understand",
        "retrieve",
        "courtesy",
        "hand_over",
        "decline",
        "clarify",
        "answer",
        "phrase",
        "remember",
    ):
        graph.add_node(node, _timed(node, getattr(nodes, node)))
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", _by_act, ["courtesy", "hand_over", "decline", "retrieve"])
    graph.add_conditional_edges("retrieve", _by_decision, ["answer", "clarify", "decline"])
    graph.add_conditional_edges("answer", nodes.after_answer, ["phrase", "remember"])
    for node in ("courtesy", "hand_over", "decline", "clarify", "phrase"):
        graph.add_edge(node, "remember")
    graph.add_edge("remember", END)
    return graph.compile(checkpointer=checkpointer)


def read_turns(state: dict[str, Any]) -> list[Turn]:
    """The turns of a stored state."""
    return [Turn.model_validate(turn) for turn in state.get("turns", [])]


class _Nodes:
    """The steps. Each takes the state and returns what it changes."""

    def __init__(self, desk: Desk, phrase: Phrase | None) -> None:
        self._desk = desk
        self._phrase = phrase

    def understand(self, state: State) -> State:
        """Language, instructions left out, and the kind of act."""
        turns = read_turns(dict(state))
        previous = turns[-1].reply if turns else None
        said = state["said"]
        detected = detect_language(said, default=previous.language if previous else "en")
        language = utterances.reply_language(said, detected, previous.language if previous else None)
        if state.get("asked_language") in ("zh", "en"):
            language = "zh" if state["asked_language"] == "zh" else "en"
        clean, ignored = without_injections(said)
        notices = [words("ignored", language, sentence=item.span.of(said)) for item in ignored]
        options = [option.title for option in previous.options] if previous else []
        choice = utterances.chosen_option(clean, options)
        return {
            "language": language,
            "question": without_masks(clean),
            "choice": choice,
            "act": _act(clean, choice),
            "notices": [*state.get("notices", []), *notices],
        }

    def retrieve(self, state: State) -> State:
        """Parts with the articles that fit, and the decision on the whole."""
        turns = read_turns(dict(state))
        language = state["language"]
        choice = state.get("choice")
        if choice is not None:
            parts = [_chosen(self._desk, turns[-1].reply, choice, language)]
        else:
            parts = read_parts(self._desk, state["question"], language, _context(self._desk, turns, language))
        return {"parts": [part.model_dump(mode="json") for part in parts], "decision": _overall(parts)}

    def answer(self, state: State) -> State:
        return _with_reply(replying.answer(self._desk, _parts(state), state["language"]))

    def clarify(self, state: State) -> State:
        return _with_reply(replying.clarify(_parts(state), state["language"]))

    def decline(self, state: State) -> State:
        only_instructions = state["act"] == "instructions"
        parts = [] if only_instructions else _parts(state)
        return _with_reply(replying.decline(parts, state["language"], only_instructions=only_instructions))

    def courtesy(self, state: State) -> State:
        return _with_reply(replying.courtesy(state["language"], first=not state.get("turns")))

    def hand_over(self, state: State) -> State:
        turns = read_turns(dict(state))
        return _with_reply(replying.hand_over(self._desk, turns, state["said"], state["language"]))

    def phrase(self, state: State) -> State:
        reply = Reply.model_validate(state["reply"])
        return _with_reply(self._phrase(reply, state["question"]) if self._phrase else reply)

    def remember(self, state: State) -> State:
        """The turn, added to the conversation."""
        reply = Reply.model_validate(state["reply"])
        notices = (*state.get("notices", []), *reply.notices)
        unanswered = tuple(words("unanswered", reply.language, question=part) for part in reply.unanswered)
        whole = reply.model_copy(update={"notices": (*notices, *unanswered), "seconds": state.get("seconds", {})})
        return {"reply": whole.model_dump(mode="json"), "turns": [_turn(state["said"], whole)]}

    def after_answer(self, state: State) -> str:
        return "phrase" if state.get("phrase") and self._phrase else "remember"


def _act(clean: str, choice: int | None) -> str:
    if not clean:
        return "instructions"
    if choice is not None:
        return "question"
    if utterances.is_courtesy(clean):
        return "courtesy"
    return "hand_over" if utterances.wants_person(clean) else "question"


def _by_act(state: State) -> str:
    return {"instructions": "decline", "courtesy": "courtesy", "hand_over": "hand_over"}.get(state["act"], "retrieve")


def _by_decision(state: State) -> str:
    return {"answer": "answer", "clarify": "clarify"}.get(state["decision"], "decline")


def _overall(parts: Sequence[Part]) -> str:
    """Answer what can be answered; else ask back; else say that there is no answer."""
    decisions = {part.decision for part in parts}
    return next((decision for decision in ("answer", "clarify") if decision in decisions), "no_answer")


def _context(desk: Desk, turns: Sequence[Turn], language: Language) -> Context | None:
    """The subject of the last turn: its article, or the question itself where that was asked back; else none."""
    for turn in reversed(turns):
        if turn.reply.topics:
            topic = turn.reply.topics[-1]
            article = desk.base.in_language(topic, language)
            return Context(article.title) if article else None
        if turn.reply.decision == "clarify":
            return Context(turn.reply.parts[0].query)
        if turn.reply.decision == "no_answer":
            return None
    return None


def _chosen(desk: Desk, previous: Reply, choice: int, language: Language) -> Part:
    """The part of the previous turn, answered by the article that was chosen."""
    part = previous.parts[0]
    topic = previous.options[choice].topic
    article = desk.base.in_language(topic, language)
    found = next(item for item in part.found if item.topic == topic)
    if article is not None and article.id != found.article_id:
        found = found.model_copy(update={"article_id": article.id, "title": article.title})
    return part.model_copy(update={"decision": "answer", "found": (found,)})


def _parts(state: State) -> list[Part]:
    return [Part.model_validate(part) for part in state["parts"]]


def _with_reply(reply: Reply) -> State:
    return {"reply": reply.model_dump(mode="json")}


def _turn(said: str, reply: Reply) -> dict[str, Any]:
    return Turn(said=said, reply=reply).model_dump(mode="json")


def _timed(name: str, node: Callable[[State], State]) -> Any:
    """`node`, noting how long it took. LangGraph's types cannot express the result, so it has none."""

    def run(state: State) -> State:
        started = time.perf_counter()
        change = node(state)
        spent = {} if name == "understand" else dict(state.get("seconds", {}))
        if name != "remember":
            change["seconds"] = {**spent, name: round(time.perf_counter() - started, 4)}
        return change

    return run
