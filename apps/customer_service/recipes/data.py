"""Training data of the product's own making: questions, the article that answers each, and the sentences to answer with.

The questions are those the demo bank's articles name. The evidence is the article, the reference what the assistant
quotes from it. Both languages of a topic are one group, so no article is trained on and measured in the other language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.customer_service.dialogue.answering import choose_sentences
from apps.customer_service.knowledge import Article, KnowledgeBase, open_knowledge_base
from core.text import Language
from core.training.data.records import Turn
from core.training.data.splits import place_of
from core.training.pipeline.examples import Example, RecipeData

if TYPE_CHECKING:
    from core.progress import ProgressCallback

NAME = "kb-answers"
_SEED = 7
_TEST, _VALIDATION = 0.2, 0.2
_SYSTEM: dict[Language, str] = {
    "en": "You answer a bank's customer from the help article below, in one to three sentences. Say only what the "
    "article says, with its numbers and names. Article:\n{article}",
    "zh": "请只根据下面的帮助文章，用一到三句话回答银行客户的问题。文章里没有的不要说，数字和名称照原文写。文章：\n{article}",
}


def kb_answers() -> RecipeData:
    """The examples, split by topic."""
    from core.models import load_embedder
    from core.progress import ProgressLine

    base = open_knowledge_base(None, load_embedder(), progress=ProgressLine("Indexing the knowledge base"))
    return examples_of(base, progress=ProgressLine("Choosing the sentences that answer"))


def examples_of(base: KnowledgeBase, *, progress: ProgressCallback | None = None) -> RecipeData:
    """The examples of a knowledge base whose articles name their questions."""
    splits: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    articles = sorted(base.articles.values(), key=lambda article: article.id)
    for done, article in enumerate(articles, start=1):
        splits[_split(article)] += [
            _example(base, article, number, question) for number, question in enumerate(article.questions, start=1)
        ]
        if progress:
            progress(done, len(articles))
    return RecipeData(NAME, tuple(splits["train"]), tuple(splits["validation"]), tuple(splits["test"]))


def _split(article: Article) -> str:
    place = place_of(article.topic, _SEED)
    if place < _TEST:
        return "test"
    return "validation" if place < _TEST + _VALIDATION else "train"


def _example(base: KnowledgeBase, article: Article, number: int, question: str) -> Example:
    sentences = choose_sentences(base, article, question)
    joint = "" if article.language == "zh" else " "
    answer = joint.join(sentence.text for sentence in sentences)
    text = article.document.text.strip()
    return Example(
        id=f"{article.id}/{number}",
        prompt=(Turn("system", _SYSTEM[article.language].format(article=text)), Turn("user", question)),
        references=(answer,),
        evidence=(text,),
        group=article.topic,
    )
