"""Two systems on the same examples, pair by pair: the difference, whether it is chance, and where.

Two intervals that overlap do not say that two systems are alike, for both met the same hard
examples. Pairs do (see `statistics`). Reads the rows of `verdicts.verdict_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from txt2sql.errors import DataError
from txt2sql.evaluation.statistics import (
    Estimate,
    estimate,
    graded_difference,
    mcnemar,
    paired_difference,
)
from txt2sql.runs import read_object

Row = Mapping[str, Any]


class Change(NamedTuple):
    """An example that A and B do not score alike."""

    key: str
    db_id: str
    question: str
    gold_sql: str
    a: float
    b: float
    a_sql: str | None
    b_sql: str | None


class Comparison(NamedTuple):
    """What two sets of verdicts say about one metric, over the examples that both score.
    `difference` is B's mean minus A's, `p` McNemar's exact, two-sided, None for graded scores.
    `both` counts what both get fully right, `only_a` and `only_b` where one scores more, `neither`
    the rest; `unscored` examples of both have no score on one side (the gold query failed)."""

    metric: str
    a: Estimate
    b: Estimate
    difference: Estimate
    p: float | None
    both: int
    only_a: int
    only_b: int
    neither: int
    unmatched_a: int
    unmatched_b: int
    unscored: int
    changed: tuple[Change, ...]


def read_verdicts(path: Path) -> list[Row]:
    """The rows of a verdict file, or of `verdicts.jsonl` in the folder of a run."""
    file = path / "verdicts.jsonl" if path.is_dir() else path
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(
            f"cannot read verdicts from '{file}' ({error.strerror}); give the folder of a run of "
            "txt2sql evaluate, or a file that --verdicts wrote"
        ) from None
    rows: list[Row] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not {"example_id", "scores"} <= row.keys():
            raise DataError(
                f"line {number} of '{file}' is no verdict: a JSON object with 'example_id' and "
                "'scores'"
            )
        rows.append(row)
    return rows


def read_report(path: Path) -> dict[str, Any]:
    """The report.json of a run, given its folder or its verdicts; empty where there is none."""
    if path.name == "verdicts.jsonl":
        path = path.parent
    return read_object(path / "report.json") if path.is_dir() else {}


def unlike(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """What two reports do not share and a fair comparison needs, each as a sentence."""
    for name in ("dataset", "split", "mode"):
        if a and b and a.get(name) != b.get(name):
            yield f"{name} differs: A has {a.get(name)}, B has {b.get(name)}"
    hashes_a, hashes_b = a.get("databases") or {}, b.get("databases") or {}
    other = [name for name in hashes_a if name in hashes_b and hashes_a[name] != hashes_b[name]]
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        yield f"databases differ: the files of {', '.join(other[:3])}{more} are not the same"


def compare(a: Sequence[Row], b: Sequence[Row], metric: str = "execution_accuracy") -> Comparison:
    """Compare the scores of one metric over the examples that A and B share."""
    rows_a, rows_b = _by_key(a, "A"), _by_key(b, "B")
    shared = [key for key in rows_a if key in rows_b]
    if not shared:
        raise DataError(
            "A and B have no example in common (by 'example_id'); compare two runs on the same split"
        )
    pairs, changed = [], []
    for key in shared:
        row_a, row_b = rows_a[key], rows_b[key]
        for name, what in (("db_id", "databases"), ("question", "questions")):
            if name in row_a and name in row_b and row_a[name] != row_b[name]:
                raise DataError(
                    f"example {key} is not the same in A and B ({what} {row_a[name]!r} and "
                    f"{row_b[name]!r}); compare two runs on the same split"
                )
        x, y = row_a["scores"].get(metric), row_b["scores"].get(metric)
        if x is None or y is None:
            continue
        pairs.append((float(x), float(y)))
        if x != y:
            db_id, question, gold = (
                str(row_a.get(n) or "") for n in ("db_id", "question", "gold_sql")
            )
            sql = row_a.get("sql"), row_b.get("sql")
            changed.append(Change(key, db_id, question, gold, *pairs[-1], *sql))
    if not pairs:
        known = sorted(set(a[0]["scores"]) & set(b[0]["scores"]))
        raise DataError(
            f"no example has a score for '{metric}' on both sides; "
            f"{'choose one of ' + ', '.join(known) if known else 'the two share no metric'}"
        )
    scores_a, scores_b = zip(*pairs, strict=True)
    both = sum(x == y == 1 for x, y in pairs)
    only_a, only_b = sum(x > y for x, y in pairs), sum(x < y for x, y in pairs)
    neither = len(pairs) - both - only_a - only_b
    binary = {*scores_a, *scores_b} <= {0.0, 1.0}
    return Comparison(
        metric=metric,
        a=estimate(scores_a),
        b=estimate(scores_b),
        difference=paired_difference(both, only_a, only_b, neither)
        if binary
        else graded_difference(scores_a, scores_b),
        p=mcnemar(only_a, only_b) if binary else None,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        unmatched_a=len(a) - len(shared),
        unmatched_b=len(b) - len(shared),
        unscored=len(shared) - len(pairs),
        changed=tuple(changed),
    )


def _by_key(rows: Sequence[Row], side: str) -> dict[str, Row]:
    by_key = {str(row["example_id"]): row for row in rows}
    if len(by_key) != len(rows):
        raise DataError(f"{side} has several verdicts with the same 'example_id'; keep one of each")
    return by_key


def as_json(comparison: Comparison, a: str, b: str) -> dict[str, Any]:
    counts = ("both", "only_a", "only_b", "neither", "unscored")
    return {
        "metric": comparison.metric,
        "a": {"name": a, **comparison.a._asdict()},
        "b": {"name": b, **comparison.b._asdict()},
        "difference": comparison.difference._asdict(),
        "p": comparison.p,
        "counts": {name: getattr(comparison, name) for name in counts},
        "unmatched": {"a": comparison.unmatched_a, "b": comparison.unmatched_b},
        "changed": [change._asdict() for change in comparison.changed],
    }
