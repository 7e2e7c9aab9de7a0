"""One run in several processes (data parallelism): who writes what all of them read.

`accelerate launch` starts the processes; gradients are averaged by the trainer. In one process nothing
here does anything.

>>> with main_first() as is_main:  # doctest: +SKIP
...     rows = kept_rows(folder, draw)  # the others find what the main process has written
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def join() -> bool:
    """Meet the other processes, each on a device of its own; whether this is the main one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return True
    from accelerate import PartialState

    return bool(PartialState(cpu=not torch.cuda.is_available()).is_main_process)


@contextmanager
def main_first() -> Iterator[bool]:
    """The main process goes through the block, then the others; yields whether this is it."""
    is_main = join()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield is_main
        return
    from accelerate import PartialState

    with PartialState().main_process_first():
        yield is_main
