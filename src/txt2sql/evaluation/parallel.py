"""Judging many predictions at once: in several processes, and nothing twice.

Each process is its own sandbox (execution/spread.py). What one dies of is judged again here, where
`execute` hands it to a worker process that may be killed, so that every prediction gets its verdict.

>>> judged = judge_all(examples, predictions, metrics, dataset.database)  # doctest: +SKIP
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from txt2sql.errors import DatabaseError
from txt2sql.evaluation.cache import JudgeCache, judge_hash, key, lasts
from txt2sql.evaluation.evaluate import broken_databases, gold_errors, rated
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics import Context, Metric
from txt2sql.evaluation.metrics.test_suite import suite
from txt2sql.evaluation.provenance import file_hash
from txt2sql.evaluation.report import Judged
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.execution.spread import Lost, can_spread, spread
from txt2sql.types import Example, Outcome, Prediction, Verdict

_WORTH_SPREADING = 64
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}

_Row = tuple[str, float, str, object]


@dataclass(frozen=True, slots=True)
class Memory:
    """What makes remembered values safe to use: `settings` says how the metrics were set, `content`
    is a hash, by db_id, of everything that stands behind it, `files` the hashes of database files."""

    cache: JudgeCache
    settings: str
    content: Mapping[str, str]
    files: Mapping[Path, str]

    @classmethod
    def of(
        cls,
        cache: JudgeCache,
        context: Context,
        metrics: Sequence[Metric],
        examples: Sequence[Example],
    ) -> Memory:
        """The memory for these examples; a database that cannot be read has none."""
        files: dict[Path, str] = {}
        content: dict[str, str] = {}
        for db_id in dict.fromkeys(example.db_id for example in examples):
            try:
                databases = [context.source.database(db_id)]
                databases += suite(context.suites, db_id) if context.suites else ()
                for database in databases:
                    if database.path not in files:
                        files[database.path] = _content(database.path)
            except (DatabaseError, OSError):
                continue
            behind = [files[database.path] for database in databases]
            content[db_id] = repr((behind, databases[0].tables, context.entry(db_id)))
        settings = repr((context.judging, [metric.name for metric in metrics]))
        return cls(cache, settings, content, files)

    def key(self, example: Example, prediction: Prediction) -> bytes:
        """The key of one example's verdicts."""
        sql = "" if prediction.sql is None else f"= {prediction.sql}"
        behind = self.content.get(example.db_id, "")
        golds = (example.gold_sql or repr(example.answers), *example.accepted)
        return key(judge_hash(), self.settings, behind, *golds, sql)

    def database_key(self, path: Path, limits: Limits) -> bytes:
        """The key of one database's gold results."""
        return key(judge_hash(), self.files[path], repr(limits))


def judge_all(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    *,
    gold: GoldResults | None = None,
    memory: Memory | None = None,
    processes: int | None = None,
    done: Callable[[int, tuple[Verdict, ...]], None] = lambda position, verdicts: None,
) -> list[Judged]:
    """Every example with its prediction and verdicts, in order.

    `gold` is what the metrics share; `done` hears of each example as soon as it is judged.
    """
    tasks = list(zip(examples, predictions, strict=True))
    verdicts: dict[int, tuple[Verdict, ...]] = {}
    keys = [memory.key(*task) for task in tasks] if memory else []
    known = memory.cache.verdicts(keys) if memory else {}
    for position, (example, _) in enumerate(tasks):
        if known and (blob := known.get(keys[position])):
            verdicts[position] = _from_rows(example, metrics, marshal.loads(blob))
            done(position, verdicts[position])
    broken = broken_databases([e for i, e in enumerate(examples) if i not in verdicts], database)
    for position, (example, _) in enumerate(tasks):
        if position not in verdicts and example.db_id in broken:
            verdicts[position] = gold_errors(example, metrics, broken[example.db_id])
            done(position, verdicts[position])
    left = [position for position in range(len(tasks)) if position not in verdicts]
    left.sort(key=lambda position: -_size(database, examples[position].db_id))
    if gold and memory and left:
        for path in memory.files:
            results = memory.cache.gold(memory.database_key(path, gold.limits))
            gold.known.update(((str(path), sql), blob) for sql, blob in results.items())
    fresh_verdicts: list[tuple[bytes, bytes]] = []
    fresh_gold: list[tuple[str, str, bytes]] = []
    for position, rows, drained in _judge(left, tasks, metrics, database, gold, processes):
        verdicts[position] = _from_rows(tasks[position][0], metrics, rows)
        fresh_gold += drained
        if memory and _lasting(tasks[position], rows):
            fresh_verdicts.append((keys[position], marshal.dumps(rows)))
        done(position, verdicts[position])
    if memory and left:
        limits = gold.limits if gold else Limits()
        of = {str(path): memory.database_key(path, limits) for path in memory.files}
        memory.cache.keep(
            fresh_verdicts,
            [(of[path], sql, blob) for path, sql, blob in fresh_gold if path in of],
        )
    return [rated(example, made, verdicts[i]) for i, (example, made) in enumerate(tasks)]


def _content(path: Path) -> str:
    """The hash of a database: its file, and the log of commits that are not in it yet."""
    log = path.with_name(f"{path.name}-wal")
    return file_hash(path) + (file_hash(log) if log.exists() else "")


def _lasting(task: tuple[Example, Prediction], rows: Sequence[_Row]) -> bool:
    """Whether judging again would give the same: no deadline and no clock was involved."""
    example, prediction = task
    timed_out = any(row[0] == Outcome.TIMEOUT.value for row in rows)
    return not timed_out and lasts(example.gold_sql, *example.accepted, prediction.sql or "")


def _judge(
    left: Sequence[int],
    tasks: Sequence[tuple[Example, Prediction]],
    metrics: Sequence[Metric],
    database: Callable[[str], Database],
    gold: GoldResults | None,
    processes: int | None,
) -> Iterator[tuple[int, list[_Row], list[tuple[str, str, bytes]]]]:
    def work(position: int) -> tuple[list[_Row], list[tuple[str, str, bytes]]]:
        example, prediction = tasks[position]
        where = database(example.db_id)
        made = [metric(example, prediction, where) for metric in metrics]
        rows: list[_Row] = [(v.outcome.value, v.score, v.reason, v.details) for v in made]
        return rows, gold.drain() if gold else []

    count = processes or _cores()
    if count < 2 or len(left) < _WORTH_SPREADING or not can_spread():
        for position in left:
            yield position, *work(position)
        return
    for index, result in spread(work, left, processes=count, max_memory_bytes=_memory(metrics)):
        rows, drained = work(left[index]) if isinstance(result, Lost) else result
        yield left[index], rows, drained


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory(metrics: Sequence[Metric]) -> int:
    limits = [m.judging.limits for m in metrics if hasattr(m, "judging")]
    return max((limit.max_memory_bytes for limit in limits), default=256_000_000)


def _from_rows(
    example: Example, metrics: Sequence[Metric], rows: Sequence[_Row]
) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(example.id, metric.name, _OUTCOMES[outcome], score, reason, details)  # type: ignore[arg-type]
        for metric, (outcome, score, reason, details) in zip(metrics, rows, strict=True)
    )


def _size(database: Callable[[str], Database], db_id: str) -> int:
    try:
        return database(db_id).path.stat().st_size
    except OSError:
        return 0
