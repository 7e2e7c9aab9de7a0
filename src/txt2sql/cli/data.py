"""`txt2sql data`: bring a data set here, look at it, check it, preprocess it; `txt2sql synth`: make one."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import DataOption, DatasetOption, JsonOption, flag, grouped, option
from txt2sql.cli.progress import stages
from txt2sql.errors import ConfigError, DataError

if TYPE_CHECKING:
    from txt2sql.data import Dataset

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Download, look at, check and preprocess the data sets.",
)

_SHOWN = {name: name for name in ("n", "ran", "failed", "empty", "matched")}
_SHOWN |= {"dropped": "reduced", "prompt_median": "chars (p50)", "prompt_p95": "(p95)"}

_Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where the data set lies  [default: $TXT2SQL_DATA/NAME, else data/raw/NAME]",
    ),
]


@app.command()
@grouped
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="spider or wikisql.")],
    dest: Path | None = option(
        "The folder to make  [default: $TXT2SQL_DATA/NAME, else data/raw/NAME]", metavar="DIR"
    ),
    source: str | None = option("In place of the official one.", metavar="URL|FILE"),
    sha256: str | None = option("What the archive's SHA-256 must be.", metavar="HEX"),
    force: bool = flag("Download again and replace what is there.", "--force"),
    retries: int = option("Tries without progress.", default=5, metavar="N", min=0),
    json: JsonOption = False,
) -> None:
    """Bring a data set here from its official place; run again to go on after an interruption."""
    from txt2sql.data import dataset_root
    from txt2sql.data.download import PLACES, Patience
    from txt2sql.data.download import download as fetch

    with stages(name, in_bytes=True) as progress:
        done = fetch(
            name,
            dataset_root(name) if dest is None else dest,
            source,
            sha256=sha256,
            force=force,
            progress=progress,
            patience=Patience(retries=retries),
        )
    if json:
        print(jsonlib.dumps(asdict(done), default=str))
    elif done.already:
        print(f"{name} is already in {done.folder}; --force downloads it again")
    else:
        if done.sha256:
            print(f"sha256 {done.sha256}  {done.source}")
        print(f"{name} is in {done.folder} (licence {PLACES[name].licence})")


@app.command()
def info(dataset: DatasetOption = "all", data: _Data = None, json: JsonOption = False) -> None:
    """Show the splits of the data sets: questions, databases, and where they lie."""
    from txt2sql.data.gold import sizes

    rows = [
        {"dataset": opened.name, **asdict(size), "folder": str(opened.root)}
        for opened in _open(dataset, data)
        for size in sizes(opened)
    ]
    if json:
        print(jsonlib.dumps({"splits": rows}))
    else:
        _print(rows)


@app.command()
def check(dataset: DatasetOption = "all", data: _Data = None, json: JsonOption = False) -> None:
    """Read every question, open every database and run every gold query.

    Gold SQL that is missing, no SELECT statement, names a table its database lacks or does not run
    is counted by kind, with the ids of its questions. Exit code 1 when something is wrong.
    """
    from txt2sql.data.gold import check as examine

    reports: dict[str, Any] = {}
    for opened in _open(dataset, data):
        with stages(opened.name) as progress:
            reports[opened.name] = asdict(examine(opened, progress))
    problems = [problem for report in reports.values() for problem in report["problems"]]
    if json:
        print(jsonlib.dumps(reports))
    else:
        _print([{"dataset": name, **s} for name, r in reports.items() for s in r["splits"]])
        for problem in problems[:20]:
            print(f"  {problem}")
        if len(problems) > 20:
            print(f"  … {len(problems) - 20:,} more")
        print(f"{len(problems):,} problems" if problems else "no problems")
    if problems:
        raise typer.Exit(1)


@app.command()
@grouped
def preprocess(
    dataset: DatasetOption = "all",
    data: _Data = None,
    out: Path = option("Where it goes.", default=Path("data/processed"), metavar="DIR"),
    split: list[str] | None = option("Only this split; repeatable.", metavar="NAME"),
    limit: int | None = option("Only the first N questions.", metavar="N", min=1),
    json: JsonOption = False,
) -> None:
    """Run every gold query and write each question with its matched values and prompt."""
    from txt2sql.data.preprocess import preprocess as process

    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    for opened in _open(dataset, data):
        # A `train` that only joins others is not written again.
        joined = any(name.startswith("train_") for name in opened.splits)
        names = [name for name in opened.splits if not (name == "train" and joined)]
        if split:
            names = [name for name in split if name in opened.splits or dataset != "all"]
        for name in names:
            with stages(opened.name) as progress:
                done = process(opened, name, out / opened.name, limit=limit, progress=progress)
            place = {"made": done.made, "file": str(done.path)}
            rows.append({"dataset": opened.name, **done.summary, **place})
            failures += [] if json else done.failures()
    if not rows:
        raise DataError(
            f"no data set has a split {' or '.join(split or ())}; see `txt2sql data info`"
        )
    if json:
        print(jsonlib.dumps({"splits": rows}))
        return
    names = [f"{row['dataset']} {row['split']}" for row in rows]
    shown = [{column: row[key] for key, column in _SHOWN.items()} for row in rows]
    _print([{"split": name, **each} for name, each in zip(names, shown, strict=True)])
    print(f"made {sum(row['made'] for row in rows):,} rows; the files are in {out}")
    if failed := sum(row["failed"] for row in rows):
        print(f"{failed:,} failed; their rows have an error:")
        for line in failures[:10]:
            print(f"  {line}")


def _open(dataset: str, data: Path | None) -> list[Dataset]:
    from txt2sql.data import DATASETS, PAGES, dataset_root, open_dataset

    if dataset != "all":
        return [open_dataset(dataset, data)]
    there = []
    for name in DATASETS:
        folder = dataset_root(name, data)
        if folder.is_dir() and folder != data:
            there.append(open_dataset(name, data))
        elif folder != data and name not in PAGES:
            print(f"{name} is not there; `txt2sql data download {name}`", file=sys.stderr)
    if not there:
        raise DataError(
            f"no data set in '{data or dataset_root('').parent}'; run `txt2sql data download spider` "
            "or `txt2sql data download wikisql`, or say where they are with --data or TXT2SQL_DATA"
        )
    return there


def _print(rows: Sequence[Mapping[str, Any]]) -> None:
    from txt2sql.evaluation.table import Column, Table, print_table

    names = list(dict.fromkeys(key for row in rows for key in row))
    columns = [Column(name.replace("_", " ")) for name in names]
    print_table(Table(columns, [[row.get(name, "") for name in names] for row in rows]))


@grouped
def synth(
    output: Path = option("A .jsonl file, or a folder.", default=..., metavar="FILE|FOLDER"),
    db: list[Path] | None = option("SQLite database; repeatable.", metavar="PATH"),
    dataset: str | None = option("Or: of a data set's split.", metavar="NAME|FOLDER"),
    split: str = option("Which split of it.", default="train", metavar="SPLIT"),
    data: DataOption = None,
    count: int = option("How many pairs.", "-n", default=1000, metavar="N", min=1),
    seed: int = option("Same seed, same pairs.", default=0, metavar="N"),
    json: JsonOption = False,
) -> None:
    """Make questions with SQL from the schema and the rows of a database.

    Every statement runs and returns something; no question and no statement comes twice.

    \b
    Examples:
      txt2sql synth --db shop.sqlite -n 1000 --output shop-pairs
      txt2sql synth --dataset spider --split train -n 20000 --output results/synthetic
    """
    from txt2sql.data import open_dataset
    from txt2sql.data.synthesis import Source, summary, synthesise, write_pairs
    from txt2sql.execution.database import open_database

    if bool(db) == bool(dataset):
        raise ConfigError(
            "say what to ask about: --db with a SQLite file, or --dataset with a name"
        )
    exclude: set[str] = set()
    entry = []
    if dataset:
        opened = open_dataset(dataset, data)
        ids = dict.fromkeys(example.db_id for example in opened.examples(split))
        sources = [Source(opened.database(db_id), opened.schema(db_id)) for db_id in ids]
        # A model is tested on the questions of the other splits, so none of them may come out.
        for other in opened.splits:
            if other != split and not other.startswith("train"):
                exclude |= {example.question for example in opened.examples(other)}
        entry = [opened.entry] if hasattr(opened, "entry") else []
    else:
        databases = [open_database(path) for path in db or ()]
        sources = [Source(database, database.schema()) for database in databases]
    output.parent.mkdir(parents=True, exist_ok=True)
    with stages("pairs") as show:
        pairs, report = synthesise(
            sources,
            count,
            seed=seed,
            exclude=exclude,
            advance=lambda made: show("", made, count),
        )
    write_pairs(pairs, output, sources, *entry)
    facts = summary(pairs, report)
    print(jsonlib.dumps(facts, ensure_ascii=False) if json else _text(facts, output))
    if not pairs:
        raise DataError("nothing could be asked of these databases; give some with rows")


def _text(statistics: dict[str, Any], output: Path) -> str:
    kinds = ", ".join(f"{kind} {share:.1%}" for kind, share in statistics["kinds"].items())
    rejected = ", ".join(f"{count:,} {why}" for why, count in statistics["rejected"].items())
    lines = [
        f"{statistics['pairs']:,} pairs from {statistics['databases']} databases in "
        f"{statistics['seconds']:.1f} s ({statistics['pairs_per_second']:,.0f} a second) -> {output}",
        f"kinds: {kinds.replace('_', ' ')}",
        f"rejected: {rejected or 'none'}",
    ]
    lines += [f"silent: {reason}" for reason in statistics["silent"].values()]
    if statistics["pairs"] < statistics["wanted"]:
        lines.append(
            f"these databases had no more than {statistics['pairs']:,} different pairs to give"
        )
    return "\n".join(lines)
