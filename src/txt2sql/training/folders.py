"""Folders that take each other's place, so that a kill leaves a whole one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path


def replace_folder(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """Put a copy of `source`, `without` some names, in the place of `target`; a kill leaves one whole."""
    part, old = (target.with_name(f".{target.name}.{end}") for end in ("part", "old"))
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(source, part, ignore=shutil.ignore_patterns(*without))
    if target.is_dir():
        target.rename(old)
    part.rename(target)
    shutil.rmtree(old, ignore_errors=True)
