from __future__ import annotations

from pathlib import Path
from sqlite3 import connect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.database import choose_samples, open_database


@pytest.mark.parametrize(
    ("cells", "kind", "samples"),
    [
        (["Y", "N", "Y", "Y"], "text", ("Y", "N")),  # flags: all of them
        (["0", "1", "1", "0"], "number", ("0", "1")),
        (["15", "19", "23", "27"] * 3, "number", ("15",)),  # a measure, not a code
        (["Ann", "Bo", "Cy"], "text", ("Ann", "Bo")),  # names: the form is enough
        (["1/2/2013", "3/2/2013", "8/31/2013"], "text", ("8/31/2013",)),  # shows which is the day
        (["2.5", "3.5"], "number", ("2.5",)),
        (["x" * 40, "y" * 40], "text", ("x" * 40 + "...",)),  # a cut cell is no value
        ([], "text", ()),
        (["  "], "text", ()),
    ],
)
def test_samples_show_what_a_condition_needs(
    cells: list[str], kind: str, samples: tuple[str, ...]
) -> None:
    assert choose_samples(cells, kind) == samples


def test_numbers_of_a_primary_key_teach_nothing_and_codes_of_one_do() -> None:
    assert choose_samples(["1", "2"], "number", primary_key=True) == ()
    assert choose_samples(["USA", "FRA"], "text", primary_key=True) == ("USA", "FRA")


@given(st.lists(st.text(max_size=40)), st.sampled_from(["text", "number", "time"]))
def test_samples_are_cells(cells: list[str], kind: str) -> None:
    samples = choose_samples(cells, kind)
    assert len(samples) <= 6 and len(set(samples)) == len(samples)
    assert all(s in cells or s.removesuffix("...") in cells for s in samples)


def test_a_schema_has_the_samples_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with connect(path) as connection:
        connection.executescript(
            "CREATE TABLE bill (id INTEGER PRIMARY KEY, state TEXT, part BLOB, note TEXT);"
            "INSERT INTO bill (state) VALUES ('paid'), ('open'), ('paid'), ('paid');"
        )
    connection.close()
    table = open_database(path).schema().tables[0]
    assert [column.samples for column in table.columns] == [(), ("paid", "open"), (), ()]
