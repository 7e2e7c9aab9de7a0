"""`txt2sql evaluate-all`: every model and strategy on every data set, in one results table.

$ txt2sql evaluate-all
$ txt2sql evaluate-all --limit 200 --published ../predictions --max-cost 20
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from txt2sql.cli.cells import Cell, Comparison, Draw
    from txt2sql.evaluation.table import TableRow

CONFIG = Path("config") / "evaluation_config.yaml"
_HOSTED_AT_ONCE = 4


def evaluate_all(
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What to compare  [default: config/evaluation_config.yaml]"
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder that holds the data sets.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only N examples of each, drawn with --seed."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The seed of the draw.")] = 0,
    mode: Annotated[
        str, typer.Option(metavar="NAME", help="strict, or official: as the benchmark's script.")
    ] = "strict",
    published: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Add a row for every file of predictions  [default: verdicts/ in --data]",
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            metavar="DOLLARS", min=0.0, help="Hosted models, all together: spend no more."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Local models measured at the same time.")
    ] = 1,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where table and figures go.")] = Path(
        "results"
    )
    / "evaluate_all",
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Measure everything the config names and everything trained here; write one table and figures.

    Writes table.md, table.csv, table.json, table.tex and pictures. What was measured before, with the
    same models, code and data, is not measured again; run the same command to go on after a stop.

    \b
    Examples:
      txt2sql evaluate-all
      txt2sql evaluate-all --limit 200
      txt2sql evaluate-all --mode official --published predictions --max-cost 20
    """
    from txt2sql.cli.cells import Comparison, Draw, plan
    from txt2sql.config import load
    from txt2sql.evaluation.table import as_csv, as_latex, as_markdown, dumps, from_report, ordered
    from txt2sql.runs import write_atomically

    file = config or (CONFIG if CONFIG.is_file() else None)
    comparison = load(Comparison, file, section="comparison" if file else "")
    data = _data_root(data)
    folder = published or _published(data)
    draw = Draw(data, limit, seed, mode)
    reports = list(_measured(plan(comparison, draw, folder), output / "cells", jobs, max_cost))
    rows = ordered(
        from_report(
            report,
            cell.part.name,
            cell.model,
            cell.strategy,
            hourly=comparison.hourly,
            source=cell.source,
        )
        if report
        else _without(cell, why)
        for cell, report, why in reports
    )
    remarks = _remarks(rows, comparison, draw)
    page = as_markdown(rows, remarks)
    text = dumps(rows, {"mode": mode, "limit": limit, "seed": seed, "remarks": remarks})
    before = output / "table.json"
    same = before.is_file() and before.read_text(encoding="utf-8") == text
    for name, content in {
        "table.md": f"# Results\n\n{page}",
        "table.csv": as_csv(rows),
        "table.json": text,
        "table.tex": as_latex(rows, " ".join(remarks[:2])),
    }.items():
        write_atomically(output / name, content)
    if not (same and (output / "figures").is_dir()):
        _draw(rows, output / "figures")
    print(text if json else page, end="")
    if not json:
        print(f"\n{output / 'table.md'}")
    if any(row.unanswered for row in rows) or any(why.startswith("!") for _, _, why in reports):
        raise typer.Exit(1)


def _data_root(given: Path | None) -> Path | None:
    """Where the data sets lie: as given, as ever, else in a data folder beside the checkout."""
    if given or os.environ.get("TXT2SQL_DATA") or (Path("data") / "raw" / "spider").is_dir():
        return given
    beside = sorted(path.parents[1] for path in Path("..").glob("*/data/spider/tables.json"))
    return beside[0] if beside else None


def _published(data: Path | None) -> Path | None:
    """The folder `verdicts` of published predictions beside the data sets, where there is one."""
    root = data or Path(os.environ.get("TXT2SQL_DATA") or Path("data") / "raw")
    return root / "verdicts" if (root / "verdicts").is_dir() else None


_Result = tuple["Cell", "dict[str, Any] | None", str]
"""A cell with its report, or None and why; a reason that starts with ! is a failure."""


def _measured(
    cells: Iterable[Cell], folder: Path, jobs: int, max_cost: float | None
) -> Iterator[_Result]:
    """Every cell in order: those known at once, hosted models beside each other and beside the rest."""
    from txt2sql.cli.cells import remembered
    from txt2sql.cli.progress import steps

    planned = list(cells)
    found: dict[str, _Result] = {}
    left = []
    for cell in planned:
        report = None if cell.missing else remembered(cell, folder)
        if cell.missing or report:
            found[cell.name] = (cell, report, cell.missing)
        else:
            left.append(cell)
    if left:
        with steps("evaluate all", len(left)) as advance:
            for cell, report, why in _all(left, folder, jobs, max_cost):
                found[cell.name] = (cell, report, why)
                advance(f"{cell.model}, {cell.strategy}, {cell.part.name}: {_told(report, why)}")
    for cell in planned:
        yield found[cell.name]


def _all(
    cells: Sequence[Cell], folder: Path, jobs: int, max_cost: float | None
) -> Iterator[_Result]:
    from txt2sql.cli.cells import measure

    budget = ["--account", str(folder.resolve())]
    if max_cost is not None:
        budget += ["--max-cost", str(max_cost)]
    with ThreadPoolExecutor(jobs) as local, ThreadPoolExecutor(_HOSTED_AT_ONCE) as hosted:
        waiting: dict[Future[tuple[dict[str, Any] | None, str]], Cell] = {
            (hosted if cell.hosted else local).submit(
                measure, cell, folder, budget if cell.hosted else ()
            ): cell
            for cell in cells
        }
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                report, why = future.result()
                yield waiting.pop(future), report, f"!{why}" if why else ""


def _told(report: dict[str, Any] | None, why: str) -> str:
    if report is None:
        return why.removeprefix("!")
    names = ("execution_accuracy", "wikisql_execution_accuracy")
    value = next((report["metrics"][name] for name in names if name in report["metrics"]), None)
    return f"EX {value['mean']:.1%} (n = {value['n']:,})" if value else "done"


def _without(cell: Cell, why: str) -> TableRow:
    from txt2sql.evaluation.table import CELLS, TableRow

    reason = why.removeprefix("!")
    return TableRow(
        cell.part.name,
        cell.model,
        cell.strategy,
        missing=dict.fromkeys(CELLS, reason),
        source=cell.source,
    )


def _remarks(rows: Sequence[TableRow], comparison: Comparison, draw: Draw) -> list[str]:
    """What a reader must know to trust the numbers."""
    told = [
        f"EM exact match, EX execution accuracy ({draw.mode} mode), in percent with 95% intervals; "
        "time is the median of a question."
    ]
    if any("wikisql" in row.data for row in rows):
        told.append("On WikiSQL, EM is logical-form accuracy.")
    if draw.limit:
        told.append(f"A draw of {draw.limit:,} questions of each data set, seed {draw.seed}.")
    prices = {
        row.facts["dollars_per_hour"] for row in rows if row.facts and row.source == "measured"
    }
    if known := sorted(price for price in prices if price):
        listed = " or ".join(f"${price:.2g}" for price in known)
        told.append(f"Cost of local models: their seconds at {listed} an hour, an assumed price.")
    if any(row.source == "published" for row in rows):
        told.append(
            "Rows without time and cost: published predictions, judged here like all others."
        )
    partly = [row for row in rows if row.unanswered]
    if partly:
        told.append(f"{len(partly)} rows lack questions that got no answer; run again to ask them.")
    return told


def _draw(rows: Sequence[TableRow], folder: Path) -> None:
    """The pictures that there are numbers for, one folder per data set; none without matplotlib."""
    from txt2sql.errors import ConfigError
    from txt2sql.evaluation.table_figures import draw_rows

    try:
        for reason in draw_rows(rows, folder):
            print(f"left out: {reason}", file=sys.stderr)
    except ConfigError as error:
        print(f"no figures: {error}", file=sys.stderr)
