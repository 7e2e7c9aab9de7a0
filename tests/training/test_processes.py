"""Two processes train what one does: the door under `accelerate launch`, over gloo on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "config" / "accelerate").glob("*.yaml"))
TYPES = {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED"}

# The door, and a note by each process of the weights it ends with.
DOOR = """
import hashlib, os, runpy, sys
from pathlib import Path
from txt2sql.training.sft import Finetuning

def noted(self, close=Finetuning.close):
    digest = hashlib.sha256()
    for name, weight in sorted(self.model.named_parameters()):
        digest.update(name.encode() + weight.detach().numpy().tobytes())
    rank = os.environ.get("RANK", "0")
    self.output.with_name(f"{self.output.name}-{rank}").write_text(digest.hexdigest())
    return close(self)

Finetuning.close = noted
if "SPREAD" in os.environ:  # save as where each process holds a part of the weights
    Finetuning.spread = property(lambda self: True)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_accelerate_reads_every_config(path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.distributed_type == TYPES[path.stem]
    assert config.num_processes == 2
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem.startswith("zero"):
        assert settings["deepspeed_config"]["zero_stage"] == int(path.stem[-1])


def test_every_kind_of_config_is_there() -> None:
    assert {path.stem for path in CONFIGS} == TYPES.keys()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_does(
    tiny_spider: Path, tiny_lm: Callable[..., Path], tmp_path: Path
) -> None:
    door = tmp_path / "door.py"
    door.write_text(DOOR)
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file",
              str(ROOT / "config" / "accelerate" / "ddp.yaml")]  # fmt: skip
    common = [str(door), str(ROOT / "experiments" / "train_lora.py"), "--model",
              str(tiny_lm("llama")), "--dataset", str(tiny_spider), "--max_steps", "6",
              "--learning_rate", "1e-2", "--set", "adapter.dropout=0", "--set", "log_every=1",
              "--set", "batch_tokens=512", "--set", "held_out=0.3", "--set", "measured=4",
              "--set", "measure_every=3"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, command, more in (
        ("two", launch, {}),
        ("gathered", launch, {"SPREAD": "1"}),
        ("one", [sys.executable], {}),
    ):
        arguments = [
            "--output",
            str(tmp_path / name),
            "--accumulate",
            "2" if name == "one" else "1",
        ]
        done = subprocess.run(
            [*command, *common, *arguments],
            cwd=ROOT, env={**environment, **more}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stderr.count("weights are trained beside") == 1
    digests = {name: (tmp_path / name).read_text() for name in ("two-0", "two-1", "gathered-1")}
    assert len(set(digests.values())) == 1
    lines = (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()
    losses = [row["loss"] for row in map(json.loads, lines) if "loss" in row]
    assert len(losses) == 6 and min(losses[3:]) < losses[0] - 0.05
    two, gathered, one = (
        load_file(tmp_path / name / folder / "adapter_model.safetensors")
        for name, folder in (("two", "last"), ("gathered", "model"), ("one", "last"))
    )
    # Measured: equal to the bit; the sum over processes may be ordered otherwise elsewhere.
    for name, weight in one.items():
        assert torch.allclose(two[name], weight, rtol=0, atol=1e-5), name
        assert torch.equal(two[name], gathered[name]), name
    assert not list(tmp_path.glob("two/.*"))
