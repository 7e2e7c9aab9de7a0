"""Predictions in files: our own JSONL rows, and what other systems and people wrote.

    .txt, .sql       one SQL per line, an optional tab and db_id after it; or statements closed by `;`
    .json            a list of texts or objects; an object from position or id to either (BIRD's form
                     `SQL\\t----- bird -----\\tdb_id` included)
    .jsonl           a text or an object per line
    .csv, .tsv       a header, and a row per prediction

In objects and tables SQL stands under `sql`, `prediction`, `output` or the like. Ids (`id`,
`question_id`, `index`) decide which example is meant where all of them are of the split; everything
else goes by position. Fences, prose, reasoning and further statements around the SQL are cut off, and
a completion that goes on after "SELECT" gets it back. WikiSQL's query sketches (`{"query": {"sel":
...}}`) are handed on as JSON, for the metrics that read them.

>>> from_row(to_row(Prediction("dev-0", "SELECT 1"))).sql
'SELECT 1'
>>> statement("```sql\\nSELECT 1;\\n```"), statement("count(*) FROM sale")
('SELECT 1', 'SELECT count(*) FROM sale')
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from txt2sql.errors import DataError
from txt2sql.sql import extract_sql, is_statement
from txt2sql.types import Example, Prediction

_SQL_KEYS = (
    *("predicted_sql", "pred_sql", "sql_pred", "predict_sql", "generated_sql", "final_sql"),
    *("prediction", "predicted", "pred", "generated", "sql"),
    *("output", "response", "completion", "model_output", "answer", "text", "query"),
)
"""In this order: a row may also hold the gold query, as `query`, and the whole completion."""

_ID_KEYS = ("example_id", "id", "question_id", "instance_id", "index", "idx")
_LIST_KEYS = ("predictions", "results", "data", "examples")
_FIELDS = tuple(f.name for f in fields(Prediction) if f.name not in ("tree", "dropped"))
_BIRD_MARK = "----- bird -----"


def to_row(prediction: Prediction) -> dict[str, Any]:
    """A prediction as a JSON object, without its search tree and what its prompt left out."""
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
    notes: tuple[str, ...] = ()
    """What a person should hear before reading a score, one sentence each."""

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        """The recorded prediction of each example; one without SQL where there is none."""
        for example in examples:
            yield self.answers.get(example.id) or Prediction(example.id, None)


def read_predictions(
    path: Path, examples: Sequence[Example], *, as_written: bool = False
) -> FilePredictor:
    """The predictions in a file for all examples of a split, in the split's order.

    `as_written` leaves whatever stands around their SQL, as the benchmarks' own scripts do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read predictions from '{path}': {error}") from None
    items, own_ids = _items(text, path, len(examples))
    ids = _example_ids(own_ids or [_own_id(item) for item in items], examples)
    notes: list[str] = []
    if ids is None:
        if len(items) != len(examples):
            raise DataError(
                f"'{path}' holds {len(items):,} predictions but the split has {len(examples):,} "
                "examples; give one per example, in the split's order, or give each an id"
            )
        ids = [example.id for example in examples]
    elif missing := len(examples) - len(ids):
        notes.append(f"'{path}' has no prediction for {missing:,} of {len(examples):,} questions")
    raw = [_raw(item, path) for item in items]
    answers = {
        example_id: _prediction(example_id, item, text, as_written)
        for example_id, item, text in zip(ids, items, raw, strict=True)
    }
    texts = [text for item, text in zip(items, raw, strict=True) if not _is_sketch(item)]
    return FilePredictor(path.name, answers, (*notes, *_notes(texts, path, as_written)))


def _notes(texts: Sequence[str | None], path: Path, as_written: bool) -> Iterator[str]:
    statements = [_statement(text) if text else None for text in texts]
    wrapped = sum(
        sql not in (None, (text or "").strip()) for text, sql in zip(texts, statements, strict=True)
    )
    if wrapped:
        done = (
            "they are judged as written; without --mode official the SQL is taken out"
            if as_written
            else "the SQL was taken out"
        )
        yield f"{wrapped:,} of {len(texts):,} predictions in '{path}' hold more than a statement: {done}"
    void = [text for text, sql in zip(texts, statements, strict=True) if sql is None]
    if 2 * len(void) > len(texts):
        shown = next((repr(text.strip()[:80]) for text in void if text and text.strip()), "empty")
        yield (
            f"{len(void):,} of {len(texts):,} predictions in '{path}' hold no SQL (such as {shown}); "
            "give one query per line, or under 'sql' in JSON"
        )


def statement(text: str) -> str:
    """The SQL in one prediction, or the text as it is where it holds none."""
    return _statement(text) or text.strip()


def _statement(text: str) -> str | None:
    stripped = text.strip()
    if _PLAIN.match(stripped) and not _WRAPPED.search(stripped.rstrip("; \t\n")):
        return stripped
    sql = extract_sql(text)
    if sql is None and _GOES_ON.search(stripped):
        for end in (stripped.find(";"), stripped.find("\n\n"), len(stripped)):
            if end > 0 and is_statement(completed := f"SELECT {stripped[:end].strip()}"):
                return completed
    return sql


_PLAIN = re.compile(r"(?:SELECT|WITH)\b", re.I)
_WRAPPED = re.compile(r"[;\n]|```|<\||</|<think>", re.I)
"""What a statement on one line does not have, unless more than a statement is there."""

_GOES_ON = re.compile(r"\bFROM\b", re.I)


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


# ------------------------------------------------------------------------------------ forms of files


def _items(text: str, path: Path, count: int) -> tuple[list[Any], list[str]]:
    """The predictions of a file, and their ids where these are the keys of an object."""
    start, suffix = text.lstrip()[:1], path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return list(_table(text, path)), []
    if start == "[" and suffix != ".jsonl":
        return list(_parse(text, path, "the list")), []
    if start == "{" and (suffix == ".json" or "----- bird -----" in text):
        whole = _parse(text, path, "the object")
        inner = next(
            (whole[k] for k in _LIST_KEYS if isinstance(whole.get(k), (list, dict))), whole
        )
        if isinstance(inner, list):
            return inner, []
        return list(inner.values()), [str(key) for key in inner]
    if suffix == ".jsonl" or start == "{":
        lines = enumerate(text.split("\n"), start=1)
        return [_parse(line, path, f"line {n}") for n, line in lines if line.strip()], []
    return _lines(text, count), []


def _lines(text: str, count: int) -> list[Any]:
    """One query per line; where there are not as many, one per block or per statement."""
    lines = text.split("\n")
    if lines[-1] == "":  # what follows the last line break is not a line
        lines.pop()
    forms: tuple[Callable[[], list[str]], ...] = (
        lambda: lines,
        lambda: [line for line in lines if line.strip()],
        lambda: [line for line in lines if line.strip() and not line.lstrip().startswith("--")],
        lambda: _FENCE.findall(text),
        lambda: [part for part in _CLOSED.split(text) if part.strip()],
    )
    for form in forms:
        parts = form()
        if len(parts) == count:
            return [_DB_ID.sub("", part) for part in parts]
    return list(lines)


_FENCE = re.compile(r"```.*?```", re.S)
_CLOSED = re.compile(r";[ \t]*(?:\n|\Z)")
_DB_ID = re.compile(r"\t.*\Z", re.S)


def _table(text: str, path: Path) -> Iterator[dict[str, str]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield {str(key): value for key, value in row.items() if isinstance(value, str)}
    except csv.Error as error:
        raise DataError(f"cannot read line {reader.line_num} of '{path}' as CSV: {error}") from None


def _parse(text: str, path: Path, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"cannot read {what} of '{path}' as JSON: {error}") from None


def _own_id(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    return next((str(item[key]) for key in _ID_KEYS if item.get(key) not in (None, "")), "")


def _example_ids(own: Sequence[str], examples: Sequence[Example]) -> list[str] | None:
    """The example that each prediction is for, or None where ids do not say.

    An id is that of an example, its number in its file, or its position in the split.
    """
    if not own or not all(own) or len(set(own)) < len(own):
        return None
    whole = {example.id: example.id for example in examples}
    ends = Counter(example.id.rpartition("-")[2] for example in examples)
    if max(ends.values(), default=0) == 1:
        numbers = {example.id.rpartition("-")[2]: example.id for example in examples}
    else:
        numbers = {str(position): example.id for position, example in enumerate(examples)}
    for names in (whole, numbers):
        if all(one in names for one in own):
            return [names[one] for one in own]
    if not any(one in whole for one in own):
        return None
    stray = next(one for one in own if one not in whole)
    raise DataError(f"the split has no example '{stray}', which a prediction is for; check --split")


def _raw(item: Any, path: Path) -> str | None:
    """The text of one prediction."""
    if isinstance(item, list):  # candidates, the best first
        item = item[0] if item else None
    if not isinstance(item, dict):
        return item.split("\t----- bird -----")[0] if isinstance(item, str) else None
    if _is_sketch(item):
        return json.dumps(item)
    lower = {str(key).lower(): value for key, value in item.items()}
    key = next((key for key in _SQL_KEYS if key in lower), None)
    if key is None:
        raise DataError(
            f"a prediction in '{path}' has none of the keys {', '.join(_SQL_KEYS)}, but "
            f"{', '.join(map(str, item)) or 'no key'}; put its SQL under 'sql'"
        )
    value = lower[key]
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) else None


def _is_sketch(item: Any) -> bool:
    """Whether it is a row of WikiSQL's format: a query sketch, or an error in its place."""
    if not isinstance(item, dict):
        return False
    bare = not any(str(key).lower() in _SQL_KEYS for key in item)
    return isinstance(item.get("query"), dict) or (bare and bool(item.get("error")))


def _prediction(example_id: str, item: Any, text: str | None, as_written: bool) -> Prediction:
    seconds = _seconds(item.get("seconds")) if isinstance(item, dict) else 0.0
    if text is None or not text.strip():
        return Prediction(example_id, None, seconds=seconds)
    sql = text.strip() if as_written or _is_sketch(item) else statement(text)
    completion = text if sql != text.strip() else ""
    return Prediction(example_id, sql, completion, seconds=seconds)


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and value > 0 else 0.0
