import hashlib
import json
from pathlib import Path

import httpx
import pytest

from core.data import DataFile, Dataset, dataset, datasets
from core.data.download import pull
from core.errors import DataMismatch, DataNotAvailable, UnknownName

CONTENT = b"text,category\nhello,greeting\n"


def entry(download: str | None = "http://localhost/sets/") -> Dataset:
    file = DataFile("test.csv", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    return Dataset(
        "greetings", "Greetings", "demo/greetings", ("en",), "CC0", "home/page", download, {"test.csv": file}
    )


def answer_with(monkeypatch: pytest.MonkeyPatch, content: bytes, status: int = 200) -> list[str]:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, content=content)

    client = httpx.Client(transport=httpx.MockTransport(handle))
    monkeypatch.setattr(httpx, "stream", lambda method, url, **_: client.stream(method, url))
    return asked


def test_every_entry_names_licence_home_and_hashes():
    assert len(datasets()) >= 26
    for registered in datasets().values():
        assert registered.licence and registered.home and registered.files, registered.name
        assert all(len(file.sha256) == 64 and file.size_bytes >= 0 for file in registered.files.values())


def test_an_unknown_set_lists_the_known(fresh_settings):
    with pytest.raises(UnknownName, match="Did you mean 'banking77'"):
        dataset("banking7")


def test_an_absent_set_says_how_to_get_it(fresh_settings):
    with pytest.raises(DataNotAvailable, match="trivium data pull banking77"):
        dataset("banking77").path()
    with pytest.raises(DataNotAvailable, match="TRIVIUM_DATA_DIR"):
        dataset("phenopackets").path()


def test_the_data_folder_comes_before_the_cache_and_content_is_checked(fresh_settings, tmp_path: Path):
    folder = tmp_path / "data" / "demo" / "greetings"
    folder.mkdir(parents=True)
    (folder / "test.csv").write_bytes(CONTENT)
    fresh_settings(data_dir=tmp_path / "data")
    assert entry().file("test.csv") == folder / "test.csv"
    (tmp_path / "other" / "demo" / "greetings").mkdir(parents=True)
    (tmp_path / "other" / "demo" / "greetings" / "test.csv").write_bytes(b"changed")
    fresh_settings(data_dir=tmp_path / "other")
    with pytest.raises(DataMismatch, match="not the registered file"):
        entry().file("test.csv")


def test_pull_fetches_once_and_keeps_only_the_registered_content(fresh_settings, monkeypatch, tmp_path: Path):
    asked = answer_with(monkeypatch, CONTENT)
    assert pull(entry()) == 1
    assert entry().verify() == 1
    assert pull(entry()) == 0
    assert asked == ["http://localhost/sets/test.csv"]


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"more", b"<html>blocked</html>"])
def test_another_content_is_not_kept(fresh_settings, monkeypatch, tmp_path: Path, content: bytes):
    answer_with(monkeypatch, content)
    with pytest.raises(DataMismatch, match="was not kept"):
        pull(entry())
    assert not list((tmp_path / "cache").rglob("*.csv*"))


def test_a_refused_download_says_what_to_do(fresh_settings, monkeypatch):
    answer_with(monkeypatch, b"", status=503)
    with pytest.raises(DataNotAvailable, match="Check the network"):
        pull(entry())
    with pytest.raises(DataNotAvailable, match="no address of its own"):
        pull(entry(download=None))


@pytest.mark.data("banking77")
def test_a_real_set_verifies():
    assert dataset("banking77").verify() == 3
    labels = json.loads(dataset("banking77").file("categories.json").read_text())
    assert len(labels) == 77
