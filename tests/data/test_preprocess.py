"""Preprocessing: failures are listed, nothing is done twice, a kill loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql.data import open_dataset
from txt2sql.data.preprocess import Processed, preprocess
from txt2sql.runs import read_rows


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(root: Path, out: Path, split: str = "dev", **options: object) -> Processed:
    return preprocess(open_dataset(root), split, out, **options)  # type: ignore[arg-type]


def test_a_failing_gold_is_listed_and_not_hidden(spider: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in spider.rglob("*")}
    done = run(spider, tmp_path / "out")
    assert [done.summary[key] for key in ("n", "ran", "failed", "empty")] == [4, 3, 1, 1]
    assert [line.partition(":")[0] for line in done.failures()] == ["dev-3"]
    assert "no such column: nowhere" in done.failures()[0]
    assert len(list(read_rows(done.path))) == 4
    assert {path: path.stat().st_mtime_ns for path in spider.rglob("*")} == before


def test_a_row_has_what_trainers_read(spider: Path, tmp_path: Path) -> None:
    row = list(read_rows(run(spider, tmp_path / "out").path))[1]
    assert row["completion"].startswith("SELECT Opening_year")
    assert [(v["column"], v["value"]) for v in row["values"]] == [("Name", "Station")]
    assert "CREATE TABLE shop" in row["prompt"]
    assert "When was Station opened?" in row["prompt"]
    assert (row["id"], row["rows"], row["error"]) == ("dev-1", 1, None)


def test_unchanged_inputs_are_not_worked_on_again(spider: Path, tmp_path: Path) -> None:
    first = run(spider, tmp_path / "out")
    before = files(tmp_path / "out")
    again = run(spider, tmp_path / "out")
    assert (first.made, again.made) == (4, 0)
    assert again.summary == first.summary
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize("lost", ["dev.jsonl", "dev.summary.json"])
def test_a_lost_or_damaged_file_is_made_again(spider: Path, tmp_path: Path, lost: str) -> None:
    run(spider, tmp_path / "out")
    whole = files(tmp_path / "out")
    (tmp_path / "out" / lost).unlink()
    if lost.endswith(".json"):
        (tmp_path / "out" / lost).write_text("{")
    assert run(spider, tmp_path / "out").made == 4
    assert files(tmp_path / "out") == whole


def test_a_killed_run_goes_on_and_the_files_are_the_same(
    spider: Path, tmp_path: Path, run_killed: Callable[[str, Callable[[], bool]], None]
) -> None:
    questions = [
        {"db_id": "shops", "question": f"Question {i} é?", "query": f"SELECT {i} FROM shop"}
        for i in range(1000)
    ]
    (spider / "dev.json").write_text(json.dumps(questions))
    out = tmp_path / "out"
    code = f"""
from pathlib import Path
from txt2sql.data import open_dataset
from txt2sql.data.preprocess import preprocess
preprocess(open_dataset({str(spider)!r}), "dev", Path({str(out)!r}))
"""
    run_killed(code, lambda: any(p.stat().st_size > 50_000 for p in out.glob(".dev.*.part")))
    assert not (out / "dev.jsonl").exists()
    (part,) = out.glob(".dev.*.part")
    part.write_bytes(part.read_bytes()[:-40])  # a line that the kill left half
    (out / ".dev.000000000000.part").write_bytes(b"of other inputs\n")
    seen: list[int] = []
    done = run(spider, out, progress=lambda _, number, total: seen.append(number))
    assert 0 < done.made < 1000 and seen == list(range(1001 - done.made, 1001))
    run(spider, tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")
