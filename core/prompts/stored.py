"""A prompt as a file: its text, its version, and what it was measured to be worth.

TOML, because a prompt is edited by hand and its text spans lines. Only `user` must be there:

    name = "topic"                     # as the file is called: topic.2.toml
    version = 2
    language = "en"
    schema = "Topic"                   # name of the output schema the caller uses, if any
    metric = "exact_match"             # what its quality means
    system = "Name the topic."
    user = "{input}"

    [[example]]
    values = { input = "Where is my card?" }
    answer = "card"

    [[evaluation]]                     # written by the search or an evaluation, never by hand
    metric = "exact_match"
    value = 0.61                       # ... low, high, n, data, data_sha256, model, date, prompt_sha256

An evaluation carries the hash of the text it measured. Where the text has been edited since, it does not count.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import InputError
from core.prompts.few_shot import Example, FewShotPrompt
from core.prompts.template import PromptTemplate
from core.text import Language, detect_language

_FIELDS = ("metric", "value", "low", "high", "n", "data", "data_sha256", "model", "date", "prompt_sha256")


@dataclass(frozen=True, slots=True)
class PromptEvaluation:
    """What a prompt was measured to be worth.

    Attributes:
        value, low, high: the metric's mean and its 95 % interval over `n` items.
        data, data_sha256: name and content hash of the items.
        model: the generator's name.
        date: ISO date.
        prompt_sha256: of the text measured, see `StoredPrompt.sha256`.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    data: str
    data_sha256: str
    model: str
    date: str
    prompt_sha256: str

    def describe(self) -> str:
        """One line for a person."""
        return (
            f"{self.metric} {self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n = {self.n}, {self.data} "
            f"{self.data_sha256[:12]}, {self.model}, {self.date}"
        )


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt with name, version and evaluations.

    Attributes:
        schema: name of the output schema its caller uses, "" for free text.
        metric: expression of the metric that says what its quality is, "" where nobody has said.
        evaluations: all that the file carries, those of an older text included.
    """

    name: str
    version: int
    language: Language
    prompt: FewShotPrompt
    schema: str = ""
    metric: str = ""
    evaluations: tuple[PromptEvaluation, ...] = ()

    @property
    def sha256(self) -> str:
        """Of everything that a model gets to see, and of nothing else."""
        template = self.prompt.template
        examples = [[_plain_values(example.values), example.answer] for example in self.prompt.examples]
        seen = [template.system, template.user, examples, self.schema]
        return hashlib.sha256(json.dumps(seen, ensure_ascii=True, sort_keys=True).encode()).hexdigest()

    @property
    def current_evaluations(self) -> tuple[PromptEvaluation, ...]:
        """Those of the text as it is now."""
        return tuple(one for one in self.evaluations if one.prompt_sha256 == self.sha256)

    def describe_evaluation(self) -> str:
        """What is known of its quality, in words; "not evaluated" where nothing is."""
        if self.current_evaluations:
            return "; ".join(one.describe() for one in self.current_evaluations)
        return "not evaluated (edited since its evaluation)" if self.evaluations else "not evaluated"

    def evaluated(self, evaluation: PromptEvaluation) -> StoredPrompt:
        """The same with one more evaluation, in the place of an earlier one of the same metric, data and model."""

        def alike(one: PromptEvaluation) -> bool:
            return (one.metric, one.data_sha256, one.model) == (
                evaluation.metric,
                evaluation.data_sha256,
                evaluation.model,
            )

        kept = tuple(one for one in self.evaluations if not alike(one))
        return replace(self, evaluations=(*kept, evaluation))

    def to_toml(self) -> str:
        """The file's text; `parse_prompt` of it gives an equal prompt."""
        lines = [f"{key} = {_toml(getattr(self, key))}" for key in ("name", "version", "language")]
        lines += [f"{key} = {_toml(getattr(self, key))}" for key in ("schema", "metric") if getattr(self, key)]
        lines += [f"{key} = {_toml(getattr(self.prompt.template, key))}" for key in ("system", "user")]
        for example in self.prompt.examples:
            values = ", ".join(
                f"{_toml(name)} = {_toml(value)}" for name, value in _plain_values(example.values).items()
            )
            lines += ["", "[[example]]", f"values = {{ {values} }}", f"answer = {_toml(example.answer)}"]
        for one in self.evaluations:
            lines += ["", "[[evaluation]]", *(f"{key} = {_toml(getattr(one, key))}" for key in _FIELDS)]
        return "\n".join(lines) + "\n"


class _Example(BaseModel):
    model_config = ConfigDict(extra="forbid")
    values: dict[str, str | int | float | list[str]]
    answer: str


class _Evaluation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    metric: str
    value: float
    low: float
    high: float
    n: int = Field(ge=1)
    data: str
    data_sha256: str
    model: str
    date: str
    prompt_sha256: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str
    system: str = ""
    name: str = ""
    version: int = Field(default=1, ge=1)
    language: Language | None = None
    schema_name: str = Field(default="", alias="schema")
    metric: str = ""
    example: list[_Example] = []
    evaluation: list[_Evaluation] = []


def parse_prompt(text: str, file_name: str) -> StoredPrompt:
    """The prompt in the TOML `text`; `file_name` is what errors call it, and its name where it gives none.

    Raises:
        InputError: it is not TOML, lacks `user`, or has a key or a value that does not belong there.
    """
    try:
        raw = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"'{file_name}' is not valid TOML: {error}.", hint="Mend the prompt file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        keys = ", ".join(field.alias or key for key, field in _File.model_fields.items())
        raise InputError(f"'{file_name}': '{place}': {first['msg']}.", hint=f"Keys: {keys}.") from error
    try:
        template = PromptTemplate(raw.user, raw.system)
    except InputError as error:
        raise InputError(f"'{file_name}': {error.message}", hint=error.hint) from error
    examples = tuple(Example(one.values, one.answer) for one in raw.example)
    return StoredPrompt(
        name=raw.name or file_name.split(".")[0],
        version=raw.version,
        language=raw.language or detect_language(raw.system or raw.user),
        prompt=FewShotPrompt(template, examples),
        schema=raw.schema_name,
        metric=raw.metric,
        evaluations=tuple(PromptEvaluation(**one.model_dump()) for one in raw.evaluation),
    )


def _plain_values(values: Mapping[str, object]) -> dict[str, Any]:
    """What a file can hold of an example's values. Raises `InputError` for anything but text, numbers and texts."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            plain[name] = list(value)
        elif isinstance(value, str | int | float):
            plain[name] = value
        else:
            raise InputError(
                f"The value '{name}' of an example is a {type(value).__name__}, which a prompt file cannot hold.",
                hint="Use text, numbers or lists of texts.",
            )
    return plain


def _toml(value: object) -> str:
    """A TOML value. JSON's strings are TOML's too, but for DEL, which TOML wants escaped."""
    if isinstance(value, str):
        quoted = '"""' in value or value.endswith('"')
        plain = not quoted and all(char == "\n" or (ord(char) >= 32 and char not in "\\\x7f") for char in value)
        if "\n" in value and plain:
            return f'"""\n{value}"""'
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value)
