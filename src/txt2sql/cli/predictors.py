"""Who answers in `txt2sql evaluate`: a file of predictions, or a model that runs here (hosted models: see
`hosted`).

What identifies a predictor goes into the configuration of the run, so that no run is continued with
another one; a model is loaded only when something is left to ask it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txt2sql.cli.options import MaxCostOption, NoConstrainedOption, option

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.types import Example, Predictor

Identified = tuple[dict[str, Any], "Callable[[], Predictor]"]
"""What identifies a predictor, and the function that loads it when it is needed."""


@dataclass(frozen=True)
class PredictorOptions:
    """Who answers, and how."""

    model: str = option("Catalogue name, hub id or folder.", default="bundled", metavar="NAME|PATH")
    predictions: Path | None = option(
        "Judge these predictions instead of asking a model.", metavar="FILE"
    )
    batch_size: int | None = option("Examples per model call.", metavar="N", min=1)
    no_constrained: NoConstrainedOption = False
    greedy: bool = option(
        "Keep the first answer, whether it runs or not.", "--greedy", default=False
    )
    search: int | None = option(
        "A tree search of N simulations for each answer.", metavar="N", min=1
    )
    shots: int = option("Hosted models: answered questions to show.", default=0, metavar="N", min=0)
    max_cost: MaxCostOption = None
    account: str = option(
        "Runs of one account share --max-cost  [default: the run's]", default="", metavar="NAME"
    )


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
