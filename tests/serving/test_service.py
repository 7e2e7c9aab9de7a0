"""The service: broken set-ups raise, everything a question or its SQL does is in the answer."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.errors import ConfigError, DatabaseError, ModelError
from txt2sql.execution.execute import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT);"
            "INSERT INTO shop VALUES (1, 'Lisbon'), (2, 'Porto'), (3, 'Lisbon');"
        )
    return path


def service(database: Path, *completions: str, limits: Limits = Limits()) -> Service:  # noqa: B008
    return Service(database, ScriptedGenerator(completions), limits=limits)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_what_is_no_database_with_tables_is_refused(tmp_path: Path) -> None:
    text, empty, bare = tmp_path / "a.sqlite", tmp_path / "b.sqlite", tmp_path / "c.sqlite"
    text.write_text("not a database" * 100, encoding="utf-8")
    empty.touch()
    with closing(sqlite3.connect(bare)) as connection:
        connection.executescript("CREATE TABLE t (x); DROP TABLE t;")
    for path in (text, empty, bare, tmp_path, tmp_path / "none.sqlite"):
        with pytest.raises(DatabaseError, match=r"\w+.*;|: "):
            service(path)


def test_an_unknown_model_is_refused(shop: Path) -> None:
    with pytest.raises(ModelError, match="no model 'no such model'"):
        Service(shop, "no such model")


@pytest.mark.parametrize("question", ["", "   ", "\n\t"])
def test_an_empty_question_gets_a_sentence(shop: Path, question: str) -> None:
    answer = service(shop).ask(question)
    assert answer.sql is None
    assert answer.error is not None
    assert "empty" in answer.error


@pytest.mark.parametrize("completion", ["", "I do not know.", "What do you mean by shop?"])
def test_an_answer_without_sql_says_so(shop: Path, completion: str) -> None:
    answer = service(shop, completion).ask("Why?")
    assert (answer.sql, answer.rows) == (None, ())
    assert answer.error is not None
    assert "no SQL" in answer.error


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE shop",
        "DELETE FROM shop",
        "INSERT INTO shop VALUES (4, 'Faro')",
        "UPDATE shop SET city = 'Faro'",
        "PRAGMA writable_schema = 1",
        "ATTACH 'other.sqlite' AS other",
        "VACUUM INTO 'copy.sqlite'",
        "SELECT town FROM shop",
        "SELECT load_extension('x')",
    ],
)
def test_sql_that_fails_or_writes_becomes_an_error_and_changes_nothing(
    shop: Path, sql: str
) -> None:
    before = contents(shop.parent)
    answer = service(shop, sql).ask("Please do")
    assert answer.error
    assert answer.rows == ()
    assert contents(shop.parent) == before


def test_a_statement_is_executed_once_for_a_question(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "SELECT count(*) FROM shop"
    counting, ran = service(shop, sql, sql), []
    run = counting.run
    monkeypatch.setattr(counting, "run", lambda sql: ran.append(sql) or run(sql))
    for question in ("How many?", "How many now?"):
        assert counting.ask(question).rows == ((3,),)
    assert ran == [sql, sql]


def test_endless_sql_is_stopped(shop: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
    asked = service(shop, endless, limits=Limits(timeout_s=0.2))
    assert asked.direct.executor is not None
    tried = asked.direct.executor("shop", endless)  # what a predictor tries has the same limit
    answer = asked.ask("How many?")
    assert tried.error == answer.error
    assert "0.2" in (answer.error or "")


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("How many shops? " * 700, ((3,),)),
        ("¿Cuántas tiendas hay en Lisboa? 有多少家商店？", ((3,),)),
        ("'; DROP TABLE shop; --", ()),
        ("SELECT * FROM shop WHERE city = 'Porto'", ((2, "Porto"),)),
        ("\x00\x1b[2J\ud800", ((3,),)),
        ("{}[]%s{0}<|im_end|>", ((3,),)),
    ],
)
def test_an_odd_question_does_no_harm(shop: Path, question: str, rows: tuple[object, ...]) -> None:
    before = contents(shop.parent)
    answer = service(shop, "SELECT count(*) FROM shop").ask(question)
    assert (answer.error is None, answer.rows) == (rows != (), rows)
    assert answer.question == (
        "" if answer.sql == question else question
    )  # typed SQL is no question
    assert contents(shop.parent) == before


def test_an_answer_brings_rows_and_reasons(shop: Path) -> None:
    answer = service(shop, "```sql\nSELECT id, city FROM shop WHERE city = 'Lisbon';\n```").ask(
        "Which shops are in Lisbon?"
    )
    assert answer.sql == "SELECT id, city FROM shop WHERE city = 'Lisbon'"
    assert answer.columns == ("id", "city")
    assert answer.rows == ((1, "Lisbon"), (3, "Lisbon"))
    assert answer.error is None
    assert answer.model == "scripted"
    assert answer.seconds > 0
    assert [(m.table, m.column, m.value) for m in answer.matches] == [("shop", "city", "Lisbon")]
    assert answer.prompt is not None
    assert "Which shops are in Lisbon?" in answer.prompt.text
    assert answer.candidates


def test_what_columns_mean_is_shown_to_the_model(shop: Path, tmp_path: Path) -> None:
    file = tmp_path / "meanings.yaml"
    file.write_text("shop.city: where its door is\nshop.town: no such column\n")
    described = Service(shop, ScriptedGenerator(["SELECT 1"]), describe=file)
    prompt = described.ask("How many shops are there?").prompt
    assert prompt is not None and "-- where its door is" in prompt.text
    assert "'shop.town'" in described.notice and "is adapted" not in described.notice
    assert service(shop, "SELECT 1").notice == ""
    file.write_text("- shop")
    with pytest.raises(ConfigError, match=r"meanings\.yaml"):
        Service(shop, ScriptedGenerator(["SELECT 1"]), describe=file)


def test_what_the_prompt_had_no_room_for_is_told(tmp_path: Path) -> None:
    place = tmp_path / "wide.sqlite"
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT)")
        for n in range(40):
            words = ", ".join(f"a_measure_of_some_kind_{chr(97 + i)}_{n} REAL" for i in range(12))
            connection.execute(f"CREATE TABLE readings_of_meter_{n} ({words})")
    answer = service(place, "SELECT count(*) FROM shop").ask("How many shops are there?")
    assert "readings_of_meter_39" in answer.dropped
    assert not any(name.startswith("shop") for name in answer.dropped)


def test_rows_are_capped(shop: Path) -> None:
    answer = service(shop, "SELECT id FROM shop", limits=Limits(max_rows=2)).ask("Which?")
    assert (len(answer.rows), answer.truncated) == (2, True)


@pytest.mark.parametrize("damage", ["a file in the way", "garbage", "nothing in it"])
def test_a_cache_that_cannot_be_used_costs_no_answer(
    shop: Path, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("TXT2SQL_CACHE", str(cache))
    if damage == "a file in the way":
        cache.touch()
    else:
        service(shop, "SELECT 1").ask("In Porto?")
        (kept,) = (cache / "values").iterdir()
        kept.write_bytes(b"garbage" * 1000 if damage == "garbage" else b"")
    answer = service(shop, "SELECT count(*) FROM shop WHERE city = 'Porto'").ask("In Porto?")
    assert (answer.error, answer.rows) == (None, ((1,),))
    assert [match.value for match in answer.matches] == ["Porto"]


LIBRARY = """
CREATE TABLE readers (id INTEGER PRIMARY KEY, name TEXT, street TEXT);
CREATE TABLE loans (reader_id INTEGER REFERENCES readers(id), book TEXT, days INTEGER);
CREATE TABLE desk ("Opened By" TEXT, "Longest Queue" INTEGER, "order" TEXT);
CREATE TABLE "Leser" ("Straße" TEXT PRIMARY KEY, "Größe" INTEGER);
CREATE VIEW lent AS SELECT name, book FROM readers JOIN loans ON readers.id = reader_id;
INSERT INTO readers VALUES (1, 'Ana', 'Elm'), (2, 'Ben', 'Oak');
INSERT INTO loans VALUES (1, 'Emma', 7), (2, 'Ulysses', 90);
INSERT INTO desk VALUES ('Eve', 12, 'b'), ('Max', 3, 'a');
INSERT INTO "Leser" VALUES ('Ulme', 4);
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "library.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(LIBRARY)
    return path


class Candidates(ScriptedGenerator):
    """A scripted model that can be asked for a beam: the same candidates, more of them."""

    beam_search = True


@pytest.mark.parametrize(
    "ghost",
    [
        'SELECT "Longest Queue" FROM loans',
        'SELECT book, "order" FROM loans ORDER BY days DESC LIMIT 1',
        'SELECT "Straße" FROM loans',
        "SELECT [Opened By] FROM loans",
        "SELECT loans.name FROM desk, loans",
        "SELECT lent.name FROM lent JOIN desk",
        "SELECT lent.days FROM lent",
        "SELECT author FROM loans",
    ],
)
def test_a_ghost_column_is_no_answer_and_no_error_while_another_candidate_runs(
    library: Path, ghost: str
) -> None:
    ghosts = Service(library, Candidates({"": [ghost, "SELECT book FROM loans WHERE days > 30"]}))
    answer = ghosts.ask("Which books are out for more than a month?")
    assert (answer.error, answer.rows) == (None, (("Ulysses",),))
    alone = service(library, ghost).ask("Which books are out for more than a month?")
    assert (alone.sql, alone.rows) == (None, ())
    assert alone.error is not None
    assert alone.error.startswith("the model wrote SQL ")
    assert "no such column" not in alone.error


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        ("SELECT street FROM loans WHERE book = 'Emma'", (("Elm",),)),
        ('SELECT name FROM loans WHERE book = "Emma"', (("Ana",),)),
        ("SELECT opened_by FROM desk WHERE order = 'a'", (("Max",),)),
        ("SELECT Opened By FROM desk ORDER BY Longest Queue DESC LIMIT 1", (("Eve",),)),
        ("SELECT straße FROM leser", (("Ulme",),)),
        ("SELECT name FROM readers, loans WHERE days > 30", (("Ben",),)),
        ("SELECT name FROM lent WHERE lent.book = \"Emma\"", (("Ana",),)),
    ],
)  # fmt: skip
def test_what_has_one_reading_is_answered(
    library: Path, written: str, rows: tuple[tuple[str, ...], ...]
) -> None:
    answer = service(library, written).ask("Who?")
    assert (answer.error, answer.rows) == (None, rows)
