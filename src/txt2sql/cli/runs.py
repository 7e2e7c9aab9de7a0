"""`txt2sql runs`: the run folders there are, each with what it did and its headline number.

$ txt2sql runs
$ txt2sql runs results /data/other-results --json
"""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from txt2sql.cli.options import JsonOption


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Where to look  [default: results checkpoints]"),
    ] = None,
    curves: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw learning curves, as FILE.png and FILE.svg."),
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
      txt2sql runs results --curves results/figures/learning_curves
    """
    from txt2sql.errors import DataError
    from txt2sql.evaluation.table_figures import draw_curves
    from txt2sql.runs import read_rows

    given = folders or [path for path in (Path("results"), Path("checkpoints")) if path.is_dir()]
    if missing := [path for path in given if not path.is_dir()]:
        raise DataError(f"no folder '{missing[0]}'; give folders that hold runs")
    found = sorted(
        (described(file) for root in given for file in root.rglob("run.json")),
        key=lambda run: str(run["started"]),
        reverse=True,
    )
    if curves:
        logged = {run["run"]: read_rows(Path(run["run"]) / "metrics.jsonl") for run in found}
        written = draw_curves({Path(name).name: rows for name, rows in logged.items()}, curves)
        for path in written:
            print(path, file=sys.stderr)
        if not written:
            print("no run has logged an accuracy, so there are no curves", file=sys.stderr)
    if json:
        print(jsonlib.dumps(found))
    elif found:
        _print(found)
    else:
        print("no runs yet; make one with txt2sql evaluate or txt2sql train", file=sys.stderr)


def described(file: Path) -> dict[str, Any]:
    """What a run's folder says of it; `headline` is its number in words, "" while it has none."""
    folder = file.parent
    made = _json(file)
    config = made.get("config")
    config = config if isinstance(config, dict) else {}
    report = _json(folder / "report.json")
    what = " ".join(
        str(value)
        for key in ("method", "model", "dataset", "split")
        if (value := config.get(key)) and isinstance(value, str)
    )
    headline, number = _judged(report) or _trained(folder) or ("", None)
    return {
        "run": str(folder),
        "started": made.get("started", ""),
        "what": what or folder.name,
        "commit": made.get("commit"),
        "finished": bool(report) or (folder / "model").is_dir(),
        "headline": headline,
        "number": number,
    }


def _judged(report: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    from txt2sql.evaluation.pages import shown
    from txt2sql.evaluation.statistics import Estimate

    metrics = report.get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        return None
    name = next((n for n in metrics if n.endswith("execution_accuracy")), next(iter(metrics)))
    try:
        value = Estimate(**metrics[name])
    except TypeError:
        return None
    return f"{_short(name)} {shown(value)}", {"metric": name, **value._asdict()}


def _trained(folder: Path) -> tuple[str, dict[str, Any]] | None:
    """The best of the accuracies that a training logged, and at which step it was."""
    from txt2sql.runs import read_rows

    best: tuple[float, int, str] | None = None
    step = 0
    for row in read_rows(folder / "metrics.jsonl"):
        step = max(step, int(row.get("step", 0)))
        for key, value in row.items():
            measured = key.partition("/")[0] == "execution_accuracy"
            if measured and isinstance(value, (int, float)) and (not best or value > best[0]):
                best = (float(value), int(row.get("step", 0)), key)
    if best is None:
        return (f"step {step:,}", {"step": step}) if step else None
    value, at, key = best
    data = key.partition("/")[2]
    told = f"EX {value:.1%} held out{f' ({data})' if data else ''} at step {at:,} of {step:,}"
    return told, {"metric": key, "mean": value, "step": at}


def _short(name: str) -> str:
    return {"execution_accuracy": "EX", "exact_match": "EM"}.get(name, name.replace("_", " "))


def _json(file: Path) -> dict[str, Any]:
    """A JSON object; {} where the file is absent or damaged: a list of runs shows the others."""
    try:
        value = jsonlib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _print(found: list[dict[str, Any]]) -> None:
    lines = [("started", "run", "what", "result"), *_lines(found)]
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    for line in lines:
        print("  ".join([*(text.ljust(w) for text, w in zip(line, widths)), line[3]]).rstrip())


def _lines(found: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, str]]:
    for run in found:
        state = run["headline"] or "no number yet"
        started = str(run["started"])[:16].replace("T", " ")
        yield started, run["run"], run["what"], state if run["finished"] else f"{state}, unfinished"
