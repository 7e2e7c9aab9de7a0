"""Imports point strictly down, and heavy packages stay in their rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "txt2sql"

LAYERS = (
    {"types", "errors", "identifiers"},
    {"config", "runs", "sql", "prompts", "costs", "sample"},
    {"execution", "models"},
    {"data", "search", "evaluation"},
    {"training", "serving"},
    {"cli"},
    {"__init__", "__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# Where each heavy package may be imported.
HOMES = {
    "torch": {"models", "training"},
    "transformers": {"models", "training"},
    "tokenizers": {"models", "training"},
    "safetensors": {"models", "training"},
    "onnx": {"models"},
    "onnxruntime": {"models"},
    "peft": {"models", "training"},
    "trl": {"models", "training"},
    "sqlglot": {"sql"},
    "starlette": {"serving"},
    "fastapi": {"serving"},
    "uvicorn": {"serving"},
    "mcp": {"serving"},
    "prometheus_client": {"serving"},
    "pyarrow": {"serving"},
    "matplotlib": {"evaluation"},
    "sqlalchemy": {"execution"},
    "psycopg": {"execution"},
    "pymysql": {"execution"},
    "duckdb": {"execution"},
    "litellm": {"models"},
    "ray": {"training"},
}


def imports(source: str, package: str) -> Iterator[str]:
    """Every module that `source`, a module inside `package`, imports, at any depth of its code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            if module == "txt2sql":  # from txt2sql import errors
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def faults(source: str, file: str) -> list[str]:
    """What `source`, to be stored as `file` under src/txt2sql, imports against the rules."""
    path = Path(file)
    room = path.parts[0].removesuffix(".py")
    package = ".".join(("txt2sql", *path.parts[:-1]))
    found = []
    for module in imports(source, package):
        top, _, rest = module.partition(".")
        if top in HOMES and room not in HOMES[top]:
            found.append(f"{file} imports {top}, which only {sorted(HOMES[top])} may")
        if top != "txt2sql" or rest in ("", "__version__"):  # the package itself imports nothing
            continue
        target = rest.split(".")[0]
        if target not in RANK:
            found.append(f"{file} imports {module}, which is no room of LAYERS")
        elif target != room and RANK[target] >= RANK[room]:
            found.append(f"{file} imports {module}, which is not below it")
    return found


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("errors.py", "from txt2sql.types import Schema"),
        ("prompts.py", "def f():\n    from txt2sql.models import catalog"),
        ("execution/execute.py", "import txt2sql.models.hf"),
        ("evaluation/metrics/exact.py", "from ...training import sft"),
        ("execution/guard.py", "from txt2sql import data"),
        ("search/mcts.py", "import torch.nn as nn"),
        ("execution/guard.py", "def f():\n    import sqlglot"),
        ("execution/guard.py", "from txt2sql import Schema"),
    ],
)
def test_a_wrong_import_is_found(file: str, source: str) -> None:
    assert len(faults(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("models/hf.py", "import torch\nfrom txt2sql.prompts import render"),
        (
            "execution/execute.py",
            "from txt2sql.execution.guard import is_read\nfrom . import guard",
        ),
        ("cli/main.py", "from txt2sql import __version__"),
        ("cli/main.py", "from txt2sql.serving.service import Service"),
        ("sql/text.py", "import sqlglot\nfrom txt2sql.errors import ConfigError"),
    ],
)
def test_a_right_import_is_not(file: str, source: str) -> None:
    assert faults(source, file) == []


def test_every_module_keeps_the_layers() -> None:
    modules = sorted(SOURCE.rglob("*.py"))
    assert modules
    found = [
        fault
        for path in modules
        for fault in faults(path.read_text(encoding="utf-8"), str(path.relative_to(SOURCE)))
    ]
    assert found == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = {
        ".".join(("txt2sql", *path.relative_to(SOURCE).with_suffix("").parts)): path
        for path in SOURCE.rglob("*.py")
    }
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    below: dict[str, set[str]] = {}
    for name, path in paths.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                parts = [f"{node.module}.{alias.name}" for alias in node.names]
                targets |= {part if part in paths else str(node.module) for part in parts}
        below[name] = targets & paths.keys() - {name}
    while leaves := [name for name, targets in below.items() if not targets & below.keys()]:
        for name in leaves:
            del below[name]
    assert {name: sorted(targets & below.keys()) for name, targets in below.items()} == {}
