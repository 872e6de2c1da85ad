"""Settings: environment `TRIVIUM_*`, then `trivium.toml`, then defaults, and where each value came from."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from core.errors import ConfigError

ENV_PREFIX = "TRIVIUM_"


def config_file() -> Path:
    """The `trivium.toml` in force: `TRIVIUM_CONFIG`, else the one in the working folder."""
    return Path(os.environ.get(f"{ENV_PREFIX}CONFIG", "trivium.toml"))


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "trivium"


class Settings(BaseSettings):
    """Everything that can be set from outside. Secrets print as stars."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid")

    cache_dir: Path = Field(default_factory=_default_cache_dir, description="models, converted data, indexes")
    data_dir: Path | None = Field(default=None, description="folder of the public data sets")
    max_upload_mb: int = Field(default=25, ge=1, le=1024, description="largest file a user may hand in, MiB")

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="where models run")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="number format of models"
    )
    cuda_graphs: Literal["auto", "off"] = Field(
        default="auto", description="record the steps of writing on a CUDA GPU; nothing elsewhere"
    )
    generator: str = Field(
        default="qwen2.5-coder-0.5b", description="causal model: catalogue name, folder, hub name or 'endpoint'"
    )
    adapter: str | None = Field(default=None, description="adapter of that model: its name or folder")
    quantisation: Literal["int8", "int4"] | None = Field(
        default=None, description="weights of causal models in 8 bits (also on a CPU) or 4 (GPU)"
    )
    chat_format: str = Field(
        default="auto", description="how local models are shown a conversation: auto, chatml, llama-2, llama-3, plain …"
    )
    embedder: str = Field(default="multilingual-e5-small", description="bilingual sentence encoder")
    reranker: str = Field(default="", description="cross-encoder `load_reranker` takes: hub name, folder; empty: none")
    intent_encoder: str = Field(default="all-minilm-l6-v2", description="English encoder of the intent classifier")

    endpoint_url: str | None = Field(default=None, description="OpenAI-compatible endpoint, e.g. a vLLM server")
    endpoint_model: str | None = Field(default=None, description="model name at the endpoint")
    endpoint_key: SecretStr | None = Field(default=None, description="key of the endpoint")
    endpoint_timeout_seconds: float = Field(default=60.0, gt=0, description="time limit of one request")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1024 * 1024


@cache
def settings() -> Settings:
    """The settings in force, read once. Raises `ConfigError` naming the setting and its source."""
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"'{config_file()}' is not valid TOML: {error}.", hint="Mend or remove the file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise ConfigError(
            f"The setting '{name}' (from {_origin(name)}) cannot be used: {first['msg']}.",
            hint="`trivium config --defaults` lists every setting.",
        ) from error


def describe_settings(current: Settings) -> list[tuple[str, Any, str]]:
    """`(name, value, origin)` for every setting; secrets stay masked, in an address too."""
    values = {name: getattr(current, name) for name in Settings.model_fields}
    values["endpoint_url"] = values["endpoint_url"] and _without_secrets(values["endpoint_url"])
    return [(name, value, _origin(name)) for name, value in values.items()]


def _without_secrets(url: str) -> str:
    """The address with stars for what may be a key: all before the last `@`, and all after a `?` or `#`."""
    named = re.sub(r"^(\w+://)?.*@", r"\1***@", url, flags=re.DOTALL)
    return re.sub(r"([?#]).*", r"\1***", named, flags=re.DOTALL)


def _origin(name: str) -> str:
    if any(variable.upper() == f"{ENV_PREFIX}{name.upper()}" for variable in os.environ):
        return f"environment {ENV_PREFIX}{name.upper()}"
    if config_file().is_file() and name in config_file().read_text(encoding="utf-8"):
        return str(config_file())
    return "default"
