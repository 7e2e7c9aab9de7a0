"""The check finds what a question would stumble over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from txt2sql.data import open_dataset
from txt2sql.data.gold import GoldFault, SplitSize, check, with_gold


def test_a_complete_data_set_has_no_problems(spider: Path, wikisql: Path) -> None:
    put_gold(spider, 3, "SELECT count(*) FROM visit")
    seen: list[tuple[str, int, int | None]] = []
    report = check(open_dataset(spider), lambda *now: seen.append(now))
    assert report.problems == ()
    assert report.splits[0] == SplitSize("dev", 4, 1)
    assert seen[0] == ("databases", 1, 1)
    assert seen[-1] == ("gold queries", 7, 7)
    assert check(open_dataset(wikisql)).problems == ()


def put_gold(spider: Path, position: int, gold: object, key: str = "query") -> None:
    items = json.loads((spider / "dev.json").read_text())
    items[position].pop("query", None)
    items[position][key] = gold
    (spider / "dev.json").write_text(json.dumps(items))


@pytest.mark.parametrize(
    ("gold", "fault"),
    [
        ("", GoldFault.MISSING),
        (" \n", GoldFault.MISSING),
        (None, GoldFault.MISSING),
        ({"select": [False, []]}, GoldFault.MISSING),
        (7, GoldFault.MISSING),
        ("the answer is 42", GoldFault.NOT_SQL),
        ("SELECT FROM shop", GoldFault.NOT_SQL),
        ("SELECT Name FROM shop WHERE Name = 'x", GoldFault.NOT_SQL),
        ("DELETE FROM shop", GoldFault.NOT_SQL),
        ("SELECT 1; SELECT 2", GoldFault.NOT_SQL),
        ("SELECT name FROM staff", GoldFault.UNKNOWN_TABLE),
        ("SELECT nope FROM shop", GoldFault.FAILS),
        ("SELECT abs(-9223372036854775807 - 1)", GoldFault.FAILS),
    ],
)
def test_a_bad_gold_is_named_by_its_kind(spider: Path, gold: object, fault: GoldFault) -> None:
    put_gold(spider, 3, "SELECT 1")
    put_gold(spider, 1, gold)
    (bad,) = check(open_dataset(spider)).bad_gold
    assert (bad.split, bad.fault, bad.ids) == ("dev", fault, ("dev-1",))
    assert any(
        fault.value in problem and "dev-1" in problem
        for problem in check(open_dataset(spider)).problems
    )


def test_what_is_trained_on_has_gold(spider: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_gold(spider, 0, None)
    put_gold(spider, 1, "SELECT FROM")
    assert [e.id for e in with_gold(open_dataset(spider), "dev")] == ["dev-2", "dev-3"]
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "left out 2 of 4: 1 with no gold SQL, 1 with gold that is no SELECT statement" in line


def test_a_missing_database_is_named_with_its_questions(spider: Path) -> None:
    shutil.rmtree(spider / "database" / "shops")
    problems = check(open_dataset(spider)).problems
    assert len(problems) == 1
    assert problems[0].startswith("4 questions on shops: no database 'shops'")
