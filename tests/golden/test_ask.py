"""`txt2sql ask --json`: its keys and values, for answers of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.cli.ask import answer_all
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service

MORE = {
    "Which cells hold bytes?": "SELECT x'0aff', 1e999, -1e999, NULL, 'é'",
    "Which title is missing?": "SELECT 'a' AS title WHERE 1 = 0",
    "Two answers": "SELECT 1; SELECT 2",
    "Change a name": "UPDATE shops SET name = 'x'",
    "Say nothing": "",
    "Which words are a column?": 'SELECT "nothing" FROM shops',
    "Which name is in two tables?": "SELECT name FROM shops JOIN staff ON shops.shop_id = staff.shop_id",
    "   ": "SELECT 1",
}
ROWS = 3


def test_answers(
    golden: Callable[[str, Any], None],
    mask: Callable[..., Any],
    completions: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = {**completions, **MORE}
    service = Service(sample.path(), ScriptedGenerator(script))
    all_rows = answer_all(service, script, ROWS, json=True, explain=False)
    lines = capsys.readouterr().out.splitlines()
    answers = [mask(json.loads(line), {"seconds": "<seconds>"}) for line in lines]
    golden("ask", {"every question got rows": all_rows, "answers": answers})
