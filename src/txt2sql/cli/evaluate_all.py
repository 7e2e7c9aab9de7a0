"""`txt2sql evaluate-all`: every model and strategy on every data set, in one results table.

$ txt2sql evaluate-all
$ txt2sql evaluate-all --limit 200 --published ../predictions --max-cost 20
"""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import JsonOption, LimitOption, MaxCostOption, ModeOption, SeedOption

if TYPE_CHECKING:
    from txt2sql.cli.cells import Cell, Draw
    from txt2sql.evaluation.results import ResultRow

CONFIG = Path("config") / "evaluation_config.yaml"
_HOSTED_AT_ONCE = 4

_Result = tuple["Cell", "dict[str, Any] | None", str]
"""A cell with its report, or None and why; a reason that starts with ! is a failure."""


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
    limit: LimitOption = None,
    seed: SeedOption = 0,
    mode: ModeOption = "strict",
    published: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Add a row for every file of predictions  [default: verdicts/ in --data]",
        ),
    ] = None,
    max_cost: MaxCostOption = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Local models measured at the same time.")
    ] = 1,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where table and figures go.")] = Path(
        "results/evaluate_all"
    ),
    json: JsonOption = False,
) -> None:
    """Measure everything the config names and everything trained here; write one table and figures.

    Writes table.md, table.csv, table.json and pictures. What was measured before, with the same models,
    code and data, is not measured again; run the same command to go on after a stop.

    \b
    Examples:
      txt2sql evaluate-all
      txt2sql evaluate-all --limit 200
      txt2sql evaluate-all --mode official --published predictions --max-cost 20
    """
    from txt2sql.cli.cells import Comparison, Draw, plan
    from txt2sql.config import load
    from txt2sql.evaluation.results import CELLS, ResultRow, as_table, from_report, ordered
    from txt2sql.evaluation.table import as_csv, as_markdown
    from txt2sql.runs import write_atomically

    file = config or (CONFIG if CONFIG.is_file() else None)
    comparison = load(Comparison, file, section="comparison" if file else "")
    data = _data_root(data)
    draw = Draw(data, limit, seed, mode)
    cells = plan(comparison, draw, published or _published(data))
    results = list(_measured(cells, output / "cells", jobs, max_cost))
    rows = []
    for cell, report, why in results:
        names = (cell.part.name, cell.model, cell.strategy)
        missing = dict.fromkeys(CELLS, why.removeprefix("!"))
        rows.append(
            from_report(report, *names, hourly=comparison.hourly, source=cell.source)
            if report
            else ResultRow(*names, missing=missing, source=cell.source)
        )
    rows = ordered(rows)
    remarks = _remarks(rows, draw)
    table = as_table(rows)
    page = "\n".join([as_markdown(table), "", *(f"- {remark}" for remark in remarks), ""])
    facts = {"mode": mode, "limit": limit, "seed": seed, "remarks": remarks}
    text = jsonlib.dumps({**facts, "rows": [row.as_json() for row in rows]}, indent=2) + "\n"
    before = output / "table.json"
    same = before.is_file() and before.read_text(encoding="utf-8") == text
    for name, content in {
        "table.md": f"# Results\n\n{page}",
        "table.csv": as_csv(table),
        "table.json": text,
    }.items():
        write_atomically(output / name, content)
    if not (same and (output / "figures").is_dir()):
        _draw(rows, output / "figures")
    print(text if json else page, end="")
    if not json:
        print(f"\n{output / 'table.md'}")
    if any(row.unanswered for row in rows) or any(why.startswith("!") for _, _, why in results):
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


def _measured(
    cells: Iterable[Cell], folder: Path, jobs: int, max_cost: float | None
) -> Iterator[_Result]:
    """Every cell in order: those known at once, hosted models beside each other and beside the rest."""
    from txt2sql.cli.cells import remembered
    from txt2sql.cli.progress import steps

    planned = list(cells)
    results: dict[str, _Result] = {}
    for cell in planned:
        report = None if cell.missing else remembered(cell, folder)
        if cell.missing or report:
            results[cell.name] = (cell, report, cell.missing)
    left = [cell for cell in planned if cell.name not in results]
    if left:
        with steps("evaluate all", len(left)) as advance:
            for cell, report, why in _all(left, folder, jobs, max_cost):
                results[cell.name] = (cell, report, why)
                outcome = _accuracy(report) if report else why.removeprefix("!")
                advance(f"{cell.model}, {cell.strategy}, {cell.part.name}: {outcome}")
    for cell in planned:
        yield results[cell.name]


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


def _accuracy(report: dict[str, Any]) -> str:
    names = ("execution_accuracy", "wikisql_execution_accuracy")
    value = next((report["metrics"][name] for name in names if name in report["metrics"]), None)
    return f"EX {value['mean']:.1%} (n = {value['n']:,})" if value else "done"


def _remarks(rows: Sequence[ResultRow], draw: Draw) -> list[str]:
    """What a reader must know to trust the numbers."""
    remarks = [
        f"EM exact match, EX execution accuracy ({draw.mode} mode), with 95% intervals; "
        "time is the median of a question."
    ]
    if any("wikisql" in row.data for row in rows):
        remarks.append("On WikiSQL, EM is logical-form accuracy.")
    if draw.limit:
        remarks.append(f"A draw of {draw.limit:,} questions of each data set, seed {draw.seed}.")
    prices = {
        price
        for row in rows
        if row.source == "measured" and (price := row.facts.get("dollars_per_hour"))
    }
    if prices:
        listed = " or ".join(f"${price:.2g}" for price in sorted(prices))
        remarks.append(
            f"Cost of local models: their seconds at {listed} an hour, an assumed price."
        )
    if any(row.source == "published" for row in rows):
        remarks.append(
            "Rows without time and cost: published predictions, judged here like all others."
        )
    if partly := sum(row.unanswered > 0 for row in rows):
        remarks.append(f"{partly} rows lack questions that got no answer; run again to ask them.")
    return remarks


def _draw(rows: Sequence[ResultRow], folder: Path) -> None:
    """The pictures that there are numbers for, one folder per data set; none without matplotlib."""
    from txt2sql.errors import ConfigError
    from txt2sql.evaluation.figures import draw_rows

    try:
        for reason in draw_rows(rows, folder):
            print(f"left out: {reason}", file=sys.stderr)
    except ConfigError as error:
        print(f"no figures: {error}", file=sys.stderr)
