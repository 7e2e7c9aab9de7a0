"""`txt2sql evaluate`: questions -> predictor -> verdicts -> report.

Every run is a folder under results/ named after what went into it, so the same command goes on where a
killed one stopped, and another model, option or weight never meets old predictions.
"""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from txt2sql.cli.options import (
    DatasetOption,
    JsonOption,
    LimitOption,
    MaxCostOption,
    ModeOption,
    NoConstrainedOption,
    SeedOption,
    flag,
    grouped,
    option,
)

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.evaluation.metrics import Metric
    from txt2sql.evaluation.report import Report
    from txt2sql.evaluation.verdicts import Judged
    from txt2sql.runs import Run
    from txt2sql.types import Example, Prediction, Predictor, Verdict

Identified = tuple[dict[str, Any], "Callable[[], Predictor]"]
"""What identifies a predictor, so that no run is continued with another one, and the function that
loads it when something is left to ask it."""


@dataclass(frozen=True)
class PredictorOptions:
    model: str = option("Catalogue name, hub id or folder.", default="bundled", metavar="NAME|PATH")
    predictions: Path | None = option("Judge these instead of asking a model.", metavar="FILE")
    batch_size: int | None = option("Examples per model call.", metavar="N", min=1)
    no_constrained: NoConstrainedOption = False
    greedy: bool = flag("Keep the first answer, whether it runs or not.", "--greedy")
    search: int | None = option("A tree search of N simulations.", metavar="N", min=1)
    shots: int = option("Hosted models: answered questions to show.", default=0, metavar="N", min=0)
    max_cost: MaxCostOption = None
    account: str = option(
        "Runs of one account share --max-cost  [default: the run's]", default="", metavar="NAME"
    )


@grouped
def evaluate(
    *,
    dataset: DatasetOption,
    data: Path | None = option("Where the data set lies  [default: data/raw/NAME]", metavar="DIR"),
    split: str = option("The split to measure on.", default="dev", metavar="NAME"),
    gold: Path | None = option(
        "Gold queries, one 'SQL<tab>db_id' per line, instead of a split's.", metavar="FILE"
    ),
    limit: LimitOption = None,
    seed: SeedOption = 0,
    predictor: PredictorOptions,
    mode: ModeOption = "strict",
    keep_distinct: bool = flag("Official mode: keep every DISTINCT.", "--keep-distinct"),
    metrics: str | None = option("Only these  [default: those of the data set]", metavar="A,B"),
    one_mode: bool = flag("Leave out what the other mode says.", "--one-mode"),
    test_suite: Path | None = option("Also judge on DIR/<db_id>/*.sqlite.", metavar="DIR"),
    timeout: float = option("Seconds of one statement.", default=30.0, metavar="S", min=0.1),
    processes: int | None = option("Judging processes  [default: cores]", metavar="N", min=1),
    output: Path | None = option("The run's folder  [default: results/…]", metavar="FOLDER"),
    verdicts: Path | None = option("Also write one JSON line per example.", metavar="FILE"),
    figures: bool = flag("Also draw the report, into figures/ of the run.", "--figures"),
    json: JsonOption = False,
) -> None:
    """Measure a model, or a file of predictions, on a data set.

    Prints every metric with its 95% interval, by hardness, with outcomes, confidence and times. Run the
    same command again after an interruption: finished examples are not asked again.

    \b
    Examples:
      txt2sql evaluate --dataset spider --data data/raw/spider
      txt2sql evaluate --dataset spider --predictions predicted.txt --mode official
      txt2sql evaluate --dataset my_folder --gold gold.sql --predictions predicted.json
      txt2sql evaluate --dataset spider --model gpt-4o --shots 5 --max-cost 3
    """
    from txt2sql import runs
    from txt2sql.data import open_dataset
    from txt2sql.data.gold import usable
    from txt2sql.evaluation.evaluate import draw, judge_all
    from txt2sql.evaluation.metrics import Context, choose
    from txt2sql.evaluation.mode import LIMITS, Judging
    from txt2sql.evaluation.predictions import read_gold, read_predictions, to_row
    from txt2sql.evaluation.provenance import text_hash
    from txt2sql.evaluation.report import summarise

    source = open_dataset(dataset, data)
    place = f"'{gold}'" if gold else f"'{source.name}' {split}"
    whole = read_gold(gold) if gold else list(source.examples(split))
    examples = draw(usable(whole, place, answers=True), limit, seed)
    judging = Judging(mode, keep_distinct, not one_mode, replace(LIMITS, timeout_s=timeout))
    chosen = choose(Context(judging, source, "" if gold else split, test_suite), metrics)
    load: Callable[[], Predictor] | None = None
    hosted = file = None
    if predictor.predictions:
        file = read_predictions(predictor.predictions, whole, as_written=judging.official)
        for note in file.notes:
            print(note, file=sys.stderr)
        answers = [file.answers.get(example.id) for example in whole]
        identity = {"model": file.name, "predictions": text_hash(repr(answers))}
    else:
        from txt2sql.models.catalog import find_hosted

        hosted = find_hosted(predictor.model)
        if hosted:
            from txt2sql.cli.hosted import ask_all
            from txt2sql.cli.hosted import identity as identity_of

            identity = identity_of(hosted, source, predictor.shots)
        else:
            identity, load = of_model(predictor, source)
    config = {
        "dataset": source.name,
        "split": gold.name if gold else split,
        "limit": limit,
        **identity,
        **_hashes(source, examples),
    }
    words = f"evaluate-{config['model']}-{config['dataset']}-{config['split']}"
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", words)
    mark = text_hash(repr(sorted({**config, "seed": seed}.items())))[:8]
    folder = output or Path("results") / f"{readable}-{mark}"
    run = runs.open_run(folder, config, seed)
    unanswered: dict[str, int] = {}
    if hosted:
        budget = (predictor.account or str(folder.resolve()), predictor.max_cost)
        examples, unanswered = ask_all(run, hosted, source, examples, predictor.shots, budget)
    if file:
        answered = list(file.predict(examples))
        rows = "".join(jsonlib.dumps(to_row(answer)) + "\n" for answer in answered)
        runs.write_atomically(folder / "predictions.jsonl", rows)
        with _progress(len(examples)) as done:
            judged = judge_all(
                examples, answered, chosen, source.database, processes=processes, done=done
            )
    else:
        judged = continue_run(run, source, chosen, examples, load)
    facts = {
        **config,
        "seed": seed,
        **runs.made_with(),
        "judging": {**asdict(judging), "metrics": [metric.name for metric in chosen]},
        "run": str(folder),
        "unanswered": unanswered,
    }
    report = summarise(judged, judging.label)
    _write(report, judged, facts, folder, verdicts, json)
    if figures:
        from txt2sql.evaluation.figures import draw as draw_figures
        from txt2sql.evaluation.figures import read_summary

        metric = next(iter(report.metrics))
        summary = [read_summary(folder, metric)]
        for reason in draw_figures(summary, folder / "figures", metric)[1]:
            print(f"left out: {reason}", file=sys.stderr)
    unjudged = bool(judged) and not report.metrics[chosen[0].name].n
    if unjudged:
        reason = judged[0].verdicts[0].reason
        print(
            f"no question of {place} could be judged: {reason}; "
            "`txt2sql data check` lists what is wrong",
            file=sys.stderr,
        )
    if unjudged or unanswered:
        raise typer.Exit(1)


def _hashes(source: Dataset, examples: list[Example]) -> dict[str, Any]:
    from txt2sql.errors import DatabaseError
    from txt2sql.evaluation.provenance import file_hash, text_hash

    files = set()
    for db_id in {example.db_id for example in examples}:
        with suppress(DatabaseError):  # it becomes the outcome of its examples
            files.add(source.database(db_id).path)
    lines = "".join(f"{e.id}\t{e.db_id}\t{e.question}\t{e.evidence}\n" for e in examples)
    return {
        "questions": text_hash(lines),
        "databases": {path.stem: file_hash(path) for path in sorted(files)},
    }


def of_model(options: PredictorOptions, source: Dataset) -> Identified:
    """A model that runs here. Raises ModelError for a name that is none."""
    from txt2sql.cli.display import working
    from txt2sql.errors import ConfigError
    from txt2sql.evaluation.provenance import ANSWERING, weights_hash
    from txt2sql.models.catalog import resolve

    if options.greedy and options.search:
        raise ConfigError(
            "--greedy keeps the first answer and --search looks for a better; give one"
        )

    @cache
    def load() -> Predictor:
        from txt2sql.serving.service import build_predictor, searching

        with working("loading the model"):
            predictor = build_predictor(
                options.model,
                source.schema,
                source.database,
                constrained=not options.no_constrained,
                batch_size=options.batch_size,
            )
        if options.search:
            from txt2sql.search.mcts import Settings
            from txt2sql.search.predictor import SearchOptions

            mcts = Settings(num_simulations=options.search)
            together = options.batch_size or 8
            return searching(predictor, SearchOptions(mcts=mcts, together=together))
        if options.greedy:
            # Without an executor no answer is seen to fail, so none falls back to a beam.
            predictor.executor = None
        return predictor

    card = resolve(options.model)
    if not weights_hash(card):
        load()  # downloads it, and with it comes the revision
    identity = {
        "model": card.name,
        "weights": weights_hash(card),
        "answering": ANSWERING,
        "constrained": not options.no_constrained,
        "batch_size": options.batch_size,
        **({"greedy": True} if options.greedy else {}),
        **({"search": options.search} if options.search else {}),
    }
    return identity, load


@contextmanager
def _progress(total: int) -> Iterator[Callable[[tuple[Verdict, ...]], None]]:
    from txt2sql.cli.progress import steps

    correct = Counter[bool]()
    with steps("evaluate", total) as advance:

        def count(verdicts: tuple[Verdict, ...]) -> None:
            correct[verdicts[0].correct] += 1
            advance(f"EX {correct[True] / correct.total():.1%}")

        yield count


def continue_run(
    run: Run,
    source: Dataset,
    metrics: Sequence[Metric],
    examples: list[Example],
    load: Callable[[], Predictor] | None,
) -> list[Judged]:
    """Judge every example; the model is loaded only when something is left to ask it."""
    from txt2sql.evaluation.evaluate import judge
    from txt2sql.evaluation.predictions import FilePredictor, from_row, to_row

    finished = {row["example_id"]: from_row(row) for row in run.rows("predictions")}
    left = sum(example.id not in finished for example in examples)
    if finished:
        print(f"going on with {run.folder}: {left:,} examples left to ask", file=sys.stderr)
    predictor = load() if load and left else FilePredictor("none", {})

    def record(prediction: Prediction) -> None:
        if prediction.tree is not None:
            run.append("trees", {"example_id": prediction.example_id, **prediction.tree})
        run.append("predictions", to_row(prediction))

    judged: list[Judged] = []
    with _progress(len(examples)) as count:
        for item in judge(
            examples, predictor, metrics, source.database, finished=finished, record=record
        ):
            judged.append(item)
            count(item.verdicts)
    return judged


def _write(
    report: Report,
    judged: Sequence[Judged],
    facts: Mapping[str, Any],
    folder: Path,
    copy: Path | None,
    json: bool,
) -> None:
    from txt2sql.evaluation.report import as_json, as_markdown, print_report
    from txt2sql.evaluation.verdicts import verdict_rows
    from txt2sql.runs import write_atomically

    result = as_json(report, facts)
    verdicts = "".join(jsonlib.dumps(row) + "\n" for row in verdict_rows(judged))
    files = {
        folder / "verdicts.jsonl": verdicts,
        folder / "report.md": as_markdown(report, facts),
        folder / "report.json": jsonlib.dumps(result, indent=2) + "\n",
    }
    if copy:
        files[copy] = verdicts
    for path, text in files.items():
        write_atomically(path, text)
    if json:
        print(jsonlib.dumps(result))
    else:
        print_report(report, f"{facts['model']} on {facts['dataset']} {facts['split']}", folder)
