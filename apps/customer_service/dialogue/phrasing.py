"""A language model may reword the sentences of an answer; each is checked, and what fails stays a quotation.

Sentences are reworded one by one, in one batch, so that each keeps the citation it came with: the model never chooses
what is cited. Steps and table rows are left alone; there is nothing to gain and an order to lose. A draft that does not
say what its quotation says is refined within a small budget (`core.inference.phrase`), then refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from apps.customer_service.dialogue.coverage import CALIBRATED_ENCODER
from apps.customer_service.dialogue.faithfulness import Faithfulness
from apps.customer_service.dialogue.graph import Phrase
from apps.customer_service.dialogue.records import AnswerSentence, Reply
from core.errors import ConfigError
from core.inference.generator import Sampling
from core.inference.phrase import Phrased, finished_sentences
from core.inference.phrase import phrase as phrase_from_evidence
from core.inference.revise import Regenerate
from core.metrics.metric import Context
from core.prompts.quotation import without_marks
from core.text import Language, detect_language

if TYPE_CHECKING:
    from core.inference.generator import Generator
    from core.prompts import ChatPrompt
    from core.retrieval import Embedder

WAYS = (Regenerate,)
ROUNDS = 2
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
_BULLET = re.compile(r"^[\s\-*•>：:]+")
_QUOTED_WHOLE = re.compile(r"^[\"“”'](?P<inner>[^\"“”]*)[\"“”']$")
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
        texts = [reply.sentences[row].text for row in wanted]
        sentences = list(reply.sentences)
        for row, found in zip(wanted, reworded(generator, embedder, texts, question, reply.language), strict=True):
            sentences[row] = with_wording(sentences[row], found)
        return reply.model_copy(update={"sentences": tuple(sentences)})

    return phrase


def reworded(
    generator: Generator, embedder: Embedder, quotations: Sequence[str], question: str, language: Language
) -> list[Phrased]:
    """A wording of each quotation that says the same, or none; reasons are in `language`."""
    longest = max(len(text) if detect_language(text) == "zh" else len(text.split()) * 2 for text in quotations)
    return phrase_from_evidence(
        generator,
        [_prompt(text, question) for text in quotations],
        [Context(evidence=(text,), prompt=question) for text in quotations],
        metric=Faithfulness(embedder, language),
        ways=WAYS,
        rounds=ROUNDS,
        sampling=Sampling(max_tokens=longest + _EXTRA_TOKENS),
        tidy=tidy,
    )


def with_wording(sentence: AnswerSentence, found: Phrased) -> AnswerSentence:
    """The sentence in the wording that was accepted; else as quoted, with why; in both cases with what was tried."""
    tried = {"attempts": found.attempts}
    if found.text is None:
        return sentence.model_copy(update={**tried, "rejected": found.reason})
    return sentence.model_copy(update={**tried, "text": found.text, "rewritten": found.text != sentence.text})


def tidy(text: str) -> str:
    """The finished sentences of the first line, without a bullet, marks or quotation marks around them."""
    lines = [line for line in without_marks(text).splitlines() if line.strip()]
    line = _BULLET.sub("", lines[0]).strip() if lines else ""
    whole = _QUOTED_WHOLE.match(line)
    return finished_sentences(whole["inner"] if whole else line)


def _prompt(sentence: str, question: str) -> ChatPrompt:
    """Asks in the language of the sentence, which it must keep."""
    from core.prompts import PromptTemplate, Quotation

    language = detect_language(sentence)
    template = PromptTemplate(user=_USER[language], system=_SYSTEM[language])
    return template.format(question=Quotation(question), sentence=Quotation(sentence))
