"""The service: broken set-ups raise, everything a question or its SQL does is in the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlite_files import build, listing

from txt2sql.errors import ConfigError, DatabaseError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.payload import payload
from txt2sql.serving.service import Service, run_native

from .conftest import ENDLESS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(
        tmp_path_factory.mktemp("shop") / "shop.sqlite",
        "CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT);"
        "INSERT INTO shop VALUES (1, 'Lisbon'), (2, 'Porto'), (3, 'Lisbon');",
    )


def service(database: Path, *completions: str, limits: Limits = Limits()) -> Service:  # noqa: B008
    return Service(database, ScriptedGenerator(completions), limits=limits)


def test_what_gives_no_answer_says_so(shop: Path, tmp_path: Path) -> None:
    bare = build(tmp_path / "bare.sqlite", "CREATE TABLE t (x); DROP TABLE t;")
    with pytest.raises(DatabaseError, match="tables"):
        service(bare)
    for completion in ("", "What do you mean by shop?"):
        answer = service(shop, completion).ask("Why?")
        assert (answer.sql, answer.rows) == (None, ())
        assert answer.error is not None and "no SQL" in answer.error


def test_endless_sql_is_stopped(shop: Path) -> None:
    limited = service(shop, ENDLESS, limits=Limits(timeout_s=0.2))
    assert limited.direct.executor is not None
    tried = limited.direct.executor("shop", ENDLESS)  # what a predictor tries has the same limit
    answer = limited.ask("How many?")
    assert tried.error == answer.error
    assert "0.2" in (answer.error or "")


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("How many shops? " * 700, ((3,),)),
        ("¿Cuántas tiendas hay en Lisboa? 有多少家商店？", ((3,),)),
        ("'; DROP TABLE shop; --", ()),
        ("\x00\x1b[2J\ud800", ((3,),)),
        ("{}[]%s{0}<|im_end|>", ((3,),)),
    ],
)
def test_an_odd_question_does_no_harm(shop: Path, question: str, rows: tuple[object, ...]) -> None:
    before = listing(shop.parent)
    answer = service(shop, "SELECT count(*) FROM shop").ask(question)
    assert (answer.error is None, answer.rows) == (rows != (), rows)
    assert answer.question == question
    assert listing(shop.parent) == before


def test_an_answer_brings_so_many_rows_and_reasons(shop: Path) -> None:
    completion = "```sql\nSELECT id, city FROM shop WHERE city = 'Lisbon';\n```"
    answer = service(shop, completion).ask("Which shops are in Lisbon?")
    assert answer.sql == "SELECT id, city FROM shop WHERE city = 'Lisbon'"
    assert (answer.columns, answer.rows) == (("id", "city"), ((1, "Lisbon"), (3, "Lisbon")))
    assert (answer.error, answer.model) == (None, "scripted") and answer.seconds > 0
    assert [(m.table, m.column, m.value) for m in answer.matches] == [("shop", "city", "Lisbon")]
    assert answer.prompt is not None and "Which shops are in Lisbon?" in answer.prompt.text
    answer = service(shop, "SELECT id FROM shop", limits=Limits(max_rows=2)).ask("Which?")
    assert (len(answer.rows), answer.truncated) == (2, True)


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
    columns = ", ".join(f"a_measure_of_some_kind_{letter}_# REAL" for letter in "abcdefghijkl")
    wide = f"CREATE TABLE readings_of_meter_# ({columns})"
    meters = [wide.replace("#", str(n)) for n in range(40)]
    shop = "CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT)"
    asking = service(build(tmp_path / "wide.sqlite", ";".join([shop, *meters])), "SELECT 1")
    answer = asking.ask("How many shops are there?")
    assert "readings_of_meter_39" in answer.dropped
    assert not any(name.startswith("shop") for name in answer.dropped)
    assert payload("x", answer, asking.schema)["dropped"] == answer.dropped


def test_a_cache_that_cannot_be_used_costs_no_answer(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()  # a file in the way
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    answer = service(shop, "SELECT count(*) FROM shop WHERE city = 'Porto'").ask("In Porto?")
    assert (answer.error, answer.rows) == (None, ((1,),))
    assert [match.value for match in answer.matches] == ["Porto"]


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_every_model_writes_the_sql_of_sqlite(engine: str, engine_url: Callable[..., str]) -> None:
    database = open_database(engine_url(engine))
    sql = "SELECT strftime('%Y', order_date) AS year, count(*) FROM orders GROUP BY year ORDER BY 1"
    ran, result = run_native(database, database.schema(), sql)
    assert result.error is None and result.rows[0][0] == "2023"
    assert ("CAST(order_date AS TIMESTAMP)" in ran) == (engine == "duckdb")
    wrong = "SELECT nothing FROM nowhere WHERE"  # cannot be translated, and says why it fails
    ran, result = run_native(database, database.schema(), wrong)
    assert ran == wrong and result.error
