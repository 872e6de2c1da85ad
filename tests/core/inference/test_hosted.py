import pytest
from langchain_core.language_models import FakeListChatModel, FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from core.errors import EndpointError, InputError, ModelNotAvailable
from core.inference import Sampling, load_generator
from core.inference.hosted import HostedGenerator, is_hosted
from core.prompts import RawText


def test_provider_names_are_told_from_folders_and_hub_names():
    assert is_hosted("openai:gpt-5-mini") and is_hosted("google_genai:gemini-2.5-flash")
    for name in ("qwen2.5-coder-0.5b", "owner/name", "hf:owner/name", "file:/models/x", "./model.gguf", "C:\\models"):
        assert not is_hosted(name), name


def test_completions_come_in_order_with_their_reason_and_tokens():
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    replies = [
        AIMessage("one", response_metadata={"finish_reason": "stop"}, usage_metadata=usage),
        AIMessage("two", response_metadata={"stop_reason": "max_tokens"}),
    ]
    generator = HostedGenerator("fake:model", FakeMessagesListChatModel(responses=replies))
    one = generator.generate(["a"])[0]
    two = generator.generate(["b"])[0]
    assert (one.text, one.finish_reason, one.prompt_tokens, one.completion_tokens) == ("one", "stop", 7, 2)
    assert (two.text, two.finish_reason) == ("two", "length")


def test_what_is_asked_for_reaches_the_provider(monkeypatch):
    seen = {}
    model = FakeListChatModel(responses=["x"])
    monkeypatch.setattr(FakeListChatModel, "batch", lambda self, inputs, config, **options: seen.update(options) or [])
    HostedGenerator("fake:model", model).generate(
        ["a"], Sampling(max_tokens=5, temperature=0.5, stop=["END"], top_p=0.9)
    )
    assert seen == {"max_tokens": 5, "temperature": 0.5, "stop": ["END"], "top_p": 0.9}


def test_streamed_pieces_join_to_the_text():
    generator = HostedGenerator("fake:model", FakeListChatModel(responses=["hello you"]))
    pieces = list(generator.stream("hi"))
    assert "".join(pieces) == "hello you" and len(pieces) > 1


def test_what_no_provider_offers_is_refused():
    generator = HostedGenerator("fake:model", FakeListChatModel(responses=["x"]))
    for sampling in (Sampling(top_k=5), Sampling(repetition_penalty=1.1), Sampling(beams=4)):
        with pytest.raises(InputError, match="hosted"):
            generator.generate(["a"], sampling)
    with pytest.raises(InputError, match="raw text"):
        generator.generate([RawText("a")])
    with pytest.raises(InputError, match="score"):
        generator.score(["a"], ["b"])


def test_a_provider_error_passes_on_no_text_of_its_own(monkeypatch):
    def refuse(self, inputs, config, **options):
        raise RuntimeError("bad key sk-secret")

    monkeypatch.setattr(FakeListChatModel, "batch", refuse)
    with pytest.raises(EndpointError) as caught:
        HostedGenerator("fake:model", FakeListChatModel(responses=["x"])).generate(["a"])
    assert "sk-secret" not in str(caught.value) and "RuntimeError" in str(caught.value)


def test_an_unknown_provider_and_a_missing_package_are_named():
    with pytest.raises(ModelNotAvailable, match="nobody:model"):
        load_generator("nobody:model")
    with pytest.raises(ModelNotAvailable, match="langchain-mistralai"):
        load_generator("mistralai:mistral-small")
