"""Opening data sets by name, by folder and by environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.data import DATASETS, PAGES, dataset_root, open_dataset
from txt2sql.errors import DataError


def test_a_name_is_looked_for_where_it_is_said(
    spider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TXT2SQL_DATA", raising=False)
    assert dataset_root("spider") == Path("data/raw/spider")
    assert open_dataset("spider", spider).root == spider
    spider.rename(tmp_path / "spider")
    assert open_dataset("spider", tmp_path).root == tmp_path / "spider"
    monkeypatch.setenv("TXT2SQL_DATA", str(tmp_path))
    assert open_dataset("spider").root == tmp_path / "spider"


@pytest.mark.parametrize("name", list(DATASETS))
def test_a_data_set_that_is_not_there_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    way = f"get it from {PAGES[name]}" if name in PAGES else f"txt2sql data download {name}"
    with pytest.raises(DataError, match=way):
        open_dataset(name, tmp_path / "nothing")


def test_an_unknown_name_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"take one of spider, wikisql, .*, or the path"):
        open_dataset("spyder")
    with pytest.raises(DataError, match="not in Spider's layout"):
        open_dataset(tmp_path)
