"""A budget on prompts of both languages, with examples and passages: what may give way does, nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prompts import Example, FewShotPrompt, PromptTemplate, TokenBudget
from core.prompts.budget import BudgetTooSmall
from core.text import split_sentences

TEMPLATES = {
    "en": PromptTemplate("Passages:\n{passages}\n\nQuestion: {question}", system="Answer from the passages alone."),
    "zh": PromptTemplate("资料：\n{passages}\n\n问题：{question}", system="只根据资料回答。"),
}
SENTENCES = {
    "en": ["Cards take 2.5 days.", "Is it free?", "Dr. Lee said no!", "Fees: $1,000.50 (see p. 3)."],
    "zh": ["补卡需要两天。", "收费吗？", "他说：“不行！”", "费用为1,000.50元；", "e.g. 见第3页。"],
}


def count_pieces(text: str) -> int:
    """About as a tokenizer counts: four Latin characters or one Chinese one a token."""
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return chinese + math.ceil((len(text) - chinese) / 4)


@st.composite
def prompts(draw: st.DrawFn):
    language = draw(st.sampled_from(["en", "zh"]))
    joint = " " if language == "en" else ""
    text = st.lists(st.sampled_from(SENTENCES[language]), min_size=1, max_size=5).map(joint.join)
    passages = draw(st.lists(text, min_size=0, max_size=4))
    examples = draw(st.lists(text, min_size=0, max_size=3))
    question = draw(text)
    few_shot = FewShotPrompt(
        TEMPLATES[language],
        tuple(Example({"passages": ["…"], "question": f"{n} {one}"}, f"A{n}") for n, one in enumerate(examples)),
    )
    return few_shot, passages, question


@given(prompt=prompts(), tokens=st.integers(20, 700), first=st.sampled_from(["examples", "quotations"]))
def test_a_budget_takes_from_the_end_and_only_what_may_give_way(prompt, tokens: int, first: str):
    few_shot, passages, question = prompt
    budget = TokenBudget(tokens, count_pieces, first)
    bare = FewShotPrompt(few_shot.template).format(passages=[], question=question)
    try:
        fitted = few_shot.format(budget=budget, passages=passages, question=question)
    except BudgetTooSmall:
        assert not budget.fits(bare.turns)
        return
    assert budget.fits(fitted.turns)
    system, *turns, asked = (turn["content"] for turn in fitted.turns)
    assert system.startswith(few_shot.template.system)
    assert asked.endswith(question)

    answers = turns[1::2]
    assert answers == [f"A{number}" for number in range(len(answers))]
    kept = [block.split(">\n", 1)[1].split("\n</passage>")[0] for block in asked.split("<passage ")[1:]]
    for number, (text, original) in enumerate(zip(kept, passages, strict=False)):
        assert original.startswith(text)
        assert len(text) in [span.end for span in split_sentences(original)]
        assert number == len(kept) - 1 or text == original

    dropped_examples = len(answers) < len(few_shot.examples)
    cut = kept != passages
    assert bool(fitted.left_out) == (dropped_examples or cut)
    if first == "examples" and cut:
        assert not answers
    if first == "quotations" and dropped_examples and few_shot.examples:
        more = FewShotPrompt(few_shot.template, few_shot.examples[: len(answers) + 1])
        assert not budget.fits(more.format(passages=[], question=question).turns)


def test_what_gives_way_first_is_declared():
    few_shot = FewShotPrompt(TEMPLATES["en"], (Example({"passages": ["x"], "question": "One?"}, "1"),))
    values = {"passages": ["First fact. Second fact."], "question": "Why?"}
    whole = few_shot.format(**values)
    tokens = sum(count_pieces(turn["content"]) + 8 for turn in whole.turns) - 1
    examples_first = few_shot.format(budget=TokenBudget(tokens, count_pieces), **values)
    passages_first = few_shot.format(budget=TokenBudget(tokens, count_pieces, "quotations"), **values)
    assert examples_first.left_out == ("examples: 1 of 1",)
    assert passages_first.left_out == ("passages 1: 1 of 2 sentences",)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("qwen2.5-coder-0.5b", marks=pytest.mark.model("qwen2.5-coder-0.5b")),
        pytest.param("smollm2-135m", marks=pytest.mark.model("smollm2-135m")),
    ],
)
@pytest.mark.parametrize("system", ["", "Answer from the passages alone."])
def test_the_allowance_covers_what_real_templates_add(name: str, system: str):
    from transformers import AutoTokenizer

    from core.inference.chat_template import ChatTokenizer
    from core.models.locate import locate

    chat = ChatTokenizer(AutoTokenizer.from_pretrained(locate(name, "causal").folder, local_files_only=True))
    template = PromptTemplate("{passages}\n问题：{question}", system=system)
    examples = tuple(Example({"passages": [f"第{n}天。"], "question": "多久？"}, f"{n}") for n in range(3))
    values = {"passages": ["Cards take two days. 补卡需要两天。" * 6], "question": "How long?"}
    for tokens in (120, 210, 330):
        budget = TokenBudget(tokens, lambda text: len(chat.continuation_ids(text)))
        fitted = FewShotPrompt(template, examples).format(budget=budget, **values)
        assert len(chat.prompt_ids(fitted)) <= tokens
