"""The prompt, on a real (pseudo) terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are POSIX")

SESSION = """
import fcntl, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that the terminal's Ctrl-C reaches this process
from txt2sql.cli.shell import converse
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service
script = {"How many": "SELECT count(*) FROM shop", "": "no"}
converse(Service(sys.argv[1], ScriptedGenerator(script)), 20, False)
print("left")
"""


class Terminal:
    """A session under a pseudo-terminal: type into it, wait for what it shows."""

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

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

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

    def close(self) -> None:
        os.close(self.master)
        self.child.wait(timeout=30)


def test_a_session(shops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    terminal = Terminal(shops / "database" / "shop" / "shop.sqlite")
    try:
        assert "shop" in terminal.wait_for("txt2sql> ")
        terminal.type("Why?\n")
        assert "no SQL" in terminal.wait_for("txt2sql> ")
        terminal.type(".nothing\n")
        assert "no command .nothing" in terminal.wait_for("txt2sql> ")
        terminal.type("How many shops are there?\n")
        shown = terminal.wait_for("1 row")
        assert "SELECT" in shown
        assert "3" in shown
        terminal.wait_for("txt2sql> ")
        terminal.type(".schema shop\n")
        assert "opened" in terminal.wait_for("txt2sql> ")
        terminal.type("half a ques")
        terminal.wait_for("half a ques")
        time.sleep(0.5)  # readline is back in select(): a signal just before would wait for a key
        terminal.type("\x03")
        terminal.wait_for("txt2sql> ")
        terminal.type("\x04")
        terminal.wait_for("left")
        assert terminal.child.wait(timeout=30) == 0
    finally:
        terminal.close()
    history = (tmp_path / "cache" / "history").read_text(encoding="utf-8")
    assert "How many shops are there?" in history


def test_an_unwritable_cache_only_costs_the_history(
    shops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "file" / "cache"))
    terminal = Terminal(shops / "database" / "shop" / "shop.sqlite")
    try:
        terminal.wait_for("txt2sql> ")
        terminal.type("How many shops are there?\n")
        terminal.wait_for("1 row")
        terminal.wait_for("txt2sql> ")
        terminal.type(".quit\n")
        terminal.wait_for("left")
    finally:
        terminal.close()
