"""Where a model's folder may be put, and what is left when building it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError, UnwritableFile
from core.models.staging import check_place, new_model_folder


def test_a_place_that_is_free_or_of_the_same_kind_is_taken(tmp_path: Path) -> None:
    check_place(tmp_path / "new", "card.json", "a thing")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    check_place(tmp_path / "empty", "card.json", "a thing")
    (tmp_path / "empty" / "card.json").write_text("{}", encoding="utf-8")
    check_place(tmp_path / "empty", "card.json", "a thing")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty", "card.json"]


def test_other_content_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="holds something else than a thing; it was left as it is"):
        check_place(tmp_path, "card.json", "a thing")
    with pytest.raises(InputError, match="is a file"):
        check_place(tmp_path / "diary.txt", "card.json", "a thing")
    with pytest.raises(UnwritableFile, match="Not a directory"):
        check_place(tmp_path / "diary.txt" / "new", "card.json", "a thing")


def test_what_was_there_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    with new_model_folder(tmp_path / "model") as fresh:
        (fresh / "card.json").write_text("old", encoding="utf-8")

    def interrupted() -> None:
        with new_model_folder(tmp_path / "model") as again:
            (again / "card.json").write_text("new", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "model" / "card.json").read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
