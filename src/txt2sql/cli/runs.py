"""`txt2sql runs`: the run folders there are, each with what it did and its headline number."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from txt2sql.cli.options import JsonOption


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Where to look  [default: results checkpoints]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List runs, the newest first: when, what, how far, and its headline number with n.

    An evaluation's number is its accuracy with the 95% interval, a training's the best accuracy it
    measured on held-out questions.

    \b
    Examples:
      txt2sql runs
      txt2sql runs results --json
    """
    from txt2sql.errors import DataError
    from txt2sql.evaluation.table import Column, Table, print_table

    given = folders or [path for path in (Path("results"), Path("checkpoints")) if path.is_dir()]
    if missing := [path for path in given if not path.is_dir()]:
        raise DataError(f"no folder '{missing[0]}'; give folders that hold runs")
    files = {file.resolve(): file for root in given for file in sorted(root.rglob("run.json"))}
    rows = sorted(
        map(_described, files.values()), key=lambda row: str(row["started"]), reverse=True
    )
    if json:
        print(jsonlib.dumps(rows))
    elif not rows:
        print("no runs yet; make one with txt2sql evaluate or txt2sql train", file=sys.stderr)
    else:
        lines = [
            (
                str(row["started"])[:16].replace("T", " "),
                row["run"],
                row["what"],
                (row["headline"] or "no number yet") + ("" if row["finished"] else ", unfinished"),
            )
            for row in rows
        ]
        print_table(Table([Column(name) for name in ("started", "run", "what", "result")], lines))


def _described(file: Path) -> dict[str, Any]:
    from txt2sql.runs import read_object

    folder, made = file.parent, read_object(file)
    config, report = made.get("config"), read_object(file.parent / "report.json")
    config = config if isinstance(config, dict) else {}
    names = [config.get(key) for key in ("method", "model", "dataset", "split")]
    headline, number = _judged(report) or _trained(folder) or ("", None)
    return {
        "run": str(folder),
        "started": made.get("started", ""),
        "what": " ".join(name for name in names if isinstance(name, str) and name) or folder.name,
        "commit": made.get("commit"),
        "finished": bool(report) or (folder / "model").is_dir(),
        "headline": headline,
        "number": number,
    }


def _judged(report: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    from txt2sql.evaluation.report import shown, words
    from txt2sql.evaluation.statistics import Estimate

    metrics = report.get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        return None
    name = next((n for n in metrics if n.endswith("execution_accuracy")), next(iter(metrics)))
    try:
        value = Estimate(**metrics[name])
    except TypeError:
        return None
    short = {"execution_accuracy": "EX", "exact_match": "EM"}.get(name, words(name))
    return f"{short} {shown(value)}", {"metric": name, **value._asdict()}


def _trained(folder: Path) -> tuple[str, dict[str, Any]] | None:
    from txt2sql.runs import read_rows

    step, measured = 0, []
    for row in read_rows(folder / "metrics.jsonl"):
        at = int(row.get("step", 0))
        step = max(step, at)
        for key, value in row.items():
            if key.partition("/")[0] == "execution_accuracy" and isinstance(value, (int, float)):
                measured.append((float(value), at, key))
    if not measured:
        return (f"step {step:,}", {"step": step}) if step else None
    value, at, key = max(measured, key=lambda each: each[0])
    data = key.partition("/")[2]
    headline = f"EX {value:.1%} held out{f' ({data})' if data else ''} at step {at:,} of {step:,}"
    return headline, {"metric": key, "mean": value, "step": at}
