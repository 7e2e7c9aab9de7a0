"""Conditions that a question implies: what implies none first; each that is given runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build

from txt2sql.execution.database import open_database
from txt2sql.execution.values import ValueIndex, open_value_index

SCRIPT = """
CREATE TABLE guests (id INTEGER PRIMARY KEY, name TEXT, home_town TEXT, mobile_phone TEXT, sex TEXT,
  date_of_birth TEXT, is_member INTEGER, referred_by INTEGER);
INSERT INTO guests VALUES (1, 'Ada', 'Porto', NULL, 'F', '1980-04-01', 1, NULL),
  (2, 'Ben', 'Lyon', '123', 'M', '1990-05-02', 0, 1), (3, 'Cleo', 'Lyon', '', 'F', '1999-12-31', 0, 1);
CREATE TABLE "bookings 2" (id INTEGER PRIMARY KEY, guest_id INTEGER REFERENCES guests(id),
  booked TEXT, "check in" TEXT, paid TEXT, state TEXT, price REAL, returned_on TEXT);
INSERT INTO "bookings 2" VALUES (1, 1, '27.12.2024', '2025/01/03', 'Y', 'confirmed', 120.5, NULL),
  (2, 2, '01.02.2025', '2025/03/05', 'N', 'cancelled', 2500, '2025-04-01'),
  (3, 2, '14.02.2025', '2025/06/01', 'N', 'no show', 900, '2025-07-01');
CREATE TABLE rooms (id INTEGER PRIMARY KEY, label TEXT, retired INTEGER, built INTEGER, seats INTEGER);
INSERT INTO rooms VALUES (1, 'Blue', 0, 1999, 2), (2, 'Red', 1, 2015, 2030);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, opened_at TEXT, closed_at TEXT);
INSERT INTO tickets VALUES (1, '2025-01-03', NULL), (2, '2025-02-03', '2025-02-04');
CREATE TABLE invoices (id INTEGER PRIMARY KEY, customer TEXT, issued INTEGER, settled BOOLEAN,
  amount INTEGER, due_date DATE);
INSERT INTO invoices VALUES (1, 'Ada', 1735689600, 0, 40000000, '2025-02-01'),
  (2, 'Ben', 1746057600, 1, 120, '2025-06-01'), (3, 'Cleo', 1748736000, 1, 7, NULL);
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> ValueIndex:
    folder = tmp_path_factory.mktemp("hints")
    return open_value_index(open_database(build(folder / "hotel.sqlite", SCRIPT)), folder / "cache")


def conditions(index: ValueIndex, question: str) -> list[str]:
    """What is implied; SQLite runs each."""
    made = [match for match in index.match(question) if match.condition]
    connection = index.database.connect()
    for match in made:
        table = match.table.replace('"', '""')
        connection.execute(f'SELECT count(*) FROM "{table}" WHERE {match.condition}').fetchall()
        assert match.span in question
        assert 0.5 < match.score < 0.8
    connection.close()
    return [match.condition for match in made]


NOTHING = """
list the guests and their mobile phone | guests without bookings | was booking 3 paid or not?
which rooms are retired or not retired | show the paid flag of every booking | bookings per month
amount paid by each guest | how many male and female guests are there | no more than 5 rooms
guests with a mobile phone number of 123 | open rooms | rooms with 2015 seats | invoices of more than 2025
in what year was each room built? | guests from 1,500 towns | in March 2025 what happened?
"""  # the last: which of the dates?


@pytest.mark.parametrize("question", ["", *re.split(r" \| |\n", NOTHING.strip())])
def test_nothing_is_implied(index: ValueIndex, question: str) -> None:
    assert conditions(index, question) == []


BOOKED = (
    """substr("bookings 2".booked, 7, 4) || '-' || substr("bookings 2".booked, 4, 2) || '-' || """
    """substr("bookings 2".booked, 1, 2)"""
)
IMPLIED = {
    "Unpaid bookings": "\"bookings 2\".paid = 'N'",
    "unsettled invoices": "invoices.settled = 0",
    "guests who are not members": "guests.is_member = 0",
    "non-confirmed bookings": "\"bookings 2\".state <> 'confirmed'",
    "female guests": "guests.sex = 'F'",
    "guests with no mobile phone": "(guests.mobile_phone IS NULL OR guests.mobile_phone = '')",
    "guests who have a mobile phone": "guests.mobile_phone <> ''",
    "invoices without a due date": "invoices.due_date IS NULL",
    "open tickets by room": "tickets.closed_at IS NULL",
    "bookings that were not returned": '"bookings 2".returned_on IS NULL',
    "guests born in 1990": "guests.date_of_birth >= '1990-01-01' AND guests.date_of_birth < '1991-01-01'",
    "bookings that were booked before 2025": f"{BOOKED} < '2025-01-01'",
    "rooms built between 1990 and 2010": "rooms.built >= 1990 AND rooms.built <= 2010",
    "invoices issued in May 2025": "date(invoices.issued, 'unixepoch') >= '2025-05-01' "
    "AND date(invoices.issued, 'unixepoch') < '2025-06-01'",
    "invoices due in the last 30 days": "invoices.due_date >= date('now', '-30 days')",
    "bookings with a check in since March 2025": '"bookings 2"."check in" >= \'2025/03/01\'',
}


@pytest.mark.parametrize("question", IMPLIED)
def test_implied(index: ValueIndex, question: str) -> None:
    assert conditions(index, question) == [IMPLIED[question]]


WORDS = (
    "guests bookings rooms invoices not un paid settled retired without a no mobile phone in 2025 "
    "since before March May last 30 days month between and 1,500 million over null is missing ' \" "
    "female born [ ] % retired? aren't due date"
).split(" ")


@settings(max_examples=60)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)), max_size=14).map(" ".join))
def test_whatever_is_implied_runs(index: ValueIndex, question: str) -> None:
    assert len(conditions(index, question)) <= 6


def test_several_columns_as_likely_give_nothing(tmp_path: Path) -> None:
    script = "CREATE TABLE {0} (id INTEGER, vaccinated INTEGER, chipped DATE); INSERT INTO {0} VALUES (1, 0, '2024-02-03'), (2, 1, '2024-02-04'), (3, 1, NULL);"
    path = build(tmp_path / "twins.sqlite", script.format("cats"), script.format("dogs"))
    index = open_value_index(open_database(path))
    assert conditions(index, "which animals are vaccinated?") == []
    assert conditions(index, "which animals were chipped in 2024?") == []
    assert conditions(index, "which dogs are vaccinated?") == ["dogs.vaccinated = 1"]
    assert conditions(index, "cats chipped before 2024") == ["cats.chipped < '2024-01-01'"]


def test_a_missing_value_far_down_is_seen(tmp_path: Path) -> None:
    path = build(
        tmp_path / "long.sqlite",
        "CREATE TABLE parcels (id INTEGER PRIMARY KEY, delivered_at TEXT, lost INT)",
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO parcels "
        "SELECT i, iif(i < 900, printf('2024-01-%02d 10:00:00', i % 28 + 1), NULL), i = 999 FROM n",
    )
    index = open_value_index(open_database(path))
    assert conditions(index, "parcels not delivered") == ["parcels.delivered_at IS NULL"]
    assert conditions(index, "lost parcels") == ["parcels.lost = 1"]


PRACTICE = """
CREATE TABLE clinics (id INTEGER PRIMARY KEY, name TEXT, opened TEXT);
INSERT INTO clinics VALUES (1, 'North', '1999-01-01');
CREATE TABLE patients (id INTEGER PRIMARY KEY, clinic_id INTEGER, name TEXT, birth_date TEXT);
INSERT INTO patients VALUES (1, 1, 'Ada', '1950-03-01'), (2, 1, 'Ben', '2015-03-02');
CREATE TABLE visits (id INTEGER PRIMARY KEY, patient_id INTEGER, clinic_id INTEGER, starts_at TEXT,
  minutes INTEGER, paid_on TEXT);
INSERT INTO visits VALUES (1, 1, 1, '2025-01-03 10:00', 20, '2025-02-01'), (2, 2, 1, '2025-03-05 11:30', 15, NULL);
"""
BORN = "patients.birth_date {} date('now', '-{} years')"


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("how many visits last month", "visits.starts_at"),
        ("takings in the last 30 days", "visits.starts_at"),
        ("patients seen last week", "visits.starts_at"),
        ("visits paid last year", "visits.paid_on"),
        ("clinics opened last year", "clinics.opened"),
        ("visits in the last week of March", ""),
        ("visits in 2024", ""),
        ("how long is a visit today", "visits.starts_at"),
        ("what can be done today", ""),
    ],
)
def test_what_hangs_on_today_is_of_the_date_of_what_happens(
    tmp_path: Path, question: str, column: str
) -> None:
    index = open_value_index(open_database(build(tmp_path / "p.sqlite", PRACTICE)), tmp_path)
    assert [each.split(" ")[0] for each in conditions(index, question)] == [column][: bool(column)]


@pytest.mark.parametrize(
    ("question", "want"),
    [
        ("patients older than 70", [BORN.format("<", 70)]),
        ("patients under 18 years old", [BORN.format(">=", 18)]),
        ("how many patients are under 18", [BORN.format(">=", 18)]),
        ("patients with a weight below 50", []),
        ("how many patients with a dose over 18 are there", []),
        ("who is younger than 18 years", [BORN.format(">=", 18)]),
        ("patients 65 or older", [BORN.format("<", 65)]),
        ("patients age 60 and above", [BORN.format("<", 60)]),
        ("visits over 15 minutes", []),
        ("clinics with more than 70 visits", []),
    ],
)
def test_an_age_is_a_date_of_birth(tmp_path: Path, question: str, want: list[str]) -> None:
    index = open_value_index(open_database(build(tmp_path / "p.sqlite", PRACTICE)), tmp_path)
    assert conditions(index, question) == want
