from __future__ import annotations

import re

import pytest

from core.config import Settings
from core.errors import InternalError, UnknownName
from core.models import catalogue_entries, find_entry, is_available
from core.models.catalogue import default_entries, parse_catalogue
from core.models.store import model_dir
from core.models.weights import read_weights

MINIMAL = """
name = "x"
kind = "causal"
source = "pypi:"
licence = "MIT"
languages = ["en"]
dtype = "float32"
notes = "n"
"""
SHA = "a" * 64


def one(more: str, head: str = MINIMAL):
    return parse_catalogue(f"[[model]]\n{head}{more}")[0]


@pytest.mark.parametrize("entry", catalogue_entries().values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    assert entry.licence
    assert entry.notes.endswith(".")
    assert set(entry.languages) <= {"zh", "en"}
    assert entry.files
    for file in entry.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 0
        for part in file.parts:
            assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", part.requirement), part


@pytest.mark.parametrize("entry", catalogue_entries().values(), ids=lambda entry: entry.name)
def test_the_stated_number_of_parameters_is_the_one_on_disk(entry):
    if not is_available(entry.name):
        pytest.skip(f"model '{entry.name}' is absent (trivium models pull {entry.name})")
    assert read_weights(model_dir(entry.name)).total == entry.parameters


def test_the_settings_name_models_that_are_fetched_by_default():
    names = {entry.name for entry in default_entries()}
    fields = Settings.model_fields
    assert {fields[name].default for name in ("generator", "embedder", "intent_encoder")} <= names


@pytest.mark.parametrize("kind", ["reranker", "seq2seq"])
def test_the_schema_has_kinds_the_catalogue_lacks(kind: str):
    head = MINIMAL.replace("causal", kind).replace("pypi:", "hf:owner/name")
    assert one("", head).kind == kind
    assert kind not in {entry.kind for entry in catalogue_entries().values()}


def test_parts_are_counted_and_files_inherit_the_wheel():
    entry = one(
        f'wheel = "w==1"\nfolder = "w/data/"\nfiles = [{{ path = "a.json", size_bytes = 1, sha256 = "{SHA}" }},'
        f'{{ path = "b", size_bytes = 2, sha256 = "{SHA}", parts = 2, wheel = "p{{n}}==1", member = "d/{{n:02}}" }}]'
    )
    assert [(part.requirement, part.member) for part in entry.files[0].parts] == [("w==1", "w/data/a.json")]
    assert [(part.requirement, part.member) for part in entry.files[1].parts] == [("p1==1", "d/01"), ("p2==1", "d/02")]
    assert entry.download_bytes == 3


def test_the_digest_follows_what_is_fetched_and_nothing_else():
    files = f'wheel = "w==1"\nfiles = [{{ path = "a", size_bytes = 1, sha256 = "{SHA}" }}]'
    assert one(files).digest == one(files, MINIMAL.replace('"n"', '"other"')).digest
    assert one(files).digest != one(files.replace("aaaa", "bbbb")).digest
    assert one(files).digest != one('conversion = "gguf"\n' + files).digest


@pytest.mark.parametrize(
    "more",
    [
        f'wheel = "w==1"\nfiles = [{{ path = "../a", size_bytes = 1, sha256 = "{SHA}" }}]',
        f'wheel = "w==1"\nfiles = [{{ path = "/a", size_bytes = 1, sha256 = "{SHA}" }}]',
        'wheel = "w==1"\nfiles = [{ path = "a", size_bytes = 1, sha256 = "abc" }]',
        f'files = [{{ path = "a", size_bytes = 1, sha256 = "{SHA}" }}]',
        'conversion = "pickle"',
    ],
)
def test_an_impossible_entry_is_refused(more: str):
    with pytest.raises(InternalError):
        one(more)


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(InternalError, match="same name"):
        parse_catalogue(f"[[model]]\n{MINIMAL}\n[[model]]\n{MINIMAL}")


def test_a_wrong_name_gets_a_guess_and_the_list():
    with pytest.raises(UnknownName, match=r"qwen2\.5-coder-05b") as raised:
        find_entry("qwen2.5-coder-05b")
    assert "Did you mean 'qwen2.5-coder-0.5b'?" in str(raised.value.hint)
    assert "multilingual-e5-small" in str(raised.value.hint)
