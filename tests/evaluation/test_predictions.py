"""Files of predictions: damaged and mismatched first, then every form that is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.errors import DataError
from txt2sql.evaluation.predictions import from_row, read_predictions, to_row
from txt2sql.types import Example, Prediction

EXAMPLES = [Example(f"dev-{i}", "shop", f"question {i}") for i in range(3)]
SQL = ["SELECT 1", "SELECT 2", "SELECT 3"]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def answers(path: Path) -> list[str | None]:
    return [p.sql for p in read_predictions(path, EXAMPLES).predict(EXAMPLES)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "SELECT 1\nSELECT 2\n", "holds 2 predictions but the split has 3"),
        ("p.txt", "", "holds 0 predictions"),
        ("p.json", '["SELECT 1", "SELECT 2"', "as JSON"),
        ("p.jsonl", '{"sql": "SELECT 1"}\n{"sql": "SEL', "line 2"),
        ("p.json", '[{"a": 1}, {"a": 2}, {"a": 3}]', "put its SQL under 'sql'"),
    ],
)
def test_what_cannot_be_matched_to_the_split_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_predictions(written(tmp_path, name, text), EXAMPLES)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_predictions(tmp_path / "none.txt", EXAMPLES)
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="cannot read"):
        read_predictions(tmp_path / "p.txt", EXAMPLES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "SELECT 1\nSELECT 2\nSELECT 3\n"),
        ("p.sql", "SELECT 1\tshop\r\nSELECT 2\tshop\r\nSELECT 3\tshop"),
        ("p.json", json.dumps(SQL)),
        ("p.json", json.dumps([{"pred": sql} for sql in SQL])),
        ("p.jsonl", "".join(json.dumps({"predicted": sql}) + "\n" for sql in SQL)),
        ("p.jsonl", "".join(json.dumps(sql) + "\n" for sql in SQL)),
        ("p.txt", "".join(json.dumps({"sql": sql, "id": 7}) + "\n" for sql in SQL)),
    ],
)
def test_every_form_is_read_by_position(tmp_path: Path, name: str, text: str) -> None:
    assert answers(written(tmp_path, name, text)) == SQL


def test_ids_of_the_split_go_before_positions(tmp_path: Path) -> None:
    rows = [{"id": "dev-2", "sql": "SELECT 3"}, {"id": "dev-0", "sql": "SELECT 1", "seconds": 2}]
    path = written(tmp_path, "p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert answers(path) == ["SELECT 1", None, "SELECT 3"]
    assert read_predictions(path, EXAMPLES).answers["dev-0"].seconds == 2.0


def test_an_empty_line_or_null_is_an_example_without_sql(tmp_path: Path) -> None:
    assert answers(written(tmp_path, "p.txt", "SELECT 1\n\nSELECT 3\n")) == [SQL[0], None, SQL[2]]
    assert answers(written(tmp_path, "p.json", '["SELECT 1", null, "SELECT 3"]'))[1] is None


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


@given(predictions)
def test_rows_bring_predictions_back(prediction: Prediction) -> None:
    assert from_row(json.loads(json.dumps(to_row(prediction)))) == prediction


def test_bird_goes_by_the_order_of_the_file(tmp_path: Path) -> None:
    mark = "\t----- bird -----\tshop"
    entries = {"2": f"SELECT 1{mark}", "0": 7, "1": "SELECT 3"}
    path = written(tmp_path, "p.json", json.dumps(entries))
    assert answers(path) == ["SELECT 1", None, "SELECT 3"]


def test_wikisql_sketches_are_handed_on_as_json(tmp_path: Path) -> None:
    lines = [
        {"query": {"sel": 1, "agg": 0, "conds": []}},
        {"error": "no idea"},
        {"query": "SELECT 3"},
    ]
    path = written(tmp_path, "p.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert answers(path) == [json.dumps(lines[0]), json.dumps(lines[1]), "SELECT 3"]
