"""`txt2sql synth`: questions with SQL for your own databases, to train on.

$ txt2sql synth --db shop.sqlite -n 1000 --output results/shop-pairs
$ txt2sql synth --dataset spider --split train -n 20000 --output pairs.jsonl --json
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import DataOption
from txt2sql.errors import ConfigError, DataError

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.data.synthesis import Pair, Source


def synth(
    output: Annotated[
        Path,
        typer.Option(metavar="FILE|FOLDER", help="A .jsonl file, or a folder in Spider's layout."),
    ],
    db: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="SQLite database; repeatable.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Take the databases of a data set's split."),
    ] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="Which split of it.")] = "train",
    data: DataOption = None,
    count: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many pairs.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="N", help="Same seed, same pairs.")] = 0,
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="[default: all cores]")
    ] = None,
    writer: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="A model that rewrites the questions from the SQL."),
    ] = None,
    asker: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="The model that must find the SQL again.")
    ] = "bundled",
    json: Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")] = False,
) -> None:
    """Make questions with SQL from the schema and the rows of a database.

    Every statement runs and returns something; no question and no statement comes twice. A run that
    was stopped goes on when it is started again. With --writer, a question is the model's own where
    asking it back gives the same rows, and else stays as the templates have it.

    \b
    Examples:
      txt2sql synth --db shop.sqlite -n 1000 --output shop-pairs
      txt2sql synth --db a.sqlite --db b.sqlite --output pairs.jsonl
      txt2sql synth --dataset spider --split train -n 20000 --output results/synthetic
      txt2sql synth --db shop.sqlite --writer Qwen/Qwen3-4B-Instruct-2507 --output shop-pairs
    """
    from txt2sql.data.synthesis import summary, synthesise, write_pairs

    if bool(db) == bool(dataset):
        raise ConfigError(
            "say what to ask about: --db with a SQLite file, or --dataset with a name"
        )
    opened = _opened(dataset, data) if dataset else None
    sources = _sources_of(opened, split) if opened else _sources(db or ())
    exclude = _asked_elsewhere(opened, split) if opened else ()
    log = output.with_name(f".{output.name}.{count}.{seed}.part.jsonl")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write to '{log.parent}' ({error.strerror})") from error
    with _progress(count) as advance:
        pairs, report = synthesise(
            sources,
            count,
            seed=seed,
            processes=processes,
            exclude=exclude,
            log=log,
            advance=advance,
        )
    if writer:
        rewriting = log.with_name(f".{output.name}.rewriting.part.jsonl")
        pairs = _rewritten(pairs, sources, writer, asker, seed, exclude, rewriting)
        rewriting.unlink(missing_ok=True)
    entry = getattr(opened, "entry", None)
    write_pairs(pairs, output, sources, *([entry] if entry else []))
    log.unlink(missing_ok=True)
    found = summary(pairs, report)
    if json:
        import json as codec

        print(codec.dumps(found, ensure_ascii=False))
    else:
        print(_text(found, output))
    if not pairs:
        raise DataError("nothing could be asked of these databases; give some with rows")


def _opened(dataset: str, data: Path | None) -> Dataset:
    from txt2sql.data import open_dataset

    return open_dataset(dataset, data)


def _sources(paths: Sequence[Path]) -> list[Source]:
    from txt2sql.data.synthesis import Source
    from txt2sql.execution.database import open_database

    databases = [open_database(path) for path in paths]
    return [Source(database, database.schema()) for database in databases]


def _sources_of(dataset: Dataset, split: str) -> list[Source]:
    from txt2sql.data.synthesis import Source

    ids = dict.fromkeys(example.db_id for example in dataset.examples(split))
    return [Source(dataset.database(db_id), dataset.schema(db_id)) for db_id in ids]


def _asked_elsewhere(dataset: Dataset, split: str) -> set[str]:
    """The questions of the data set's other splits: a model is tested on them, so none may come out."""
    return {
        example.question
        for other in dataset.splits
        if other != split and not other.startswith("train")
        for example in dataset.examples(other)
    }


def _rewritten(
    pairs: Sequence[Pair],
    sources: Iterable[Source],
    writer: str,
    asker: str,
    seed: int,
    exclude: Collection[str],
    log: Path,
) -> list[Pair]:
    from txt2sql.cli.progress import steps
    from txt2sql.data.synthesis import rewrite
    from txt2sql.execution.compare import same_result
    from txt2sql.execution.execute import execute
    from txt2sql.models import hf
    from txt2sql.serving.service import build_predictor
    from txt2sql.sql.text import is_ordered

    known = {source.schema.db_id: source for source in sources}

    def agrees(db_id: str, sql: str, other: str) -> bool:
        gold, answer = (execute(known[db_id].database, text) for text in (sql, other))
        return gold.ok and answer.ok and same_result(gold, answer, is_ordered(sql))

    predictor = build_predictor(
        asker, lambda db_id: known[db_id].schema, lambda db_id: known[db_id].database
    )
    generator = hf.load(writer)
    done: list[Pair] = []
    with steps("rewriting", len(pairs)) as advance:
        for pair in rewrite(
            pairs,
            generator,
            predictor,
            lambda db_id: known[db_id].schema,
            agrees,
            seed=seed,
            exclude=exclude,
            log=log,
        ):
            done.append(pair)
            advance(f"{sum(each.writer != 'templates' for each in done):,} by {writer}")
    return done


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Progress by how many there are, where `steps` wants one call for each."""
    from txt2sql.cli.progress import steps

    shown = 0
    with steps("pairs", total) as step:

        def advance(made: int) -> None:
            nonlocal shown
            for _ in range(made - shown):
                step("")
            shown = max(shown, made)

        yield advance


def _text(found: dict[str, Any], output: Path) -> str:
    levels = "  ".join(f"{level} {share:.0%}" for level, share in found["levels"].items())
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in found["rejected"].items())
    lines = [
        f"{found['pairs']:,} pairs from {found['databases']} databases in {found['seconds']:.1f} s "
        f"({found['pairs_per_second']:,.0f} a second) -> {output}",
        f"hardness: {levels}",
        f"skeletons: {found['skeletons']:,}, those of {found['skeleton_coverage']:.1%} of Spider's training golds",
        f"questions: {found['question_words']:,} different words, {found['mean_question_words']:.1f} in each",
        f"rejected: {rejected or 'none'}",
    ]
    lines += [f"silent: {reason}" for reason in found["silent"].values()]
    if found["pairs"] < found["wanted"]:
        lines.append(f"these databases had no more than {found['pairs']:,} different pairs to give")
    return "\n".join(lines)
