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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.evaluation.metrics import Context, Metric
    from txt2sql.evaluation.report import Judged
    from txt2sql.execution.database import Database
    from txt2sql.runs import Run
    from txt2sql.types import Example, Prediction, Predictor, Verdict

RESULTS = Path("results")


def evaluate(
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME|FOLDER",
            help="spider, wikisql, spider_syn, cosql, bird_train, wtq, or a folder in the layout of "
            "Spider, BIRD or WikiSQL.",
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
    gold: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Gold queries, one 'SQL<tab>db_id' per line, instead of a split's."
        ),
    ] = None,
    mode: Annotated[
        str, typer.Option(metavar="NAME", help="strict, or official: as the benchmark's script.")
    ] = "strict",
    keep_distinct: Annotated[
        bool, typer.Option("--keep-distinct", help="Official mode: keep every DISTINCT.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Only these metrics  [default: those of the data set]"),
    ] = None,
    one_mode: Annotated[
        bool, typer.Option("--one-mode", help="Leave out what the other mode says.")
    ] = False,
    test_suite: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also test-suite accuracy: DIR/<db_id>/*.sqlite."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only N examples, drawn with --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="The seed of the draw.")] = 0,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.1, help="Seconds that one statement may take.")
    ] = 30.0,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Examples per model call.")
    ] = None,
    no_constrained: Annotated[
        bool, typer.Option("--no-constrained", help="Let the model write more than valid SQL.")
    ] = False,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Keep the first answer, whether it runs or not.")
    ] = False,
    no_channel: Annotated[
        bool, typer.Option("--no-channel", help="Choose among answers without reading them back.")
    ] = False,
    search: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="A tree search of N simulations for each answer."),
    ] = None,
    shots: Annotated[
        int, typer.Option(metavar="N", min=0, help="Hosted models: answered questions to show.")
    ] = 0,
    max_cost: Annotated[
        float | None,
        typer.Option(metavar="DOLLARS", min=0.0, help="Hosted models: never spend more than this."),
    ] = None,
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Runs of one account share --max-cost  [default: the run's]"
        ),
    ] = "",
    processes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Judging processes  [default: cores]")
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Run every gold query anew.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The run's folder  [default: results/<what is run>]"),
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write one JSON line per example.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model, or a file of predictions, on a data set.

    Prints every metric with its 95% interval, by hardness, with outcomes and times. Run the same
    command again after an interruption: finished examples are not asked again.

    \b
    Examples:
      txt2sql evaluate --dataset spider --data data/raw/spider
      txt2sql evaluate --dataset wikisql --split dev --limit 500 --json
      txt2sql evaluate --dataset spider --model checkpoints/mine --verdicts verdicts.jsonl
      txt2sql evaluate --dataset spider --predictions predicted.txt --mode official
      txt2sql evaluate --dataset my_folder --gold gold.sql --predictions predicted.json
      txt2sql evaluate --dataset spider --search 100
      txt2sql evaluate --dataset spider --model gpt-4o --shots 5 --max-cost 3
    """
    from txt2sql import runs
    from txt2sql.cli.answerers import of_file, of_model
    from txt2sql.data import open_dataset
    from txt2sql.data.gold import usable
    from txt2sql.evaluation.evaluate import draw
    from txt2sql.evaluation.metrics import Context, choose
    from txt2sql.evaluation.mode import LIMITS, Judging
    from txt2sql.evaluation.predictions import FilePredictor, read_gold
    from txt2sql.evaluation.report import as_csv, as_json, as_markdown, summarise, verdict_rows
    from txt2sql.models.catalog import find_hosted

    judging = Judging(mode, keep_distinct, not one_mode, replace(LIMITS, timeout_s=timeout))
    source = open_dataset(dataset, data)
    whole = read_gold(gold) if gold else list(source.examples(split))
    place = f"'{gold}'" if gold else f"'{source.name}' {split}"
    examples = draw(usable(whole, place, answers=True), limit, seed)
    context = Context(judging, source, "" if gold else split, test_suite)
    chosen = choose(context, metrics)
    hosted = None
    if predictions:
        made_by, load = of_file(predictions, whole, judging.official)
    elif hosted := find_hosted(model):
        from txt2sql.cli.hosted import ask_all, identity

        made_by, load = identity(hosted, source, shots), lambda: FilePredictor(model, {})
    else:
        made_by, load = of_model(
            model, source, not no_constrained, greedy, not no_channel, batch_size, search
        )
    config = {
        "dataset": source.name,
        "split": gold.name if gold else split,
        "limit": limit,
        **made_by,
        **_data(source, examples),
    }
    folder = output or RESULTS / folder_name({**config, "seed": seed})
    run = runs.open_run(folder, config, seed)
    unanswered: dict[str, int] = {}
    if hosted:
        budget = (account or str(folder.resolve()), max_cost)
        examples, unanswered = ask_all(run, hosted, source, examples, shots, budget)
    if predictions:
        judged = _judge_file(run, context, chosen, examples, load(), processes, no_cache)
    else:
        judged = continue_run(run, source, chosen, examples, load)
    report = summarise(judged, judging.label)
    facts = {
        **config,
        "seed": seed,
        **run.made_with(),
        "judging": {**judging.settings(), "metrics": [metric.name for metric in chosen]},
        "run": str(folder),
        "unanswered": unanswered,
    }
    result = as_json(report, facts)
    lines = "".join(jsonlib.dumps(row) + "\n" for row in verdict_rows(judged))
    for name, text in {
        "verdicts.jsonl": lines,
        "report.md": as_markdown(report, facts),
        "report.csv": as_csv(report),
        "report.json": jsonlib.dumps(result, indent=2) + "\n",
    }.items():
        runs.write_atomically(folder / name, text)
    if verdicts:
        runs.write_atomically(verdicts, lines)
    if json:
        print(jsonlib.dumps(result))
    else:
        from txt2sql.cli.report import print_report

        print_report(report, f"{config['model']} on {source.name} {config['split']}", folder)
    if judged and not report.metrics[chosen[0].name].n:
        print(f"no question of {place} could be judged: {judged[0].verdicts[0].reason}; "
              "`txt2sql data check` lists what is wrong", file=sys.stderr)  # fmt: skip
        raise typer.Exit(1)
    if unanswered:
        raise typer.Exit(1)


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


def _judge_file(
    run: Run,
    context: Context,
    metrics: Sequence[Metric],
    examples: list[Example],
    predictor: Predictor,
    processes: int | None,
    no_cache: bool,
) -> list[Judged]:
    """Judge the predictions of a file, over all cores."""
    from txt2sql.cli.progress import steps
    from txt2sql.evaluation.gold import open_cache
    from txt2sql.evaluation.parallel import judge_all
    from txt2sql.evaluation.predictions import to_row
    from txt2sql.runs import cache_dir, write_atomically

    answers = list(predictor.predict(examples))
    rows = (jsonlib.dumps(to_row(answer)) + "\n" for answer in answers)
    write_atomically(run.folder / "predictions.jsonl", "".join(rows))
    correct = judged = 0
    with open_cache(None if no_cache else cache_dir()) as cache:
        limits = context.gold.limits
        stored = cache.load(_databases(context, examples), limits)
        context.gold.known.update(stored)
        with steps("evaluate", len(examples)) as advance:

            def done(position: int, verdicts: tuple[Verdict, ...]) -> None:
                nonlocal correct, judged
                correct += verdicts[0].correct
                judged += 1
                advance(f"EX {correct / judged:.1%}")

            items = judge_all(
                examples,
                answers,
                metrics,
                context.source.database,
                gold=context.gold,
                processes=processes,
                done=done,
            )
        cache.save({k: v for k, v in context.gold.known.items() if k not in stored}, limits)
    return items


def _databases(context: Context, examples: list[Example]) -> list[Database]:
    """All that the examples are judged on, those that cannot be read left out."""
    from txt2sql.errors import DatabaseError
    from txt2sql.evaluation.metrics.test_suite import suite

    databases: list[Database] = []
    for db_id in dict.fromkeys(example.db_id for example in examples):
        with suppress(DatabaseError):
            databases.append(context.source.database(db_id))
            databases += suite(context.suites, db_id) if context.suites else ()
    return databases


def continue_run(
    run: Run,
    source: Dataset,
    metrics: Sequence[Metric],
    examples: list[Example],
    load: Callable[[], Predictor],
) -> list[Judged]:
    """Judge every example; the model is loaded only when something is left to ask it."""
    from txt2sql.cli.progress import steps
    from txt2sql.evaluation.evaluate import judge
    from txt2sql.evaluation.predictions import FilePredictor, from_row, to_row

    finished = {row["example_id"]: from_row(row) for row in run.rows("predictions")}
    left = sum(example.id not in finished for example in examples)
    if finished:
        print(f"going on with {run.folder}: {left:,} examples left to ask", file=sys.stderr)
    predictor = load() if left else FilePredictor("none", {})
    judged: list[Judged] = []

    def record(prediction: Prediction) -> None:
        if prediction.tree is not None:
            run.append("trees", {"example_id": prediction.example_id, **prediction.tree})
        run.append("predictions", to_row(prediction))

    stream = judge(
        examples,
        predictor,
        metrics,
        source.database,
        finished=finished,
        record=record,
    )
    correct = 0
    with steps("evaluate", len(examples)) as advance:
        for item in stream:
            judged.append(item)
            correct += item.verdicts[0].correct
            advance(f"EX {correct / len(judged):.1%}")
    return judged
