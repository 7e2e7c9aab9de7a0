"""The command as a newcomer types it, with the model that ships with the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from sqlite_files import listing

from txt2sql import sample


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
