"""Golden tests: what users see today, recorded, so that a rewrite shows what it changes.

Each test hands what it saw to `golden`, which compares it with a file under recorded/. Where a change
is meant, record anew and read the difference before committing it:

    python -m pytest tests/golden --record
    git diff tests/golden/recorded

What changes from run to run (times, ids, versions) is masked. Models are scripted, so no recording
depends on weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent / "recorded"
LINE = 120

Golden = Callable[[str, Any], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="Write the golden files instead of comparing."
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a JSON value with recorded/<name>.json; with --record, write it there."""

    def compare(name: str, value: Any) -> None:
        file, value = RECORDED / f"{name}.json", rounded(value)
        if request.config.getoption("--record", default=False):
            file.write_text(layout(value) + "\n", encoding="utf-8")
        assert file.is_file(), (
            f"{file.name} is missing; run: python -m pytest tests/golden --record"
        )
        recorded = json.loads(file.read_text(encoding="utf-8"))
        lines = unified_diff(
            layout(recorded).splitlines(),
            layout(value).splitlines(),
            "recorded",
            "now",
            n=4,
            lineterm="",
        )
        assert value == recorded, "\n".join(
            ["what users see is no longer what is recorded", *lines]
        )

    return compare


def rounded(value: Any) -> Any:
    """As JSON has it, numbers to four places: the last ones differ between machines."""
    return json.loads(json.dumps(value), parse_float=lambda text: round(float(text), 4))


def layout(value: Any, depth: int = 0) -> str:
    """JSON for people: what fits on a line is on one, the rest has a line for each item."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + depth <= LINE or not value or not isinstance(value, (dict, list, tuple)):
        return line
    indent, end = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict):
        items = [f"{json.dumps(k, ensure_ascii=False)}: {layout(v, depth + 1)}" for k, v in value.items()]  # fmt: skip
        return "{" + indent + ("," + indent).join(items) + end + "}"
    return "[" + indent + ("," + indent).join(layout(item, depth + 1) for item in value) + end + "]"


def masked(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON value with a mark in the place of what is under one of these keys, unless it is null."""
    if isinstance(value, Mapping):
        return {
            key: names[key] if key in names and item is not None else masked(item, names)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [masked(item, names) for item in value]
    return value


@pytest.fixture
def mask() -> Callable[[Any, Mapping[str, str]], Any]:
    return masked


@pytest.fixture
def completions() -> dict[str, Any]:
    """Question -> what a model answers: one completion, or several candidates."""
    value: dict[str, Any] = json.loads(
        (Path(__file__).parent / "completions.json").read_text(encoding="utf-8")
    )
    return value
