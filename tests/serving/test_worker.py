"""Inside the model's process: whose turn it is, what Stop ends, and what a bad batch does."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from stand_ins import Slow

from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.execution.pool import Limits
from txt2sql.search.mcts import Choice, Expansion, Settings, search
from txt2sql.serving import worker as worker_module
from txt2sql.serving.worker import (
    STOPPED,
    Ask,
    ModelSettings,
    ModelWorker,
    Statements,
    Stopped,
)
from txt2sql.types import Completion, Prompt, QueryResult, Sampling

from .conftest import ENDLESS


def worker(model: Any) -> tuple[ModelWorker, Callable[[], tuple[Any, ...]]]:
    """A worker on the sample, and a function that gives the next message of an answer."""
    settings = ModelSettings(str(sample.path()), model, limits=Limits(timeout_s=20.0), search=0)
    messages: queue.Queue[tuple[Any, ...]] = queue.Queue()
    made = ModelWorker(settings, messages.put)

    def heard() -> tuple[Any, ...]:
        while (message := messages.get(timeout=30))[0] in ("free", "loaded"):
            continue
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
        return [
            [Completion(ENDLESS if "endless" in prompt.text else "SELECT 1")] for prompt in prompts
        ]


def test_one_bad_question_does_not_spoil_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    made, heard = worker(Particular())
    made.take([Ask("a", "How many?"), Ask("b", "too long"), Ask("c", "a bug"), Ask("d", "Which?")])
    messages = {message[1]: message for message in (heard() for _ in range(4))}
    assert [messages[id][0] for id in "abcd"] == ["answer", "failed", "failed", "answer"]
    assert messages["b"][2] == "the prompt is too long"
    assert messages["c"][2] == "the model failed on this (KeyError)"
    assert "KeyError" in capsys.readouterr().err
    assert messages["a"][2].rows == ((1,),)


def test_a_slow_statement_is_stopped_and_holds_up_no_other_batch() -> None:
    made, heard = worker(Particular())
    start = time.perf_counter()
    made.take([Ask("slow", "an endless one")])
    time.sleep(0.3)
    made.take([Ask("fast", "a plain question")])
    assert heard()[:2] == ("answer", "fast")
    made.statements.stop("slow")
    assert heard() == ("stopped", "slow")
    assert time.perf_counter() - start < 15
    made, heard = worker(Slow(0.3))  # and before it is computed
    made.take([Ask("a", "How many?"), Ask("b", "How many?")])
    made.statements.stop("b")
    assert {heard()[:2] for _ in range(2)} == {("answer", "a"), ("stopped", "b")}


def test_a_search_ends_between_two_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_PROGRESS_S", 1000.0)  # nothing is reported of this one
    made, _ = worker(Particular())
    waves: list[int] = []

    def expand(states: Sequence[list[int]], until: float) -> Any:
        """Numbers, as the tree search expands its steps."""
        time.sleep(0.02)
        waves.append(len(states))
        choices = ((Choice([*state, i], 1.0) for i in range(3)) for state in states)
        return [(state, Expansion(tuple(each))) for state, each in zip(states, choices)]

    made.statements.begin("s", lambda sql: (sql, STOPPED))
    watch = made.watching(Ask("s", "How many?", 100_000), None)
    roots: list[list[int]] = [[]]
    settings = Settings(num_simulations=100_000, wave=2)
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(
            search, roots, expand, lambda states: [0.0] * len(states), settings, callback=watch
        )
        time.sleep(0.2)
        made.statements.stop("s")
        before = len(waves)
        assert isinstance(searching.exception(10), Stopped)
    assert 0 < len(waves) <= before + 1


def test_a_statement_runs_once_for_each_request() -> None:
    ran: list[str] = []

    def run(sql: str) -> tuple[str, QueryResult]:
        ran.append(sql)
        return sql, QueryResult(("a",), ((len(ran),),))

    statements = Statements()
    assert [statements.begin(request, run) for request in "xxy"] == [True, False, True]
    results = [statements.run(request, "SELECT 1") for request in "xxy"]
    assert results[0] == results[1] != results[2]
    assert statements("x", "SELECT 1") == results[0][1]
    assert len(ran) == 2
    statements.stop("x")
    assert statements.run("x", "SELECT 2")[1] is STOPPED
    statements.forget("x")
    statements.stop("x")  # nobody is there any more
    assert statements.run("x", "SELECT 1")[1] is STOPPED
    assert len(ran) == 2
