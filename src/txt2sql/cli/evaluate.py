"""`txt2sql evaluate`: a model, or a file of predictions, against a split of a data set.

Every run is a folder under results/ named after what went into it, so the same command goes on
where a killed one stopped, and another model, option or weight never meets old predictions.

    $ txt2sql evaluate --dataset spider --data data/raw/spider --split dev
    $ txt2sql evaluate --dataset spider --predictions predicted.txt --json
"""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.evaluation.report import Judged, Report
    from txt2sql.evaluation.statistics import Estimate
    from txt2sql.runs import Run
    from txt2sql.types import Example, Predictor

RESULTS = Path("results")


def evaluate(
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER", help="spider, wikisql, or a folder in Spider's layout."
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the data set lies  [default: data/raw/NAME]"),
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="The split to measure on.")] = "dev",
    model: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="Catalogue name, hub id or folder.")
    ] = "bundled",
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge these predictions instead of asking a model."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only N examples, drawn with --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The seed of the draw.")] = 0,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Examples per model call.")
    ] = None,
    no_constrained: Annotated[
        bool, typer.Option("--no-constrained", help="Let the model write more than valid SQL.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The run's folder  [default: results/<what is run>]"),
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write one JSON line per verdict.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model, or a file of predictions, on a data set.

    Prints execution accuracy with its 95% interval, outcomes and times. Run the same command again
    after an interruption: finished examples are not asked again.

    \b
    Examples:
      txt2sql evaluate --dataset spider --data data/raw/spider
      txt2sql evaluate --dataset wikisql --split dev --limit 500 --json
      txt2sql evaluate --dataset spider --model checkpoints/mine --verdicts verdicts.jsonl
      txt2sql evaluate --dataset spider --predictions predicted.txt
    """
    from txt2sql import runs
    from txt2sql.data import open_dataset
    from txt2sql.evaluation.evaluate import draw
    from txt2sql.evaluation.report import as_json, as_markdown, summarise, verdict_rows

    source = open_dataset(dataset, data)
    whole = list(source.examples(split))
    examples = draw(whole, limit, seed)
    made_by, load = (
        _file(predictions, whole)
        if predictions
        else _model(model, source, not no_constrained, batch_size)
    )
    config = {
        "dataset": source.name,
        "split": split,
        "limit": limit,
        **made_by,
        **_data(source, examples),
    }
    folder = output or RESULTS / folder_name({**config, "seed": seed})
    run = runs.open_run(folder, config, seed)
    judged = continue_run(run, source, examples, load)
    report = summarise(judged)
    versions = {"versions": runs.versions(), "commit": runs.commit(), "hardware": runs.hardware()}
    facts = {**config, "seed": seed, **versions, "run": str(folder)}
    result = as_json(report, facts)
    runs.write_atomically(folder / "report.json", jsonlib.dumps(result, indent=2) + "\n")
    runs.write_atomically(folder / "report.md", as_markdown(report, facts))
    if verdicts:
        lines = (jsonlib.dumps(row) + "\n" for row in verdict_rows(judged))
        runs.write_atomically(verdicts, "".join(lines))
    if json:
        print(jsonlib.dumps(result))
    else:
        _print(report, f"{config['model']} on {source.name} {split}", folder)


_MadeBy = tuple[dict[str, Any], "Callable[[], Predictor]"]
"""What identifies a predictor, and the function that loads it when it is needed."""


def _file(predictions: Path, examples: list[Example]) -> _MadeBy:
    from txt2sql.evaluation.predictions import read_predictions
    from txt2sql.evaluation.provenance import text_hash

    predictor = read_predictions(predictions, examples)
    answers = [predictor.answers.get(example.id) for example in examples]
    return {"model": predictor.name, "predictions": text_hash(repr(answers))}, lambda: predictor


def _model(model: str, source: Dataset, constrained: bool, batch_size: int | None) -> _MadeBy:
    from txt2sql.cli.display import working
    from txt2sql.evaluation.provenance import code_hash, weights_hash
    from txt2sql.models.catalog import resolve

    @cache
    def load() -> Predictor:
        from txt2sql.serving.service import build_predictor

        with working("loading the model"):
            return build_predictor(
                model,
                source.schema,
                source.database,
                constrained=constrained,
                batch_size=batch_size,
            )

    card = resolve(model)
    if not weights_hash(card):
        load()  # downloads it, and with it comes the revision
    made_by = {
        "model": card.name,
        "weights": weights_hash(card),
        "code": code_hash(),
        "constrained": constrained,
        "batch_size": batch_size,
    }
    return made_by, load


def _data(source: Dataset, examples: list[Example]) -> dict[str, Any]:
    """The hashes of what is asked and of the databases it is asked about."""
    from txt2sql.errors import DatabaseError
    from txt2sql.evaluation.provenance import file_hash, text_hash

    files = set()
    for db_id in {example.db_id for example in examples}:
        with suppress(DatabaseError):  # it becomes the outcome of its examples
            files.add(source.database(db_id).path)
    asked = "".join(f"{e.id}\t{e.db_id}\t{e.question}\t{e.evidence}\n" for e in examples)
    return {
        "questions": text_hash(asked),
        "databases": {path.stem: file_hash(path) for path in sorted(files)},
    }


def folder_name(config: Mapping[str, Any]) -> str:
    """Readable to a person, and different for any two configurations."""
    from txt2sql.evaluation.provenance import text_hash

    words = f"evaluate-{config['model']}-{config['dataset']}-{config['split']}"
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", words)
    return f"{readable}-{text_hash(repr(sorted(config.items())))[:8]}"


def continue_run(
    run: Run, source: Dataset, examples: list[Example], load: Callable[[], Predictor]
) -> list[Judged]:
    """Judge every example; the model is loaded only when something is left to ask it."""
    from txt2sql.cli.progress import steps
    from txt2sql.evaluation.evaluate import judge
    from txt2sql.evaluation.metrics import METRICS
    from txt2sql.evaluation.predictions import FilePredictor, from_row, to_row

    finished = {row["example_id"]: from_row(row) for row in run.rows("predictions")}
    left = sum(example.id not in finished for example in examples)
    if finished:
        print(f"going on with {run.folder}: {left:,} examples left to ask", file=sys.stderr)
    predictor = load() if left else FilePredictor("none", {})
    judged: list[Judged] = []
    stream = judge(
        examples,
        predictor,
        [make() for make in METRICS.values()],
        source.database,
        finished=finished,
        record=lambda prediction: run.append("predictions", to_row(prediction)),
    )
    correct = 0
    with steps("evaluate", len(examples)) as advance:
        for item in stream:
            judged.append(item)
            correct += item.verdicts[0].correct
            advance(f"EX {correct / len(judged):.1%}")
    return judged


def _print(report: Report, title: str, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(title, style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    for name, value in report.metrics.items():
        table.add_row(name.replace("_", " "), _scored(value))
        for difficulty, values in report.by_difficulty.items():
            table.add_row(f"  {difficulty}", _scored(values[name]))
    outcomes = [f"{n:,} {name.replace('_', ' ')}" for name, n in report.outcomes.items() if n]
    table.add_row("outcomes", ", ".join(outcomes))
    times = report.efficiency
    if times.median is not None:
        table.add_row(
            "speed",
            f"{times.examples_per_second:.2f} examples per second "
            f"(median {times.median:.3f} s, 95th percentile {times.p95:.3f} s)",
        )
    table.add_row("run", Text(str(folder)))
    console.print(table)


def _scored(value: Estimate) -> str:
    return f"{value.mean:.1%}  (95% interval {value.low:.1%} to {value.high:.1%}, n = {value.n:,})"
