"""Two processes train what one does: the command under `accelerate launch`, over gloo on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from txt2sql.runs import read_rows

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "accelerate" / "ddp.yaml"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_does(
    tiny_spider: Path, tiny_lm: Callable[..., Path], tmp_path: Path
) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIG)]
    common = [str(ROOT / "experiments" / "train_lora.py"), "--model",
              str(tiny_lm("llama")), "--dataset", str(tiny_spider), "--max_steps", "6",
              "--learning_rate", "1e-2", "--set", "adapter.dropout=0", "--set", "log_every=1",
              "--set", "batch_tokens=512", "--set", "held_out=0.3", "--set", "measured=4",
              "--set", "measure_every=3", "--set", "final=last"]  # fmt: skip
    for name, command, accumulate in (("two", launch, "1"), ("one", [sys.executable], "2")):
        done = subprocess.run(
            [*command, *common, "--output", str(tmp_path / name), "--accumulate", accumulate],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stderr.count("weights are trained beside") == 1
    rows = list(read_rows(tmp_path / "two" / "metrics.jsonl"))
    losses = [row["loss"] for row in rows if "loss" in row]
    assert len(losses) == 6 and min(losses[3:]) < losses[0] - 0.05
    assert [row["step"] for row in rows if "execution_accuracy/tiny" in row] == [3, 6]
    two, one = (
        load_file(tmp_path / name / "model" / "adapter_model.safetensors")
        for name in ("two", "one")
    )
    # Measured: equal to the bit; the sum over processes may be ordered otherwise elsewhere.
    for name, weight in one.items():
        assert torch.allclose(two[name], weight, rtol=0, atol=1e-5), name
    assert not list(tmp_path.glob("two/.*"))
