"""Who answers in `txt2sql evaluate`: a file of predictions, or a model that runs here (see `hosted` for
those that do not).

What identifies a predictor goes into the configuration of the run, so that no run is continued with
another one; the model itself is loaded only when something is left to ask it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import MaxCostOption, NoConstrainedOption

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.types import Example, Predictor

Identified = tuple[dict[str, Any], "Callable[[], Predictor]"]
"""What identifies a predictor, and the function that loads it when it is needed."""


@dataclass(frozen=True)
class PredictorOptions:
    """Who answers, and how."""

    model: Annotated[
        str, typer.Option(metavar="NAME|PATH", help="Catalogue name, hub id or folder.")
    ] = "bundled"
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge these predictions instead of asking a model."),
    ] = None
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Examples per model call.")
    ] = None
    no_constrained: NoConstrainedOption = False
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Keep the first answer, whether it runs or not.")
    ] = False
    search: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="A tree search of N simulations for each answer."),
    ] = None
    shots: Annotated[
        int, typer.Option(metavar="N", min=0, help="Hosted models: answered questions to show.")
    ] = 0
    max_cost: MaxCostOption = None
    account: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Runs of one account share --max-cost  [default: the run's]"
        ),
    ] = ""


def of_file(predictions: Path, examples: list[Example], official: bool = False) -> Identified:
    """Predictions that were made elsewhere; `official` judges them as they are written."""
    from txt2sql.evaluation.predictions import read_predictions
    from txt2sql.evaluation.provenance import text_hash

    predictor = read_predictions(predictions, examples, as_written=official)
    for note in predictor.notes:
        print(note, file=sys.stderr)
    answers = [predictor.answers.get(example.id) for example in examples]
    return {"model": predictor.name, "predictions": text_hash(repr(answers))}, lambda: predictor


def of_model(options: PredictorOptions, source: Dataset) -> Identified:
    """A model that runs here. Raises ModelError for a name that is none."""
    from txt2sql.cli.display import working
    from txt2sql.errors import ConfigError
    from txt2sql.evaluation.provenance import ANSWERING, weights_hash
    from txt2sql.models.catalog import resolve

    if options.greedy and options.search:
        raise ConfigError("--greedy keeps the first answer and --search looks for a better; give one")  # fmt: skip

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
            # Nothing says that an answer fails, so none gets a second look.
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
