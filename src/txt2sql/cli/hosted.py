"""Asking hosted models for `txt2sql evaluate`: a question without an answer is counted with its reason
and asked again by the same command.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txt2sql.config import load as load_config
from txt2sql.costs import Price
from txt2sql.models.hosted import HostedPredictor, RequestSettings, Unanswered, load, warning
from txt2sql.runs import Run

if TYPE_CHECKING:
    from txt2sql.data import Dataset
    from txt2sql.models.catalog import HostedModel
    from txt2sql.types import Example

CONFIG = Path("config") / "model_config.yaml"
_SHOTS_SPLIT = "train"


@dataclass(frozen=True)
class Generalists:
    """The section `generalists` of config/model_config.yaml: how hosted models are asked, and prices
    by name that replace those of litellm's list."""

    asking: RequestSettings = field(default_factory=RequestSettings)
    prices: Mapping[str, Price] = field(default_factory=dict)


def identity(model: HostedModel, source: Dataset, shots: int) -> dict[str, Any]:
    from txt2sql.evaluation.provenance import ANSWERING, file_hash, text_hash

    facts: dict[str, Any] = {
        "model": model.name,
        "route": model.route,
        "server": re.sub(r"(?<=://)[^/@]*@", "", model.api_base),
        "max_output_tokens": model.max_output_tokens,
        "shots": shots,
        "answering": ANSWERING,
    }
    if shots:
        files = source.files(_SHOTS_SPLIT)
        questions = [path for path in files if path.suffix in (".json", ".jsonl")]
        facts["learnt_from"] = text_hash("".join(map(file_hash, questions)))
    return facts


def ask_all(
    run: Run,
    model: HostedModel,
    source: Dataset,
    examples: list[Example],
    shots: int,
    budget: tuple[str, float | None],
) -> tuple[list[Example], dict[str, int]]:
    """Ask what the run has no prediction of; the examples that have one now, and reason -> how many
    have none. `budget` is an account and the dollars that all runs of it may spend together."""
    from txt2sql.cli.progress import steps
    from txt2sql.evaluation.predictions import to_row

    done = {row["example_id"] for row in run.rows("predictions")}
    left = [example for example in examples if example.id not in done]
    missing: Counter[str] = Counter()
    if left:
        if sentence := warning():
            print(f"warning: {sentence}", file=sys.stderr)
        predictor = _load_hosted(model, source, shots, budget)
        with steps(f"ask {model.name}", len(left)) as advance:
            dollars = 0.0
            for example, answer in predictor.answers(left):
                if isinstance(answer, Unanswered):
                    missing[answer.reason] += 1
                else:
                    run.append("predictions", to_row(answer))
                    done.add(example.id)
                    dollars += answer.cost or 0.0
                unanswered = f", {missing.total()} unanswered" if missing else ""
                advance(f"${dollars:.2f}{unanswered}")
    if missing:
        most = missing.most_common(1)[0][0]
        print(
            f"{missing.total():,} of {len(examples):,} questions got no answer ({most}); "
            "run the same command again to ask only these",
            file=sys.stderr,
        )
    return [example for example in examples if example.id in done], dict(missing)


def _load_hosted(
    model: HostedModel, source: Dataset, shots: int, budget: tuple[str, float | None]
) -> HostedPredictor:
    from txt2sql.cli.display import working
    from txt2sql.execution.values import open_value_index
    from txt2sql.prompts.shots import Shots

    file = CONFIG if CONFIG.is_file() else None
    settings = load_config(Generalists, file, section="generalists" if file else "")
    with working("loading litellm"):
        generator = load(
            model,
            settings=settings.asking,
            price=settings.prices.get(model.name),
            max_cost=budget[1],
            account=budget[0],
        )

    index = lru_cache(64)(lambda db_id: open_value_index(source.database(db_id)))
    answered = None
    if shots:
        pool = source.examples(_SHOTS_SPLIT)
        answered = Shots((e, source.schema(e.db_id)) for e in pool if e.gold_sql)
    return HostedPredictor(
        generator,
        source.schema,
        lambda example: index(example.db_id).match(example.question),
        answered=answered,
        shots=shots,
    )
