"""Checkpoints of a run that are whole: a kill may come at any moment, also while one is written.

transformers writes a checkpoint file by file into its final folder. When the last is written, this
module adds `whole.json` with the size of each; a checkpoint without it, or with other sizes, is removed.

>>> newest_whole(Path("results/lora-bundled/checkpoints"))  # doctest: +SKIP
PosixPath('results/lora-bundled/checkpoints/checkpoint-200')
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from txt2sql.runs import write_atomically

MARK = "whole.json"


def mark_whole(checkpoint: Path) -> None:
    """Say that all its files are written."""
    write_atomically(checkpoint / MARK, json.dumps(_sizes(checkpoint), indent=1) + "\n")


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint of the highest step that is whole; those that are not are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    whole = []
    for checkpoint in found:
        try:
            expected = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            expected = None
        if expected == _sizes(checkpoint):
            whole.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return whole[-1] if whole else None


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != MARK)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in files}
