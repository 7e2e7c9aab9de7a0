"""Preprocessing: every gold query run, every question with its matched values and prompt, as JSONL.

    <out>/<dataset>/<split>.jsonl            one row per question, also of those that fail
    <out>/<dataset>/<split>.failures.jsonl   the rows with an `error`
    <out>/<dataset>/schemas.json             db_id -> schema, for the db_ids of the rows
    <out>/<dataset>/manifest.json            what each file was made of, and its summary

Work is skipped while its inputs (data files, version, options) are unchanged. Rows are appended to a
hidden part file, so a killed run goes on with the next question.

>>> preprocess(open_dataset("spider"), "dev", Path("data/processed/spider")).n  # doctest: +SKIP
1034
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import txt2sql
from txt2sql.data.fetch import Progress
from txt2sql.errors import DatabaseError, DataError, PromptError
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.values import open_value_index
from txt2sql.prompts import render
from txt2sql.runs import append_row, read_rows, write_atomically
from txt2sql.types import Example

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_LIMITS = Limits(timeout_s=30.0)
_FORMAT = 3
"""Raised when the same questions get other rows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a split came to. Lengths are in characters of the prompt."""

    split: str
    n: int
    ran: int
    failed: int
    empty: int
    """Gold queries that ran and returned no row."""
    without_gold: int
    matched: int
    """Questions with at least one matched value."""
    dropped: int
    """Prompts whose schema did not fit as a whole."""
    prompt_median: int
    prompt_p95: int


@dataclass(frozen=True, slots=True)
class Processed:
    """One split: the file, its summary, and how much of the work this run had to do."""

    path: Path
    summary: Summary
    made: int
    failures: tuple[str, ...] = ()
    """`id: error` of the first failures."""


def preprocess(
    dataset: Dataset,
    split: str,
    folder: Path,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Processed:
    """Write `folder/<split>.jsonl` and what belongs to it.

    `limit` takes the first questions only, into `<split>-first<limit>.jsonl`. `progress` is called
    after each question. Raises DataError with what to do.
    """
    name = split if limit is None else f"{split}-first{limit}"
    path = folder / f"{name}.jsonl"
    fingerprint = _fingerprint(dataset, split)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        manifest = _read(folder / "manifest.json")
        entry = manifest.get(name, {})
        made = 0
        if entry.get("fingerprint") != fingerprint or not path.is_file():
            made = _write(dataset, split, path, fingerprint, limit, progress)
            rows = list(read_rows(path))
            failures = [row for row in rows if row["error"] is not None]
            lines = "".join(json.dumps(row) + "\n" for row in failures)
            write_atomically(folder / f"{name}.failures.jsonl", lines)
            _add_schemas(dataset, folder / "schemas.json", {row["db_id"] for row in rows})
            first = [f"{row['id']}: {row['error']}" for row in failures[:10]]
            summary = asdict(_summary(split, rows))
            manifest[name] = entry = {"fingerprint": fingerprint, "summary": summary, "failures": first}  # fmt: skip
            write_atomically(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    except OSError as error:
        raise DataError(
            f"cannot write '{error.filename or path}' ({error.strerror or error}); free space or "
            "choose a folder you may write with --out, and run again to go on"
        ) from error
    return Processed(path, Summary(**entry["summary"]), made, tuple(entry["failures"]))


def _write(
    dataset: Dataset,
    split: str,
    path: Path,
    fingerprint: str,
    limit: int | None,
    progress: Progress | None,
) -> int:
    """Make the rows that are missing; the number of rows made."""
    part = path.with_name(f".{path.name}.{fingerprint[:12]}.part")
    for other in path.parent.glob(f".{path.name}.*.part"):
        if other != part:
            other.unlink()
    total = min(dataset.count(split), limit or sys.maxsize)
    done = sum(1 for _ in read_rows(part))
    for made, example in enumerate(islice(dataset.examples(split), done, total), start=done + 1):
        append_row(part, _row(dataset, example))
        if progress is not None:
            progress(split, made, total)
    part.touch()
    part.replace(path)
    return total - done


def _row(dataset: Dataset, example: Example) -> dict[str, Any]:
    """What is known of one question; `error` says why its gold query or its prompt is missing."""
    row: dict[str, Any] = {
        "id": example.id,
        "db_id": example.db_id,
        "question": example.question,
        "gold_sql": example.gold_sql,
        "evidence": example.evidence,
        "difficulty": example.difficulty,
        "schema": f"schemas.json#{example.db_id}",
        "values": [],
        "prompt": None,
        "dropped": [],
        "rows": None,
        "error": None,
    }
    try:
        database = dataset.database(example.db_id)
        matches = open_value_index(database).match(example.question)
        prompt = render(
            example.question,
            dataset.schema(example.db_id),
            matches=matches,
            evidence=example.evidence,
            previous=example.previous,
        )
    except (DatabaseError, PromptError) as error:
        return row | {"error": str(error)}
    row |= {
        "values": [asdict(match) for match in matches],
        "prompt": prompt.text,
        "dropped": list(prompt.dropped),
    }
    if example.gold_sql:
        result = execute(database, example.gold_sql, _LIMITS)
        row |= {"rows": len(result.rows)} if result.ok else {"error": result.error}
    return row


def _summary(split: str, rows: Sequence[dict[str, Any]]) -> Summary:
    lengths = sorted(len(row["prompt"]) for row in rows if row["prompt"] is not None)
    return Summary(
        split=split,
        n=len(rows),
        ran=sum(row["rows"] is not None for row in rows),
        failed=sum(row["error"] is not None for row in rows),
        empty=sum(row["rows"] == 0 for row in rows),
        without_gold=sum(not row["gold_sql"] for row in rows),
        matched=sum(bool(row["values"]) for row in rows),
        dropped=sum(bool(row["dropped"]) for row in rows),
        prompt_median=round(statistics.median(lengths)) if lengths else 0,
        prompt_p95=lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0,
    )


def _add_schemas(dataset: Dataset, path: Path, db_ids: Iterable[str]) -> None:
    """Merge the schemas of these databases into schemas.json, one in a line."""
    schemas = _read(path)
    for db_id in db_ids:
        try:
            schemas[db_id] = asdict(dataset.schema(db_id))
        except DatabaseError:
            schemas.pop(db_id, None)  # its questions are listed as failures
    lines = (
        f"{json.dumps(name)}: {json.dumps(schemas[name], ensure_ascii=False)}"
        for name in sorted(schemas)
    )
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where nothing was finished yet, or the file was damaged: it is made again."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _fingerprint(dataset: Dataset, split: str) -> str:
    """Changes whenever the rows could: with the data files, or with the version of txt2sql."""
    digest = hashlib.sha256(repr((_FORMAT, split, txt2sql.__version__)).encode())
    for path in dataset.files(split):
        stat = path.stat()
        digest.update(repr((path.name, stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()
