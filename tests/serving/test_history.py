"""The history: forgotten means forgotten, and what is broken is told at the start."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from txt2sql.errors import DatabaseError
from txt2sql.serving import history
from txt2sql.serving.history import History


def answer(question: str | None = "How many?", sql: str | None = "SELECT 1") -> dict[str, object]:
    return {"question": question, "sql": sql, "error": None, "rows": [["secret"]]}


def test_what_cannot_be_kept_is_told_at_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"not a database" * 100)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    (tmp_path / "file").touch()
    for path in (broken, newer, tmp_path / "file" / "history.sqlite"):
        with pytest.raises(DatabaseError, match="--no-history"):
            History(path)


def test_only_its_owner_can_read_it_and_rows_are_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "history.sqlite"
    kept = History(path)
    kept.add("a", answer(), 1)
    kept.close()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = History(path)
    assert again.get("a") == {key: value for key, value in answer().items() if key != "rows"}
    assert again.get("b") is None
    again.close()


def test_what_is_forgotten_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    kept = History(path)
    kept.add("a", answer("Who is the murderer?"), 1)
    kept.judge("a", good=False, sql="SELECT butler")
    kept.clear()
    assert (kept.latest(10), list(kept.pairs())) == ([], [])
    kept.close()
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"murderer" not in left
    assert b"butler" not in left


def test_old_answers_go_and_judged_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_ANSWERS", 3)
    kept = History(None)
    for i in range(3):
        kept.add(str(i), answer(f"question {i}"), i)
    kept.judge("0", good=True)
    for i in range(3, 6):
        kept.add(str(i), answer(f"question {i}"), i)
    assert [each["id"] for each in kept.latest(10)] == ["5", "4", "3", "0"]
    assert [each["id"] for each in kept.latest(2)] == ["5", "4"]
    kept.close()


def test_pairs_are_what_was_accepted_or_corrected() -> None:
    kept = History(None)
    for id, sql in (
        ("good", "SELECT 1"),
        ("bad", "SELECT 2"),
        ("mended", "SELECT 3"),
        ("none", None),
    ):
        kept.add(id, answer(id, sql), 0)
    kept.add("statement", answer(None), 0)
    assert kept.judge("good", good=True)
    assert kept.judge("bad", good=False)
    assert kept.judge("mended", good=True)
    assert kept.judge("mended", good=False, sql="SELECT 33")
    assert kept.judge("none", good=True)
    assert kept.judge("statement", good=True)
    assert not kept.judge("unknown", good=True)
    assert list(kept.pairs()) == [("good", "SELECT 1"), ("mended", "SELECT 33")]
    kept.close()


def test_many_threads_may_write(tmp_path: Path) -> None:
    kept = History(tmp_path / "history.sqlite")

    def write(first: int) -> None:
        for i in range(first, first + 20):
            kept.add(str(i), answer(f"half a pair \ud800 {i}"), 0)
            kept.latest(5)

    threads = [threading.Thread(target=write, args=(100 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept.latest(1000)) == 160
    kept.close()
