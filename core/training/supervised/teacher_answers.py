"""A large model answers, a small one learns the answers (Kim & Rush 2016, "Sequence-level knowledge distillation").

The teacher may be any generator, one behind an endpoint too; the vocabularies need not be the same. What it answered is
kept by the hash of what it was asked, so that a killed run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import InputError
from core.inference.answer_cache import AnswerCache
from core.inference.generator import Generator, Sampling
from core.progress import ProgressCallback
from core.training.data.records import Chat, Turn, as_messages

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """Conversations with the teacher's answers, and what became of the prompts.

    Attributes:
        cut: prompts left out, since the answer came to no end within its tokens and nobody should learn to stop there.
        empty: prompts left out, since the teacher said nothing.
        reused: answers that were there before.
    """

    chats: tuple[Chat, ...]
    cut: int
    empty: int
    reused: int


def teacher_answers(
    teacher: Generator,
    chats: Sequence[Chat],
    path: Path,
    *,
    sampling: Sampling | None = None,
    version: str = "",
    progress: ProgressCallback | None = None,
) -> TeacherAnswers:
    """The teacher's answers to the prompts of `chats`; answers these have are left aside.

    Args:
        path: the JSON file of answers.
        sampling: default: beam search with 5 beams, as in the paper.
        version: what changes with the teacher's weights, such as a fingerprint; `teacher.name` is part of the key.

    Raises:
        InputError: no prompt, several completions a prompt, or no answer can be learned.
        UnreadableFile: `path` holds something else.
    """
    sampling = sampling or Sampling(beams=5)
    if sampling.n != 1:
        raise InputError(f"The teacher gives one answer a prompt, not {sampling.n}.", hint="Leave n at 1.")
    prompts = {_key(teacher.name, version, chat.prompt, sampling): chat.prompt for chat in chats}
    if not prompts:
        raise InputError("There is no prompt for the teacher.", hint="Prepare conversations.")
    kept = AnswerCache(path)
    missing = [key for key in prompts if key not in kept]
    path.parent.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(missing), _AT_ONCE):
        part = missing[start : start + _AT_ONCE]
        found = teacher.generate([as_messages(prompts[key]) for key in part], sampling)
        kept.put((key, json.dumps([c.text, c.finish_reason])) for key, c in zip(part, found, strict=True))
        if progress:
            progress(len(prompts) - len(missing) + start + len(part), len(prompts))
    answered: list[Chat] = []
    cut = empty = 0
    for chat in chats:
        text, reason = json.loads(kept[_key(teacher.name, version, chat.prompt, sampling)])
        if reason != "stop":
            cut += 1
        elif not text.strip():
            empty += 1
        else:
            answered.append(replace(chat, turns=(*chat.prompt, Turn("assistant", text))))
    if not answered:
        raise InputError(
            f"None of {len(chats)} answers can be learned: {cut} came to no end, {empty} are empty.",
            hint="Raise the teacher's max_tokens, or choose another.",
        )
    return TeacherAnswers(tuple(answered), cut, empty, len(prompts) - len(missing))


def _key(name: str, version: str, prompt: Sequence[Turn], sampling: Sampling) -> str:
    said = json.dumps([name, version, as_messages(tuple(prompt)), repr(sampling)], ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", errors="surrogatepass")).hexdigest()
