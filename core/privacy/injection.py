"""Sentences that try to instruct the system instead of asking or telling something, in Chinese and English.

A list of known shapes, by rule name: cheap, readable, and no proof of safety. It is the outer wall only. What holds
when it is passed is that products never let text from outside decide anything: answers are quotations, figures are
computed, and whatever a language model writes is checked against its evidence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.text import Span, split_sentences


@dataclass(frozen=True, slots=True)
class Injection:
    """A suspicious sentence: the first rule that matched it, and its span in the text."""

    rule: str
    span: Span


_OBJECTS = (
    r"(?:instructions?|rules?|prompts?|guidelines?|directions?|commands?|restrictions?|constraints?|context|"
    r"articles?|documents?|knowledge base|policies|policy|training|everything (?:above|before))"
)
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.I))
    for name, pattern in (
        ("override", rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{{0,40}}\b{_OBJECTS}\b"),
        (
            "override",
            r"(?:忽略|无视|忘记|忘掉|绕过|跳过|不要理会|不用管|抛开)[^。！？\n]{0,14}(?:指令|规则|提示|设定|限制|知识库|文章|文档|上文|以上内容|之前的内容)",
        ),
        (
            "role",
            r"\b(?:you are now|from now on,? you|pretend (?:to be|you|that you)|developer mode|jail ?break|"
            r"do anything now)\b",
        ),
        (
            "role",
            r"(?:从现在(?:起|开始)|接下来)[，, ]?你(?:就)?(?:是|没有|不再|必须|只能|将)|"
            r"(?:扮演|假装你?是|进入)[^。！？\n]{0,8}(?:模式|角色|开发者|黑客)|越狱",
        ),
        (
            "reveal",
            rf"\b(?:reveal|print|show|repeat|output|display|leak|tell me|give me|what (?:is|are))\b[^.!?\n]{{0,30}}"
            rf"\b(?:system prompt|hidden prompt|initial prompt|your (?:own )?(?:{_OBJECTS})|"
            rf"rules? you were given|admin(?:istrator)? password)",
        ),
        (
            "reveal",
            r"(?:输出|告诉我|显示|打印|泄露|透露|说出|复述|给我)[^。！？\n]{0,10}(?:系统提示|提示词|系统设定|系统指令|内部规则|管理员密码)",
        ),
        (
            "dictate",
            r"\b(?:answer|reply|respond|say|output|write)\b\s+(?:only|exactly|just|nothing but|with only)",
        ),
        ("dictate", r"(?:直接|只能?|仅|必须)(?:说|回答|回复|输出|答)[^。！？\n]{0,4}[“\"「‘']"),
        ("forged turn", r"^\s*(?:system|assistant|developer|系统|助手)\s*[:：]"),
        (
            "forged turn",
            r"<\|[^|\n]{1,30}\|>|\[/?INST\]|</?(?:system|assistant|instructions?)>|#{2,}\s*(?:instruction|system|指令)",
        ),
    )
)


def find_injections(text: str) -> list[Injection]:
    """The sentences of `text` that match a rule, in order."""
    found: list[Injection] = []
    for span in split_sentences(text):
        sentence = span.of(text)
        rule = next((name for name, pattern in _RULES if pattern.search(sentence)), None)
        if rule is not None:
            found.append(Injection(rule, span))
    return found


def without_injections(text: str) -> tuple[str, list[Injection]]:
    """`text` without its suspicious sentences (what remains is stripped; it may be empty), and these sentences."""
    found = find_injections(text)
    kept = [span.of(text) for span in split_sentences(text) if all(item.span != span for item in found)]
    return (" ".join(kept) if found else text.strip()), found
