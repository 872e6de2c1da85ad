from pathlib import Path

import pytest

from core.config import Settings, describe_settings, settings
from core.errors import ConfigError


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(fresh_settings, tmp_path: Path):
    (tmp_path / "trivium.toml").write_text('max_upload_mb = 7\ndevice = "cpu"\n')
    fresh_settings(max_upload_mb=9)
    assert settings().max_upload_mb == 9
    assert settings().device == "cpu"
    assert settings().dtype == "auto"
    origins = {name: origin for name, _, origin in describe_settings(settings())}
    assert origins["max_upload_mb"] == "environment TRIVIUM_MAX_UPLOAD_MB"
    assert origins["device"] == "trivium.toml"
    assert origins["dtype"] == "default"


def test_a_bad_value_names_the_setting_and_where_it_came_from(fresh_settings):
    fresh_settings(max_upload_mb="many")
    with pytest.raises(ConfigError, match=r"'max_upload_mb' .from environment TRIVIUM_MAX_UPLOAD_MB"):
        settings()


def test_an_unknown_key_and_broken_toml_are_named(fresh_settings, tmp_path: Path):
    (tmp_path / "trivium.toml").write_text('modle = "x"\n')
    settings.cache_clear()
    with pytest.raises(ConfigError, match="modle"):
        settings()
    (tmp_path / "trivium.toml").write_text("device = \n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        settings()


def test_a_key_never_shows(fresh_settings):
    fresh_settings(endpoint_key="sk-very-secret")
    shown = repr(Settings()) + str(describe_settings(settings()))
    assert "very-secret" not in shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("https://me:PASS@w@host/v1", "https://***@host/v1"),
        ("me:PASS@host", "***@host"),
        ("https://host/v1?key=PASS", "https://host/v1?***"),
        ("https://me:PA#?SS@host/v1", "https://***@host/v1"),
        ("https://me:PASS@host/?key=PASS", "https://***@host/?***"),
    ],
)
def test_an_address_shows_without_its_secrets(fresh_settings, given: str, shown: str):
    fresh_settings(endpoint_url=given)
    values = {name: value for name, value, _ in describe_settings(settings())}
    assert values["endpoint_url"] == shown
