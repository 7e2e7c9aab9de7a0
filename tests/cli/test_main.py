"""The command as a whole: start-up cost, exit codes, errors in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import txt2sql
from txt2sql.cli.main import main


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "txt2sql", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["ask", "--no-such-option"],
        ["ask", "--timeout", "soon", "?"],
        ["ask", "--max-rows", "0", "?"],
        ["evaluate"],
        ["evaluate", "--dataset", "spider", "--limit", "0"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_an_error_a_person_can_mend_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("ask", "--db", str(tmp_path / "none.sqlite"), "How many?") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("txt2sql: no file")
    assert captured.err.count("\n") == 1


def test_an_unexpected_error_says_how_to_see_more(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    # A results folder below a file: nothing that any check foresees.
    arguments = ["evaluate", "--dataset", str(tmp_path), "--verdicts", str(blocked / "v.jsonl")]
    (tmp_path / "database").mkdir()
    (tmp_path / "dev.json").write_text("[]", encoding="utf-8")
    (tmp_path / "p.txt").write_text("", encoding="utf-8")
    arguments += ["--predictions", str(tmp_path / "p.txt"), "--output", str(tmp_path / "run")]
    plain, debug = run(*arguments), run(*arguments, TXT2SQL_DEBUG="1")
    assert plain.returncode == debug.returncode == 1
    assert "TXT2SQL_DEBUG=1" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


def test_help_is_quick_and_version_is_ours() -> None:
    spent = []
    for _ in range(3):
        before = os.times()
        done = run("--help")
        after = os.times()
        # Processor time, so that a busy machine does not fail the test.
        spent.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
        assert done.returncode == 0
    assert min(spent) < 0.3
    assert run("--version").stdout == f"txt2sql {txt2sql.__version__}\n"


@pytest.mark.parametrize("command", [["ask"], ["evaluate"], ["data"]])
def test_every_command_explains_itself(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*command, "--help") == 0
    assert f"txt2sql {command[0]}" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m txt2sql evaluate --help | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Usage")
    assert done.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("after_s", [0.2, 1.0])
def test_ctrl_c_exits_with_130(after_s: float) -> None:
    # The pipe never gives a question, so it is interrupted while it loads or waits.
    code = (
        "import os, signal, threading\n"
        "from txt2sql.cli.main import main\n"
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
    name: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(names: object) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr("txt2sql.cli.main.application", absent)
    monkeypatch.delenv("TXT2SQL_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stop:
        main(["doctor"])
    assert stop.value.code == 1 and sentence in capsys.readouterr().err
