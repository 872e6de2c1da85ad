"""A language model may reword the sentences of an answer; each is checked, and what fails stays a quotation.

Sentences are reworded one by one, in one batch, so that each keeps the citation it came with: the model never chooses
what is cited. Steps and table rows are left alone; there is nothing to gain and an order to lose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apps.customer_service.dialogue.coverage import CALIBRATED_ENCODER
from apps.customer_service.dialogue.graph import Phrase
from apps.customer_service.dialogue.records import AnswerSentence, Reply
from apps.customer_service.dialogue.support import unsupported
from core.errors import ConfigError
from core.text import Language, split_sentences

if TYPE_CHECKING:
    from core.inference import Generator
    from core.prompts import ChatPrompt
    from core.retrieval import Embedder

_SYSTEM: dict[Language, str] = {
    "en": "You reword sentences of a bank's help pages for a customer: friendly, natural, one sentence, nothing added "
    "and nothing left out. Keep every number, name and condition exactly. Reply with the reworded sentence alone.",
    "zh": "你为银行客户改写帮助页面里的句子：语气亲切自然，只写一句，不增加、不遗漏。所有数字、名称和条件必须原样保留。"
    "只回复改写后的句子。",
}
_USER: dict[Language, str] = {
    "en": "The customer asked: {question}\nReword this sentence:\n{sentence}",
    "zh": "客户问：{question}\n请改写这句话：\n{sentence}",
}
_MARKS = re.compile(r"^[\s\-*•>\"“”'：:]+|[\s\"“”]+$")
_EXTRA_TOKENS = 24
_REWORDED = ("sentence", "item")


def open_phraser(embedder: Embedder) -> Phrase:
    """Phrasing by the generator in the settings.

    Raises:
        ModelNotAvailable: the generator is not on this machine.
        ConfigError: the check of what it writes was not measured with this encoder.
    """
    from core.inference import load_generator

    if embedder.name != CALIBRATED_ENCODER:
        raise ConfigError(
            f"The check of phrased sentences was measured with '{CALIBRATED_ENCODER}', not with '{embedder.name}'.",
            hint="Unset TRIVIUM_EMBEDDER (or `embedder` in trivium.toml), or ask without phrasing.",
        )
    return phraser(load_generator(), embedder)


def phraser(generator: Generator, embedder: Embedder) -> Phrase:
    """Phrasing by `generator`, checked with `embedder`."""

    def phrase(reply: Reply, question: str) -> Reply:
        wanted = [row for row, sentence in enumerate(reply.sentences) if sentence.kind in _REWORDED]
        if not wanted:
            return reply
        drafts = _draft(generator, [reply.sentences[row].text for row in wanted], question, reply.language)
        sentences = list(reply.sentences)
        for row, draft in zip(wanted, drafts, strict=True):
            sentences[row] = checked(sentences[row], draft, question, reply.language, embedder)
        return reply.model_copy(update={"sentences": tuple(sentences)})

    return phrase


def checked(
    sentence: AnswerSentence, draft: str, question: str, language: Language, embedder: Embedder
) -> AnswerSentence:
    """`draft` in place of `sentence` where it is supported; else the quotation, with what was dropped and why."""
    if draft == sentence.text:
        return sentence
    reason = unsupported(draft, sentence.text, question, language, embedder)
    if reason:
        return sentence.model_copy(update={"rejected": f"“{draft}” ({reason})"})
    return sentence.model_copy(update={"text": draft, "rewritten": True})


def _draft(generator: Generator, sentences: list[str], question: str, language: Language) -> list[str]:
    from core.inference import Sampling

    prompts = [_prompt(sentence, question, language) for sentence in sentences]
    longest = max(len(sentence) if language == "zh" else len(sentence.split()) * 2 for sentence in sentences)
    completions = generator.generate(prompts, Sampling(max_tokens=longest + _EXTRA_TOKENS, temperature=0.0))
    return [_first_sentence(completion.text) for completion in completions]


def _prompt(sentence: str, question: str, language: Language) -> ChatPrompt:
    from core.prompts import PromptTemplate, Quotation

    template = PromptTemplate(user=_USER[language], system=_SYSTEM[language])
    return template.format(question=Quotation(question), sentence=Quotation(sentence))


def _first_sentence(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    line = _MARKS.sub("", lines[0]) if lines else ""
    spans = split_sentences(line)
    return spans[0].of(line) if spans else ""
