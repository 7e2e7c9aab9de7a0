"""`txt2sql runs` and `txt2sql compare`: the run folders there are, and whether one is better than another."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import JsonOption, grouped, option

if TYPE_CHECKING:
    from txt2sql.evaluation.comparison import Comparison


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
      txt2sql runs results --json
    """
    from txt2sql.errors import DataError
    from txt2sql.evaluation.table import Column, Table, print_table

    given = folders or [path for path in (Path("results"), Path("checkpoints")) if path.is_dir()]
    if missing := [path for path in given if not path.is_dir()]:
        raise DataError(f"no folder '{missing[0]}'; give folders that hold runs")
    files = {file.resolve(): file for root in given for file in sorted(root.rglob("run.json"))}
    rows = [_described(file) for file in files.values()]
    rows.sort(key=lambda row: str(row["started"]), reverse=True)
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
    config, report = made.get("config"), read_object(folder / "report.json")
    config = config if isinstance(config, dict) else {}
    names = [config.get(key) for key in ("method", "model", "dataset", "split")]
    headline, number = _judged(report) or _trained(folder)
    return {
        "run": str(folder),
        "started": made.get("started", ""),
        "what": " ".join(name for name in names if isinstance(name, str) and name) or folder.name,
        "commit": made.get("commit"),
        "finished": bool(report) or (folder / "model").is_dir(),
        "headline": headline,
        "number": number,
    }


def _judged(report: dict[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
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


def _trained(folder: Path) -> tuple[str, dict[str, Any] | None]:
    """The best of the accuracies that a training logged, and at which step it was."""
    from txt2sql.runs import read_rows

    rows = list(read_rows(folder / "metrics.jsonl"))
    step = max((int(row.get("step", 0)) for row in rows), default=0)
    measured = [
        (float(value), int(row.get("step", 0)), key)
        for row in rows
        for key, value in row.items()
        if key.partition("/")[0] == "execution_accuracy" and isinstance(value, (int, float))
    ]
    if not measured:
        return (f"step {step:,}", {"step": step}) if step else ("", None)
    value, at, key = max(measured, key=lambda each: each[0])
    _, slash, data = key.partition("/")
    of = f" ({data})" if slash else ""
    headline = f"EX {value:.1%} held out{of} at step {at:,} of {step:,}"
    return headline, {"metric": key, "mean": value, "step": at}


@grouped
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or a verdict file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, over the same examples.")],
    metric: str = option("The metric to compare.", default="execution_accuracy", metavar="NAME"),
    changes: int = option("Changed examples to show.", default=10, metavar="N", min=0),
    json: JsonOption = False,
) -> None:
    """Say whether B is better than A, and on which examples.

    Both must have judged the same examples. Prints both means, the paired difference with its 95%
    interval, the p of McNemar's exact test, and the examples that changed.

    \b
    Examples:
      txt2sql compare results/small results/large
      txt2sql compare results/small results/large --metric exact_match --changes 50
    """
    from txt2sql.evaluation import comparison

    result = comparison.compare(
        comparison.read_verdicts(a), comparison.read_verdicts(b), metric=metric
    )
    warnings = list(comparison.unlike(comparison.read_report(a), comparison.read_report(b)))
    if result.unmatched_a or result.unmatched_b:
        warnings.append(
            f"compared on the {result.a.n:,} examples that both have; left out: "
            f"{result.unmatched_a:,} of A, {result.unmatched_b:,} of B"
        )
    if result.unscored:
        warnings.append(
            f"{result.unscored:,} examples are left out because one side has no score for them"
        )
    if json:
        print(jsonlib.dumps({**comparison.as_json(result, str(a), str(b)), "warnings": warnings}))
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print(result, (a, b), changes)


def _print(result: Comparison, names: tuple[Path, Path], shown_changes: int) -> None:
    from txt2sql.cli.display import printable
    from txt2sql.evaluation.report import print_facts, shown, shown_difference, shown_p, words

    lines = [
        (f"A  {names[0]}", shown(result.a)),
        (f"B  {names[1]}", shown(result.b)),
        ("B - A", shown_difference(result.difference)),
    ]
    only_a, only_b = f"{result.only_a:,}", f"{result.only_b:,}"
    if result.p is None:
        alike = result.both + result.neither
        counts = f"A scores more on {only_a}, B on {only_b}, alike on {alike:,}"
        lines.append(("examples", counts))
    else:
        counts = (
            f"both {result.both:,}, only A {only_a}, only B {only_b}, neither {result.neither:,}"
        )
        lines += [("McNemar, exact", shown_p(result.p)), ("correct", counts)]
    print_facts(words(result.metric), lines)

    def one_line(text: str | None) -> str:
        return printable(" ".join((text or "").split()))

    for change in result.changed[:shown_changes]:
        better = "B better" if change.b > change.a else "A better"
        question = f": {one_line(change.question)}" if change.question else ""
        print(f"\n{one_line(change.key)} ({one_line(change.db_id)}), {better}{question}")
        print(f"  gold  {one_line(change.gold_sql)}")
        print(f"  A     {one_line(change.a_sql) or 'no SQL'}")
        print(f"  B     {one_line(change.b_sql) or 'no SQL'}")
    if (hidden := len(result.changed) - shown_changes) > 0:
        print(f"\n… {hidden:,} more examples changed; --changes {len(result.changed)} shows all")
