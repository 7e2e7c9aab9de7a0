"""The check finds what a question would stumble over."""

from __future__ import annotations

import shutil
from pathlib import Path

from txt2sql.data import open_dataset
from txt2sql.data.check import SplitSize, check


def test_a_complete_data_set_has_no_problems(spider: Path, wikisql: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    report = check(open_dataset(spider), lambda *now: seen.append(now))
    assert report.problems == ()
    assert report.splits[0] == SplitSize("dev", 4, 1)
    assert seen == [("databases", 1, 1)]
    assert check(open_dataset(wikisql)).problems == ()


def test_a_missing_database_is_named_with_its_questions(spider: Path) -> None:
    shutil.rmtree(spider / "database" / "shops")
    problems = check(open_dataset(spider)).problems
    assert len(problems) == 1
    assert problems[0].startswith("4 questions on shops: no database 'shops'")


def test_a_file_that_is_not_a_database_is_named(spider: Path) -> None:
    (spider / "database" / "shops" / "shops.sqlite").write_bytes(b"x" * 5000)
    assert "shops" in check(open_dataset(spider)).problems[0]


def test_a_damaged_split_does_not_hide_the_others(spider: Path) -> None:
    (spider / "train_others.json").write_text("[{")
    report = check(open_dataset(spider))
    assert [size.split for size in report.splits] == ["dev", "train_spider"]
    assert [problem.split(":")[0] for problem in report.problems] == [
        "split train_others",
        "split train",
    ]
