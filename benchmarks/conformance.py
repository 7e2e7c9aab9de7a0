"""Official mode against recorded verdicts of the official evaluators, example by example.

    python benchmarks/conformance.py [--data DIR] [--verdicts DIR] [--limit N]

The data folder has `spider/` and `verdicts/`; it is $TXT2SQL_DATA or data/raw unless given. Verdicts
are JSON lines: `i, db_id, gold, pred, hardness, exact, exec, exec_keep_distinct, partial`, and for
BIRD `bird_ex`. Every difference is printed; more than 1 in 2,000 is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from txt2sql.data import open_dataset
from txt2sql.evaluation.evaluate import judge_all
from txt2sql.evaluation.metrics import METRICS, Context
from txt2sql.evaluation.mode import Judging
from txt2sql.types import Example, Prediction, Verdict

ALLOWED = 1 / 2000
_NAMES = ("execution_accuracy", "exact_match", "component_match", "bird_execution_accuracy")


def data_folder() -> Path:
    """$TXT2SQL_DATA, data/raw, or a folder beside the checkout that holds the verdicts."""
    if "TXT2SQL_DATA" in os.environ:
        return Path(os.environ["TXT2SQL_DATA"])
    beside = Path(__file__).parents[2].glob("*/data/verdicts")
    return next((path.parent for path in beside), Path("data/raw"))


def read(folder: Path, limit: int | None) -> list[dict[str, Any]]:
    """The recorded verdicts, or `limit` of them drawn with a fixed seed."""
    rows = [
        {**json.loads(line), "system": path.stem}
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.open(encoding="utf-8")
    ]
    if not rows:
        raise SystemExit(f"no verdicts (*.jsonl) in '{folder}'")
    if limit is not None and limit < len(rows):
        rows = random.Random(0).sample(rows, limit)
    return sorted(rows, key=lambda row: (row["db_id"], row["i"]))


def differences(
    rows: Sequence[dict[str, Any]], data: Path | None
) -> tuple[Counter[str], list[tuple[str, str]]]:
    """How many verdicts of each kind were compared, and (kind, description) of each difference."""
    dataset = open_dataset("spider", data)
    compared: Counter[str] = Counter()
    differ: list[tuple[str, str]] = []
    examples = [Example(str(n), row["db_id"], "?", row["gold"]) for n, row in enumerate(rows)]
    predictions = [Prediction(str(n), row["pred"]) for n, row in enumerate(rows)]
    for keep_distinct in (False, True):
        context = Context(Judging("official", keep_distinct, both=False), dataset)
        names = _NAMES[:1] if keep_distinct else _NAMES
        metrics = [METRICS[name](context) for name in names]
        judged = judge_all(examples, predictions, metrics, dataset.database)
        for row, item in zip(rows, judged, strict=True):
            verdicts = {verdict.metric: verdict for verdict in item.verdicts}
            for kind, ours in _ours(verdicts, keep_distinct):
                official = _official(row, kind)
                if official is None:
                    continue
                compared[kind.split(":")[0]] += 1
                if official != ours:
                    reason = verdicts["execution_accuracy"].reason if "exec" in kind else ""
                    differ.append(
                        (kind, f"{row['system']} {row['i']}: official {official}, ours {ours}"
                               f" {reason}\n    gold {row['gold']}\n    pred {row['pred'][:300]}")
                    )  # fmt: skip
    return compared, differ


def _ours(verdicts: dict[str, Verdict], keep_distinct: bool) -> Iterator[tuple[str, object]]:
    executed = int(verdicts["execution_accuracy"].correct)
    if keep_distinct:
        yield "exec_keep_distinct", executed
        return
    yield "exec", executed
    yield "exact", int(verdicts["exact_match"].correct)
    details = verdicts["component_match"].details or {}
    yield "hardness", details.get("hardness")
    for component, score in details.get("partial", {}).items():
        yield f"partial:{component}", score
    yield "bird_ex", int(verdicts["bird_execution_accuracy"].correct)


def _official(row: dict[str, Any], kind: str) -> object:
    if kind.startswith("partial:"):
        return row["partial"][kind.removeprefix("partial:")] if "partial" in row else None
    return row.get(kind)


def main() -> None:
    """Compare all, print the differences and the counts."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--verdicts", type=Path, help="default: DATA/verdicts")
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--limit", type=int, help="compare a sample of this many rows")
    arguments = parser.parse_args()
    start = time.perf_counter()
    rows = read(arguments.verdicts or arguments.data / "verdicts", arguments.limit)
    compared, differ = differences(rows, arguments.data)
    for kind, text in differ:
        print(f"{kind}: {text}")
    counts = Counter(kind.split(":")[0] for kind, _ in differ)
    for kind, n in compared.items():
        print(f"{kind}: {n:,} compared, {counts[kind]} differ")
    print(f"{len(rows):,} predictions in {time.perf_counter() - start:.1f} s")
    if any(counts[kind] > ALLOWED * n for kind, n in compared.items()):
        raise SystemExit("more than 1 in 2,000 differ")


if __name__ == "__main__":
    main()
