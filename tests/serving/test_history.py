"""The history: forgotten means forgotten, and what is broken is told at the start."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.serving import history
from txt2sql.serving.history import History


def answer(question: str | None = "How many?", sql: str | None = "SELECT 1") -> dict[str, object]:
    return {"question": question, "sql": sql, "error": None, "rows": [["secret"]]}


@pytest.fixture
def memory() -> Iterator[History]:
    with closing(History(None)) as made:
        yield made


def test_only_its_owner_can_read_it_and_rows_are_not_in_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.sqlite"
    with closing(History(path)) as first:
        first.add("a", answer(), 1)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(History(path)) as again:
        assert again.get("a") == {key: value for key, value in answer().items() if key != "rows"}
        assert again.get("b") is None


def test_what_is_forgotten_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    with closing(History(tmp_path / "history.sqlite")) as history:
        history.add("a", answer("Who is the murderer?"), 1)
        history.judge("a", good=False, sql="SELECT butler")
        history.clear()
        assert (history.latest(10), history.pairs()) == ([], [])
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"murderer" not in left and b"butler" not in left


def test_old_answers_go_and_judged_ones_stay(
    memory: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_ANSWERS", 3)
    for i in range(6):
        memory.add(str(i), answer(f"question {i}"), i)
        memory.judge("0", good=True)
    assert [each["id"] for each in memory.latest(10)] == ["5", "4", "3", "0"]
    assert [each["id"] for each in memory.latest(2)] == ["5", "4"]


def test_answers_are_named_and_searched(memory: History) -> None:
    memory.add("a", answer("How many?"), rows=1)
    memory.add("b", answer(None, "SELECT name FROM Ärzte"), rows=1)
    assert memory.rename("a", " Monday's figure ")
    assert not memory.rename("x", "nobody")
    for search, ids in (("FIGURE", "a"), ("ärzte", "b"), ("how", "a"), ("%", ""), ("", "ba")):
        assert "".join(each["id"] for each in memory.latest(9, search)) == ids, search
    assert memory.latest(1, "how")[0]["name"] == "Monday's figure"
    memory.rename("a", "")
    assert memory.latest(1, "how")[0]["name"] is None


def test_many_threads_may_write(tmp_path: Path) -> None:
    with closing(History(tmp_path / "history.sqlite")) as history, ThreadPoolExecutor(8) as pool:

        def write(id: int) -> None:
            history.add(str(id), answer(f"half a pair \ud800 {id}"), 0)
            history.latest(5)

        list(pool.map(write, range(160)))
        assert len(history.latest(1000)) == 160


def test_a_damaged_history_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    for number, content in enumerate((b"this is no database, but a text" * 99, b"S" * 4096), 1):
        path.write_bytes(content)
        with closing(History(path)) as history:
            assert "was damaged" in history.notice and f"damaged-{number}" in history.notice
            history.add("a", answer("question"), 0)
        assert (tmp_path / f"history.sqlite.damaged-{number}").read_bytes() == content
        with closing(History(path)) as again:
            assert again.get("a") is not None and again.notice == ""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with closing(History(path)) as history:
        assert "another version" in history.notice
    assert (tmp_path / "history.sqlite.damaged-3").exists()


def test_where_nothing_can_be_written_the_history_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with closing(History(tmp_path / "file" / "history.sqlite")) as history:
        assert "cannot be kept" in history.notice and history.path is None
        history.add("a", answer("question"), 0)
        assert history.get("a") is not None
