"""Data of the recipe `answers`: a question and passages of help pages, to be answered with the short answer that the
page on the question gives.

One of the other passages is of the same page, two are the short answers of others, of the same trade where the split
has them: an answer must come from the right place and not merely from the text. The pages are the product's own
articles and those of `topics`, other trades of which no assistant knows. A topic is a group: a page and its translation
are never in two splits, and passages of other pages are taken from the same split.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from apps.customer_service.knowledge.articles import DEMO_FOLDER, Article, load_articles
from apps.customer_service.knowledge.sentences import citable_sentences
from apps.customer_service.recipes.topics import load_trades
from core.metrics.metric import NO_CONTEXT, Contexts, Need, Score, matched_contexts
from core.metrics.rouge import RougeL
from core.text import Language
from core.training.data.records import SPLITS, Turn
from core.training.data.splits import place_of
from core.training.pipeline.examples import Example, RecipeData

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
"""Of the articles' topics; those of other trades say their splits themselves."""
_ARTICLES_TRADE = "bank"
_OWN_PASSAGES, _OTHER_PASSAGES = 1, 2
"""Beside the right one: other passages of the same page, short answers of others. With a single other answer, a text
known from practice as an answer was all but always the right one, and there was no need to read the question."""
_PROMPT: dict[Language, str] = {
    "en": "Answer the customer's question in one or two sentences. Say only what the help text says.\n\n"
    "Help text:\n{passages}\n\nQuestion: {question}",
    "zh": "用一两句话回答客户的问题，只说帮助文本里写明的内容。\n\n帮助文本：\n{passages}\n\n问题：{question}",
}


@dataclass(frozen=True, slots=True)
class RightPassage:
    """1 where the passage nearest to the answer (ROUGE-L) is the one that the reference was taken from, else 0.

    Needs references and evidence. Passages equally near, and an answer near to none, count 0.
    """

    name: str = "right_passage"
    needs: frozenset[Need] = field(init=False, default=frozenset({"references", "evidence"}))

    def score(self, candidates: Sequence[str], contexts: Contexts = NO_CONTEXT) -> list[Score]:
        """One score a candidate."""
        rouge = RougeL()
        scores = []
        for candidate, context in zip(candidates, matched_contexts(self, candidates, contexts), strict=True):
            near = {
                passage: rouge.score([candidate], type(context)(references=(passage,)))[0].value
                for passage in context.evidence
            }
            best = max(near.values())
            nearest = [passage for passage, value in near.items() if value == best]
            right = best > 0 and len(nearest) == 1 and nearest[0] in context.references
            scores.append(Score(float(right)))
        return scores


@dataclass(frozen=True, slots=True)
class _Source:
    """A help page: the short answer, its other passages, and the questions that the short answer is for."""

    id: str
    trade: str
    topic: str
    language: Language
    answer: str
    passages: tuple[str, ...]
    questions: tuple[str, ...]


def answers(language: Language | None = None) -> RecipeData:
    """Questions on all pages, or on those in one language."""
    splits: dict[str, list[_Source]] = {name: [] for name in SPLITS}
    for split, source in (*_of_articles(), *_of_trades()):
        if language in (None, source.language):
            splits[split].append(source)
    return RecipeData(
        name="customer-answers" + (f"-{language}" if language else ""),
        train=_examples(splits["train"]),
        validation=_examples(splits["validation"]),
        test=_examples(splits["test"]),
        metrics={"right_passage": RightPassage()},
    )


def _of_articles() -> Iterator[tuple[str, _Source]]:
    """The product's articles that name questions and open with a short answer, each with its split."""
    for article in load_articles(DEMO_FOLDER):
        answer, passages = _parts(article)
        if answer and article.questions:
            source = _Source(
                article.id, _ARTICLES_TRADE, article.topic, article.language, answer, passages, article.questions
            )
            yield _split_of(article.topic), source


def _of_trades() -> Iterator[tuple[str, _Source]]:
    """The topics of other trades in both languages, each with its split."""
    for trade, pages in load_trades().items():
        for split in SPLITS:
            for topic in pages.split(split):
                name = f"{trade}.{topic.topic}"
                for language, page in topic.pages.items():
                    key = f"{name}-{language}"
                    yield split, _Source(key, trade, name, language, page.answer, page.passages, page.questions)


def _split_of(topic: str) -> str:
    place = place_of(topic, 0)
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


def _parts(article: Article) -> tuple[str, tuple[str, ...]]:
    """The short answer an article opens with, and each stretch of prose under a heading and each item, step and row."""
    joint = "" if article.language == "zh" else " "
    leading: list[str] = []
    blocks: dict[tuple[int, int], list[str]] = {}
    for place, sentence in enumerate(citable_sentences(article.document)):
        if sentence.leads:
            leading.append(sentence.text)
        else:
            key = (sentence.block, -1 if sentence.kind == "sentence" else place)
            blocks.setdefault(key, []).append(sentence.text)
    answer = joint.join(leading)
    return answer, tuple(text for block in blocks.values() if (text := joint.join(block)) != answer)


def _examples(sources: Sequence[_Source]) -> tuple[Example, ...]:
    """Of one split: passages of other pages come from it alone."""
    return tuple(_example(source, number, sources) for source in sources for number in range(len(source.questions)))


def _example(source: _Source, number: int, split: Sequence[_Source]) -> Example:
    name = f"{source.id}/{number}"
    draw = random.Random(name)
    question = source.questions[number]
    others = [one for one in split if one.language == source.language and one.topic != source.topic]
    draw.shuffle(others)
    others.sort(key=lambda one: one.trade != source.trade)  # of the same trade first; a split may have too few of them
    passages = [source.answer, *draw.sample(source.passages, min(_OWN_PASSAGES, len(source.passages)))]
    passages += [one.answer for one in others[:_OTHER_PASSAGES]]
    draw.shuffle(passages)
    prompt = _PROMPT[source.language].format(passages="\n".join(f"- {one}" for one in passages), question=question)
    return Example(
        name, (Turn("user", prompt),), (source.answer,), tuple(passages), group=source.topic, question=question
    )
