"""Who answers in `txt2sql evaluate`: a file of predictions, or a model that runs here.

What identifies an answerer goes into the configuration of the run, so that no run is continued with
another one; the model itself is loaded only when something is left to ask it.

>>> made_by, load = of_model("bundled", open_dataset("spider"), True, False, True, None, None)  # doctest: +SKIP
>>> made_by["model"]  # doctest: +SKIP
'bundled'
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.models.predictor import DirectPredictor
    from txt2sql.types import Example, Predictor

MadeBy = tuple[dict[str, Any], "Callable[[], Predictor]"]
"""What identifies a predictor, and the function that loads it when it is needed."""


def of_file(predictions: Path, examples: list[Example], official: bool = False) -> MadeBy:
    """Predictions that were made elsewhere; `official` judges them as they are written."""
    from txt2sql.evaluation.predictions import read_predictions
    from txt2sql.evaluation.provenance import text_hash

    predictor = read_predictions(predictions, examples, as_written=official)
    for note in predictor.notes:
        print(note, file=sys.stderr)
    answers = [predictor.answers.get(example.id) for example in examples]
    return {"model": predictor.name, "predictions": text_hash(repr(answers))}, lambda: predictor


def of_model(
    model: str,
    source: Dataset,
    constrained: bool,
    greedy: bool,
    channel: bool,
    batch_size: int | None,
    search: int | None,
) -> MadeBy:
    """A model that runs here. Raises ModelError for a name that is none."""
    from txt2sql.cli.display import working
    from txt2sql.errors import ConfigError
    from txt2sql.evaluation.provenance import code_hash, weights_hash
    from txt2sql.models.catalog import resolve

    if greedy and search:
        raise ConfigError("--greedy keeps the first answer and --search looks for a better; give one")  # fmt: skip

    @cache
    def load() -> Predictor:
        from txt2sql.serving.service import build_predictor

        with working("loading the model"):
            predictor = build_predictor(
                model,
                source.schema,
                source.database,
                constrained=constrained,
                batch_size=batch_size,
                channel=channel,
            )
        if search:
            return _searching(predictor, search, batch_size)
        if greedy:
            predictor.executor = (
                None  # nothing says that an answer fails, so none gets a second look
            )
        return predictor

    card = resolve(model)
    if not weights_hash(card):
        load()  # downloads it, and with it comes the revision
    made_by = {
        "model": card.name,
        "weights": weights_hash(card),
        "code": code_hash(),
        "constrained": constrained,
        "batch_size": batch_size,
        **({"greedy": True} if greedy else {}),
        **({} if channel else {"channel": False}),
        **({"search": search} if search else {}),
    }
    return made_by, load


def _searching(predictor: DirectPredictor, simulations: int, together: int | None) -> Predictor:
    from txt2sql.search.mcts import Settings
    from txt2sql.search.predictor import SearchOptions
    from txt2sql.serving.service import searching

    settings = Settings(num_simulations=simulations)
    return searching(predictor, SearchOptions(mcts=settings, together=together or 8))
