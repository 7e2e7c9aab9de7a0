"""Wherever a run ends, by SIGTERM or SIGKILL, the same command goes on to the same weights and logs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.methods import config, quiet, rows, rstar, train, weights

from txt2sql.errors import ConfigError
from txt2sql.execution.database import Database
from txt2sql.training.loop import _boards, newest_checkpoint
from txt2sql.training.self_evolution import evolve

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
ROOT = Path(__file__).parents[2]


def same(one: Path, other: Path) -> None:
    """Two finished runs have the same logs and weights."""
    assert rows(one) == rows(other)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dora", {}),
        pytest.param("full", {}, marks=pytest.mark.slow),
        ("activated", {}),
        pytest.param("activated", {"bf16": True}, marks=pytest.mark.slow),
        ("grpo", {}),
    ],
)
def test_sigterm_saves_and_the_same_run_goes_on(
    method: str, changes: dict[str, Any], tmp_path: Path, tiny_lm: Callable[..., Path],
    tiny_spider: Path,
) -> None:  # fmt: skip
    model = tiny_lm("qwen2", chat=method == "activated")
    lines: list[str] = []

    def terminate(line: str) -> None:
        lines.append(line)
        if line.startswith("step 1 "):
            os.kill(os.getpid(), signal.SIGTERM)

    def run(name: str, report: Callable[[str], None]) -> Path | None:
        return train(method, tmp_path / name, tiny_spider, model, report=report, **changes)

    before = signal.getsignal(signal.SIGTERM)
    assert run("cut", terminate) is None
    assert signal.getsignal(signal.SIGTERM) is before
    stopped = lines[-1]
    assert stopped.startswith("stopped at step ") and stopped.endswith(
        " of 6; run it again to go on"
    )
    assert not (tmp_path / "cut" / "model").exists()
    # A checkpoint whose last file was not written, as a kill leaves it, is none.
    checkpoint = newest_checkpoint(tmp_path / "cut" / "checkpoints")
    assert checkpoint is not None
    half = shutil.copytree(checkpoint, checkpoint.with_name("checkpoint-97"))
    (half / "trainer_state.json").write_bytes(b"{")
    checkpoint.with_name("checkpoint-98").mkdir()
    assert run("cut", lines.append) == tmp_path / "cut" / "model"
    assert stopped.replace("stopped", "going on").partition(" of")[0] in lines
    assert run("cut", lines.append) == tmp_path / "cut" / "model"
    assert "is finished" in lines[-1]
    assert run("whole", lines.append)
    same(tmp_path / "cut", tmp_path / "whole")


# ------------------------------------------------------------------------------------------- SIGKILL


def killed(call: str, run: Path, marks: tuple[str, ...]) -> None:
    """Run a call of Python again and again, each time killed as soon as a mark is there; then to the end."""
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", call]
    for mark in marks:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (run / mark).exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, mark
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["lora", "activated", "grpo"])
def test_a_killed_run_goes_on_to_the_same_adapter(
    method: str, tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    model = tiny_lm("qwen2", chat=method == "activated")
    changes = {"max_steps": 12, "measured": 2, "patience": None}
    call = (
        "from pathlib import Path; from tests.training.methods import train;"
        f"train({method!r}, Path({str(tmp_path / 'cut')!r}), Path({str(tiny_spider)!r}), "
        f"Path({str(model)!r}), **{changes!r})"
    )
    train(method, tmp_path / "whole", tiny_spider, model, **changes)
    marks = ("run.json", "checkpoints/checkpoint-2", "checkpoints/checkpoint-6")
    killed(call, tmp_path / "cut", marks)
    same(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_self_evolution_that_is_killed_anywhere_goes_on(
    tmp_path: Path, tiny_spider: Path, tiny_lm: Callable[..., Path]
) -> None:
    arguments = (tmp_path / "cut", tiny_spider, tiny_lm())
    call = (
        "from pathlib import Path; from txt2sql.training.self_evolution import evolve;"
        "from tests.training.methods import rstar;"
        f"evolve(rstar(*map(Path, {tuple(map(str, arguments))!r})), lambda line: None)"
    )
    marks = (
        "1/trees.jsonl",
        "1/policy/run.json",
        "1/checkpoint",
        "2/trees.jsonl",
        "2/held_out.jsonl",
    )
    killed(call, tmp_path / "cut", tuple(f"rounds/{mark}" for mark in marks))
    evolve(rstar(tmp_path / "whole", *arguments[1:]), quiet)
    for number in (1, 2):
        for file in (f"rounds/{number}/trees.jsonl", f"round_{number}/round.json"):
            one, other = ((tmp_path / name / file).read_text() for name in ("cut", "whole"))
            assert one == other, file
        first, second = (
            load_file(tmp_path / name / f"round_{number}" / "model.safetensors")
            for name in ("cut", "whole")
        )
        assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_adapting_that_is_killed_in_every_stage_goes_on(
    tmp_path: Path, tiny_lm: Callable[..., Path], shops: Database
) -> None:
    def call(output: Path) -> str:
        arguments = [
            "adapt", "--db", str(shops.path), "--json", "--model", str(tiny_lm()), "-n", "60",
            "--set", "held_out=10", "--set", "steps=6", "--set", "batch_tokens=512",
            "--output", str(output),
        ]  # fmt: skip
        return (
            f"import sys; sys.argv[1:] = {arguments!r}; from txt2sql.cli.main import main; main()"
        )

    marks = ("data/train.json", "before.jsonl", "sft/run.json", "sft/checkpoints", "after.jsonl")
    killed(call(tmp_path / "cut"), tmp_path / "cut", marks)
    killed(call(tmp_path / "whole"), tmp_path / "whole", ())
    one, other = (json.loads((tmp_path / n / "report.json").read_text()) for n in ("cut", "whole"))
    assert one["measured"] == other["measured"]
    first, second = (
        (tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ("cut", "whole")
    )
    assert first == second


# ------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("method", "other"), [("lora", "learning_rate"), ("grpo", "kl"), ("activated", "seed")]
)
def test_a_run_goes_on_only_as_it_was_started(
    method: str, other: str, tmp_path: Path, tiny_lm: Callable[..., Path], tiny_spider: Path
) -> None:
    def run(**changes: Any) -> Path | None:
        model = tiny_lm("qwen2", chat=True)
        return train(method, tmp_path / "run", tiny_spider, model, **{"max_steps": 2, **changes})

    if method != "activated":
        with pytest.raises(ConfigError, match="no run to resume"):
            run(resume=True)
    assert run(max_minutes=1e-9) is None
    with pytest.raises(ConfigError, match=other):
        run(**{other: 3})
    assert run(log_every=2) is not None


def test_wandb_works_offline(
    tmp_path: Path, tiny_lm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[dict[str, Any]] = []

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    settings = config("lora", tmp_path / "run", tmp_path, tiny_lm(), use_wandb=True)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="wandb"):
        _boards(settings, tmp_path / "run", 0)
    stand_in = SimpleNamespace(init=lambda **given: opened.append(given))
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    monkeypatch.setattr("txt2sql.training.loop.WandbCallback", object)
    assert len(_boards(settings, tmp_path / "run", 0)) == 2
    (given,) = opened
    assert (given["mode"], given["id"]) == ("offline", "txt2sql-run")
    assert given["config"]["epochs"] == 1
