"""Processes that run SQL: what kills, hangs or floods one of them first, then that nothing is lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from sqlite_files import build, listing

from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.pool import Lost, Program, ask, can_spread, interrupt, spread

pytestmark = pytest.mark.skipif(not can_spread(), reason="forking is for Linux")
SANDBOX = "from txt2sql.execution import sandbox; requests, answers = sandbox.channel(); "

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def shop(tmp_path: Path) -> Database:
    script = "CREATE TABLE sale (n); INSERT INTO sale VALUES (1), (2), (3)"
    return Database(build(tmp_path / "shop.sqlite", script), "shop")


def worker(code: str, patience_s: float = 20.0) -> Program:
    path = f"import os, sys, time; sys.path[:] = {sys.path!r}; "
    return Program(("-c", path + SANDBOX + code), state=code, patience_s=patience_s)


def test_what_a_library_prints_is_no_part_of_an_answer() -> None:
    printing = worker(
        "sandbox.receive(requests); print('50%', flush=True); os.write(1, b'100%'); "
        "os.system('echo from a child'); "
        "sandbox.send(answers, ((), [], False, None, False, 0.0))"
    )
    assert ask(printing, 1, 5.0, ("SELECT 1",)).error is None


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(60)",
        "sandbox.receive(requests); time.sleep(60)",
        "os.write(answers, b'\\xff\\xff\\xff\\x7fhalf'); time.sleep(60)",
    ],
)
def test_who_waits_for_a_process_has_a_deadline_of_its_own(code: str) -> None:
    start = time.monotonic()
    answer = ask(worker(code, patience_s=0.5), 1, 0.2, ("SELECT 1",))
    assert (answer.timed_out, answer.error) == (True, "stopped after 0.2 s")
    assert time.monotonic() - start < 5
    assert interrupt() == 0


@pytest.mark.parametrize("code", ["os.write(answers, b'nonsense' * 9)", "sys.exit(3)"])
def test_what_is_no_answer_is_a_sentence(code: str) -> None:
    answer = ask(worker("sandbox.receive(requests); " + code), 1, 5.0, ("SELECT 1",))
    assert "ended unexpectedly" in str(answer.error)


def test_a_task_that_ends_its_process_is_lost_alone() -> None:
    def work(task: int) -> int:
        if task == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == 20:
            raise ValueError("an error of ours")
        if task == 30:  # the kill timer ends it
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            time.sleep(20)
        return task * task

    results = dict(spread(work, range(40), processes=3))
    assert results.pop(13) == Lost(signal.SIGKILL)
    assert results.pop(20) == Lost(0)
    assert results.pop(30).timed_out
    assert results == {i: i * i for i in range(40) if i not in (13, 20, 30)}


def test_many_tasks_come_back_once_each_whatever_their_size() -> None:
    results = list(spread(lambda task: "x" * task * 1000, range(300), processes=4))
    assert sorted(position for position, _ in results) == list(range(300))
    assert all(len(text) == position * 1000 for position, text in results)
    assert list(spread(len, [], processes=2)) == []
    assert list(spread(len, ["ab"], processes=8)) == [(0, 2)]


def test_statements_in_a_process_are_held_to_the_limits(shop: Database) -> None:
    before = listing(shop.path.parent)

    def work(sql: str) -> tuple[bool, bool, list[tuple[object, ...]]]:
        result = execute(shop, sql, Limits(timeout_s=0.2))
        return result.timed_out, result.ok, list(result.rows)

    hostile = ["DROP TABLE sale", "SELECT zeroblob(900000000)", "SELECT load_extension('x')"]
    results = dict(spread(work, [*hostile, ENDLESS, "SELECT sum(n) FROM sale"], processes=2))
    assert [results[i] for i in range(3)] == [(False, False, [])] * 3
    assert results[3][0]
    assert results[4] == (False, True, [(6,)])
    assert listing(shop.path.parent) == before


def test_a_process_can_write_to_no_file(tmp_path: Path) -> None:
    def work(name: str) -> str:
        try:
            (tmp_path / name).write_text("written")
        except OSError as error:
            return type(error).__name__
        return "written"

    signal_before = signal.getsignal(signal.SIGXFSZ)
    assert dict(spread(work, ["a.txt"], processes=1))[0] != "written"
    assert signal.getsignal(signal.SIGXFSZ) == signal_before


def test_leaving_early_leaves_no_process_behind() -> None:
    def work(task: int) -> int:
        return os.getpid()

    stream = spread(work, range(100), processes=2)
    _, pid = next(stream)
    stream.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
