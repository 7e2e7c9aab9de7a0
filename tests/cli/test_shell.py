"""The prompt, on a real (pseudo) terminal."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
