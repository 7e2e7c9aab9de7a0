"""`txt2sql ask` and `search`: answers in text and JSON, as a newcomer types it, and at a (pseudo) terminal."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlite_files import listing

from txt2sql import sample
from txt2sql.cli.ask import answer_all
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service

from .conftest import Command

KEYS = [
    "question", "previous", "sql", "columns", "rows", "truncated", "seconds", "model", "error",
    "confidence", "certainty", "unknown", "doubt", "readings", "dropped",
]  # fmt: skip


@pytest.fixture
def service(shop: Path) -> Service:
    """Knows three questions; anything else gets prose."""
    completions = {
        "How many shops": "SELECT count(*) FROM shop",
        "cities": "SELECT city, id FROM shop",
        "towns": "SELECT town FROM shop",
        "": "I cannot help with that.",
    }
    return Service(shop, ScriptedGenerator(completions))


@pytest.mark.parametrize("question", ["Which towns?", "Why?", ""])
def test_one_failure_fails_all_but_stops_none(
    service: Service, question: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for as_json in (True, False):
        questions = [question, "How many shops are there?"]
        assert answer_all(service, questions, None, json=as_json, explain=False) is False
        assert "3" in capsys.readouterr().out


def test_json_is_one_object_per_question_and_reasons_stand_beside_it(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = ["How many shops are there?", "Which towns?", "Which cities?"]
    answer_all(service, questions, 2, json=True, explain=True)
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [list(answer) for answer in answers] == [KEYS] * 3
    assert [len(answer["rows"]) for answer in answers] == [1, 0, 2]
    assert "matched values" in captured.err


def test_a_tree_is_written(txt2sql: Command) -> None:
    question = "Which shops have more than 3 employees?"
    options = ("--simulations", "3", "--html", "tree.html")
    done = txt2sql("search", question, *options)
    assert done.code == 0
    assert "SELECT" in done.out
    assert question in Path("tree.html").read_text(encoding="utf-8")


def test_evaluate_keeps_the_trees(shops: Path, txt2sql: Command) -> None:
    options = ("--search", "2", "--output", "run", "--json", "--limit", "2")
    done = txt2sql("evaluate", "--dataset", shops, *options)
    assert done.code == 0
    assert done.json["metrics"]["execution_accuracy"]["n"] == 2
    trees, predictions = (
        [json.loads(line) for line in Path("run", name).read_text().splitlines()]
        for name in ("trees.jsonl", "predictions.jsonl")
    )
    assert [tree["sql"] for tree in trees] == [each["sql"] for each in predictions]
    assert all(tree["simulations"] == 2 and tree["nodes"] for tree in trees)


def test_the_sample_is_asked_without_a_network() -> None:
    folder = sample.path().parent
    before = listing(folder)
    questions = ["How many shops are there?", "", "DROP TABLE shops; " * 600]
    # A proxy that is not there: any attempt to reach the network would fail.
    nowhere = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "txt2sql", "ask", "--json", *questions],
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere},
    )
    count, empty, hostile = (json.loads(line) for line in done.stdout.splitlines())
    assert (count["rows"], count["error"], count["model"]) == ([[7]], None, "bundled")
    assert (empty["sql"], empty["rows"]) == (None, [])
    assert "empty" in empty["error"]
    assert hostile["question"] == questions[2]
    assert (done.returncode, done.stderr) == (1, "")  # one question was empty
    assert listing(folder) == before


SESSION = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that the terminal's Ctrl-C reaches this process
from txt2sql.cli.ask import converse
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service
script = {"How many": "SELECT count(*) FROM shop", "": "no"}
converse(Service(sys.argv[1], ScriptedGenerator(script)), 20, False)
print("left")
"""


class Terminal:
    def __init__(self, database: Path) -> None:
        self.master, slave = os.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-c", SESSION, str(database)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb"},
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def type(self, text: str, then: str = "txt2sql> ") -> str:
        os.write(self.master, text.encode())
        return self.wait_for(then)

    def wait_for(self, expected: str) -> str:
        """Read until `expected` is shown; what came before it since the last call."""
        deadline = time.monotonic() + 90
        while expected not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 4096).decode("utf-8", "replace")
                except OSError:  # the child has closed its end
                    assert expected in self.text, self.text
        shown, _, self.text = self.text.partition(expected)
        return shown


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")
def test_a_session(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    terminal = Terminal(shop)
    try:
        assert "shop" in terminal.wait_for("txt2sql> ")
        assert "no SQL" in terminal.type("Why?\n")
        assert "no command .nothing" in terminal.type(".nothing\n")
        shown = terminal.type("How many shops are there?\n", "1 row")
        assert "SELECT" in shown and "3" in shown
        terminal.wait_for("txt2sql> ")
        assert "opened" in terminal.type(".schema shop\n")
        terminal.type("half a ques", "half a ques")
        time.sleep(0.5)  # readline is back in select(): a signal just before would wait for a key
        terminal.type("\x03")
        terminal.type("\x04", "left")
        assert terminal.child.wait(timeout=30) == 0
    finally:
        os.close(terminal.master)
        terminal.child.wait(timeout=30)
    history = (tmp_path / "cache" / "history").read_text(encoding="utf-8")
    assert "How many shops are there?" in history
