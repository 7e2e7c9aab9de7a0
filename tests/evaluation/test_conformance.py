"""Official mode against recorded verdicts of the official evaluator: a sample of all systems."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from txt2sql.data import open_dataset
from txt2sql.evaluation.evaluate import judge_all
from txt2sql.evaluation.metrics import Context, choose
from txt2sql.evaluation.mode import Judging
from txt2sql.types import Example, Prediction

SAMPLE = 900


@pytest.fixture(scope="module")
def rows(data_root: Path) -> list[dict[str, Any]]:
    lines = [
        line
        for path in sorted((data_root / "verdicts").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    if not lines:
        pytest.skip("no recorded verdicts here")
    sample = [json.loads(line) for line in random.Random(7).sample(lines, SAMPLE)]
    # A few statements on the one large database take longer than all others together.
    return [row for row in sample if row["db_id"] != "wta_1"]


@pytest.mark.parametrize("keep_distinct", [False, True])
def test_every_execution_verdict_is_the_official_one(
    rows: list[dict[str, Any]], data_root: Path, keep_distinct: bool
) -> None:
    dataset = open_dataset("spider", data_root)
    context = Context(Judging("official", keep_distinct, both=False), dataset)
    judged = judge_all(
        [Example(str(i), row["db_id"], "?", row["gold"]) for i, row in enumerate(rows)],
        [Prediction(str(i), row["pred"]) for i, row in enumerate(rows)],
        choose(context, "execution_accuracy,exact_match"),
        dataset.database,
    )
    name = "exec_keep_distinct" if keep_distinct else "exec"
    official = [(row[name], row["exact"], row["hardness"]) for row in rows]
    ours = [
        (int(item.verdicts[0].correct), int(item.verdicts[1].correct), item.example.difficulty)
        for item in judged
    ]
    assert ours == official
