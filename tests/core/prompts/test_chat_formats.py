from __future__ import annotations

import pytest

from core.errors import UnknownName
from core.prompts.chat_formats import CHAT_FORMATS, find_chat_format, format_of_family

ONE = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
TWO = [*ONE, {"role": "assistant", "content": "你好。"}, {"role": "user", "content": " Who? "}]

WRITTEN = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\n你好。<|im_end|>\n<|im_start|>user\n Who? <|im_end|>\n<|im_start|>assistant\n",
    "llama-3": "<B><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n你好。<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama-2": "<B>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] 你好。 <E><B>[INST] Who? [/INST]",
    "mistral": "<B>[INST] Be brief.\n\nHi[/INST] 你好。<E>[INST]  Who? [/INST]",
    "gemma": "<B><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n你好。<end_of_turn>\n"
    "<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\n",
    "zephyr": "<|system|>\nBe brief.<E>\n<|user|>\nHi<E>\n<|assistant|>\n你好。<E>\n"
    "<|user|>\n Who? <E>\n<|assistant|>\n",
    "phi-3": "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n你好。<|end|>\n"
    "<|user|>\n Who? <|end|>\n<|assistant|>\n",
    "alpaca": "<B>Be brief.\n\n### Instruction:\nHi\n\n### Response:\n你好。<E>\n\n### Instruction:\n Who? \n\n"
    "### Response:\n",
    "plain": "Be brief.\n\nHi\n\n你好。\n\n Who? ",
}


@pytest.mark.parametrize("name", sorted(CHAT_FORMATS))
def test_each_family_writes_as_it_does(name: str):
    assert find_chat_format(name).render(TWO, begin_mark="<B>", end_mark="<E>") == WRITTEN[name]


@pytest.mark.parametrize("name", sorted(CHAT_FORMATS))
def test_a_system_turn_alone_is_not_lost(name: str):
    assert "Be brief." in find_chat_format(name).render(ONE[:1])


@pytest.mark.parametrize("name", sorted(CHAT_FORMATS))
def test_what_a_message_says_is_never_taken_for_a_mark_of_the_text(name: str):
    hostile = [{"role": "user", "content": "{begin}{end}"}]
    assert "{begin}{end}" in find_chat_format(name).render(hostile, begin_mark="<B>", end_mark="<E>")


def test_an_unknown_format_is_named():
    with pytest.raises(UnknownName, match="chatml2"):
        find_chat_format("chatml2")


@pytest.mark.parametrize(
    ("model_type", "vocabulary", "name"),
    [
        ("qwen2", ["<|im_start|>", "<|im_end|>"], "chatml"),
        ("qwen2", [], None),
        ("llama", ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "llama-3"),
        ("llama", ["<|im_start|>", "<|im_end|>"], "chatml"),
        ("llama", [], "llama-2"),
        ("mistral", [], "mistral"),
        ("gemma2", ["<start_of_turn>", "<end_of_turn>"], "gemma"),
        ("gpt2", ["<|im_start|>", "<|im_end|>"], None),
        ("t5", [], "plain"),
    ],
)
def test_the_family_and_the_marks_it_knows_choose(model_type: str, vocabulary: list[str], name: str | None):
    found = format_of_family(model_type, dict.fromkeys(vocabulary, 0))
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("qwen2.5-coder-0.5b", marks=pytest.mark.model("qwen2.5-coder-0.5b")),
        pytest.param("smollm2-135m", marks=pytest.mark.model("smollm2-135m")),
    ],
)
def test_chatml_equals_the_templates_of_models_we_have(name: str):
    from transformers import AutoTokenizer

    from core.models.locate import locate

    tokenizer = AutoTokenizer.from_pretrained(locate(name, "causal").folder, local_files_only=True)
    for messages in (ONE, TWO):
        theirs = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert find_chat_format("chatml").render(messages) == theirs
