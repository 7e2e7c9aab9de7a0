"""`txt2sql data`: bring a data set here, look at it, check it, preprocess it.

$ txt2sql data download spider
$ txt2sql data download spider --source ~/Downloads/spider_data.zip
$ txt2sql data check --dataset spider
$ txt2sql data preprocess --dataset all
"""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import JsonOption
from txt2sql.cli.progress import PLAIN_EVERY_S

if TYPE_CHECKING:
    from txt2sql.data import Dataset

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Download, look at, check and preprocess the data sets.",
)

_Dataset = Annotated[
    str,
    typer.Option(
        metavar="NAME|FOLDER",
        help="spider, wikisql, spider_syn, cosql, bird_train, wtq, all, or a folder in the layout of "
        "Spider, BIRD or WikiSQL.",
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where the data set lies  [default: $TXT2SQL_DATA/NAME, else data/raw/NAME]",
    ),
]


@app.command()
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="spider or wikisql.")],
    dest: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder to make  [default: $TXT2SQL_DATA/NAME, else data/raw/NAME]",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="URL|FILE|DIR", help="A URL, zip, tar or folder in place of the official one."
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the archive's SHA-256 must be.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Download again and replace what is there.")
    ] = False,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="Tries without progress before giving up.")
    ] = 5,
    json: JsonOption = False,
) -> None:
    """Bring a data set here from its official place; run again to go on after an interruption."""
    from txt2sql.data import dataset_root
    from txt2sql.data import download as room
    from txt2sql.data.fetch import Patience

    folder = dest if dest is not None else dataset_root(name)
    with _progress(name, in_bytes=True) as progress:
        done = room.download(
            name,
            folder,
            source,
            sha256=sha256,
            force=force,
            progress=progress,
            patience=Patience(retries=retries),
        )
    if json:
        print(jsonlib.dumps(asdict(done), default=str))
        return
    if done.found:
        print(f"{name} is already in {done.folder}; --force downloads it again")
        return
    if done.sha256:
        print(f"sha256 {done.sha256}  {done.source}")
    print(f"{name} is in {done.folder} (licence {room.PLACES[name].licence})")


@app.command()
def info(dataset: _Dataset = "all", data: _Data = None, json: JsonOption = False) -> None:
    """Show the splits of the data sets: questions, databases, and where they lie."""
    from txt2sql.data.check import sizes

    rows = [
        {"dataset": opened.name, **asdict(size), "folder": str(opened.root)}
        for opened in _open(dataset, data)
        for size in sizes(opened)
    ]
    if json:
        print(jsonlib.dumps({"splits": rows}))
    else:
        _table(rows)


@app.command()
def check(dataset: _Dataset = "all", data: _Data = None, json: JsonOption = False) -> None:
    """Read every question, open every database and run every gold query.

    Gold SQL that is missing, no SELECT statement, names a table its database lacks or does not run
    is counted by kind, with the ids of its questions. Exit code 1 when something is wrong.
    """
    from txt2sql.data import check as room

    reports: dict[str, Any] = {}
    for opened in _open(dataset, data):
        with _progress(opened.name) as progress:
            reports[opened.name] = asdict(room.check(opened, progress))
    problems = [problem for report in reports.values() for problem in report["problems"]]
    if json:
        print(jsonlib.dumps(reports))
    else:
        _table([{"dataset": name, **s} for name, r in reports.items() for s in r["splits"]])
        for problem in problems[:20]:
            print(f"  {problem}")
        if len(problems) > 20:
            print(f"  … {len(problems) - 20:,} more")
        print(f"{len(problems):,} problems" if problems else "no problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def preprocess(
    dataset: _Dataset = "all",
    data: _Data = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the processed data sets go.")
    ] = Path("data/processed"),
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this split; may be given several times."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N questions.")
    ] = None,
    style: Annotated[str, typer.Option(metavar="NAME", help="The prompt style.")] = "ddl",
    json: JsonOption = False,
) -> None:
    """Run every gold query and write each question with its matched values and prompt."""
    from txt2sql.data import preprocess as room
    from txt2sql.errors import DataError

    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for opened in _open(dataset, data):
        for name in _chosen(opened, split, of_all=dataset == "all"):
            with _progress(opened.name) as progress:
                processed = room.preprocess(
                    opened, name, out / opened.name, style=style, limit=limit, progress=progress
                )
            rows.append({"dataset": opened.name, **asdict(processed.summary)})
            rows[-1] |= {"made": processed.made, "file": str(processed.path)}
            failures += processed.failures
    if not rows:
        raise DataError(
            f"no data set has a split {' or '.join(split or ())}; see `txt2sql data info`"
        )
    if json:
        print(jsonlib.dumps({"splits": rows}))
        return
    _table([_summary_row(row) for row in rows])
    print(f"made {sum(row['made'] for row in rows):,} rows; the files are in {out}")
    failed = sum(row["failed"] for row in rows)
    if failed:
        print(f"{failed:,} failed; they are listed in the .failures.jsonl beside each file:")
        for line in failures[:10]:
            print(f"  {line}")


def _open(dataset: str, data: Path | None) -> list[Dataset]:
    """The data sets that are meant; of `all`, those that are there, but at least one."""
    from txt2sql.data import DATASETS, PAGES, dataset_root, open_dataset
    from txt2sql.errors import DataError

    if dataset != "all":
        return [open_dataset(dataset, data)]
    there = []
    for name in DATASETS:
        folder = dataset_root(name, data)
        if data is not None and folder == data:
            continue
        if folder.is_dir():
            there.append(open_dataset(name, data))
        elif name not in PAGES:
            print(f"{name} is not there; `txt2sql data download {name}`", file=sys.stderr)
    if not there:
        raise DataError(
            f"no data set in '{data or dataset_root('').parent}'; run `txt2sql data download spider` "
            "or `txt2sql data download wikisql`, or say where they are with --data or TXT2SQL_DATA"
        )
    return there


def _chosen(dataset: Dataset, splits: Sequence[str] | None, of_all: bool) -> Sequence[str]:
    """The splits asked for, else every one but a `train` that only joins others."""
    if splits:
        return [name for name in splits if name in dataset.splits or not of_all]
    joined = any(name.startswith("train_") for name in dataset.splits)
    return [name for name in dataset.splits if not (name == "train" and joined)]


def _summary_row(row: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to see of a split, in 80 characters."""
    shown = {"split": f"{row['dataset']} {row['split']}", "n": row["n"]}
    for key in ("ran", "failed", "empty", "matched"):
        shown[key] = row[key]
    if row["without_gold"]:
        shown["no gold"] = row["without_gold"]
    shown["reduced"] = row["dropped"]
    shown["chars (p50)"], shown["(p95)"] = row["prompt_median"], row["prompt_p95"]
    return shown


def _table(rows: Sequence[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for key in columns:
        numeric = any(isinstance(row.get(key), int) for row in rows)
        table.add_column(key.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        cells = (row.get(key, "") for key in columns)
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in cells))
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)


@contextmanager
def _progress(
    label: str, in_bytes: bool = False
) -> Iterator[Callable[[str, int, int | None], None]]:
    """What the data room reports, on standard error: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _lines(label, in_bytes)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn(binary_units=False) if in_bytes else MofNCompleteColumn()
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), amount, remaining)
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(f"{label} {stage}", total=total, completed=done)
            progress.update(tasks[stage], completed=done, total=total)

        yield show


def _lines(label: str, in_bytes: bool) -> Callable[[str, int, int | None], None]:
    shown: dict[str, float] = {}

    def show(stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - shown.get(stage, 0.0) < PLAIN_EVERY_S and done != total:
            return
        shown[stage] = now
        amounts = [amount for amount in (done, total) if amount is not None]
        text = "/".join(f"{n / 1e6:,.1f} MB" if in_bytes else f"{n:,}" for n in amounts)
        print(f"{label} {stage}: {text}", file=sys.stderr, flush=True)

    return show
