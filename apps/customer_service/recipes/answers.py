"""Data of the recipe `answers`: a question and passages of the help pages; the right answer is the short answer that the
question's own article opens with.

The other passages are of the same article, and the short answer of another one, so an answer must come from the right
place and not merely from the text. All is made of the product's own articles, one group a topic: an article and its translation are
never in two splits, and passages of other articles are taken from the same split.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.customer_service.knowledge.articles import DEMO_FOLDER, Article, load_articles
from apps.customer_service.knowledge.sentences import citable_sentences
from core.metrics.metric import NO_CONTEXT, Contexts, Need, Score, matched_contexts
from core.metrics.rouge import RougeL
from core.text import Language
from core.training.data.records import Turn
from core.training.data.splits import place_of
from core.training.pipeline.examples import Example, RecipeData

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
"""Of the topics."""
_OWN_PASSAGES, _OTHER_PASSAGES = 2, 1
"""Beside the right one: other passages of the same article, short answers of others."""
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


def answers(language: Language | None = None) -> RecipeData:
    """Questions of all articles, or of those in one language."""
    articles = [article for article in load_articles(DEMO_FOLDER) if language in (None, article.language)]
    splits: dict[str, list[Article]] = {"train": [], "validation": [], "test": []}
    for article in articles:
        if article.questions and short_answer(article):
            splits[_split_of(article.topic)].append(article)
    name = "customer-answers" + (f"-{language}" if language else "")
    return RecipeData(
        name,
        *(_examples(splits[split]) for split in ("train", "validation", "test")),
        metrics={"right_passage": RightPassage()},
    )


def short_answer(article: Article) -> str:
    """What stands before the first heading; "" where nothing does."""
    leading = [sentence.text for sentence in citable_sentences(article.document) if sentence.leads]
    return _joined(leading, article.language)


def _split_of(topic: str) -> str:
    place = place_of(topic, 0)
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


def _examples(articles: Sequence[Article]) -> tuple[Example, ...]:
    """Of one split: passages of other articles come from it alone."""
    return tuple(
        _example(article, number, [one for one in articles if one.language == article.language])
        for article in articles
        for number in range(len(article.questions))
    )


def _example(article: Article, number: int, neighbours: Sequence[Article]) -> Example:
    name = f"{article.id}/{number}"
    draw = random.Random(name)
    answer, question = short_answer(article), article.questions[number]
    own = [passage for passage in _passages(article) if passage != answer]
    others = [short_answer(one) for one in neighbours if one.topic != article.topic]
    passages = [answer, *draw.sample(own, min(_OWN_PASSAGES, len(own)))]
    passages += draw.sample(others, min(_OTHER_PASSAGES, len(others)))
    draw.shuffle(passages)
    prompt = _PROMPT[article.language].format(passages="\n".join(f"- {one}" for one in passages), question=question)
    return Example(name, (Turn("user", prompt),), (answer,), tuple(passages), group=article.topic, question=question)


def _passages(article: Article) -> list[str]:
    """Its short answer, then each stretch of prose under a heading and each item, step and row."""
    blocks: dict[tuple[int, str], list[str]] = {}
    for place, sentence in enumerate(citable_sentences(article.document)):
        if not sentence.leads:
            key = (sentence.block, "") if sentence.kind == "sentence" else (sentence.block, str(place))
            blocks.setdefault(key, []).append(sentence.text)
    return [short_answer(article), *(_joined(block, article.language) for block in blocks.values())]


def _joined(sentences: Sequence[str], language: Language) -> str:
    return ("" if language == "zh" else " ").join(sentences)
