"""Adapting a small model to one database: `txt2sql adapt`.

Field's names: domain adaptation by synthetic data and a low-rank adapter. Pairs are synthesised for the
database (`pairs`), the model as it is answers those held out, an adapter is fine-tuned, answers the same
questions, and is put to use for this database where it does better (`models.adapters`). A model that
answers from ONNX, as the bundled one, is fine-tuned by activated LoRA (`activated`): a step reads questions
and answers alone, and the adapted model shares the stored schema part with the plain one. Others are
fine-tuned on whole prompts (`sft`). Every stage keeps what it has done, so a run that was killed goes on.

    results/adapt-shop-5f0c/
    ├── run.json, config.yaml    settings, commit, versions
    ├── data/                    pairs in Spider's layout: train, synthetic and given
    ├── before.jsonl             answers of the model as it is; after.jsonl those of the adapted one
    ├── sft/                     the fine-tuning run
    ├── adapter/                 what came of it, part of the way from the model (WiSE-FT)
    └── report.json, report.md   what came of it

>>> adapt(open_database("shop.sqlite"), AdaptConfig(), Path("results/shop"), predictor_of)  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from txt2sql.config import as_mapping
from txt2sql.data.spider import link_database
from txt2sql.errors import DatabaseError, ModelError
from txt2sql.evaluation.comparison import Comparison, compare
from txt2sql.evaluation.evaluate import judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.predictions import from_row, to_row
from txt2sql.evaluation.verdicts import verdict_rows
from txt2sql.execution.database import Database
from txt2sql.models import adapters
from txt2sql.models.adapters import base_name
from txt2sql.models.catalog import ADAPTER, is_exported, read_json, resolve, sources
from txt2sql.runs import Run, open_run, write_atomically
from txt2sql.training.loop import Progress, Report, silent
from txt2sql.training.pairs import (
    PARTS,
    Pair,
    examples,
    make_split,
    read_given,
    write_split,
)
from txt2sql.training.settings import AdaptConfig, SFTConfig
from txt2sql.types import Example, Predictor, Schema

__all__ = ["AdaptConfig", "adapt"]

PredictorOf = Callable[[str | Path], Predictor]
"""The predictor of a model, by name or folder, over the database: what `txt2sql ask` asks."""
VALIDATION = {"synthetic": "made questions", "given": "given questions"}
"""The parts that validate, and what people call them."""
_SURE = 0.05
_TOKENS = 128
"""A question with its answer has about so many, at most."""
_WEIGHTS = "adapter_model.safetensors"


def adapt(
    database: Database,
    config: AdaptConfig,
    output: Path,
    predictor_of: PredictorOf,
    *,
    model: str = "bundled",
    given: Path | None = None,
    force: bool = False,
    report: Report = print,
    progress: Progress = silent,
) -> dict[str, Any] | None:
    """Adapt `model`, or go on with the run in `output`: its report, or None when SIGTERM ended the
    fine-tuning before.

    `given` is a file of pairs (`pairs.read_given`); `force` puts the adapter to use whatever was
    measured. Raises a child of Text2SQLError for what a person can mend.
    """
    schema = database.schema()
    if not any(table.columns for table in schema.tables):
        raise DatabaseError(f"'{database.path}' holds no tables; give a database that has some")
    # What is wrong with the pairs is told before a run is begun with them.
    pairs, left_out = read_given(given, database, report) if given else ([], [])
    run = open_run(output, _settings(config, schema, model, pairs), config.seed)
    adaptation = Adaptation(run, database, schema, config, model, report, progress)
    adaptation.prepare(pairs)
    before = adaptation.validate("before", lambda: predictor_of(model))
    adapter = adaptation.train()
    if adapter is None:
        return None
    after = adaptation.validate("after", lambda: predictor_of(adapter))
    return adaptation.conclude(before, after, adapter, left_out, force)


def _settings(
    config: AdaptConfig, schema: Schema, model: str, given: Sequence[Pair]
) -> dict[str, Any]:
    """What a run goes on under: what decides its pairs, answers and adapter."""
    pairs = json.dumps([[pair.question, pair.sql] for pair in given]).encode()
    return {
        **as_mapping(config),
        "model": model,
        "weights": adapters.weights_mark(model),
        "schema": adapters.fingerprint(schema),
        "pairs": hashlib.sha256(pairs).hexdigest()[:16] if given else "",
    }


class Adaptation:
    """The stages of one run."""

    def __init__(
        self, run: Run, database: Database, schema: Schema, config: AdaptConfig, model: str,
        report: Report, progress: Progress,
    ) -> None:  # fmt: skip
        self.run, self.database, self.schema = run, database, schema
        self.config, self.model = config, model
        self.report, self.progress = report, progress
        self.data = run.folder / "data"
        self.state: dict[str, Any] = run.state() or {"seconds": {}}

    def prepare(self, given: Sequence[Pair]) -> None:
        """Make the pairs and write their parts."""
        if (self.data / f"{PARTS[-1]}.json").is_file():
            link_database(self.database, self.data)  # it may have been moved since
            return
        start = time.monotonic()
        made = 0
        with self.progress("making questions", self.config.count + self.config.held_out) as step:

            def advance(count: int) -> None:
                nonlocal made
                for _ in range(count - made):
                    step("")
                made = max(made, count)

            split = make_split(self.database, self.schema, given, self.config, advance)
        self.state["given_train"] = split.given_train
        self._took("making questions", start)
        write_split(split, self.database, self.data)

    def validate(self, when: str, load: Callable[[], Predictor]) -> dict[str, list[dict[str, Any]]]:
        """Verdict rows by part; what was answered before is not asked again."""
        start = time.monotonic()
        parts = {part: examples(self.data, part, self.database.db_id) for part in VALIDATION}
        finished = {row["example_id"]: from_row(row) for row in self.run.rows(when)}
        every = [example for part in parts.values() for example in part]
        todo = any(example.id not in finished for example in every)
        predictor = load() if todo else _Nobody()
        rows: dict[str, list[dict[str, Any]]] = {}
        with self.progress(f"asking {when}", len(every)) as advance:
            right = count = 0
            for part, questions in parts.items():
                judged = []
                for item in judge(
                    questions,
                    predictor,
                    [ExecutionAccuracy(Judging(both=False))],
                    lambda _: self.database,
                    finished=finished,
                    record=lambda prediction: self.run.append(when, to_row(prediction)),
                ):
                    judged.append(item)
                    count += 1
                    right += item.verdicts[0].correct
                    advance(f"EX {right / count:.1%}")
                rows[part] = list(verdict_rows(judged))
        if todo:
            self._took(f"asking {when}", start)
        return rows

    def train(self) -> Path | None:
        """Fine-tune the adapter: its folder, or None when it was stopped before."""
        start = time.monotonic()
        target, folder = self.run.folder / "adapter", self.run.folder / "sft"
        if target.is_dir():
            return target
        self.report(f"fine-tuning on {len(examples(self.data, 'train', '')):,} questions")
        adapter = self.config.adapter
        plain = not (adapter.dora or adapter.rslora or adapter.targets)
        activated = plain and answers_activated(self.model)
        trained = self._train_activated(folder) if activated else self._train_whole(folder)
        self._took("fine-tuning", start)
        if trained is None:
            return None
        return scaled(trained, target, self.config.strength, base_name(resolve(self.model).source))

    def _train_whole(self, folder: Path) -> Path | None:
        """On whole prompts."""
        from txt2sql.training import sft

        config = self.config
        return sft.train(
            SFTConfig(
                model=self.model, output=str(folder), datasets=(str(self.data),), held_out=0.0,
                measured=0, max_steps=config.steps, adapter=config.adapter,
                learning_rate=config.learning_rate, batch_tokens=config.batch_tokens,
                checkpoint_every=25, patience=None, final="last", seed=config.seed,
            ),
            self.report,
            self.progress,
        )  # fmt: skip

    def _train_activated(self, folder: Path) -> Path | None:
        """By activated LoRA, beside the adapters that the model has."""
        import torch

        from txt2sql.models.export import export_hf
        from txt2sql.training import activated
        from txt2sql.training.loop import half_precision

        class Run(activated.Run):
            """The schema part is read by the base alone, while the weights here have the model's own
            adapters merged in: its states come from the engine whatever the precision.
            """

            def _prefix_states(self, ids: tuple[int, ...]) -> activated.Array:
                return self.decoder.prefix_states(ids)

        config, weights = self.config, folder / "weights"
        if not (weights / "config.json").is_file():
            export_hf(self.model, weights)
        settings = activated.ActivatedConfig(
            model=str(weights), engine=str(resolve(self.model).folder), output=str(folder),
            datasets=(str(self.data),), shares=(1.0,), held_out=0.0, rank=config.adapter.r,
            alpha=config.adapter.alpha, learning_rate=config.learning_rate,
            warmup=max(1, config.steps // 20), cooldown=config.steps // 3, max_steps=config.steps,
            group=max(1, config.batch_tokens // _TOKENS), groups=1,
            bf16=half_precision(None) == torch.bfloat16, seed=config.seed,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft against a newer transformers
            run, checkpoint = Run(settings), folder / "checkpoint"
        if checkpoint.is_dir():
            run.load(checkpoint)
        source = activated.Source(str(self.data), settings, run.decoder)
        source.name = "adapt"  # the order of questions depends on it, and not on where the run lies
        with self.progress("fine-tune", config.steps - run.step) as advance:
            groups = activated.plan([source], settings)
            finished = activated.fit(
                run, groups, folder, lambda row: advance(f"loss {row['loss']:.3f}")
            )
        if not finished:
            self.report(f"stopped at step {run.step} of {config.steps}; run it again to go on")
            return None
        shutil.rmtree(weights)
        return checkpoint

    def conclude(
        self,
        before: Mapping[str, Sequence[Mapping[str, Any]]],
        after: Mapping[str, Sequence[Mapping[str, Any]]],
        adapter: Path,
        left_out: Sequence[str],
        force: bool,
    ) -> dict[str, Any]:
        """Compare, decide, put to use, and write the report."""
        comparisons = {part: compare(before[part], after[part]) for part in before if before[part]}
        better, why = verdict(comparisons)
        numbers = {part: _numbers(comparison) for part, comparison in comparisons.items()}
        if better or force:
            adapters.put_to_use(self.schema, self.database.path, adapter, self.model, numbers)
        facts = {
            "database": str(self.database.path),
            "db_id": self.database.db_id,
            "schema": adapters.fingerprint(self.schema),
            "model": self.model,
            "adapter": str(adapter),
            "used": better or force,
            "why": why if better or not force else f"{why}; put to use all the same, as asked",
            "trained_on": {
                "made": len(examples(self.data, "train", "")),
                "given": self.state.get("given_train", 0),
            },
            "left_out": list(left_out),
            "measured": numbers,
            "seconds": self.state["seconds"],
            "config": as_mapping(self.config),
            **self.run.made_with(),
        }
        write_atomically(self.run.folder / "report.md", _page(facts, comparisons))
        write_atomically(self.run.folder / "report.json", json.dumps(facts, indent=2) + "\n")
        return facts

    def _took(self, stage: str, start: float) -> None:
        """Add to the seconds of a stage. Those of a run that was killed in it are not counted."""
        seconds = self.state["seconds"]
        seconds[stage] = round(seconds.get(stage, 0) + time.monotonic() - start, 1)
        self.run.save_state(self.state)


class _Nobody:
    """The predictor where every answer is there already."""

    name = "nobody"

    def predict(self, examples: Sequence[Example]) -> Any:
        """Nothing: nothing is asked."""
        return iter(())


# ----------------------------------------------------------------------------------------- adapters


def answers_activated(model: str) -> bool:
    """Whether a model answers from ONNX, and all adapters that it has are active after the schema only."""
    *over, base = (card.folder for card in sources(resolve(model)))
    if base is None or not is_exported(base):
        return False
    adapters = [each for each in (base / ADAPTER, *over) if each and each.is_dir()]
    return all(read_json(each / "prompt.json").get("activated") for each in adapters)


def scaled(adapter: Path, target: Path, share: float, base: str) -> Path:
    """Write the LoRA adapter that goes `share` of the way from `base` to the fine-tuned weights.

    Field's name: WiSE-FT, weight-space interpolation (Wortsman et al., CVPR 2022, "Robust fine-tuning of
    zero-shot models"). For LoRA the way is straight, base + share * alpha / r * B A, so that scaling every
    B is enough.
    """
    from safetensors.torch import load_file, save_file

    part = target.with_name(f".{target.name}.part")
    for leftover in (part, target):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(adapter, part, ignore=shutil.ignore_patterns("state.pt"))
    facts = read_json(part / "adapter_config.json")
    facts["base_model_name_or_path"] = base
    write_atomically(part / "adapter_config.json", json.dumps(facts, indent=2) + "\n")
    tensors = load_file(part / _WEIGHTS)
    names = [name for name in tensors if ".lora_B." in name or ".lora_embedding_B" in name]
    if share != 1 and (not names or any("lora_magnitude" in name for name in tensors)):
        raise ModelError(f"'{adapter}' is no plain LoRA adapter; set strength to 1 to use it whole")
    for name in names:
        tensors[name] = tensors[name] * share
    save_file(tensors, part / _WEIGHTS, metadata={"format": "pt"})
    part.rename(target)
    return target


# ------------------------------------------------------------------------------------------- report


def verdict(comparisons: Mapping[str, Comparison]) -> tuple[bool, str]:
    """Whether to use an adapter, and why: surely better on made questions (McNemar's exact test), and,
    where there are given ones, not worse on them.
    """
    made, given = comparisons.get("synthetic"), comparisons.get("given")
    if given is not None and given.difference.mean < 0:
        return False, "it answers fewer of the given questions"
    if made is None or made.difference.mean <= 0:
        return False, "it answers no more of the made questions"
    if made.p is not None and made.p >= _SURE:
        return False, "that it answers more of the made questions may be chance"
    given_too = ", and no fewer of the given ones" if given is not None else ""
    return True, f"it answers more of the made questions{given_too}"


def _numbers(comparison: Comparison) -> dict[str, Any]:
    """One comparison, ready for JSON."""
    return {
        "before": comparison.a._asdict(),
        "after": comparison.b._asdict(),
        "difference": comparison.difference._asdict(),
        "p": comparison.p,
        "only_before": comparison.only_a,
        "only_after": comparison.only_b,
    }


def _page(facts: Mapping[str, Any], comparisons: Mapping[str, Comparison]) -> str:
    """The report to read, in Markdown."""
    lines = [
        f"# {facts['model']} adapted to {facts['db_id']}",
        "",
        f"The adapter is {'in use' if facts['used'] else 'not used'}: {facts['why']}.",
        "",
        "Execution accuracy on questions whose SQL was not trained on, with any values:",
        "",
        "| questions | n | before | after | difference, 95% interval | McNemar's p |",
        "|---|---|---|---|---|---|",
    ]
    for part, each in comparisons.items():
        gap = each.difference
        lines.append(
            f"| {VALIDATION[part]} | {each.a.n:,} | {each.a.mean:.1%} | {each.b.mean:.1%} | "
            f"{100 * gap.mean:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f} | "
            f"{each.p:.3f} |"
        )
    for part, each in comparisons.items():
        lines += ["", f"## {VALIDATION[part].capitalize()} that changed", ""]
        for change in each.changed[:20]:
            sign = "now right" if change.b > change.a else "now wrong"
            lines.append(f"- {sign}: {change.question}  \n  `{change.b_sql or 'no SQL'}`")
    return "\n".join(lines) + "\n"
