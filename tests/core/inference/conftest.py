from __future__ import annotations

import pytest
from tiny_models import CPU, save_chat_model

from core.inference.local import LocalGenerator
from core.models.loading import LoadedModel, load_causal


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_causal(str(save_chat_model(tmp_path_factory.mktemp("tiny"))), placement=CPU)


@pytest.fixture(scope="session")
def generator(tiny: LoadedModel) -> LocalGenerator:
    return LocalGenerator(tiny)
