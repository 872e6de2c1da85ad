from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from core.errors import InputError
from core.inference import Sampling
from core.inference.constraint import matching_choice, matching_regex, matching_schema
from core.inference.local import LocalGenerator


class Claim(BaseModel):
    who: str = Field(max_length=6)
    amount: int = Field(ge=0, le=999)
    kind: Literal["fee", "退款"]
    tags: list[str] = Field(max_length=2)


class Tag(BaseModel):
    name: str = Field(max_length=3)


SAMPLING = Sampling(max_tokens=300, temperature=1.5, seed=1)


def test_a_random_model_writes_valid_objects(generator: LocalGenerator):
    schema = Claim.model_json_schema()
    schema["properties"]["tags"]["items"]["maxLength"] = 4
    sampling = replace(SAMPLING, n=8, constraint=matching_schema(schema))
    completions = generator.generate(["Hello", "退款"], sampling)
    found = [Claim.model_validate_json(completion.text) for completion in completions]
    assert len({completion.text for completion in completions}) == len(found) == 16
    assert {claim.kind for claim in found} == {"fee", "退款"}
    assert all(completion.finish_reason == "stop" for completion in completions)
    assert [list(json.loads(one.text)) for one in completions] == [["who", "amount", "kind", "tags"]] * 16


def test_texts_match_a_pattern_and_a_choice(generator: LocalGenerator):
    pattern = r"[A-Z]{2}-[0-9]{3,5}( 元)?"
    completions = generator.generate(["a"], replace(SAMPLING, n=12, constraint=matching_regex(pattern)))
    assert all(re.fullmatch(pattern, completion.text) for completion in completions)
    choices = ['say "yes"', "no", "no way", "不"]
    texts = {
        one.text for one in generator.generate(["a"], replace(SAMPLING, n=40, constraint=matching_choice(choices)))
    }
    assert texts <= set(choices)
    assert len(texts) > 1


def test_greedy_takes_the_likeliest_valid_text_and_streams_it(generator: LocalGenerator):
    sampling = Sampling(constraint=matching_choice(["ab", "cd"]))
    (completion,) = generator.generate(["Hello"], sampling)
    scores = generator.score(["Hello"] * 2, ["a", "c"])
    assert completion.text == ("ab" if scores[0].total > scores[1].total else "cd")
    assert completion.logprobs[0] == pytest.approx(max(scores[0].total, scores[1].total), abs=1e-4)
    assert "".join(generator.stream("Hello", sampling)) == completion.text


def test_a_constrained_text_does_not_depend_on_its_batch(generator: LocalGenerator):
    sampling = replace(SAMPLING, constraint=matching_schema(Tag))
    together = [one.text for one in generator.generate(["a", "b", "c"], sampling)]
    assert together == [generator.generate([prompt], sampling)[0].text for prompt in "abc"]


def test_what_is_cut_says_so(generator: LocalGenerator):
    (cut,) = generator.generate(["a"], Sampling(max_tokens=4, constraint=matching_schema(Tag)))
    assert cut.finish_reason == "length"


def test_grammars_that_cannot_be_used_are_refused(generator: LocalGenerator):
    for wrong in (matching_regex("(ab"), matching_schema({"type": "nonsense"})):
        with pytest.raises(InputError, match=r"(regex|schema) cannot be used"):
            generator.generate(["a"], Sampling(constraint=wrong))
    for choices in ([], ["a", ""], "yes"):
        with pytest.raises(InputError, match="choices"):
            matching_choice(choices)
    with pytest.raises(InputError, match="beams"):
        Sampling(beams=2, constraint=matching_regex("a"))
