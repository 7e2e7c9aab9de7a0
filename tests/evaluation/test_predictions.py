"""Files of predictions: damaged and mismatched first, then every form that is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.errors import DataError
from txt2sql.evaluation.predictions import from_row, read_predictions, statement, to_row
from txt2sql.types import Example, Prediction

EXAMPLES = [Example(f"dev-{i}", "shop", f"question {i}") for i in range(3)]
SQL = ["SELECT 1", "SELECT 2", "SELECT 3"]


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def answers(path: Path) -> list[str | None]:
    return [p.sql for p in read_predictions(path, EXAMPLES).predict(EXAMPLES)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1\nSELECT 2\n", "holds 2 predictions but the split has 3"),
        ('[{"id": "dev-0", "sql": ""}, {"id": "train-0", "sql": ""}]', "no example 'train-0'"),
    ],
)
def test_what_cannot_be_matched_to_the_split_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(written(tmp_path, "p.txt", text), EXAMPLES)


def test_ids_of_the_split_go_before_positions(tmp_path: Path) -> None:
    rows = [{"id": "dev-2", "sql": "SELECT 3"}, {"id": "dev-0", "sql": "SELECT 1", "seconds": 2}]
    path = written(tmp_path, "p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert answers(path) == ["SELECT 1", None, "SELECT 3"]
    assert read_predictions(path, EXAMPLES).answers["dev-0"].seconds == 2.0


def test_an_empty_line_or_null_is_an_example_without_sql(tmp_path: Path) -> None:
    assert answers(written(tmp_path, "p.txt", "SELECT 1\n\nSELECT 3\n")) == [SQL[0], None, SQL[2]]
    assert answers(written(tmp_path, "p.json", '["SELECT 1", null, "SELECT 3"]'))[1] is None
    sketch = {"query": {"sel": 1, "agg": 0, "conds": []}}  # WikiSQL's are handed on as JSON
    path = written(tmp_path, "p.jsonl", f'{json.dumps(sketch)}\n{{"query": "SELECT 2"}}\nnull\n')
    assert answers(path) == [json.dumps(sketch), SQL[1], None]


predictions = st.builds(
    Prediction,
    example_id=st.text(),
    sql=st.none() | st.text(),
    completion=st.text(),
    candidates=st.lists(st.text()).map(tuple),
    tokens=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    seconds=st.floats(0, 1e6),
    cost=st.none() | st.floats(0, 1),
    confidence=st.none() | st.floats(0, 1),
)


@settings(max_examples=50)
@given(predictions)
def test_rows_bring_predictions_back(prediction: Prediction) -> None:
    assert from_row(json.loads(json.dumps(to_row(prediction)))) == prediction


def test_keys_of_an_object_are_positions_or_ids(tmp_path: Path) -> None:
    mark = "\t----- bird -----\tshop"
    entries = {"2": f"SELECT 3{mark}", "0": f"SELECT 1{mark}", "1": 7}
    path = written(tmp_path, "p.json", json.dumps(entries))
    assert answers(path) == ["SELECT 1", None, "SELECT 3"]
    named = {f"dev-{i}": {"output": SQL[i]} for i in (2, 0, 1)}
    assert answers(written(tmp_path, "q.json", json.dumps(named))) == SQL
    numbered = [Example(f"dev-{number}", "shop", "?") for number in (17, 4, 9)]
    path = written(tmp_path, "n.json", json.dumps({"4": SQL[1], "9": SQL[2], "17": SQL[0]}))
    assert [p.sql for p in read_predictions(path, numbered).predict(numbered)] == SQL
    wrapped = {"model": "m", "predictions": [{"question_id": i, "sql": SQL[i]} for i in (1, 0, 2)]}
    assert answers(written(tmp_path, "r.json", json.dumps(wrapped))) == SQL


WRAPPINGS = [
    "```sql\n{};\n```",
    "Sure! Here is the query:\n```sql\n{}\n```\nIt answers the question.",
    "<think>maybe SELECT 7?</think>\nSQL: {}",
    "{};",
    "{}; SELECT 99",
    "{}\n\nThis counts the rows.",
    "{}<|im_end|>",
    '{{"sql": "{}"}}',
]
QUERIES = ["SELECT a FROM t", "SELECT count(*) FROM t WHERE b = 'x'", "SELECT b FROM t ORDER BY b"]


def shapes(texts: list[str]) -> Iterator[tuple[str, str]]:
    yield "p.json", json.dumps(texts)
    yield "p.jsonl", "".join(json.dumps(text) + "\n" for text in texts)
    for key in ("prediction", "Predicted_SQL", "pred", "sql", "SQL", "output", "response"):
        yield "p.json", json.dumps([{"question": "?", "query": "SELECT 7", key: t} for t in texts])
    yield "p.json", json.dumps({str(i): text for i, text in enumerate(texts)})
    yield "p.json", json.dumps([[text, "SELECT 8"] for text in texts])
    table = io.StringIO()
    csv.writer(table).writerows([("question_id", "prediction"), *enumerate(texts)])
    yield "p.csv", table.getvalue()
    if not any("\n" in text or text.startswith("{") for text in texts):
        yield "p.txt", "\n".join(texts)
        yield "p.sql", "".join(f"{text}\tshop\n" for text in texts)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_sql_is_found_in_every_wrapping_and_file(tmp_path: Path, wrapping: str) -> None:
    texts = [wrapping.format(query) for query in QUERIES]
    for name, text in shapes(texts):
        path = written(tmp_path, name, text)
        assert [sql and sql.rstrip(";") for sql in answers(path)] == QUERIES, (name, text)
        bare = all(statement(t) == t.strip() for t in texts)
        assert len(read_predictions(path, EXAMPLES).notes) == (0 if bare else 1)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("a FROM t", "SELECT a FROM t"),
        (" count(*) FROM t WHERE b = 'x';", "SELECT count(*) FROM t WHERE b = 'x'"),
        ("DISTINCT a FROM t; more", "SELECT DISTINCT a FROM t"),
        ("I cannot tell that from the table.", "I cannot tell that from the table."),
        ("SELECT a FORM t", "SELECT a FORM t"),
        ("SELECT a FROM t WHERE b = ';'", "SELECT a FROM t WHERE b = ';'"),
        ("SELECT a FROM t WHERE b = 'x; y\n'", "SELECT a FROM t WHERE b = 'x; y\n'"),
    ],
)
def test_a_completion_after_select_gets_it_back(text: str, sql: str) -> None:
    assert statement(text) == sql


def test_statements_over_several_lines_are_told_apart_by_semicolons_or_fences(
    tmp_path: Path,
) -> None:
    text = "-- first\nSELECT a\nFROM t;\n\nSELECT b\nFROM t;\n\nSELECT c\nFROM t;\n"
    got = answers(written(tmp_path, "p.sql", text))
    assert [(sql or "").split()[1] for sql in got] == ["a", "b", "c"]
    fenced = "".join(f"{i}.\n```sql\n{sql}\n```\n" for i, sql in enumerate(QUERIES))
    assert answers(written(tmp_path, "q.txt", fenced)) == QUERIES


@settings(max_examples=50)
@given(st.text() | st.sampled_from(WRAPPINGS).map(lambda w: w.format(QUERIES[0])))
def test_reading_a_statement_twice_changes_nothing(text: str) -> None:
    assert statement(statement(text)) == statement(text)


@pytest.mark.parametrize(
    ("texts", "as_written", "note"),
    [
        (["```sql\nSELECT 1\n```", "SELECT 2", "SELECT 3; SELECT 4"], True, "--mode official"),
        (["I am sorry, I cannot do that.", "", "SELECT 3"], False, "I am sorry"),
    ],
)
def test_what_is_judged_otherwise_than_one_may_think_is_noted(
    tmp_path: Path, texts: list[str], as_written: bool, note: str
) -> None:
    path = written(tmp_path, "p.json", json.dumps(texts))
    predictor = read_predictions(path, EXAMPLES, as_written=as_written)
    assert [p.sql or "" for p in predictor.predict(EXAMPLES)] == texts
    [line] = predictor.notes
    assert "2 of 3 predictions" in line and note in line
