"""`txt2sql train rstar`, its doors, and what they say to a wrong setting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from txt2sql.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--num_rounds", "0"], "num_rounds"),
        (["--mcts_simulations", "0"], "num_simulations"),
        (["--set", "evolution.split=dev"], "split"),
        (["--set", "ppm.validation=1"], "validation"),
        (["--dataset", "no-such-folder"], "no-such-folder"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "rstar", "--output_dir", str(tmp_path / "run"), *arguments])
    assert stopped.value.code not in (0, None)
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["train_rstar", "evaluate_rstar"])
def test_a_door_opens_as_documented(name: str) -> None:
    file = ROOT / "experiments" / f"{name}.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 40
    done = subprocess.run(
        [sys.executable, str(file), "--help"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "--mcts_simulations" in done.stdout
