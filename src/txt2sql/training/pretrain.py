"""Pre-training of a small text-to-SQL model from question-SQL pairs: `txt2sql pretrain`.

Next-token cross-entropy on the answer alone, AdamW (Loshchilov and Hutter 2019) under a warm-up and a
stable-then-decay (WSD, Hu et al. 2024) or cosine schedule. The loop is in `loop`, what a model starts
as in `warm_start`, how progress is judged in `selection`.

>>> pretrain(PretrainConfig(output="results/pretrain", max_steps=100))  # doctest: +SKIP
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
import transformers

from txt2sql.errors import ConfigError
from txt2sql.training.loop import Training
from txt2sql.training.prepare import Progress, Source, open_source, pack, silent
from txt2sql.training.selection import is_held_out, measured_items
from txt2sql.training.settings import PretrainConfig, check_same

__all__ = ["PretrainConfig", "open_sources", "pack_data", "pretrain"]


def pretrain(
    config: PretrainConfig,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
) -> Path | None:
    """Train, or continue, the run in `config.output`: the folder of the finished model, or None when
    `max_minutes` were over before.

    `report` gets lines to read; `progress(label, steps)` gives a function to call after each step.
    """
    started = time.monotonic()
    if config.threads:
        torch.set_num_threads(config.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    output = Path(config.output)
    check_same(config, output)
    sources = open_sources(config, progress)
    with closing(Training(config, output, sources, report)) as run:
        if run.loop(progress, started):
            return run.finish()
        report(f"stopped at step {run.place.step} of {config.max_steps}; run it again to go on")
        return None


def pack_data(config: PretrainConfig, folder: Path, progress: Progress = silent) -> Path:
    """Write all that a run reads but its start into one folder, which is `data` elsewhere."""
    for source in open_sources(config, progress):
        measured = measured_items(source, config.held_out, config.measured, config.seed)
        pack(source, measured, folder)
    return folder


def open_sources(config: PretrainConfig, progress: Progress = silent) -> list[Source]:
    """The data sets of a run; each must have something to train on."""
    root = Path(config.data) if config.data else None
    sources = [open_source(name, config.split, root, progress) for name in config.datasets]
    for source in sources:
        if not len(source.corpus.where(lambda db_id: not is_held_out(db_id, config.held_out))):
            raise ConfigError(
                f"'{source.name}' has no training example; check datasets, split and held_out"
            )
    return sources
