"""The history: forgotten means forgotten, and what is broken is told at the start."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.serving import history
from txt2sql.serving.history import History


def answer(question: str | None = "How many?", sql: str | None = "SELECT 1") -> dict[str, object]:
    return {"question": question, "sql": sql, "error": None, "rows": [["secret"]]}


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


def test_a_damaged_history_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for number, content in enumerate(
        (b"this is no database at all, but a text" * 99, b"S" * 4096), 1
    ):
        path.write_bytes(content)
        kept = History(path)
        assert "was damaged" in kept.notice and f"damaged-{number}" in kept.notice
        assert (tmp_path / f"history.sqlite.damaged-{number}").read_bytes() == content
        kept.add("a", answer("question"), 0)
        kept.close()
        again = History(path)
        assert again.get("a") is not None and again.notice == ""
        again.close()


def test_a_history_of_another_version_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    kept = History(path)
    assert "another version" in kept.notice
    assert (tmp_path / "history.sqlite.damaged-1").exists()
    kept.close()


def test_where_nothing_can_be_written_the_history_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    kept = History(tmp_path / "file" / "history.sqlite")
    assert "cannot be kept" in kept.notice and kept.path is None
    kept.add("a", answer("question"), 0)
    assert kept.get("a") is not None
    kept.close()
    prepare = History._prepare

    def full(self: History) -> None:
        if self.path is not None:
            raise sqlite3.OperationalError("database or disk is full")
        prepare(self)

    monkeypatch.setattr(History, "_prepare", full)
    kept = History(tmp_path / "history.sqlite")
    assert "disk is full" in kept.notice
    kept.close()


def test_answers_are_named_and_searched() -> None:
    history = History(None)
    for id, question, sql in (
        ("a", "How many?", "SELECT 1"),
        ("b", None, "SELECT name FROM Ärzte"),
    ):
        history.add(id, {"question": question, "sql": sql, "error": None}, rows=1)
    assert history.rename("a", " Monday's figure ")
    assert not history.rename("x", "nobody")
    for search, ids in (("FIGURE", "a"), ("ärzte", "b"), ("how", "a"), ("%", ""), ("", "ba")):
        assert "".join(each["id"] for each in history.latest(9, search)) == ids, search
    assert history.latest(1, "how")[0]["name"] == "Monday's figure"
    history.rename("a", "")
    assert history.latest(1, "how")[0]["name"] is None
