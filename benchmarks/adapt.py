"""What `txt2sql adapt` is worth: questions of people, before and after, on two databases it never saw.

The sample database (8 tables, plain names) and an invented cooperative (38 tables, abbreviated names).
Each is adapted to as a user would who has written down some questions of their own: in two folds, the
questions of one teach beside those made from the database, and the other's are asked of the model as it
is and of the adapted one, so that every question is asked once and none was trained on, in no words.
`--folds 0` adapts from the database alone. Judged by execution accuracy; compared in pairs.

    python benchmarks/adapt.py [--folds 0] [--only bookshops] [--quick] [--set steps=50]
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from txt2sql import sample
from txt2sql.cli.progress import steps
from txt2sql.config import load
from txt2sql.evaluation.comparison import Comparison, Row, compare
from txt2sql.evaluation.evaluate import judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.report import verdict_rows
from txt2sql.execution.database import Database, open_database
from txt2sql.runs import hardware, versions
from txt2sql.serving.service import build_predictor
from txt2sql.training.adapt import adapt
from txt2sql.training.adapt_pairs import statement
from txt2sql.training.adapt_report import numbers
from txt2sql.training.adapt_settings import AdaptConfig
from txt2sql.types import Example, Schema

PEOPLE = Path(__file__).parent / "people"
QUICK = ("count=200", "held_out=40", "steps=20", "general=")


def main() -> None:
    """Print a line for each set of questions, and one JSON object last."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results") / "adapt-benchmark")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--only", choices=["bookshops", "energy_coop"])
    parser.add_argument(
        "--folds", type=int, default=2, help="below 2: made questions alone teach (default: 2)"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    os.environ.setdefault("TXT2SQL_CACHE", str(arguments.output / "cache"))
    settings = [*(QUICK if arguments.quick else ()), *arguments.settings]
    config = load(AdaptConfig, None, settings)
    rows: tuple[list[Row], list[Row]] = ([], [])
    found: dict[str, Any] = {}
    for name, (path, sets) in databases(arguments.output).items():
        if arguments.only in (None, name):
            found[name] = measure(open_database(path), sets, config, arguments, rows)
    whole = compare(*rows)
    show("all", whole)
    print(
        json.dumps(
            {
                "name": "adapt",
                "ours": whole.b.mean,
                "peer": whole.a.mean,
                "ratio": whole.b.mean / whole.a.mean if whole.a.mean else None,
                "n": whole.a.n,
                "unit": "execution accuracy",
                "difference": whole.difference._asdict(),
                "p": whole.p,
                "databases": found,
                "machine": hardware(),
                "versions": versions(),
            }
        )
    )


def databases(output: Path) -> dict[str, tuple[Path, dict[str, Path]]]:
    """Name -> file, and the files of questions about it."""
    wide = output / "energy_coop.sqlite"
    if not wide.is_file():
        wide.parent.mkdir(parents=True, exist_ok=True)
        sys.path.insert(0, str(PEOPLE))  # as for a script of that folder
        spec = importlib.util.spec_from_file_location("wide", PEOPLE / "energy_coop.py")
        assert spec is not None
        assert spec.loader is not None
        builder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(builder)
        part = wide.with_suffix(".part")
        part.unlink(missing_ok=True)
        builder.build(part)
        part.replace(wide)
    own = {"questions": PEOPLE / "bookshops.json", "sample": sample.folder() / "dev.json"}
    return {
        "bookshops": (sample.path(), own),
        "energy_coop": (wide, {"questions": PEOPLE / "energy_coop.json"}),
    }


def measure(
    database: Database,
    sets: dict[str, Path],
    config: AdaptConfig,
    arguments: argparse.Namespace,
    rows: tuple[list[Row], list[Row]],
) -> dict[str, Any]:
    """Adapt to a database and ask; the verdicts are added to `rows`, before and after."""
    schema = database.schema()

    def answering(model: str | Path) -> Any:
        return build_predictor(model, lambda _: schema, lambda _: database, channel=False)

    pairs = {
        Example(f"{name}-{i}", database.db_id, item["question"], item["query"]): name
        for name, file in sets.items()
        for i, item in enumerate(json.loads(file.read_text(encoding="utf-8")))
    }
    found: tuple[list[Row], list[Row]] = ([], [])
    told = []
    for number, (taught, asked) in enumerate(folds(list(pairs), schema, arguments.folds)):
        report = adapt(
            database,
            dataclasses.replace(config, given_share=1.0),
            arguments.output / f"{database.db_id}-{number}",
            answering,
            model=arguments.model,
            given=as_file(taught, arguments.output / f"{database.db_id}-{number}.json"),
            report=lambda line: print(line, file=sys.stderr),
            progress=steps,
        )
        assert report is not None
        told.append({"used": report["used"], "made": report["measured"]["synthetic"],
                     "given": len(taught), "seconds": report["seconds"]})  # fmt: skip
        for place, model in enumerate((arguments.model, Path(report["adapter"]))):
            found[place].extend(verdicts(asked, answering, model, database))
    result: dict[str, Any] = {"tables": len(schema.tables), "runs": told, "sets": {}}
    for name in sets:
        of = [
            [row for row in place if row["example_id"].rpartition("-")[0] == name]
            for place in found
        ]
        comparison = compare(*of)
        show(f"{database.db_id}, {name}", comparison)
        result["sets"][name] = {"n": comparison.a.n, **numbers(comparison)}
    for place, more in zip(rows, found, strict=True):
        place.extend({**row, "example_id": f"{database.db_id}-{row['example_id']}"} for row in more)
    return result


def folds(
    pairs: list[Example], schema: Schema, count: int
) -> Iterator[tuple[list[Example], list[Example]]]:
    """(what teaches, what is asked): every pair is asked once, and never in a run that was taught
    its statement, with whatever values. Fewer than two folds: nothing teaches.
    """
    if count < 2:
        yield [], pairs
        return
    keys = sorted({statement(pair.gold_sql, schema) for pair in pairs})
    random.Random("folds").shuffle(keys)
    fold = {key: i % count for i, key in enumerate(keys)}
    of = [fold[statement(pair.gold_sql, schema)] for pair in pairs]
    for number in range(count):
        yield (
            [pair for pair, at in zip(pairs, of, strict=True) if at != number],
            [pair for pair, at in zip(pairs, of, strict=True) if at == number],
        )


def as_file(pairs: list[Example], path: Path) -> Path | None:
    """The pairs as a user would give them."""
    if not pairs:
        return None
    rows = [{"question": pair.question, "query": pair.gold_sql} for pair in pairs]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def verdicts(
    examples: list[Example],
    answering: Callable[[str | Path], Any],
    model: str | Path,
    database: Database,
) -> list[Row]:
    """What a model's answers are judged to be."""
    judged = judge(examples, answering(model), [ExecutionAccuracy()], lambda _: database)
    return list(verdict_rows(judged))


def show(name: str, found: Comparison) -> None:
    """One line on standard output."""
    gap = found.difference
    print(
        f"{name}: before {found.a.mean:.1%}, after {found.b.mean:.1%}, difference "
        f"{100 * gap.mean:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}), "
        f"n = {found.a.n}, McNemar's p = {found.p:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
