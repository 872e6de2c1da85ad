"""What a row says: the form of its annotation, told from its fields, and the record made of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import InputError
from core.files import strict_json
from core.training.data.containers import Row, known_split
from core.training.data.conversations import answers_after_prompt, chat_of, conversation
from core.training.data.records import (
    Chat,
    Labelled,
    LabelledSpan,
    MultiLabelled,
    PlainText,
    Preference,
    Record,
    SpanLabelled,
    TextPair,
    Turn,
    check_spans,
)

_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "content", "utterance", "文本", "句子", "内容"),
    "label": ("label", "category", "intent", "class", "labels", "标签", "类别", "意图"),
    "spans": ("spans", "entities", "annotations", "实体"),
    "messages": ("messages", "conversations", "conversation", "dialogue", "对话"),
    "prompt": ("prompt", "instruction", "question", "query", "input", "问题", "指令", "提问"),
    "response": ("response", "completion", "answer", "output", "reply", "回答", "答案", "回复"),
    "chosen": ("chosen", "preferred", "好回答"),
    "rejected": ("rejected", "dispreferred", "差回答"),
    "first": ("first", "sentence1", "text1", "premise", "text_a", "句子1"),
    "second": ("second", "sentence2", "text2", "hypothesis", "text_b", "句子2"),
    "group": ("group", "group_id"),
    "difficulty": ("difficulty",),
    "split": ("split",),
    "system": ("system",),
    "history": ("history",),
}
OUR_FIELDS = tuple(_NAMES)
"""What `--field` can name."""
FIELD_NAMES = frozenset(name for names in _NAMES.values() for name in names)

FORMS = ("preference", "chat", "spans", "pairs", "prompt-response", "multilabelled", "labelled", "plain")
"""Forms of rows, in the order they are looked for. `columns` is a form of files and read by `tagged`."""


def canonical(values: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """The row's values under our names; `renamed` gives the file's name for one of ours. Others are left out."""
    lowered = {_plain_name(name): value for name, value in values.items()}
    found = {ours: lowered[theirs] for ours, theirs in _matched(lowered, renamed).items()}
    if "input" in lowered and "instruction" in lowered and "prompt" not in renamed:
        found["prompt"] = "\n\n".join(str(part) for part in (lowered["instruction"], lowered["input"]) if part)
    return found


def _plain_name(name: object) -> str:
    return str(name).strip().lower()


def _matched(lowered: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, str]:
    """For each of our names that the row has a value for, the row's own name."""
    matched: dict[str, str] = {}
    for ours, known in _NAMES.items():
        wanted = (_plain_name(renamed[ours]),) if ours in renamed else known
        theirs = next((name for name in wanted if lowered.get(name) is not None), None)
        if theirs is not None:
            matched[ours] = theirs
    return matched


def unused_fields(values: Mapping[str, Any], form: str, renamed: Mapping[str, str]) -> list[str]:
    """The row's fields that a record of `form` takes nothing from."""
    matched = _matched({_plain_name(name): value for name, value in values.items()}, renamed)
    taken = {theirs for ours, theirs in matched.items() if ours in {*_NEEDED[form], *_TAKEN[form], *_ALWAYS_TAKEN}}
    if "prompt" in (*_NEEDED[form], *_TAKEN[form]):
        taken |= {"instruction", "input"}
    empty = {name for name, value in values.items() if value in (None, "", [])}
    return [str(name) for name in values if _plain_name(name) not in taken and name not in empty]


def detect_form(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The form most of the rows (under our names) have, or None where none has one."""
    votes = Counter(form for form in map(_form_of, rows) if form)
    if votes["multilabelled"]:  # where some texts have several classes, one class is a set of one
        votes["multilabelled"] += votes.pop("labelled", 0)
    return max(votes, key=lambda form: (votes[form], -FORMS.index(form))) if votes else None


def _form_of(row: Mapping[str, Any]) -> str | None:
    if "text" in row and _are_spans(row.get("label")):
        return "spans"
    if "text" in row and _are_classes(row.get("label")):
        return "multilabelled"
    return next(
        (form for form in FORMS if form != "multilabelled" and all(name in row for name in _NEEDED[form])), None
    )


def _are_spans(value: object) -> bool:
    """Whether the field of a label holds `[[start, end, label], …]`, as some annotation tools write it."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, list) for item in value)


def _are_classes(value: object) -> bool:
    """Whether the field of a label holds a list of several names, or of none."""
    return isinstance(value, list) and len(value) != 1 and all(isinstance(item, str) for item in value)


def record_of(row: Row, form: str, renamed: Mapping[str, str]) -> Record:
    """The record a row makes in `form`. Raises `InputError` saying what is wrong with the row."""
    values = canonical(row.values, renamed)
    missing = [name for name in _NEEDED[form] if name not in values]
    if missing and not (form == "spans" and isinstance(values.get("label"), list)):
        fields = ", ".join(f"'{name}'" for name in row.values) or "none"
        raise InputError(f"no field for '{missing[0]}' (fields: {fields})")
    return _BUILDERS[form](values, _about(values, row.split))


def _about(values: Mapping[str, Any], split: str | None) -> dict[str, Any]:
    group = values.get("group")
    stated = values.get("split")
    if stated is not None:
        split = known_split(str(stated))
        if split is None:
            raise InputError(f"the split '{stated}' is not train, validation or test")
    return {"group": None if group in (None, "") else str(group), "difficulty": _difficulty(values), "split": split}


def _difficulty(values: Mapping[str, Any]) -> float | None:
    given = values.get("difficulty")
    if given in (None, ""):
        return None
    try:
        number = float(str(given))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"the difficulty '{given}' is not a number")
    return number


def text_of(values: Mapping[str, Any], name: str) -> str:
    """The text of a field. Raises `InputError` where it is not text, or blank."""
    value = values[name]
    if not isinstance(value, str):
        raise InputError(f"the field '{name}' is {type(value).__name__}, not text")
    if not value.strip():
        raise InputError(f"the field '{name}' is empty")
    return value


def _label_of(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"the label is {type(value).__name__}, not one name")
    label = str(value).strip()
    if not label:
        raise InputError("the label is empty")
    return label


def _plain(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    return PlainText(text=text_of(values, "text"), **about)


def _labelled(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    return Labelled(text=text_of(values, "text"), label=_label_of(values["label"]), **about)


def _list_in(given: Any, what: str) -> Any:
    """A list that stands as JSON in a cell of a table, read; anything else as it is."""
    if not isinstance(given, str) or not given.lstrip().startswith("["):
        return given
    try:
        return strict_json(given)
    except ValueError as error:
        raise InputError(f"the {what} are not JSON: {error}") from error


def _multilabelled(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    given = _list_in(values["label"], "labels")
    labels = {_label_of(label) for label in (given if isinstance(given, list) else [given])}
    return MultiLabelled(text=text_of(values, "text"), labels=tuple(sorted(labels)), **about)


def _pairs(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    label = _label_of(values["label"]) if "label" in values else None
    return TextPair(first=text_of(values, "first"), second=text_of(values, "second"), label=label, **about)


def _spans(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    text = text_of(values, "text")
    given = _list_in(values["spans"] if "spans" in values else values["label"], "spans")
    if not isinstance(given, list):
        raise InputError(f"the spans are {type(given).__name__}, not a list")
    return SpanLabelled(text=text, spans=check_spans(text, tuple(map(_span, given))), **about)


def _span(given: object) -> LabelledSpan:
    if isinstance(given, Mapping):
        start = given.get("start", given.get("start_offset"))
        end = given.get("end", given.get("end_offset"))
        label = given.get("label", given.get("type"))
    elif isinstance(given, list) and len(given) == 3:
        start, end, label = given
    else:
        raise InputError("a span is neither [start, end, label] nor an object with these")
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(label, str):
        raise InputError(f"the span [{start}, {end}, {label}] is not two whole numbers and a name")
    return LabelledSpan(start, end, label.strip())


def _chat(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    given = _list_in(values["messages"], "messages")
    return Chat(turns=chat_of(given, system=values.get("system")), **about)


def _prompt_response(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    turns = conversation(values["prompt"], system=values.get("system"), history=values.get("history"))
    return Chat(turns=(*turns, Turn("assistant", text_of(values, "response"))), **about)


def _preference(values: Mapping[str, Any], about: dict[str, Any]) -> Record:
    prompt, chosen, rejected = answers_after_prompt(
        values.get("prompt"), values["chosen"], values["rejected"], system=values.get("system")
    )
    if chosen == rejected:
        raise InputError("the chosen and the rejected answer are the same")
    return Preference(prompt=prompt, chosen=chosen, rejected=rejected, **about)


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "preference": ("chosen", "rejected"),
    "chat": ("messages",),
    "spans": ("text", "spans"),
    "pairs": ("first", "second"),
    "prompt-response": ("prompt", "response"),
    "multilabelled": ("text", "label"),
    "labelled": ("text", "label"),
    "plain": ("text",),
}
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "preference": ("prompt", "system"),
    "chat": ("system",),
    "spans": ("label",),
    "pairs": ("label",),
    "prompt-response": ("system", "history"),
    "multilabelled": (),
    "labelled": (),
    "plain": (),
}
"""What a form takes where it is there."""
_ALWAYS_TAKEN = ("group", "difficulty", "split")
_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], dict[str, Any]], Record]] = {
    "preference": _preference,
    "chat": _chat,
    "spans": _spans,
    "pairs": _pairs,
    "prompt-response": _prompt_response,
    "multilabelled": _multilabelled,
    "labelled": _labelled,
    "plain": _plain,
}
