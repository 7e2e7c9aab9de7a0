"""The commands as a newcomer types them, with the model that ships with the package."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from txt2sql import sample

COMMAND = [sys.executable, "-m", "txt2sql"]
KEYS = [
    *("question", "previous", "sql", "columns", "rows", "truncated", "seconds", "model", "error"),
    *("confidence", "certainty", "unknown", "doubt", "readings", "dropped"),
]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_sample_is_asked_without_a_network(tmp_path: Path) -> None:
    before = contents(sample.folder())
    questions = ["How many shops are there?", "", "DROP TABLE shops; " * 600]
    done = subprocess.run(
        [*COMMAND, "ask", "--json", *questions],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # A proxy that is not there: any attempt to reach the network would fail.
        env={
            **os.environ,
            "https_proxy": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
        },
    )
    count, empty, hostile = (json.loads(line) for line in done.stdout.splitlines())
    assert list(count) == KEYS
    assert (count["rows"], count["error"], count["model"]) == ([[7]], None, "bundled")
    assert (empty["sql"], empty["rows"]) == (None, [])
    assert "empty" in empty["error"]
    assert hostile["question"] == questions[2]
    assert done.returncode == 1  # one question was empty
    assert done.stderr == ""
    assert contents(sample.folder()) == before


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_killed_evaluation_goes_on(tmp_path: Path) -> None:
    arguments = ["evaluate", "--dataset", str(sample.folder()), "--batch-size", "2", "--json"]
    command = [*COMMAND, *arguments]
    first = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def kept() -> list[str]:
        files = list(tmp_path.glob("results/*/predictions.jsonl"))
        assert len(files) < 2
        return files[0].read_text(encoding="utf-8").splitlines() if files else []

    deadline = time.monotonic() + 300
    while len(kept()) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    finished = kept()[:6]
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    report = json.loads(second.stdout)
    assert "going on with results" in second.stderr
    assert report["metrics"]["execution_accuracy"]["n"] == 30
    assert kept()[:6] == finished
    assert len({json.loads(row)["example_id"] for row in kept()}) == len(kept()) == 30
