"""`txt2sql adapt`: make a small model better at one database; `txt2sql ask` uses it from then on."""

from __future__ import annotations

import json as codec
import sys
from pathlib import Path
from typing import Any

import typer

from txt2sql.cli.options import JsonOption, SetOption, flag, grouped, option
from txt2sql.errors import ConfigError


@grouped
def adapt(
    db: Path | None = option("SQLite database; it is only read.", metavar="PATH"),
    model: str = option("The model to adapt.", default="bundled", metavar="NAME|PATH"),
    pairs: Path | None = option(
        "Your own questions with SQL: JSON in Spider's shape, or lines question<tab>SQL. "
        "Half of them train and half measure, by their SQL; all measure when fewer than 20.",
        metavar="FILE",
    ),
    count: int | None = option("Questions  [default: 2000]", "-n", metavar="N", min=1),
    output: Path | None = option("The run's folder  [default: results/adapt-…]", metavar="DIR"),
    json: JsonOption = False,
    force_use: bool = flag("Use the adapter even if it is no better.", "--force-use"),
    listed: bool = flag("List the adapters in use, and do nothing else.", "--list"),
    forget: bool = flag("Have the plain model answer for --db again.", "--forget"),
    settings: SetOption = None,
) -> None:
    """Adapt a small model to your database.

    Makes questions with SQL from its schema and rows, asks the model as it is those that are held out,
    fine-tunes a LoRA adapter on the others, and asks again. Where it does better, txt2sql ask answers
    with it for every database of this schema; --model bundled still asks the plain model. A run that
    was stopped goes on when it is started again.

    \b
    Examples:
      txt2sql adapt --db shop.sqlite
      txt2sql adapt --db shop.sqlite --pairs questions.tsv
      txt2sql adapt --db shop.sqlite --forget
    """
    from txt2sql.models import adapters

    if listed:
        entries = list(adapters.entries())
        lines = [f"{each.name}  made on {each.path}\n  {each.folder}" for each in entries]
        if json:
            facts = [{"name": e.name, "path": e.path, "adapter": str(e.folder)} for e in entries]
            lines = [codec.dumps(facts)]
        nothing = "no adapter is in use; txt2sql adapt --db shop.sqlite makes one"
        print("\n".join(lines) or nothing)
        return
    if db is None:
        raise ConfigError("say which database to adapt to: --db with a SQLite file")
    from txt2sql.execution.database import open_database

    database = open_database(db)
    schema = database.schema()
    if forget:
        was_adapted = adapters.forget(schema)
        print(f"the plain model answers for {db}" + ("" if was_adapted else ", as before"))
        return

    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.settings import AdaptConfig

    config = load(AdaptConfig, None, [*(settings or []), *([f"count={count}"] if count else [])])
    name = f"adapt-{database.db_id}-{adapters.fingerprint(schema)[:6]}"
    folder = output or Path("results") / name

    from txt2sql.serving.service import build_predictor
    from txt2sql.training.adapt import adapt as run

    report = run(
        database,
        config,
        folder,
        lambda name: build_predictor(name, lambda _: schema, lambda _: database),
        model=model,
        given=pairs,
        force=force_use,
        report=lambda line: print(line, file=sys.stderr, flush=True),
        progress=steps,
    )
    if report is None:
        print("stopped; type the same command to go on", file=sys.stderr)
        raise typer.Exit(1)
    if json:
        print(codec.dumps(report))
    else:
        _show(report, folder)


def _show(report: dict[str, Any], folder: Path) -> None:
    from txt2sql.evaluation.report import print_facts, shown, shown_difference, shown_p
    from txt2sql.evaluation.statistics import Estimate

    lines = []
    for part, numbers in report["measured"].items():
        lines += [
            (f"{part}, before", shown(Estimate(**numbers["before"]))),
            (f"{part}, after", shown(Estimate(**numbers["after"]))),
            ("difference", shown_difference(Estimate(**numbers["difference"]))),
            ("McNemar, exact", shown_p(numbers["p"])),
        ]
    print_facts(f"{report['model']} adapted to {report['db_id']}: execution accuracy", lines)
    print(f"\nThe adapter is {'in use' if report['used'] else 'not used'}: {report['why']}.")
    if "given" not in report["measured"]:
        print("Made questions are simpler than people's: --pairs with your own tells more.")
    if report["used"]:
        print(f"Ask it:     txt2sql ask --db {report['database']}")
    else:
        print(f"Try it:     txt2sql ask --db {report['database']} --model {report['adapter']}")
    print(f"All of it:  {folder / 'report.md'}")
