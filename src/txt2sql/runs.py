"""Runs: one run is one folder that says what was done, with what, where, and how far it came.

    results/<name>/
    ├── config.yaml         the resolved configuration
    ├── run.json            the same, commit, seed, hardware, versions, time of the first start
    ├── metrics.jsonl       one JSON object per logged step, appended
    ├── predictions.jsonl   or any other rows, appended as they are known
    └── state.json          where to resume, replaced as a whole

A process may be killed at any moment: whole files are replaced atomically (write beside, fsync,
rename), and a row that was cut off at the end of a .jsonl file is dropped on the next read or append.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from txt2sql.errors import ConfigError, DataError

_PACKAGES = "txt2sql torch transformers tokenizers sqlglot numpy accelerate peft trl".split()


def cache_dir() -> Path:
    """Where indexes and other things that can be rebuilt are kept; it may not exist yet."""
    given = os.environ.get("TXT2SQL_CACHE")
    return Path(given).expanduser() if given else Path("~/.cache/txt2sql").expanduser()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write the whole file or nothing: to a temporary name in the same folder, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; {} where the file is absent or damaged: what it notes is found out anew."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON object as a line, first cutting off a line that an earlier kill left half."""
    line = json.dumps(row).encode("ascii") + b"\n"
    with path.open("a+b") as file:
        end = file.tell()
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl file that may not exist yet; a half-written last line is left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise DataError(f"line {number} of '{path}' is damaged; remove it and run again")
            yield row


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of one run; make it with `open_run`."""

    folder: Path

    def append(self, name: str, row: Mapping[str, Any]) -> None:
        append_row(self.folder / f"{name}.jsonl", row)

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """What was appended to <name>.jsonl so far, by this process or an earlier one."""
        return read_rows(self.folder / f"{name}.jsonl")

    def save_state(self, state: Mapping[str, Any]) -> None:
        write_atomically(self.folder / "state.json", json.dumps(state, indent=2) + "\n")

    def state(self) -> dict[str, Any]:
        """The last saved resume state; empty at the first start."""
        path = self.folder / "state.json"
        state = read_object(path)
        if not state and path.exists() and path.read_text(encoding="utf-8").split() != ["{}"]:
            raise DataError(f"'{path}' is damaged; remove it and run again")
        return state


def open_run(folder: Path, config: Mapping[str, Any], seed: int = 0) -> Run:
    """Start a run in `folder`, or go on with the one that is there. `config` is the resolved
    configuration (`config.as_mapping`). A run goes on only under the configuration and seed it was
    started with: rows made under two of them are worth nothing."""
    given = json.loads(json.dumps(dict(config)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "run.json").exists():
            made = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            old = {**_flat(made["config"]), "seed of the run": made["seed"]}
            new = {**_flat(given), "seed of the run": seed}
            for key in sorted(old.keys() | new.keys()):
                if old.get(key) != new.get(key):
                    raise ConfigError(
                        f"'{folder}' holds a run with {key} = {old.get(key)!r}, not "
                        f"{new.get(key)!r}; choose another output folder or remove that one"
                    )
        else:
            import yaml  # takes longer to load than most commands do to run

            write_atomically(folder / "config.yaml", yaml.safe_dump(given, sort_keys=False))
            # Written last: a folder with run.json is a folder that was set up to the end.
            made = {
                "seed": seed,
                "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "command": sys.argv,
                **made_with(),
                "config": given,
            }
            write_atomically(folder / "run.json", json.dumps(made, indent=2) + "\n")
    except OSError as error:
        raise ConfigError(f"cannot keep a run in '{folder}': {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"'{folder / 'run.json'}' is damaged; remove the folder") from None
    return Run(folder)


def _flat(tree: Any, where: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    if not isinstance(tree, dict):
        return {where: tree}
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{where}.{key}" if where else str(key))
    return flat


@cache
def made_with() -> dict[str, Any]:
    """Commit, hardware and versions; asking git and the drivers takes a while."""
    return {"commit": commit(), "hardware": hardware(), "versions": versions()}


def commit() -> str | None:
    """The commit of the checkout this code runs from, `-dirty` when changed; None elsewhere."""
    package = Path(__file__).parent
    tracked = _output("git", "-C", str(package), "ls-files", "--error-unmatch", "runs.py")
    if tracked is None:  # no git, or installed inside somebody else's repository
        return None
    every = ("--always", "--dirty", "--abbrev=40", "--exclude=*")
    return _output("git", "-C", str(package), "describe", *every)


def cores() -> int:
    """Processor cores that this process may use; only Linux tells which those are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def hardware() -> dict[str, Any]:
    gpus = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    memory = None
    if hasattr(os, "sysconf"):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    names = Path("/proc/cpuinfo")
    lines = names.read_text(encoding="utf-8", errors="replace") if names.exists() else ""
    processor = re.search(r"^model name\s*:\s*(.*)$", lines, re.M)
    return {
        "machine": platform.machine(),
        "processor": processor[1].strip() if processor else platform.processor(),
        "cores": cores(),
        "memory_gib": memory,
        "gpus": gpus.splitlines() if gpus else [],
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Python, SQLite and the packages that results depend on, as far as they are installed. Read
    off the names of the installed metadata folders: importlib.metadata takes longer to load than
    many an evaluation does to run."""
    installed: dict[str, str] = {}
    for folder in filter(os.path.isdir, sys.path):
        for entry in Path(folder).glob("*.dist-info"):
            name, _, version = entry.stem.partition("-")
            installed.setdefault(name.lower(), version)
    builtin = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return builtin | {name: installed[name] for name in _PACKAGES if name in installed}


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return done.stdout.strip()
