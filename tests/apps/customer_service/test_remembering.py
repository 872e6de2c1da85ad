import numpy as np

from apps.customer_service.knowledge import RememberingEmbedder


class Counting:
    name, dimension = "counting", 2

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode_queries(self, texts):
        self.calls.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    def encode_passages(self, texts, progress=None):
        return -self.encode_queries(texts)


def test_a_query_is_encoded_once_and_its_vector_cannot_be_spoilt() -> None:
    inner = Counting()
    embedder = RememberingEmbedder(inner)
    first = embedder.encode_queries(["abc"])
    first[:] = 0
    np.testing.assert_array_equal(embedder.encode_queries(["abc"]), [[3.0, 1.0]])
    assert inner.calls == [["abc"]]
    assert (embedder.name, embedder.dimension) == ("counting", 2)


def test_several_queries_and_passages_give_what_the_encoder_gives() -> None:
    embedder = RememberingEmbedder(Counting())
    np.testing.assert_array_equal(embedder.encode_queries(["a", "bb", "a"]), [[1.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(embedder.encode_passages(["a"]), [[-1.0, -1.0]])


def test_the_number_of_threads_is_given_back() -> None:
    import torch

    before = torch.get_num_threads()
    RememberingEmbedder(Counting()).encode_queries(["a"])
    assert torch.get_num_threads() == before
