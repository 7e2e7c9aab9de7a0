"""Predictions in files: our own JSONL rows, and what other systems wrote.

Read from others: Spider's text format (one SQL per line, an optional tab and db_id after it), BIRD's
(one JSON object from position to `SQL\t----- bird -----\tdb_id`), a JSON list, or JSONL, of strings or
of objects whose SQL is under `sql`, `pred`, `predicted`, ... An object with an `id` or `example_id`
goes to that example; everything else goes by position in the split. WikiSQL's query sketches
(`{"query": {"sel": ...}}`) are handed on as JSON, for the metrics that read them.

>>> from_row(to_row(Prediction("dev-0", "SELECT 1"))).sql
'SELECT 1'
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from txt2sql.errors import DataError
from txt2sql.types import Example, Prediction

_SQL_KEYS = ("sql", "pred", "predicted", "predicted_sql", "prediction", "pred_sql", "query")
_ID_KEYS = ("example_id", "id")
_FIELDS = tuple(field.name for field in fields(Prediction) if field.name != "tree")
_BIRD_MARK = "----- bird -----"


def to_row(prediction: Prediction) -> dict[str, Any]:
    """A prediction as a JSON object, without its search tree."""
    return {name: getattr(prediction, name) for name in _FIELDS}


def from_row(row: Mapping[str, Any]) -> Prediction:
    """The prediction that `to_row` wrote."""
    prompt_tokens, completion_tokens = row["tokens"]
    return Prediction(
        **{
            **row,
            "candidates": tuple(row["candidates"]),
            "tokens": (prompt_tokens, completion_tokens),
        }
    )


@dataclass(slots=True)
class FilePredictor:
    """A predictor that looks its answers up: those of another system, read from a file."""

    name: str
    answers: Mapping[str, Prediction]

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """The recorded prediction of each example; one without SQL where there is none."""
        for example in examples:
            yield self.answers.get(example.id) or Prediction(example.id, None)


def read_predictions(path: Path, examples: Sequence[Example]) -> FilePredictor:
    """The predictions in a file for all examples of a split, in the split's order."""
    try:
        items = _items(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read predictions from '{path}': {error}") from None
    ids = [_example_id(item) for item in items]
    by_id = any(ids) and not {i for i in ids if i}.isdisjoint(example.id for example in examples)
    if not by_id:
        if len(items) != len(examples):
            raise DataError(
                f"'{path}' holds {len(items):,} predictions but the split has {len(examples):,} "
                "examples; give one per example, in the split's order"
            )
        ids = [example.id for example in examples]
    answers = {
        example_id: _prediction(example_id, item, path)
        for example_id, item in zip(ids, items, strict=True)
        if example_id
    }
    return FilePredictor(path.name, answers)


def read_gold(path: Path) -> list[Example]:
    """The examples of a gold file in Spider's format: one `SQL<tab>db_id` per line, no questions."""
    examples: list[Example] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read gold queries from '{path}': {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        sql, tab, db_id = line.rstrip("\n").rpartition("\t")
        if not tab or not sql.strip() or not db_id.strip():
            raise DataError(f"line {number} of '{path}' is not 'SQL<tab>db_id'")
        examples.append(Example(f"{path.stem}-{len(examples)}", db_id.strip(), "", sql.strip()))
    return examples


def _items(text: str, path: Path) -> list[Any]:
    if text.lstrip().startswith("[") and path.suffix != ".jsonl":
        return list(_parse(text, path, "the list"))
    lines = text.split("\n")
    if text.lstrip().startswith("{") and (path.suffix == ".json" or _BIRD_MARK in text):
        return _bird(_parse(text, path, "the object"), path)
    if path.suffix == ".jsonl" or text.lstrip().startswith("{"):
        return [
            _parse(line, path, f"line {number}")
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]
    if lines[-1] == "":  # what follows the last line break is not a line
        lines.pop()
    return [line.split("\t")[0] for line in lines]


def _bird(entries: Any, path: Path) -> list[Any]:
    """BIRD goes by the order of the file, not by its keys; what is no text is no SQL."""
    if not isinstance(entries, dict):
        raise DataError(f"'{path}' is not an object from position to SQL, as BIRD's format asks")
    return [
        value.split(_BIRD_MARK)[0].strip() if isinstance(value, str) else None
        for value in entries.values()
    ]


def _parse(text: str, path: Path, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"cannot read {what} of '{path}' as JSON: {error}") from None


def _example_id(item: Any) -> str:
    keys: Iterable[str] = _ID_KEYS if isinstance(item, dict) else ()
    return next((str(item[key]) for key in keys if key in item), "")


def _prediction(example_id: str, item: Any, path: Path) -> Prediction:
    if not isinstance(item, dict):
        return Prediction(example_id, _sql(item))
    seconds = _seconds(item.get("seconds"))
    if item.get("error") or isinstance(item.get("query"), dict):  # WikiSQL's: a query sketch
        return Prediction(example_id, json.dumps(item), seconds=seconds)
    key = next((key for key in _SQL_KEYS if key in item), None)
    if key is None:
        raise DataError(
            f"a prediction in '{path}' has none of the keys {', '.join(_SQL_KEYS)}; "
            "put its SQL under 'sql'"
        )
    return Prediction(example_id, _sql(item[key]), seconds=seconds)


def _sql(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and value > 0 else 0.0
