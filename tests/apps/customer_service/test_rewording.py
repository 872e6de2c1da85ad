import numpy as np

from apps.customer_service.evaluation.rewording import measure, report, sample
from core.inference import Completion


class Alike:
    name, dimension = "alike", 2

    def encode_passages(self, texts, progress=None):
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))


class Model:
    """Copies the first sentence of an answer, rewords the second, and gets the third right when asked again."""

    name = "scripted"

    def generate(self, prompts, sampling, progress=None):
        if len(prompts) == 3:
            texts = ["It costs EUR 6.", "Up to 3 cards you can have.", "It takes 9 days."]
        else:
            texts = ["Two days it takes: 2 days."]
        return [Completion(text, "stop") for text in texts for _ in range(sampling.n)]


def test_what_is_copied_reworded_and_revised_is_counted_apart(base) -> None:
    rows = [("?", "It costs EUR 6."), ("?", "You can have up to 3 cards."), ("?", "It takes 2 days.")]
    found, drafts, seconds = measure(Model(), Alike(), rows, "en")
    assert [(one.copied, one.by_draft, one.by_refinement) for one in found] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert 0 <= drafts <= seconds
    lines = "\n".join(report(found, drafts, seconds, "en"))
    assert "copied by the draft: 0.333" in lines and "accepted after refinement: 0.667" in lines
    assert "= It takes 2 days.\n  > Two days it takes: 2 days. (regenerate)" in lines
    assert sample(base, "en", 4) == sample(base, "en", 4) and len(sample(base, "en", 4)) == 4
