"""What a training run tells: metrics.jsonl always, TensorBoard where it is installed, W&B when asked.

Also how fast the machine is: what it reaches in a plain matrix product.

>>> Tracker(Path("run"), {}, step=0).log({"step": 1, "loss": 2.5})  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from txt2sql.errors import ConfigError
from txt2sql.runs import append_row, read_rows, write_atomically

Progress = Callable[[str, int], AbstractContextManager[Callable[[str], None]]]
"""(label, total) -> a context with the function that advances by one and shows a note."""


@contextmanager
def silent(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Progress that shows nothing."""
    yield lambda note: None


class Tracker:
    """Writes rows of numbers. A run that goes on from `step` forgets what it logged after that."""

    def __init__(
        self, output: Path, config: Mapping[str, Any], step: int, *, use_wandb: bool = False
    ) -> None:
        self.file = output / "metrics.jsonl"
        output.mkdir(parents=True, exist_ok=True)
        rows = list(read_rows(self.file))
        if any(row["step"] > step for row in rows):
            write_atomically(self.file, "")
            for row in rows:
                if row["step"] <= step:
                    append_row(self.file, row)
        self._board = _tensorboard(output / "tensorboard", step)
        self._wandb = _wandb(output, config) if use_wandb else None

    def log(self, row: Mapping[str, float]) -> None:
        """One row; `step` is its place."""
        append_row(self.file, row)
        numbers = {name: value for name, value in row.items() if name != "step"}
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, int(row["step"]))
        if self._wandb is not None:
            self._wandb.log(numbers, step=int(row["step"]))

    def close(self) -> None:
        """Write out what is still held back."""
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def _tensorboard(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn of things that are its own business
        module: Any = importlib.import_module("torch.utils.tensorboard")
    return module.SummaryWriter(str(folder), purge_step=step + 1)


def _wandb(output: Path, config: Mapping[str, Any]) -> Any:
    try:
        wandb: Any = importlib.import_module("wandb")
    except ImportError:
        raise ConfigError(
            "use_wandb needs Weights & Biases; pip install 'txt2sql[wandb]', or leave it out"
        ) from None
    # Offline runs are kept in the run's folder, from where `wandb sync` uploads them.
    mode = os.environ.get("WANDB_MODE") or ("online" if _reachable("api.wandb.ai") else "offline")
    # One id per folder, so that a run that goes on is one run there, too.
    return wandb.init(project="txt2sql", name=output.name, id=f"txt2sql-{output.name}", mode=mode,
                      dir=str(output), config=dict(config), resume="allow")  # fmt: skip


def _reachable(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=3).close()
    except OSError:
        return False
    return True


def measure_peak(device: torch.device, bf16: bool) -> float:
    """Operations per second in a large matrix product, the best of a few."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.ones(size, size, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def has_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16, faster than in single precision."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpu: Any = torch.cpu
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device.type == "cpu" and any(getattr(cpu, probe, lambda: False)() for probe in probes)
