"""Adapting a small model to one database: `txt2sql adapt`.

Domain adaptation by synthetic data and a low-rank adapter. Pairs are synthesised for the database, the
model as it is answers those held out, an adapter is fine-tuned, answers the same questions, and is put to
use for this database where it does better (`models.adapters`). A statement is held out with every other
that differs from it in values alone, and with every question asked for it. A model that answers from ONNX
is fine-tuned by activated LoRA (`activated`), others on whole prompts (`sft`). Every stage keeps what it
has done in the run's folder (run.json, data/, before.jsonl, sft/, adapter/, after.jsonl, report.json,
report.md), so a run that was killed goes on.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from txt2sql.config import as_mapping
from txt2sql.data import spider
from txt2sql.data.spider import link_database
from txt2sql.data.synthesis import Source, synthesise
from txt2sql.errors import DatabaseError, DataError, ModelError
from txt2sql.evaluation.comparison import Comparison, compare
from txt2sql.evaluation.evaluate import judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import LIMITS, Judging
from txt2sql.evaluation.predictions import from_row, to_row
from txt2sql.evaluation.verdicts import verdict_rows
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.models import adapters
from txt2sql.models.adapters import Adapter, base_name
from txt2sql.models.catalog import ADAPTER, is_exported, read_json, resolve, sources
from txt2sql.runs import Run, made_with, open_run, write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.sql.text import normalise
from txt2sql.training.loop import Progress, Report, silent
from txt2sql.training.settings import AdaptConfig, SFTConfig
from txt2sql.types import Example, Predictor, Schema

PredictorOf = Callable[[str | Path], Predictor]
"""The predictor of a model, by name or folder, over the database: what `txt2sql ask` asks."""
PARTS = ("train", "synthetic", "given")
"""Files of the folder of pairs; the last one is written last."""
VALIDATION = {"synthetic": "made questions", "given": "given questions"}
"""The parts that validate, and what people call them."""
FEW_PAIRS = 20  # fewer given pairs all validate: half of them would neither teach nor tell much
_LEAST = 20  # synthetic pairs
_GIVEN_SHARE = 0.2
_SURE = 0.05
_TOKENS = 128  # of a question with its answer, at most
_WEIGHTS = "adapter_model.safetensors"
_VALUE = re.compile(r"'[^']*(?:''[^']*)*'|\b\d+(?:\.\d+)?\b")


@dataclass(frozen=True, slots=True)
class Pair:
    question: str
    sql: str


@dataclass(frozen=True, slots=True)
class Split:
    """What trains, and what validates: synthetic pairs and given ones. Given pairs that train stand
    there as often as gives them a fifth of all."""

    train: tuple[Pair, ...]
    synthetic: tuple[Pair, ...]
    given: tuple[Pair, ...]


def statement(sql: str, schema: Schema) -> str:
    """What a statement is held out by: its normal form with every value as `?`."""
    return _VALUE.sub("?", normalise(canonical_sql(sql, schema)).lower())


def read_given(
    path: Path, database: Database, report: Callable[[str], None]
) -> tuple[list[Pair], list[str]]:
    """The pairs of a user's file (JSON in Spider's shape, lines of such objects, or lines
    `question<tab>SQL`) whose SQL runs, and what is wrong with the others. Raises DataError for a
    file without any."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read pairs from '{path}': {error}") from None
    if text.lstrip().startswith("["):
        try:
            items = [_of_object(item, database.db_id) for item in json.loads(text)]
        except ValueError as error:
            raise DataError(f"cannot read '{path}' as JSON: {error}") from None
        entries = [(f"item {number}", item) for number, item in enumerate(items, 1)]
    else:
        lines = enumerate(text.split("\n"), 1)
        entries = [
            (f"line {n}", _of_line(line, database.db_id)) for n, line in lines if line.strip()
        ]
    pairs: dict[Pair, None] = {}
    wrong: list[str] = []
    for where, pair in entries:
        if isinstance(pair, str):
            wrong.append(f"{where}: {pair}")
        elif (result := execute(database, pair.sql, LIMITS)).ok:
            pairs.setdefault(pair)
        else:
            wrong.append(f"{where}: its SQL fails: {result.error}")
    for sentence in wrong:
        report(f"{path.name}, {sentence}; left out")
    if not pairs:
        raise DataError(
            f"'{path}' holds no pair that can be used ({wrong[0] if wrong else 'it is empty'}); give "
            "lines of question<tab>SQL, or JSON objects with 'question' and 'query'"
        )
    return list(pairs), wrong


def _of_line(line: str, db_id: str) -> Pair | str:
    if line.lstrip().startswith("{"):
        try:
            return _of_object(json.loads(line), db_id)
        except ValueError:
            return "is not JSON"
    question, _, sql = (part.strip() for part in line.partition("\t"))
    return Pair(question, sql) if question and sql else "is not question<tab>SQL"


def _of_object(item: Any, db_id: str) -> Pair | str:
    fields = item if isinstance(item, dict) else {}
    question, sql = fields.get("question"), fields.get("query", fields.get("sql"))
    if not (isinstance(question, str) and isinstance(sql, str) and question and sql):
        return "has no 'question' and 'query'"
    if fields.get("db_id", db_id) != db_id:
        return f"is about '{fields['db_id']}', not '{db_id}'"
    return Pair(question.strip(), sql.strip())


def make_split(
    database: Database, schema: Schema, given: Sequence[Pair], config: AdaptConfig,
    advance: Callable[[int], None] = lambda made: None,
) -> Split:  # fmt: skip
    """Synthesise pairs and split them and the given ones by statement. Raises DataError where too
    few can be made of the database."""
    made, _ = synthesise(
        [Source(database, schema)], config.count + config.held_out, seed=config.seed,
        exclude=[pair.question for pair in given], advance=advance,
    )  # fmt: skip
    if len(made) < _LEAST:
        raise DataError(
            f"only {len(made)} questions could be made of '{database.db_id}', too few to adapt to; "
            "give a database with more rows or columns"
        )
    # Given pairs, by statement; all validate where there are few.
    validation: dict[Pair, str] = {}
    train: dict[Pair, str] = {}
    for pair in given:
        key = statement(pair.sql, schema)
        draw = random.Random(f"given {key}").random()
        trains = len(given) >= FEW_PAIRS and draw < config.given_share
        (train if trains else validation)[pair] = key
    held_out, trained = set(validation.values()), set(train.values())
    groups: dict[str, list[Pair]] = {}
    for each in made:
        if (key := statement(each.sql, schema)) not in held_out:
            groups.setdefault(key, []).append(Pair(each.question, each.sql))
    order = sorted(groups)
    random.Random(f"{config.seed} held out").shuffle(order)
    most = min(config.held_out, sum(map(len, groups.values())) // 4)
    synthetic: list[Pair] = []
    for key in order:
        if len(synthetic) >= most:
            break
        lasting = not any("'now'" in pair.sql for pair in groups[key])  # other rows another day
        if key not in trained and lasting:
            synthetic += groups.pop(key)
    pairs = [pair for group in groups.values() for pair in group]
    random.Random(f"{config.seed} order").shuffle(pairs)
    repeats = max(1, round(_GIVEN_SHARE * len(pairs) / len(train))) if train else 0
    return Split((*pairs, *([*train] * repeats)), tuple(synthetic), tuple(validation))


def write_split(split: Split, database: Database, folder: Path) -> None:
    for part in PARTS:
        rows = [
            {"db_id": database.db_id, "question": pair.question, "query": pair.sql}
            for pair in getattr(split, part)
        ]
        spider.write_split(folder, part, rows, [database])


def examples(folder: Path, part: str, db_id: str) -> list[Example]:
    rows: list[dict[str, Any]] = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    return [
        Example(f"{part}-{i}", db_id, row["question"], row["query"]) for i, row in enumerate(rows)
    ]


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
    """Adapt `model`, or go on with the run in `output`: its report, or None when SIGTERM ended it.
    `given` is a file of pairs; `force` puts the adapter to use whatever was measured. Raises a
    Text2SQLError."""
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
    return adaptation.conclude(before, after, adapter, len(pairs), left_out, force)


class Adaptation:
    def __init__(
        self, run: Run, database: Database, schema: Schema, config: AdaptConfig, model: str,
        report: Report, progress: Progress,
    ) -> None:  # fmt: skip
        self.run, self.database, self.schema = run, database, schema
        self.config, self.model = config, model
        self.report, self.progress = report, progress
        self.data = run.folder / "data"

    def prepare(self, given: Sequence[Pair]) -> None:
        """Make the pairs and write their parts."""
        if (self.data / f"{PARTS[-1]}.json").is_file():
            link_database(self.database, self.data)  # it may have been moved since
            return
        made = 0
        with self.progress("making questions", self.config.count + self.config.held_out) as step:

            def advance(count: int) -> None:
                nonlocal made
                for _ in range(count - made):
                    step("")
                made = max(made, count)

            split = make_split(self.database, self.schema, given, self.config, advance)
        write_split(split, self.database, self.data)

    def validate(self, when: str, load: Callable[[], Predictor]) -> dict[str, list[dict[str, Any]]]:
        """Verdict rows by part; what was answered before is not asked again."""
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
        return rows

    def train(self) -> Path | None:
        """Fine-tune the adapter: its folder, or None when it was stopped before."""
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
        if trained is None:
            return None
        return scaled(trained, target, config.strength, base_name(resolve(self.model).source))

    def _train_activated(self, weights: Path, common: Mapping[str, Any]) -> Path | None:
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
        adapter: Path, given: int, left_out: Sequence[str], force: bool,
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
        made, held_out = (len(examples(self.data, part, "")) for part in ("train", "given"))
        facts = {
            "database": str(self.database.path),
            "db_id": self.database.db_id,
            "schema": adapters.fingerprint(self.schema),
            "model": self.model,
            "adapter": str(adapter),
            "used": better or force,
            "why": why if better or not force else f"{why}; put to use all the same, as asked",
            "trained_on": {"made": made, "given": given - held_out},
            "left_out": list(left_out),
            "measured": numbers,
            "config": as_mapping(self.config),
            **made_with(),
        }
        write_atomically(self.run.folder / "report.md", _page(facts, comparisons))
        write_atomically(self.run.folder / "report.json", json.dumps(facts, indent=2) + "\n")
        return facts


def answers_activated(model: str) -> bool:
    """Whether a model answers from ONNX, and all adapters that it has are active after the schema only."""
    *over, base = (card.folder for card in sources(resolve(model)))
    if base is None or not is_exported(base):
        return False
    adapters = [each for each in (base / ADAPTER, *over) if each and each.is_dir()]
    return all(read_json(each / "prompt.json").get("activated") for each in adapters)


def scaled(adapter: Path, target: Path, share: float, base: str) -> Path:
    """Write the LoRA adapter that goes `share` of the way from `base` to the fine-tuned weights:
    WiSE-FT (Wortsman et al., CVPR 2022). For LoRA the way is straight, so that scaling every B is
    enough."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(adapter / _WEIGHTS)
    names = [name for name in tensors if ".lora_B." in name or ".lora_embedding_B" in name]
    if share != 1 and (not names or any("lora_magnitude" in name for name in tensors)):
        raise ModelError(f"'{adapter}' is no plain LoRA adapter; set strength to 1 to use it whole")
    for name in names:
        tensors[name] = tensors[name] * share
    facts = read_json(adapter / "adapter_config.json") | {"base_model_name_or_path": base}
    with adapters.whole_folder(target) as part:
        shutil.copytree(adapter, part, dirs_exist_ok=True)
        write_atomically(part / "adapter_config.json", json.dumps(facts, indent=2) + "\n")
        save_file(tensors, part / _WEIGHTS, metadata={"format": "pt"})
    return target


def verdict(comparisons: Mapping[str, Comparison]) -> tuple[bool, str]:
    """Whether to use an adapter, and why: surely better on made questions (McNemar's exact test),
    and, where there are given ones, not worse on them."""
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
    parts = [
        f"# {facts['model']} adapted to {facts['db_id']}\n",
        f"The adapter is {'in use' if facts['used'] else 'not used'}: {facts['why']}.\n",
        "Execution accuracy on questions whose SQL was not trained on, with any values:\n",
        "| questions | n | before | after | difference, 95% interval | McNemar's p |",
        "|---|---|---|---|---|---|",
    ]
    for part, each in comparisons.items():
        gap = each.difference
        parts.append(
            f"| {VALIDATION[part]} | {each.a.n:,} | {each.a.mean:.1%} | {each.b.mean:.1%} | "
            f"{100 * gap.mean:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f} | "
            f"{each.p:.3f} |"
        )
    for part, each in comparisons.items():
        parts.append(f"\n## {VALIDATION[part].capitalize()} that changed\n")
        for change in each.changed[:20]:
            sign = "now right" if change.b > change.a else "now wrong"
            parts.append(f"- {sign}: {change.question}  \n  `{change.b_sql or 'no SQL'}`")
    return "\n".join(parts) + "\n"
