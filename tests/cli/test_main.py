"""The command as a whole, and the scripts that lead to it: start-up cost, exit codes, Ctrl-C."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from txt2sql import __version__
from txt2sql.cli.main import main

from .conftest import Command

ROOT = Path(__file__).parents[2]


def test_an_unexpected_error_says_how_to_see_more(
    txt2sql: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("txt2sql.cli.main.application", broken)
    monkeypatch.delenv("TXT2SQL_DEBUG", raising=False)
    done = txt2sql("runs")
    assert done.code == 1
    assert "TXT2SQL_DEBUG=1" in done.err and "Traceback" not in done.err
    monkeypatch.setenv("TXT2SQL_DEBUG", "1")
    with pytest.raises(RuntimeError):
        main(["runs"])


def test_help_is_quick_and_version_is_ours(txt2sql: Command) -> None:
    spent = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, "-m", "txt2sql", "--help"], check=True, capture_output=True)
        after = os.times()
        # Processor time, so that a busy machine does not fail the test.
        user = after.children_user - before.children_user
        spent.append(user + after.children_system - before.children_system)
    assert min(spent) < 0.3
    assert txt2sql("--version").out == f"txt2sql {__version__}\n"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("after_s", [0.2, 1.0])
def test_ctrl_c_exits_with_130(after_s: float) -> None:
    # The pipe never gives a question, so it is interrupted while it loads or waits.
    code = (
        "import os, signal, threading\n"
        "from txt2sql.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        f"threading.Timer({after_s}, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "main(['ask'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr
        errors = child.stderr.read()
        assert child.wait(timeout=30) == 130
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("torch.nn", "this needs torch; pip install 'txt2sql[train]'"),
        ("elsewhere", "unexpected ModuleNotFoundError"),
    ],
)
def test_a_package_that_is_absent(
    name: str, sentence: str, txt2sql: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(names: object) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr("txt2sql.cli.main.application", absent)
    monkeypatch.delenv("TXT2SQL_DEBUG", raising=False)
    done = txt2sql("doctor")
    assert done.code == 1 and sentence in done.err


# ------------------------------------------------------------------------------------------ scripts


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("experiments/train_lora.py", "train lora"),
        ("experiments/train_grpo.py", "train grpo"),
        ("experiments/train_rstar.py", "train rstar"),
        ("experiments/evaluate_all.py", "evaluate-all"),
        ("data/scripts/download_spider.py", "data download"),
        ("data/scripts/preprocess.py", "data preprocess"),
    ],
)
def test_a_script_is_a_command_and_no_more(
    script: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) <= 40
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    assert not ended.value.code
    assert command in capsys.readouterr().out
