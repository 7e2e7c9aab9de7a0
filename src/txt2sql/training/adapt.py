"""Adapting a small model to one database: `txt2sql adapt`.

Field's names: domain adaptation by synthetic data and a low-rank adapter. Pairs are made for the
database (`adapt_pairs`), the model as it is answers those held out, an adapter is fine-tuned (`sft`),
answers the same questions, and is put to use for this database where it does better
(`models.adapted`). Every stage keeps what it has done, so a run that was killed goes on.

    results/adapt-shop-5f0c/
    ├── run.json, config.yaml    settings, commit, versions
    ├── data/                    pairs in Spider's layout: train, synthetic and given
    ├── before.jsonl             answers of the model as it is; after.jsonl those of the adapted one
    ├── sft/                     the fine-tuning run
    ├── adapter/                 what came of it, part of the way from the model (`interpolation`)
    └── report.json, report.md   what came of it

>>> adapt(open_database("shop.sqlite"), AdaptConfig(), Path("results/shop"), answering)  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from txt2sql.config import as_mapping
from txt2sql.data import DATASETS, dataset_root
from txt2sql.errors import DatabaseError
from txt2sql.evaluation.comparison import compare
from txt2sql.evaluation.evaluate import judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.predictions import from_row, to_row
from txt2sql.evaluation.verdicts import verdict_rows
from txt2sql.execution.database import Database
from txt2sql.models import adapted
from txt2sql.runs import Run, open_run, write_atomically
from txt2sql.training.adapt_pairs import (
    PARTS,
    Asked,
    examples,
    link_database,
    make_split,
    read_given,
    write_split,
)
from txt2sql.training.adapt_report import MEASURED, numbers, page, verdict
from txt2sql.training.adapt_settings import AdaptConfig
from txt2sql.training.sft_settings import SFTConfig
from txt2sql.training.tracking import Progress, silent
from txt2sql.types import Example, Predictor, Schema

__all__ = ["AdaptConfig", "adapt"]

Answering = Callable[[str | Path], Predictor]
"""The predictor of a model, by name or folder, over the database: what `txt2sql ask` asks."""


def adapt(
    database: Database,
    config: AdaptConfig,
    output: Path,
    answering: Answering,
    *,
    model: str = "bundled",
    given: Path | None = None,
    force: bool = False,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
) -> dict[str, Any] | None:
    """Adapt `model`, or go on with the run in `output`: its report, or None when SIGTERM ended the
    fine-tuning before.

    `given` is a file of pairs (`adapt_pairs.read_given`); `force` puts the adapter to use whatever was
    measured. Raises a child of Text2SQLError for what a person can mend.
    """
    schema = database.schema()
    if not any(table.columns for table in schema.tables):
        raise DatabaseError(f"'{database.path}' holds no tables; give a database that has some")
    # What is wrong with the pairs is told before a run is begun with them.
    pairs, left_out = read_given(given, database, report) if given else ([], [])
    run = open_run(output, _settings(config, schema, model, pairs), config.seed)
    found = Adaptation(run, database, schema, config, model, report, progress)
    found.prepare(pairs)
    before = found.measure("before", lambda: answering(model))
    adapter = found.train()
    if adapter is None:
        return None
    after = found.measure("after", lambda: answering(adapter))
    return found.conclude(before, after, adapter, left_out, force)


def _settings(
    config: AdaptConfig, schema: Schema, model: str, given: Sequence[Asked]
) -> dict[str, Any]:
    """What a run goes on under: what decides its pairs, answers and adapter."""
    pairs = json.dumps([[pair.question, pair.sql] for pair in given]).encode()
    return {
        **as_mapping(config),
        "model": model,
        "weights": adapted.weights_mark(model),
        "schema": adapted.fingerprint(schema),
        "pairs": hashlib.sha256(pairs).hexdigest()[:16] if given else "",
    }


class Adaptation:
    """The stages of one run."""

    def __init__(
        self, run: Run, database: Database, schema: Schema, config: AdaptConfig, model: str,
        report: Callable[[str], None], progress: Progress,
    ) -> None:  # fmt: skip
        self.run, self.database, self.schema = run, database, schema
        self.config, self.model = config, model
        self.report, self.progress = report, progress
        self.data = run.folder / "data"
        self.state: dict[str, Any] = run.state() or {"seconds": {}}

    # ------------------------------------------------------------------------------------- stages

    def prepare(self, given: Sequence[Asked]) -> None:
        """Make the pairs and write their parts."""
        if (self.data / f"{PARTS[-1]}.json").is_file():
            link_database(self.database, self.data)  # it may have been moved since
            return
        start = time.monotonic()
        config = self.config
        made = 0
        with self.progress("making questions", config.count + config.held_out) as advance:

            def told(count: int) -> None:
                nonlocal made
                for _ in range(count - made):
                    advance("")
                made = max(made, count)

            split = make_split(
                self.database,
                self.schema,
                given,
                count=config.count,
                held_out=config.held_out,
                given_share=config.given_share,
                seed=config.seed,
                advance=told,
            )
        self.state["given_train"] = split.given_train
        self._took("making questions", start)
        write_split(split, self.database, self.data)

    def measure(self, when: str, load: Callable[[], Predictor]) -> dict[str, list[dict[str, Any]]]:
        """Verdict rows by part of those that measure; answers that are kept are not asked again."""
        start = time.monotonic()
        parts = {part: examples(self.data, part, self.database.db_id) for part in MEASURED}
        every = [example for part in parts.values() for example in part]
        finished = {row["example_id"]: from_row(row) for row in self.run.rows(when)}
        todo = any(example.id not in finished for example in every)
        predictor = load() if todo else _Nobody()
        rows: dict[str, list[dict[str, Any]]] = {part: [] for part in parts}
        with self.progress(f"asking {when}", len(every)) as advance:
            right = asked = 0
            for part, wanted in parts.items():
                judged = []
                for item in judge(
                    wanted,
                    predictor,
                    [ExecutionAccuracy(Judging(both=False))],
                    lambda _: self.database,
                    finished=finished,
                    record=lambda prediction: self.run.append(when, to_row(prediction)),
                ):
                    judged.append(item)
                    asked += 1
                    right += item.verdicts[0].correct
                    advance(f"EX {right / asked:.1%}")
                rows[part] = list(verdict_rows(judged))
        if todo:
            self._took(f"asking {when}", start)
        return rows

    def train(self) -> Path | None:
        """Fine-tune the adapter: its folder, or None when it was stopped before."""
        from txt2sql.training import sft

        start = time.monotonic()
        folder = self.run.folder / "sft"
        todo = not (folder / "model").is_dir()
        self.report(f"fine-tuning on {len(examples(self.data, 'train', '')):,} questions"
                    f"{' and ' + self.general if self.general else ''}")  # fmt: skip
        config = self.config
        shares = (1 - config.general_share, config.general_share)
        found = sft.train(
            SFTConfig(
                model=self.model,
                output=str(folder),
                datasets=(str(self.data), *([self.general] if self.general else [])),
                shares=shares if self.general else None,
                held_out=0.0,
                measured=0,
                max_steps=config.steps,
                adapter=config.adapter,
                learning_rate=config.learning_rate,
                batch_tokens=config.batch_tokens,
                checkpoint_every=25,
                patience=None,
                final="last",
                seed=config.seed,
            ),
            self.report,
            self.progress,
        )
        if todo:
            self._took("fine-tuning", start)
        if found is None or config.strength == 1:
            return found
        from txt2sql.training.interpolation import interpolated

        return interpolated(found, self.run.folder / "adapter", config.strength)

    @property
    def general(self) -> str:
        """The data set to mix in, where it is wanted and there."""
        name = self.config.general
        if not name or not self.config.general_share:
            return ""
        there = dataset_root(name).is_dir() if name in DATASETS else Path(name).is_dir()
        return name if there else ""

    def conclude(
        self,
        before: Mapping[str, Sequence[Mapping[str, Any]]],
        after: Mapping[str, Sequence[Mapping[str, Any]]],
        adapter: Path,
        left_out: Sequence[str],
        force: bool,
    ) -> dict[str, Any]:
        """Compare, decide, put to use, and write the report."""
        found = {part: compare(before[part], after[part]) for part in before if before[part]}
        better, why = verdict(found)
        measured = {part: numbers(comparison) for part, comparison in found.items()}
        used = better or force
        if used:
            adapted.put_to_use(self.schema, self.database.path, adapter, self.model, measured)
        facts = {
            "database": str(self.database.path),
            "db_id": self.database.db_id,
            "schema": adapted.fingerprint(self.schema),
            "model": self.model,
            "adapter": str(adapter),
            "used": used,
            "why": why if better or not force else f"{why}; put to use all the same, as asked",
            "trained_on": {
                "made": len(examples(self.data, "train", "")),
                "given": self.state.get("given_train", 0),
                "general": self.general,
            },
            "left_out": list(left_out),
            "measured": measured,
            "seconds": self.state["seconds"],
            "config": as_mapping(self.config),
            **self.run.made_with(),
        }
        write_atomically(self.run.folder / "report.md", page(facts, found))
        write_atomically(self.run.folder / "report.json", json.dumps(facts, indent=2) + "\n")
        return facts

    def _took(self, stage: str, start: float) -> None:
        """Add to the seconds of a stage. Those of a run that was killed in it are not known."""
        seconds = self.state["seconds"]
        seconds[stage] = round(seconds.get(stage, 0) + time.monotonic() - start, 1)
        self.run.save_state(self.state)


class _Nobody:
    """The predictor where every answer is known."""

    name = "nobody"

    def predict(self, examples: Sequence[Example]) -> Any:
        """Nothing: nothing is asked."""
        return iter(())
