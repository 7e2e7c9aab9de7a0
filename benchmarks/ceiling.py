"""How many questions the bundled model could answer at most, whatever it learnt.

Every gold query is written as an answer to the prompt that the model would get (matched values, schema,
symbols), turned back into SQL as an answer is, and judged. What is lost here is lost before the model.

    python benchmarks/ceiling.py [--data data/raw] [--show] [--quick]

`ours` is the share that comes back right, in percent of both data sets' questions; `peer` is 100.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

from txt2sql.data import Dataset, open_dataset
from txt2sql.evaluation.evaluate import draw
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.prompts import render
from txt2sql.runs import hardware, versions
from txt2sql.sql.decode import decode
from txt2sql.sql.encode import encode
from txt2sql.sql.intermediate import Unsupported
from txt2sql.types import Example, Prediction, Schema

SETS = {"Spider dev": ("spider", "dev"), "WikiSQL, real rows": ("wikisql", "dev_real")}


def there_and_back(example: Example, schema: Schema, index: ValueIndex) -> str:
    """The gold query through prompt, answer and SQL again; raises Unsupported."""
    prompt = render(
        example.question,
        schema,
        style="compact",
        matches=index.match(example.question),
        evidence=example.evidence,
    )
    assert prompt.links is not None
    answer = encode(example.gold_sql, schema, prompt.links)
    return decode(answer, schema, prompt.links, index.spell) or ""


def outcomes(dataset: Dataset, split: str, limit: int | None, show: bool) -> Counter[str]:
    """How the gold queries fare."""

    @lru_cache(maxsize=8)
    def index(db_id: str) -> ValueIndex:
        return open_value_index(dataset.database(db_id))

    found: Counter[str] = Counter()
    metric = ExecutionAccuracy()
    for example in draw(list(dataset.examples(split)), limit, seed=0):
        try:
            sql = there_and_back(example, dataset.schema(example.db_id), index(example.db_id))
        except Unsupported as lost:
            found["cannot be said"] += 1
            reason = str(lost)
        else:
            verdict = metric(example, Prediction(example.id, sql), dataset.database(example.db_id))
            found[verdict.outcome.value] += 1
            reason = "" if verdict.correct else sql
        if show and reason:
            print(f"{example.id}: {example.question}\n  {example.gold_sql}\n  {reason}")
    return found


def main() -> None:
    """Print a line for each data set, and one JSON object last."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("TXT2SQL_DATA", "data/raw"), type=Path)
    parser.add_argument("--show", action="store_true", help="print what is lost")
    parser.add_argument("--quick", action="store_true", help="100 questions of each data set")
    given = parser.parse_args()
    right = n = 0
    for title, (name, split) in SETS.items():
        limit = 100 if given.quick else None
        found = outcomes(open_dataset(name, given.data / name), split, limit, given.show)
        total = found.total()
        print(f"{title}: {found['correct']:,} of {total:,} come back right; {dict(found)}")
        right, n = right + found["correct"], n + total
    print(json.dumps({
        "name": "ceiling", "ours": round(100 * right / n, 2), "peer": 100.0,
        "ratio": round(right / n, 4), "n": n, "unit": "% EX",
        "machine": hardware(), "versions": versions(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
