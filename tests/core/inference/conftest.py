from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from core.inference.local import LocalGenerator
from core.models.hardware import Placement
from core.models.loading import LoadedModel, load_causal

CPU = Placement("cpu", "float32", "tests compare exactly")


def _tiny_model():
    spec = importlib.util.spec_from_file_location("tiny_model", Path(__file__).with_name("tiny_model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = _tiny_model().build(tmp_path_factory.mktemp("tiny"))
    return load_causal(str(folder), placement=CPU)


@pytest.fixture(scope="session")
def generator(tiny: LoadedModel) -> LocalGenerator:
    return LocalGenerator(tiny)
