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
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
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
from txt2sql.models.adapters import Adapter, base_name
from txt2sql.models.catalog import ADAPTER, is_exported, read_json, resolve, sources
from txt2sql.runs import Run, made_with, open_run, write_atomically
from txt2sql.training.loop import Progress, Report, silent
from txt2sql.training.pairs import PARTS, Pair, examples, make_split, read_given, write_split
from txt2sql.training.settings import AdaptConfig, SFTConfig
from txt2sql.types import Predictor, Schema

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
    texts = json.dumps([[pair.question, pair.sql] for pair in pairs]).encode()
    # What decides a run's pairs, answers and adapter.
    settings = {
        **as_mapping(config),
        "model": model,
        "weights": adapters.weights_mark(model),
        "schema": adapters.fingerprint(schema),
        "pairs": hashlib.sha256(texts).hexdigest()[:16] if pairs else "",
    }
    run = open_run(output, settings, config.seed)
    adaptation = Adaptation(run, database, schema, config, model, report, progress)
    adaptation.prepare(pairs)
    before = adaptation.validate("before", lambda: predictor_of(model))
    adapter = adaptation.train()
    if adapter is None:
        return None
    after = adaptation.validate("after", lambda: predictor_of(adapter))
    return adaptation.conclude(before, after, adapter, left_out, force)


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
        finished = {row["example_id"]: from_row(row) for row in self.run.rows(when)}
        parts = {part: examples(self.data, part, self.database.db_id) for part in VALIDATION}
        every = [example for part in parts.values() for example in part]
        rows: dict[str, list[dict[str, Any]]] = {part: [] for part in parts}
        todo = any(example.id not in finished for example in every)
        # Where every answer is there, nobody is asked.
        predictor: Any = load() if todo else SimpleNamespace(name="nobody", predict=iter)
        right, judged = 0, []
        with self.progress(f"asking {when}", len(every)) as advance:
            for item in judge(
                every, predictor, [ExecutionAccuracy(Judging(both=False))], lambda _: self.database,
                finished=finished,
                record=lambda prediction: self.run.append(when, to_row(prediction)),
            ):  # fmt: skip
                judged.append(item)
                right += item.verdicts[0].correct
                advance(f"EX {right / len(judged):.1%}")
        for row in verdict_rows(judged):
            rows[str(row["example_id"]).partition("-")[0]].append(row)
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
        config, adapter = self.config, self.config.adapter
        common: dict[str, Any] = {
            "output": str(folder), "datasets": (str(self.data),), "held_out": 0.0, "measured": 0,
            "max_steps": config.steps, "learning_rate": config.learning_rate, "patience": None,
            "final": "last", "seed": config.seed,
        }  # fmt: skip
        plain = not (adapter.dora or adapter.rslora or adapter.targets)
        if plain and answers_activated(self.model):
            trained = self._train_activated(folder / "weights", common)
        else:
            from txt2sql.training import sft

            whole = SFTConfig(
                model=self.model, adapter=adapter, batch_tokens=config.batch_tokens,
                checkpoint_every=25, **common,
            )  # fmt: skip
            trained = sft.train(whole, self.report, self.progress)
        self._took("fine-tuning", start)
        if trained is None:
            return None
        return scaled(trained, target, config.strength, base_name(resolve(self.model).source))

    def _train_activated(self, weights: Path, common: Mapping[str, Any]) -> Path | None:
        """By activated LoRA, beside the adapters that the model has: `weights` have them merged in."""
        from txt2sql.models.export import export_hf
        from txt2sql.training import activated

        config = self.config
        if not (weights / "config.json").is_file():
            export_hf(self.model, weights)
        settings = activated.ActivatedConfig(
            model=str(weights), engine=str(resolve(self.model).folder), shares=None,
            adapter=Adapter(config.adapter.r, config.adapter.alpha, 0.0),
            warmup=0.05, cooldown=1 / 3, group=max(1, config.batch_tokens // _TOKENS),
            accumulate=1, **common,
        )  # fmt: skip
        trained = activated.train(settings, self.report, self.progress, merged=True)
        if trained is not None:
            shutil.rmtree(weights)
        return trained

    def conclude(
        self, before: Mapping[str, Sequence[Mapping[str, Any]]],
        after: Mapping[str, Sequence[Mapping[str, Any]]],
        adapter: Path, left_out: Sequence[str], force: bool,
    ) -> dict[str, Any]:  # fmt: skip
        """Compare, decide, put to use, and write the report."""
        comparisons = {part: compare(before[part], after[part]) for part in before if before[part]}
        better, why = verdict(comparisons)
        numbers = {
            part: {
                "before": each.a._asdict(), "after": each.b._asdict(),
                "difference": each.difference._asdict(), "p": each.p,
                "only_before": each.only_a, "only_after": each.only_b,
            }
            for part, each in comparisons.items()
        }  # fmt: skip
        if better or force:
            adapters.put_to_use(self.schema, self.database.path, adapter, self.model, numbers)
        made, given = len(examples(self.data, "train", "")), self.state.get("given_train", 0)
        facts = {
            "database": str(self.database.path),
            "db_id": self.database.db_id,
            "schema": adapters.fingerprint(self.schema),
            "model": self.model,
            "adapter": str(adapter),
            "used": better or force,
            "why": why if better or not force else f"{why}; put to use all the same, as asked",
            "trained_on": {"made": made, "given": given},
            "left_out": list(left_out),
            "measured": numbers,
            "seconds": self.state["seconds"],
            "config": as_mapping(self.config),
            **made_with(),
        }
        write_atomically(self.run.folder / "report.md", _page(facts, comparisons))
        write_atomically(self.run.folder / "report.json", json.dumps(facts, indent=2) + "\n")
        return facts

    def _took(self, stage: str, start: float) -> None:
        """Add to the seconds of a stage. Those of a run that was killed in it are not counted."""
        seconds = self.state["seconds"]
        seconds[stage] = round(seconds.get(stage, 0) + time.monotonic() - start, 1)
        self.run.save_state(self.state)


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
    shutil.copytree(adapter, part)
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
