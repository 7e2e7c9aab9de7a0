"""Preprocessing: every gold query run, every question as prompt and completion, for any trainer.

    <out>/<dataset>/<split>.jsonl            one row per question, also of those that fail
    <out>/<dataset>/<split>.summary.json     what the rows came to, and what they were made of

Nothing is done again while the data files and the version are unchanged; a run that was killed goes on
with the next question.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import txt2sql
from txt2sql.data.download import Progress
from txt2sql.errors import DatabaseError, DataError, PromptError
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.values import open_value_index
from txt2sql.prompts import render
from txt2sql.runs import append_row, read_object, read_rows, write_atomically
from txt2sql.types import Example

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_LIMITS = Limits(timeout_s=30.0)
_FORMAT = 4  # raised when the same questions get other rows


@dataclass(frozen=True, slots=True)
class Processed:
    """One split: its file, numbers by name, and how many rows this run had to make."""

    path: Path
    summary: dict[str, Any]
    made: int

    def failures(self) -> list[str]:
        """`id: error` of each question that failed, read from the file."""
        return [f"{row['id']}: {row['error']}" for row in read_rows(self.path) if row["error"]]


def preprocess(
    dataset: Dataset,
    split: str,
    folder: Path,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Processed:
    """Write `folder/<split>.jsonl`; a `limit` takes the first questions only, into
    `<split>-first<limit>`. `progress` is called after each question. Raises DataError with what to
    do."""
    name = split if limit is None else f"{split}-first{limit}"
    path, noted = folder / f"{name}.jsonl", folder / f"{name}.summary.json"
    digest = hashlib.sha256(repr((_FORMAT, split, txt2sql.__version__)).encode())
    for file in dataset.files(split):
        stat = file.stat()
        digest.update(repr((file.name, stat.st_size, stat.st_mtime_ns)).encode())
    fingerprint = digest.hexdigest()[:12]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        note = read_object(noted)
        if note.get("made_of") == fingerprint and path.is_file():
            return Processed(path, note["summary"], 0)
        part = folder / f".{name}.{fingerprint}.part"
        for other in folder.glob(f".{name}.*.part"):
            if other != part:
                other.unlink()
        done = sum(1 for _ in read_rows(part))
        total = min(dataset.count(split), limit or dataset.count(split))
        for made, example in enumerate(islice(dataset.examples(split), done, total), done + 1):
            append_row(part, _row(dataset, example))
            if progress is not None:
                progress(split, made, total)
        part.touch()
        part.replace(path)
        summary = _summary(split, list(read_rows(path)))
        text = json.dumps({"made_of": fingerprint, "summary": summary}, indent=2)
        write_atomically(noted, text + "\n")
        return Processed(path, summary, total - done)
    except OSError as error:
        raise DataError(
            f"cannot write '{error.filename or path}' ({error.strerror or error}); free space or "
            "choose a folder you may write with --out, and run again to go on"
        ) from error


def _row(dataset: Dataset, example: Example) -> dict[str, Any]:
    names = ("id", "db_id", "question", "difficulty")
    row: dict[str, Any] = {name: getattr(example, name) for name in names}
    row |= {"prompt": None, "completion": example.gold_sql, "values": [], "dropped": []}
    row |= {"rows": None, "error": None}
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
    values = [asdict(match) for match in matches]
    row |= {"values": values, "prompt": prompt.text, "dropped": list(prompt.dropped)}
    if example.gold_sql:
        result = execute(database, example.gold_sql, _LIMITS)
        row |= {"rows": len(result.rows)} if result.ok else {"error": result.error}
    return row


def _summary(split: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lengths = sorted(len(row["prompt"]) for row in rows if row["prompt"] is not None)
    return {
        "split": split,
        "n": len(rows),
        "ran": sum(row["rows"] is not None for row in rows),
        "failed": sum(row["error"] is not None for row in rows),
        "empty": sum(row["rows"] == 0 for row in rows),
        "without_gold": sum(not row["completion"] for row in rows),
        "matched": sum(bool(row["values"]) for row in rows),
        "dropped": sum(bool(row["dropped"]) for row in rows),
        "prompt_median": round(statistics.median(lengths)) if lengths else 0,
        "prompt_p95": lengths[int(0.95 * (len(lengths) - 1))] if lengths else 0,
    }
