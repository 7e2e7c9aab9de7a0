"""SQLite files for tests, made from statements."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path


def build(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for statement in statements:
        connection.executescript(statement)
    connection.commit()
    connection.close()
    return path


def listing(folder: Path) -> dict[str, tuple[int, int, str]]:
    return {
        file.name: (
            file.stat().st_size,
            file.stat().st_mtime_ns,
            hashlib.sha256(file.read_bytes()).hexdigest(),
        )
        for file in folder.iterdir()
    }
