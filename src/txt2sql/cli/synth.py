"""`txt2sql synth`: questions with SQL for your own databases, to train on."""

from __future__ import annotations

import json as codec
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from txt2sql.cli.options import DataOption, JsonOption, grouped, option
from txt2sql.cli.progress import stages
from txt2sql.errors import ConfigError, DataError


@dataclass(frozen=True)
class SynthOptions:
    """Which databases are asked about, and where the pairs go."""

    output: Path = option(
        "A .jsonl file, or a folder in Spider's layout.", default=..., metavar="FILE|FOLDER"
    )
    db: list[Path] | None = option("SQLite database; repeatable.", metavar="PATH")
    dataset: str | None = option("Take the databases of a data set's split.", metavar="NAME|FOLDER")
    split: str = option("Which split of it.", default="train", metavar="SPLIT")
    data: DataOption = None
    count: int = option("How many pairs.", "-n", default=1000, metavar="N", min=1)
    seed: int = option("Same seed, same pairs.", default=0, metavar="N")
    json: JsonOption = False


@grouped
def synth(options: SynthOptions) -> None:
    """Make questions with SQL from the schema and the rows of a database.

    Every statement runs and returns something; no question and no statement comes twice.

    \b
    Examples:
      txt2sql synth --db shop.sqlite -n 1000 --output shop-pairs
      txt2sql synth --db a.sqlite --db b.sqlite --output pairs.jsonl
      txt2sql synth --dataset spider --split train -n 20000 --output results/synthetic
    """
    from txt2sql.data import open_dataset
    from txt2sql.data.synthesis import Source, summary, synthesise, write_pairs
    from txt2sql.execution.database import open_database

    output, count, split = options.output, options.count, options.split
    if bool(options.db) == bool(options.dataset):
        raise ConfigError(
            "say what to ask about: --db with a SQLite file, or --dataset with a name"
        )
    exclude: set[str] = set()
    dataset = None
    if options.dataset:
        dataset = open_dataset(options.dataset, options.data)
        ids = dict.fromkeys(example.db_id for example in dataset.examples(split))
        sources = [Source(dataset.database(db_id), dataset.schema(db_id)) for db_id in ids]
        # A model is tested on the questions of the other splits, so none of them may come out.
        for other in dataset.splits:
            if other != split and not other.startswith("train"):
                exclude |= {example.question for example in dataset.examples(other)}
    else:
        databases = [open_database(path) for path in options.db or ()]
        sources = [Source(database, database.schema()) for database in databases]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to '{output.parent}' ({error.strerror})") from error
    with stages("pairs") as show:
        pairs, report = synthesise(
            sources,
            count,
            seed=options.seed,
            exclude=exclude,
            advance=lambda made: show("", made, count),
        )
    entry = getattr(dataset, "entry", None)
    write_pairs(pairs, output, sources, *([entry] if entry else []))
    statistics = summary(pairs, report)
    print(
        codec.dumps(statistics, ensure_ascii=False) if options.json else _text(statistics, output)
    )
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
