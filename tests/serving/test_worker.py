"""Inside the model's process: whose turn it is, what Stop ends, and what a bad batch does."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Slow

from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.execution.pool import Limits
from txt2sql.models.predictor import DirectPredictor
from txt2sql.search.mcts import Choice, Expansion, Settings, search
from txt2sql.serving.service import Service
from txt2sql.serving.worker import (
    STOPPED,
    Ask,
    ModelSettings,
    ModelWorker,
    SearchMonitor,
    Statements,
    Stopped,
    TicketLock,
)
from txt2sql.types import Completion, Example, Prompt, QueryResult, Sampling

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"


def room(model: Any, timeout_s: float = 20.0) -> tuple[ModelWorker, Callable[[], tuple[Any, ...]]]:
    """A room on the sample, and a function that gives the next message but `free`."""
    service = Service(sample.path(), model, limits=Limits(timeout_s=timeout_s))
    messages: queue.Queue[tuple[Any, ...]] = queue.Queue()
    made = ModelWorker(service, ModelSettings(str(sample.path()), search=0), messages.put)

    def heard() -> tuple[Any, ...]:
        while True:
            message = messages.get(timeout=30)
            if message[0] != "free":
                return message

    return made, heard


class Particular:
    """Fails on a whole batch as soon as one of its prompts cannot be answered."""

    name, prompt_style, beam_search = "particular", "ddl", True

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        if any("too long" in prompt.text for prompt in prompts):
            raise ModelError("the prompt is too long")
        if any("a bug" in prompt.text for prompt in prompts):
            raise KeyError("oops")
        return [[Completion("SELECT 1")] for _ in prompts]


def test_one_bad_question_does_not_spoil_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    made, heard = room(Particular())
    made.batch([Ask("a", "How many?"), Ask("b", "too long"), Ask("c", "a bug"), Ask("d", "Which?")])
    found = {message[1]: message for message in (heard() for _ in range(4))}
    assert [found[id][0] for id in "abcd"] == ["answer", "failed", "failed", "answer"]
    assert found["b"][2] == "the prompt is too long"
    assert found["c"][2] == "the model failed on this (KeyError)"
    assert "KeyError" in capsys.readouterr().err
    assert found["a"][2].rows == ((1,),)


class Endless(Particular):
    """Writes a statement that does not end to every question but the plain ones."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        return [
            [Completion("SELECT 1" if "plain" in prompt.text else ENDLESS)] for prompt in prompts
        ]


def test_a_slow_statement_is_stopped_and_holds_up_no_other_batch() -> None:
    made, heard = room(Endless())
    start = time.perf_counter()
    made.batch([Ask("slow", "How many?")])
    time.sleep(0.3)
    made.batch([Ask("fast", "a plain question")])
    assert heard()[:2] == ("answer", "fast")
    made.statements.stop("slow")
    assert heard() == ("stopped", "slow")
    assert time.perf_counter() - start < 15


def test_a_batch_that_is_stopped_before_it_is_computed_runs_nothing() -> None:
    made, heard = room(Slow(0.3))
    made.batch([Ask("a", "How many?"), Ask("b", "How many?")])
    made.statements.stop("b")
    assert {heard()[:2] for _ in range(2)} == {("answer", "a"), ("stopped", "b")}


class Searcher:
    """A search of numbers, as the tree search runs it: a wave takes 20 ms."""

    judge = None

    def __init__(self) -> None:
        self.options = self.engine = self.run = None
        self.waves = 0

    def expand(self, states: Sequence[list[int]], until: float) -> Any:
        time.sleep(0.02)
        self.waves += 1
        return [
            (state, Expansion(tuple(Choice([*state, i], 1.0) for i in range(3))))
            for state in states
        ]

    def search(self, watch: Any) -> None:
        roots: list[list[int]] = [[]]
        settings = Settings(num_simulations=100_000, wave=2)
        search(roots, self.expand, lambda states: [0.0] * len(states), settings, callback=watch)


def test_a_search_ends_between_two_waves() -> None:
    made, _ = room(Particular())
    asked, searcher = Ask("s", "How many?", 100_000), Searcher()
    made.statements.begin("s")
    watch = SearchMonitor(made, asked, searcher)
    watch.reported = time.perf_counter() + 1000  # nothing is reported of this one
    ended = threading.Event()

    def run() -> None:
        with pytest.raises(Stopped):
            searcher.search(watch)
        ended.set()

    threading.Thread(target=run).start()
    time.sleep(0.2)
    made.statements.stop("s")
    waves = searcher.waves
    assert ended.wait(10)
    assert searcher.waves <= waves + 1


def test_turns_go_round_in_the_order_they_were_asked_for() -> None:
    turn, order, threads = TicketLock(), [], []

    def work(number: int) -> None:
        for _ in range(3):
            with turn:
                order.append(number)
                time.sleep(0.02)

    with turn:
        for number in range(3):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2] * 3
    with pytest.raises(RuntimeError), turn:
        raise RuntimeError  # and a turn that fails is over, too
    with turn:
        pass


def test_a_statement_runs_once_for_each_request() -> None:
    ran: list[str] = []

    def run(sql: str) -> tuple[str, QueryResult]:
        ran.append(sql)
        return sql, QueryResult(("a",), ((len(ran),),))

    statements = Statements(run)
    statements.ahead([("x", "SELECT 1"), ("x", "SELECT 1"), ("y", "SELECT 1")])
    assert sorted(ran) == ["SELECT 1"] * 2
    first = statements.run("x", "SELECT 1")
    assert statements("x", "SELECT 1") == first[1]
    assert len(ran) == 2
    statements.stop("x")
    assert statements.run("x", "SELECT 2")[1] is STOPPED
    statements.forget("x")
    statements.stop("x")  # nobody is there any more
    assert statements.run("x", "SELECT 1")[1] is not STOPPED
    assert len(ran) == 3


def test_a_predictor_tells_an_executor_what_comes(tmp_path: Path) -> None:
    told: list[list[tuple[str, str]]] = []

    class Ahead:
        def __call__(self, db_id: str, sql: str) -> QueryResult:
            return QueryResult(("a",), ())

        def ahead(self, statements: list[tuple[str, str]]) -> None:
            told.append(statements)

    service = Service(sample.path(), Particular())
    direct = DirectPredictor(
        service.direct.generator, lambda _: service.schema, lambda _: (), Ahead()
    )
    list(direct.predict([Example("1", "one", "How many?"), Example("2", "two", "Which?")]))
    both = [("one", "SELECT 1"), ("two", "SELECT 1")]
    assert [sorted(set(each)) for each in told] == [both, both]
