"""`txt2sql adapt`: make a small model better at one database; `txt2sql ask` uses it from then on.

$ txt2sql adapt --db shop.sqlite
$ txt2sql adapt --db shop.sqlite --pairs questions.tsv --json
$ txt2sql adapt --list
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from txt2sql.errors import ConfigError


def adapt(
    db: Annotated[
        Path | None, typer.Option(metavar="PATH", help="SQLite database; it is only read.")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="The model to adapt.")
    ] = "bundled",
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own questions with SQL: JSON in Spider's shape, or lines question<tab>SQL. "
            "Half of them train and half measure, by their SQL; all measure when fewer than 20.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", metavar="N", min=1, help="Questions to make  [default: 2000]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The run's folder  [default: results/adapt-<database>-…]"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    force_use: Annotated[
        bool, typer.Option("--force-use", help="Use the adapter even if it is no better.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the adapters in use, and do nothing else.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Have the plain model answer for --db again.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="steps, learning_rate, …; repeatable."),
    ] = None,
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
      txt2sql adapt --db shop.sqlite -n 500 --set steps=50 --json
      txt2sql adapt --list
      txt2sql adapt --db shop.sqlite --forget
    """
    if listed:
        _list(json)
        return
    if db is None:
        raise ConfigError("say which database to adapt to: --db with a SQLite file")
    from txt2sql.execution.database import open_database

    database = open_database(db)
    schema = database.schema()
    if forget:
        from txt2sql.models import adapted

        there = adapted.forget(schema)
        print(f"the plain model answers for {db}" + ("" if there else ", as before"))
        return

    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.models.adapted import fingerprint
    from txt2sql.training.adapt_settings import AdaptConfig

    overrides = [*(settings or []), *([f"count={count}"] if count is not None else [])]
    config = load(AdaptConfig, None, overrides)
    folder = output or Path("results") / f"adapt-{database.db_id}-{fingerprint(schema)[:6]}"

    from txt2sql.serving.service import build_predictor
    from txt2sql.training.adapt import adapt as run

    found = run(
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
    if found is None:
        print("stopped; type the same command to go on", file=sys.stderr)
        raise typer.Exit(1)
    if json:
        import json as codec

        print(codec.dumps(found))
    else:
        _show(found, folder)


def _show(found: dict[str, Any], folder: Path) -> None:
    from txt2sql.evaluation.report import print_facts, shown
    from txt2sql.evaluation.statistics import Estimate

    lines = []
    for part, numbers in found["measured"].items():
        gap = Estimate(**numbers["difference"])
        p = f"{numbers['p']:.3f}" if numbers["p"] >= 0.001 else "< 0.001"
        lines += [
            (f"{part}, before", shown(Estimate(**numbers["before"]))),
            (f"{part}, after", shown(Estimate(**numbers["after"]))),
            (
                "difference",
                f"{100 * gap.mean:+.1f} points  (95% interval {100 * gap.low:+.1f} to "
                f"{100 * gap.high:+.1f}; McNemar's p {p})",
            ),
        ]
    print_facts(f"{found['model']} adapted to {found['db_id']}: execution accuracy", lines)
    print(f"\nThe adapter is {'in use' if found['used'] else 'not used'}: {found['why']}.")
    if "given" not in found["measured"]:
        print("Made questions are simpler than people's: --pairs with your own tells more.")
    if found["used"]:
        print(f"Ask it:     txt2sql ask --db {found['database']}")
    else:
        print(f"Try it:     txt2sql ask --db {found['database']} --model {found['adapter']}")
    print(f"All of it:  {folder / 'report.md'}")


def _list(json: bool) -> None:
    from txt2sql.models import adapted

    entries = list(adapted.entries())
    if json:
        import json as codec

        print(codec.dumps([{"name": each.name, "path": each.path, "adapter": str(each.folder)}
                           for each in entries]))  # fmt: skip
        return
    for each in entries:
        print(f"{each.name}  made on {each.path}\n  {each.folder}")
    if not entries:
        print("no adapter is in use; txt2sql adapt --db shop.sqlite makes one")
