from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser

from core.errors import InputError
from core.inference import Sampling
from core.inference.chat_model import GeneratorChatModel
from core.inference.local import LocalGenerator
from core.prompts import PromptTemplate


@pytest.fixture
def chat(generator: LocalGenerator) -> GeneratorChatModel:
    return GeneratorChatModel(generator=generator, sampling=Sampling(max_tokens=10))


def test_a_conversation_gives_what_the_generator_gives(chat: GeneratorChatModel, generator: LocalGenerator):
    answer = chat.invoke([SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Fees?")])
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Fees?"},
    ]
    (expected,) = generator.generate([turns], Sampling(max_tokens=10))
    assert answer.content == expected.text
    assert answer.response_metadata["finish_reason"] == expected.finish_reason
    assert answer.usage_metadata["input_tokens"] == expected.prompt_tokens
    assert answer.usage_metadata["output_tokens"] == 10


def test_streaming_gives_the_same_text_in_pieces(chat: GeneratorChatModel):
    pieces = [chunk.content for chunk in chat.stream("Hi")]
    assert len(pieces) > 2
    assert "".join(pieces) == chat.invoke("Hi").content


def test_options_of_one_use(chat: GeneratorChatModel):
    whole = chat.invoke("Hi").content
    assert chat.bind(max_tokens=3).invoke("Hi").usage_metadata["output_tokens"] == 3
    assert chat.invoke("Hi", stop=[whole[4]]).content == whole[: whole.index(whole[4])]
    with pytest.raises(InputError, match="temprature"):
        chat.invoke("Hi", temprature=1)


def test_it_stands_in_a_pipeline_with_our_templates(chat: GeneratorChatModel):
    pipeline = PromptTemplate("{word}").as_runnable() | chat | StrOutputParser()
    assert pipeline.invoke({"word": "Hi"}) == chat.invoke("Hi").content
    assert pipeline.batch([{"word": "Hi"}, {"word": "Yo"}])[0] == chat.invoke("Hi").content
