"""Predictions in files: our own JSONL rows, and what other systems and people wrote.

    .txt, .sql       one SQL per line, an optional tab and db_id after it; or statements closed by `;`
    .json            a list of texts or objects; an object from position or id to either (BIRD's form
                     `SQL\\t----- bird -----\\tdb_id` included)
    .jsonl           a text or an object per line
    .csv, .tsv       a header, and a row per prediction

Ids (`id`, `question_id`, `index`) decide which example is meant where all of them are of the split;
everything else goes by position. What stands around the SQL is cut off, and a completion that goes on
after "SELECT" gets it back. WikiSQL's query sketches are handed on as JSON.

>>> statement("```sql\\nSELECT 1;\\n```"), statement("count(*) FROM sale")
('SELECT 1', 'SELECT count(*) FROM sale')
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

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
_BIRD_MARK = "\t----- bird -----"

_PLAIN = re.compile(r"(?:SELECT|WITH)\b", re.I)
# What a statement on one line does not have, unless more than a statement is there.
_WRAPPED = re.compile(r"[;\n]|```|<\||</|<think>", re.I)
_GOES_ON = re.compile(r"\bFROM\b", re.I)
_FENCE = re.compile(r"```.*?```", re.S)
_CLOSED = re.compile(r";[ \t]*(?:\n|\Z)")
_DB_ID = re.compile(r"\t.*\Z", re.S)


def to_row(prediction: Prediction) -> dict[str, Any]:
    """A prediction as a JSON object, without its prompt and its search tree."""
    left_out = ("tree", "dropped", "prompt", "readings")
    names = (field.name for field in fields(Prediction))
    return {name: getattr(prediction, name) for name in names if name not in left_out}


def from_row(row: Mapping[str, Any]) -> Prediction:
    """The prediction that `to_row` wrote."""
    lists = {name: tuple(row.get(name, ())) for name in ("candidates", "tokens", "features")}
    return Prediction(**{**row, **lists})


@dataclass(slots=True)
class FilePredictor:
    """A predictor that looks its answers up: those of another system, read from a file. `notes` are
    what a person should hear before reading a score, one sentence each."""

    name: str
    answers: Mapping[str, Prediction]
    notes: tuple[str, ...] = ()

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        for example in examples:
            yield self.answers.get(example.id) or Prediction(example.id, None)


def read_predictions(
    path: Path, examples: Sequence[Example], *, as_written: bool = False
) -> FilePredictor:
    """The predictions in a file for all examples of a split, in the split's order. `as_written`
    leaves whatever stands around their SQL, as the benchmarks' own scripts do."""
    items = _items(_read(path, "predictions"), path, len(examples))
    ids = _example_ids([item.id for item in items], examples)
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
    answers = {}
    wrapped = 0
    void: list[str] = []
    for example_id, item in zip(ids, items, strict=True):
        text = (item.text or "").strip()
        sql = text if item.is_sketch else _statement(text)
        wrapped += sql not in (None, text)
        void += [text] if sql is None else []
        sql = text if as_written else sql or text
        completion = (item.text or "") if sql != text else ""
        answers[example_id] = Prediction(example_id, sql or None, completion, seconds=item.seconds)
    n = sum(not item.is_sketch for item in items)
    if wrapped:
        done = "the SQL was taken out"
        if as_written:
            done = "they are judged as written; without --mode official the SQL is taken out"
        notes.append(
            f"{wrapped:,} of {n:,} predictions in '{path}' hold more than a statement: {done}"
        )
    if 2 * len(void) > n:
        shown = next((repr(text[:80]) for text in void if text), "empty")
        notes.append(
            f"{len(void):,} of {n:,} predictions in '{path}' hold no SQL (such as {shown}); "
            "give one query per line, or under 'sql' in JSON"
        )
    return FilePredictor(path.name, answers, tuple(notes))


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {what} from '{path}': {error}") from None


def statement(text: str) -> str:
    """The SQL in one prediction, or the text as it is where it holds none."""
    return _statement(text) or text.strip()


def _statement(text: str) -> str | None:
    stripped = text.strip()
    if not stripped:
        return None
    if _PLAIN.match(stripped) and not _WRAPPED.search(stripped.rstrip("; \t\n")):
        return stripped
    sql = extract_sql(text)
    if sql is None and _GOES_ON.search(stripped):
        for end in (stripped.find(";"), stripped.find("\n\n"), len(stripped)):
            if end > 0 and is_statement(completed := f"SELECT {stripped[:end].strip()}"):
                return completed
    return sql


def read_gold(path: Path) -> list[Example]:
    """The examples of a gold file in Spider's format: one `SQL<tab>db_id` per line, no questions."""
    examples: list[Example] = []
    for number, line in enumerate(_read(path, "gold queries").splitlines(), start=1):
        if not line.strip():
            continue
        sql, tab, db_id = line.rstrip("\n").rpartition("\t")
        if not tab or not sql.strip() or not db_id.strip():
            raise DataError(f"line {number} of '{path}' is not 'SQL<tab>db_id'")
        examples.append(Example(f"{path.stem}-{len(examples)}", db_id.strip(), "", sql.strip()))
    return examples


class _Item(NamedTuple):
    """One prediction of a file; `id` is "" where it has none of its own. A row of WikiSQL's format is a
    query sketch, or an error in its place."""

    text: str | None
    id: str = ""
    seconds: float = 0.0
    is_sketch: bool = False


def _item(value: Any, path: Path, key: str = "") -> _Item:
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return _Item(value.split(_BIRD_MARK)[0] if isinstance(value, str) else None, key)
    own_id = key or next((str(value[k]) for k in _ID_KEYS if value.get(k) not in (None, "")), "")
    seconds = value.get("seconds")
    seconds = float(seconds) if isinstance(seconds, (int, float)) and seconds > 0 else 0.0
    lower = {str(name).lower(): each for name, each in value.items()}
    name = next((name for name in _SQL_KEYS if name in lower), None)
    if isinstance(value.get("query"), dict) or (name is None and value.get("error")):
        return _Item(json.dumps(value), own_id, seconds, is_sketch=True)
    if name is None:
        raise DataError(
            f"a prediction in '{path}' has none of the keys {', '.join(_SQL_KEYS)}, but "
            f"{', '.join(map(str, value)) or 'no key'}; put its SQL under 'sql'"
        )
    text = lower[name]
    if isinstance(text, list):
        text = text[0] if text else None
    return _Item(text if isinstance(text, str) else None, own_id, seconds)


def _items(text: str, path: Path, count: int) -> list[_Item]:
    def parsed(part: str, what: str) -> Any:
        try:
            return json.loads(part)
        except ValueError as error:
            raise DataError(f"cannot read {what} of '{path}' as JSON: {error}") from None

    start, suffix = text.lstrip()[:1], path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        delimiter = "\t" if suffix == ".tsv" else ","
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            return [
                _item({k: v for k, v in row.items() if isinstance(v, str)}, path) for row in table
            ]
        except csv.Error as error:
            line = table.line_num
            raise DataError(f"cannot read line {line} of '{path}' as CSV: {error}") from None
    if start == "[" and suffix != ".jsonl":
        return [_item(each, path) for each in parsed(text, "the list")]
    if start == "{" and (suffix == ".json" or _BIRD_MARK.strip() in text):
        whole = parsed(text, "the object")
        lists = (whole[key] for key in _LIST_KEYS if isinstance(whole.get(key), (list, dict)))
        inner = next(lists, whole)
        keyed = inner.items() if isinstance(inner, dict) else (("", each) for each in inner)
        return [_item(each, path, str(key)) for key, each in keyed]
    if suffix == ".jsonl" or start == "{":
        lines = enumerate(text.split("\n"), start=1)
        return [_item(parsed(line, f"line {n}"), path) for n, line in lines if line.strip()]
    return [_Item(line) for line in _lines(text, count)]


def _lines(text: str, count: int) -> list[str]:
    """One query per line; where there are not as many, one per block or per statement."""
    lines = text.removesuffix("\n").split("\n")
    filled = [line for line in lines if line.strip()]
    forms = (
        lines,
        filled,
        [line for line in filled if not line.lstrip().startswith("--")],
        _FENCE.findall(text),
        [part for part in _CLOSED.split(text) if part.strip()],
    )
    for parts in forms:
        if len(parts) == count:
            return [_DB_ID.sub("", part) for part in parts]
    return lines


def _example_ids(own: Sequence[str], examples: Sequence[Example]) -> list[str] | None:
    """The example that each prediction is for, or None where ids do not say. An id is that of an
    example, its number in its file, or its position in the split."""
    if not own or not all(own) or len(set(own)) < len(own):
        return None
    whole = {example.id: example.id for example in examples}
    numbers = {example.id.rpartition("-")[2]: example.id for example in examples}
    if len(numbers) < len(examples):  # of several files
        numbers = {str(position): example.id for position, example in enumerate(examples)}
    for names in (whole, numbers):
        if all(one in names for one in own):
            return [names[one] for one in own]
    if not any(one in whole for one in own):
        return None
    stray = next(one for one in own if one not in whole)
    raise DataError(f"the split has no example '{stray}', which a prediction is for; check --split")
