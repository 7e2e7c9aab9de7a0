"""`txt2sql evaluate-all`: every model and strategy on every data set, in one results table.

A cell of the table is one run of `txt2sql evaluate` in a process of its own, so that what one dies of
leaves the others. While the hash of what a cell depends on is the same, it is not measured again.
"""

from __future__ import annotations

import json as jsonlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from txt2sql.cli.options import (
    JsonOption,
    LimitOption,
    MaxCostOption,
    ModeOption,
    SeedOption,
    grouped,
    option,
)
from txt2sql.costs import HOURLY
from txt2sql.errors import ConfigError, DataError, Text2SQLError
from txt2sql.runs import read_object, write_atomically

if TYPE_CHECKING:
    from txt2sql.evaluation.results import ResultRow

CONFIG = Path("config") / "evaluation_config.yaml"
_HOSTED_AT_ONCE = 4
_TRAINED = ("results", "checkpoints")


@dataclass(frozen=True)
class Part:
    dataset: str
    split: str = "dev"

    @property
    def name(self) -> str:
        return f"{Path(self.dataset).name} {self.split}"


@dataclass(frozen=True)
class RowPlan:
    """A model and a strategy. `options` go to `txt2sql evaluate`; `folder` is where a model that is
    trained here lies."""

    model: str
    strategy: str = "greedy"
    options: tuple[str, ...] = ()
    folder: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The section `comparison` of config/evaluation_config.yaml."""

    data: tuple[Part, ...] = (Part("spider"),)
    rows: tuple[RowPlan, ...] = (RowPlan("bundled"),)
    published: Mapping[str, RowPlan] = field(default_factory=dict)
    hardware: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One row of the table. `command` is what follows `txt2sql evaluate`, `made_of` everything that
    the answers and verdicts depend on; there is a report, or `missing` says why there is none."""

    part: Part
    model: str
    strategy: str
    command: tuple[str, ...] = ()
    made_of: str = ""
    missing: str = ""
    hosted: bool = False
    source: str = "measured"
    report: Mapping[str, Any] | None = None
    failed: bool = False

    @property
    def name(self) -> str:
        words = f"{self.part.name}-{self.model}-{self.strategy}-{self.source}"
        return re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-")


@dataclass(frozen=True)
class TableOptions:
    config: Path | None = option(
        "What to compare  [default: config/evaluation_config.yaml]", metavar="FILE"
    )
    data: Path | None = option("The folder that holds the data sets.", metavar="DIR")
    limit: LimitOption = None
    seed: SeedOption = 0
    mode: ModeOption = "strict"
    published: Path | None = option(
        "Add a row for every file of predictions  [default: verdicts/ in --data]", metavar="DIR"
    )
    max_cost: MaxCostOption = None
    output: Path = option("Where it goes.", default=Path("results/evaluate_all"), metavar="DIR")
    json: JsonOption = False

    def command(self, part: Part, *who: str) -> tuple[str, ...]:
        limit = ["--limit", str(self.limit)] if self.limit else []
        data = ["--data", str(self.data)] if self.data else []
        given = [*data, *limit, "--seed", str(self.seed), "--mode", self.mode]
        return (*who[:2], "--dataset", part.dataset, "--split", part.split, *given, *who[2:])


@grouped
def evaluate_all(options: TableOptions) -> None:
    """Measure everything the config names and everything trained here; write one table and figures.

    Writes table.md, table.csv, table.json and pictures. What was measured before, with the same models,
    code and data, is not measured again; run the same command to go on after a stop.

    \b
    Examples:
      txt2sql evaluate-all
      txt2sql evaluate-all --mode official --published predictions --max-cost 20
    """
    from txt2sql.config import load
    from txt2sql.evaluation.figures import draw_rows
    from txt2sql.evaluation.results import CELLS, ResultRow, as_table, from_report, ordered
    from txt2sql.evaluation.table import as_csv, as_markdown

    file = options.config or (CONFIG if CONFIG.is_file() else None)
    comparison = load(Comparison, file, section="comparison" if file else "")
    output, hourly = options.output, {**HOURLY, **comparison.hardware}
    cells = _evaluated(list(plan(comparison, options)), output / "cells", options)
    rows = []
    for cell in cells:
        names = (cell.part.name, cell.model, cell.strategy)
        rows.append(
            from_report(cell.report, *names, hourly=hourly, source=cell.source)
            if cell.report
            else ResultRow(*names, missing=dict.fromkeys(CELLS, cell.missing), source=cell.source)
        )
    rows = ordered(rows)
    remarks = _remarks(rows, options)
    table = as_table(rows)
    page = "\n".join([as_markdown(table), "", *(f"- {remark}" for remark in remarks), ""])
    facts = {"mode": options.mode, "limit": options.limit, "seed": options.seed, "remarks": remarks}
    text = jsonlib.dumps({**facts, "rows": [row.as_json() for row in rows]}, indent=2) + "\n"
    files = {"table.md": f"# Results\n\n{page}", "table.csv": as_csv(table), "table.json": text}
    for name, content in files.items():
        write_atomically(output / name, content)
    try:
        for reason in draw_rows(rows, output / "figures"):
            print(f"left out: {reason}", file=sys.stderr)
    except ConfigError as error:  # without matplotlib
        print(f"no figures: {error}", file=sys.stderr)
    print(text if options.json else f"{page}\n{output / 'table.md'}\n", end="")
    if any(row.unanswered for row in rows) or any(cell.failed for cell in cells):
        raise typer.Exit(1)


def plan(comparison: Comparison, options: TableOptions) -> Iterator[Cell]:
    """Every cell, those that cannot be measured included."""
    from txt2sql.data import open_dataset
    from txt2sql.evaluation.mode import judge_version
    from txt2sql.evaluation.provenance import file_hash, text_hash

    published = options.published
    if published is None:
        root = options.data or Path(os.environ.get("TXT2SQL_DATA") or Path("data") / "raw")
        published = root / "verdicts"
    for part in comparison.data:
        try:
            source = open_dataset(part.dataset, options.data)
            next(iter(source.examples(part.split)), None)
        except DataError as error:
            missing = f"no data: {error}" if part.dataset not in str(error) else "no data here"
            for row in comparison.rows:
                yield Cell(part, row.model, row.strategy, missing=missing)
            continue
        # Files by size and time: their content would take longer to read than a table.
        stats = [(path.name, path.stat()) for path in source.files(part.split)]
        content = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
        for row in [*comparison.rows, *_trained(comparison.rows)]:
            yield _cell(row, part, options, content)
        n = source.count(part.split)
        for file in sorted(published.glob("*.jsonl")):
            with file.open("rb") as lines:
                if sum(1 for line in lines if line.strip()) != n:
                    continue  # of another split
            whose = comparison.published.get(file.stem, RowPlan(file.stem, "published"))
            command = options.command(part, "--predictions", str(file))
            made_of = text_hash(repr((command, file_hash(file), content, judge_version())))
            yield Cell(part, whose.model, whose.strategy, command, made_of, source="published")


def _cell(row: RowPlan, part: Part, options: TableOptions, content: str) -> Cell:
    from importlib.util import find_spec

    from txt2sql.evaluation.mode import judge_version
    from txt2sql.evaluation.provenance import ANSWERING, text_hash, weights_hash
    from txt2sql.models.catalog import find_hosted, resolve
    from txt2sql.models.hosted import find_keys

    hosted, name = find_hosted(row.model), row.folder or row.model
    missing = weights = ""
    if hosted:
        weights = repr(hosted)
        if find_keys(hosted.provider, api_base=hosted.api_base) is None:
            missing = "no key"
        elif not find_spec("litellm"):
            missing = "litellm is not installed"
    elif row.folder and not Path(row.folder).is_dir():
        missing = "not trained here"
    else:
        try:
            weights = weights_hash(resolve(name))
            missing = "" if weights else "weights not here"
        except Text2SQLError as error:
            missing = str(error).partition(";")[0]
    command = options.command(part, "--model", name, *row.options)
    made_of = text_hash(repr((command, weights, content, ANSWERING, judge_version())))
    return Cell(part, row.model, row.strategy, command, made_of, missing, hosted=bool(hosted))


def _trained(rows: Sequence[RowPlan]) -> Iterator[RowPlan]:
    """The models that were trained here and stand in no row."""
    from txt2sql.cli.train import METHODS
    from txt2sql.models.card import read_facts

    methods = {name: label for name, (label, _) in METHODS.items()}
    methods |= {"grpo": "GRPO", "rstar": "rStar-SQL"}
    known = {Path(row.folder).resolve() for row in rows if row.folder}
    names = ("config.json", "adapter_config.json")
    files = [f for root in _TRAINED for f in Path(root).glob("*/**/model/*config.json")]
    for folder in sorted({file.parent for file in files if file.name in names}):
        if folder.resolve() not in known:
            facts = read_facts(folder)
            model = Path(facts.base).name if facts else folder.parent.name
            method = methods.get(facts.method, facts.method) if facts else "trained here"
            yield RowPlan(model, f"{method} ({folder.parent.name})", folder=str(folder))


def _evaluated(cells: Sequence[Cell], folder: Path, options: TableOptions) -> list[Cell]:
    """Every cell in order: hosted models beside each other and beside the local ones."""
    from txt2sql.cli.progress import steps

    done = {cell.name: cell if cell.missing else _remembered(cell, folder) for cell in cells}
    left = [cell for cell in cells if done[cell.name] is None]
    budget = ["--account", str(folder.resolve())]
    if options.max_cost is not None:
        budget += ["--max-cost", str(options.max_cost)]
    if left:
        with (
            ThreadPoolExecutor(1) as local,
            ThreadPoolExecutor(_HOSTED_AT_ONCE) as hosted,
            steps("evaluate all", len(left)) as advance,
        ):
            futures = [
                hosted.submit(_measure, cell, folder, budget)
                if cell.hosted
                else local.submit(_measure, cell, folder, [])
                for cell in left
            ]
            for future in as_completed(futures):
                cell = future.result()
                done[cell.name] = cell
                outcome = _accuracy(cell.report) if cell.report else cell.missing
                advance(f"{cell.model}, {cell.strategy}, {cell.part.name}: {outcome}")
    return [done[cell.name] or cell for cell in cells]


def _remembered(cell: Cell, folder: Path) -> Cell | None:
    """The cell with its report, where it was measured before with the same of everything."""
    index = read_object(folder / f"{cell.name}.json")
    report = index.get("report")
    if index.get("made_of") != cell.made_of or not report or report.get("unanswered"):
        return None
    return replace(cell, report=report)


def _measure(cell: Cell, folder: Path, budget: Sequence[str]) -> Cell:
    """Run a cell. Its messages go to <name>.log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{cell.name}.log"
    with log.open("w", encoding="utf-8") as messages:
        done = subprocess.run(
            [sys.executable, "-m", "txt2sql", "evaluate", "--json", *cell.command, *budget],
            stdout=subprocess.PIPE,
            stderr=messages,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    try:
        report = jsonlib.loads(done.stdout)
    except ValueError:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].removeprefix("txt2sql: ") if lines else f"it ended with {done.returncode}"
        return replace(cell, missing=last.partition(";")[0][:80], failed=True)
    index = {"made_of": cell.made_of, "command": cell.command, "report": report}
    write_atomically(folder / f"{cell.name}.json", jsonlib.dumps(index) + "\n")
    return replace(cell, report=report)


def _accuracy(report: Mapping[str, Any]) -> str:
    names = ("execution_accuracy", "wikisql_execution_accuracy")
    value = next((report["metrics"][name] for name in names if name in report["metrics"]), None)
    return f"EX {value['mean']:.1%} (n = {value['n']:,})" if value else "done"


def _remarks(rows: Sequence[ResultRow], options: TableOptions) -> list[str]:
    """What a reader must know to trust the numbers."""
    remarks = [
        f"EM exact match, EX execution accuracy ({options.mode} mode), with 95% intervals; time is "
        "the median of a question."
    ]
    if any("wikisql" in row.data for row in rows):
        remarks.append("On WikiSQL, EM is logical-form accuracy.")
    if options.limit:
        drawn = f"A draw of {options.limit:,} questions of each data set, seed {options.seed}."
        remarks.append(drawn)
    measured = [row for row in rows if row.source == "measured"]
    if prices := {price for row in measured if (price := row.facts.get("dollars_per_hour"))}:
        listed = " or ".join(f"${price:.2g}" for price in sorted(prices))
        remarks.append(
            f"Cost of local models: their seconds at {listed} an hour, an assumed price."
        )
    if len(measured) < len(rows):
        remarks.append(
            "Rows without time and cost: published predictions, judged here like all others."
        )
    if partly := sum(row.unanswered > 0 for row in rows):
        remarks.append(f"{partly} rows lack questions that got no answer; run again to ask them.")
    return remarks
