"""Synthesis: hostile databases first; then that pairs run, answer their question, differ and repeat."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from txt2sql.data import open_dataset
from txt2sql.data.synthesis import Pair, Source, summary, synthesise, words, write_pairs
from txt2sql.data.synthesis.conditions import day_of
from txt2sql.data.synthesis.contents import read_profile
from txt2sql.data.synthesis.parts import bucket
from txt2sql.data.synthesis.produce import plain, skeleton
from txt2sql.data.synthesis.query import capital_calls, literal
from txt2sql.data.synthesis.questions import KINDS
from txt2sql.data.synthesis.words import an, finish, noun, plural, singular
from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import open_database
from txt2sql.execution.dates import DateFormat
from txt2sql.execution.execute import execute
from txt2sql.models.grammar import sql_grammar
from txt2sql.sql.normal_form import canonical_sql

FARM = """
CREATE TABLE farm (farm_id INTEGER PRIMARY KEY, name TEXT, county TEXT, hectares REAL, email TEXT);
CREATE TABLE animal (animal_id INTEGER PRIMARY KEY, name TEXT, species TEXT, age INT, weight REAL,
  is_sold INT, birth_date TEXT, farm_id INT REFERENCES farm (farm_id));
CREATE TABLE sale (sale_id INTEGER PRIMARY KEY, animal_id INT REFERENCES animal (animal_id),
  sale_date TEXT, price REAL, quantity INT, channel TEXT);
INSERT INTO farm VALUES (1, 'Long Acre', 'Kent', 40.5, NULL), (2, 'Mill End', 'Kent', 12, 'm@end.org'),
  (3, 'High Barn', 'Devon', 77, NULL), (4, 'Two Oaks', 'Surrey', 30, 'two@oaks.org');
"""
ANIMALS = "INSERT INTO animal VALUES ({0}, 'Animal {0}', '{1}', {2}, {3}, {4}, '{5}', {6});"
SALES = "INSERT INTO sale VALUES ({0}, {1}, '{2}', {3}, {4}, '{5}');"


def farm_script() -> str:
    rng = random.Random(4)
    day = lambda: f"20{rng.randint(19, 23)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"  # noqa: E731
    script = FARM
    for i in range(1, 40):
        species = rng.choice(("cow", "sheep", "goat"))
        script += ANIMALS.format(i, species, i % 13, 20 + i * 3.5, i % 2, day(), rng.randint(1, 3))
    for i in range(1, 60):
        sold = rng.choice(("market", "online", "phone"))
        script += SALES.format(i, rng.randint(1, 30), day(), 5 + i * 1.5, rng.randint(1, 9), sold)
    return script


def source(path: Path, script: str, db_id: str | None = None) -> Source:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    database = open_database(path, db_id)
    return Source(database, database.schema())


@pytest.fixture
def farm(tmp_path: Path) -> Source:
    return source(tmp_path / "farm.sqlite", farm_script())


def check(pairs: list[Pair], *sources: Source) -> None:
    """Every pair runs and returns something, none comes twice."""
    databases = {each.schema.db_id: each.database for each in sources}
    for pair in pairs:
        result = execute(databases[pair.db_id], pair.sql)
        assert result.error is None, (pair.sql, result.error)
        if "'now'" not in pair.sql:
            assert any(cell not in (None, "", 0) for row in result.rows for cell in row), pair.sql
        assert pair.question == " ".join(pair.question.split())
        assert not re.search("[\x01-\x04]", pair.question + pair.sql)
    assert len({(pair.db_id, plain(pair.question)) for pair in pairs}) == len(pairs)
    assert len({(pair.db_id, pair.sql) for pair in pairs}) == len(pairs)


# Databases of which little or nothing can be asked ------------------------------------------------


def test_a_database_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'empty' has no rows") as error:
        synthesise([source(tmp_path / "empty.sqlite", "CREATE TABLE t (a INT)")], 5)
    assert "\n" not in str(error.value)


def test_no_database_at_all_says_so() -> None:
    with pytest.raises(DataError, match="no database"):
        synthesise([], 5)


def test_two_databases_of_one_name_are_refused(tmp_path: Path, farm: Source) -> None:
    (tmp_path / "other").mkdir()
    second = source(tmp_path / "other" / "farm.sqlite", FARM)
    with pytest.raises(DatabaseError, match="two databases are called 'farm'"):
        synthesise([farm, second], 5)


def test_an_empty_table_beside_others_is_passed_over(tmp_path: Path) -> None:
    script = (
        farm_script() + "CREATE TABLE visit (id INTEGER PRIMARY KEY, farm_id INT REFERENCES farm);"
    )
    farm = source(tmp_path / "farm.sqlite", script)
    pairs, _ = synthesise([farm], 200)
    check(pairs, farm)
    assert not any("FROM visit" in pair.sql for pair in pairs)


def test_a_database_with_little_in_it_gives_what_it_has_and_ends(tmp_path: Path) -> None:
    small = source(tmp_path / "small.sqlite", "CREATE TABLE t (a INT); INSERT INTO t VALUES (7)")
    pairs, report = synthesise([small], 5000)
    assert 0 < len(pairs) == report.made < 5000
    check(pairs, small)


def test_cells_of_nulls_and_blobs_are_passed_over(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE t (a BLOB, b TEXT, c TEXT); "
        "INSERT INTO t VALUES (x'00ff', NULL, ''), (x'01', NULL, ''), (x'02', NULL, 'a\nb');"
    )
    odd = source(tmp_path / "odd.sqlite", script)
    pairs, _ = synthesise([odd], 20)
    assert pairs
    check(pairs, odd)
    assert not any("00ff" in pair.question or "X'" in pair.sql for pair in pairs)


def test_a_view_that_never_ends_costs_a_budget_and_no_more(tmp_path: Path) -> None:
    endless = (
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i % 2 AS parity, count(*) AS amount FROM n GROUP BY 1;"
    )
    both = source(tmp_path / "endless.sqlite", farm_script() + endless)
    pairs, _ = synthesise([both], 60)
    assert len(pairs) == 60
    assert not any("parity" in pair.sql for pair in pairs)
    check(pairs, both)


ODD_NAMES = """
CREATE TABLE "order details" ("select" INTEGER PRIMARY KEY, "it's" TEXT, "a ""quoted"" one" TEXT,
  "größe" REAL, "{have}" TEXT, "50% | off" INT, "名前" TEXT, "constraint" INT REFERENCES "group"("to"));
CREATE TABLE "group" ("to" INTEGER PRIMARY KEY, "from" TEXT, "." TEXT);
"""
ODD_CELLS = ("O'Brien", 'say "hi"', "100%", "a_b", "{their}", "{0}", "x|y", "naïve", "東京", "; --", "NULL")  # fmt: skip


def test_odd_names_and_cells_are_quoted(tmp_path: Path) -> None:
    script = ODD_NAMES + "INSERT INTO \"group\" VALUES (1, 'a b', 'x'), (2, 'c', 'x');"
    for i, text in enumerate(ODD_CELLS, start=1):
        cells = [str(i), literal(text), literal(text[::-1]), str(i / 4), literal(text), str(i % 3)]
        script += f'INSERT INTO "order details" VALUES ({", ".join(cells)}, {literal(text)}, {i % 2 + 1});'
    odd = source(tmp_path / "odd.sqlite", script)
    pairs, _ = synthesise([odd], 300)
    assert len(pairs) == 300
    check(pairs, odd)
    texts = " ".join(pair.sql for pair in pairs)
    for name in ('"select"', '"it\'s"', '"a ""quoted"" one"', '"order details"', '"constraint"'):
        assert name in texts


def test_cells_with_braces_and_marks_are_mentioned_whole(tmp_path: Path) -> None:
    cells = ["a|b|c", "{have} x", "{0} y", "} z {", "{who}", "%s w"]
    rows = "".join(f"INSERT INTO t VALUES ({literal(c)}, {i % 4});" for i, c in enumerate(cells))
    marked = source(tmp_path / "t.sqlite", f"CREATE TABLE t (label TEXT, amount INT); {rows}")
    pairs, _ = synthesise([marked], 60)
    check(pairs, marked)
    equal = [p for p in pairs if p.sql.count("label = '") == 1 and p.sql.count("'") == 2]
    assert len(equal) > 2
    for pair in equal:
        assert pair.sql.split("'")[1].lower() in pair.question.lower(), pair


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_text_is_a_literal(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {literal(text)}").fetchone() == (text,)


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_a_literal(value: int | float) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {literal(value)}").fetchone()[0] == pytest.approx(value)


def test_tables_without_declared_keys_are_joined_by_inferred_ones(tmp_path: Path) -> None:
    bare = re.sub(r" REFERENCES \w+ \(\w+\)", "", farm_script())
    farm = source(tmp_path / "bare.sqlite", bare)
    assert all(key.inferred for key in farm.schema.foreign_keys)
    pairs, _ = synthesise([farm], 200)
    check(pairs, farm)
    assert any("JOIN farm ON animal.farm_id = farm.farm_id" in pair.sql for pair in pairs)


def test_columns_that_only_share_a_name_are_not_joined(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE a (id INT, code TEXT); CREATE TABLE b (id INT, code TEXT); "
        "INSERT INTO a VALUES (1, 'x'), (2, 'y'); INSERT INTO b VALUES (1, 'p'), (2, 'q');"
    )
    apart = source(tmp_path / "apart.sqlite", script)
    assert read_profile(apart.database, apart.schema).edges == ()


def test_a_key_of_two_columns_is_joined_whole(tmp_path: Path) -> None:
    script = "CREATE TABLE room (house INT, number INT, colour TEXT, PRIMARY KEY (house, number));"
    script += "CREATE TABLE booking (id INTEGER PRIMARY KEY, house INT, room INT, guests INT, FOREIGN KEY (house, room) REFERENCES room (house, number));"
    for i in range(20):
        script += f"INSERT INTO room VALUES ({i % 4}, {i // 4}, '{('red', 'blue')[i % 2]}');"
        script += f"INSERT INTO booking VALUES ({i}, {i % 4}, {i // 4}, {i % 3 + 1});"
    house = source(tmp_path / "house.sqlite", script)
    pairs, _ = synthesise([house], 150)
    check(pairs, house)
    joined = [pair.sql for pair in pairs if "JOIN room" in pair.sql]
    both = "ON booking.house = room.house AND booking.room = room.number"
    assert joined and all(both in sql for sql in joined)


# What comes out -----------------------------------------------------------------------------------


def test_pairs_run_and_differ_and_every_kind_comes_out(farm: Source) -> None:
    pairs, report = synthesise([farm], 1500, seed=3)
    assert len(pairs) == report.made == 1500
    check(pairs, farm)
    assert {pair.kind for pair in pairs} == {kind.__name__ for kind in KINDS}
    assert summary(pairs, report)["skeletons"] > 500
    heads = Counter(" ".join(pair.question.lower().split()[:2]) for pair in pairs)
    assert len(heads) > 150 and heads.most_common(1)[0][1] < 150


def test_golds_are_in_normal_form_and_the_grammar_accepts_them(farm: Source) -> None:
    pairs, _ = synthesise([farm], 400, seed=4)
    start = LLMatcher(LLTokenizer("byte"), sql_grammar(farm.schema), log_level=0)
    for pair in pairs:
        assert canonical_sql(pair.sql, farm.schema) == pair.sql
        matcher = start.deep_copy()
        assert matcher.consume_tokens(list(pair.sql.encode())) and matcher.is_accepting(), pair.sql


def test_the_first_rows_are_never_a_tie(farm: Source) -> None:
    pairs, _ = synthesise([farm], 600, seed=5)
    ranked = [
        p for p in pairs if p.kind == "superlative" and " LIMIT " in p.sql and "'now'" not in p.sql
    ]
    assert len(ranked) > 20
    for pair in ranked:
        body, _, limit = pair.sql.partition(" LIMIT ")
        key = re.sub(r" DESC$", "", body.rpartition(" ORDER BY ")[2])
        keys = execute(farm.database, f"SELECT {key}{body[body.index(' FROM ') :]}").rows
        assert len(keys) > int(limit) and keys[int(limit) - 1] != keys[int(limit)], pair.sql


@pytest.fixture(scope="module")
def careful_pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    """Nobody makes typing errors or uses other words than the schema's."""
    farm = source(tmp_path_factory.mktemp("careful") / "farm.sqlite", farm_script())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_TYPING_ERRORS", 0)
        patch.setattr(words, "_SYNONYMS", 0)
        return synthesise([farm], 3000, seed=6)[0]


def test_questions_name_what_rows_are_grouped_and_compared_by(
    careful_pairs: list[Pair],
) -> None:
    words = {"species": "species", "channel": "channel", "age": "age|old|young", "hectares": "hectares",
             "weight": "weigh|heav|light", "county": "count| in | from |not in|Kent|Devon|Surrey"}  # fmt: skip
    checked = 0
    for pair in careful_pairs:
        for column, forms in words.items():
            if re.search(rf"\b{column} (>|<|BETWEEN|IN) |GROUP BY (\w+\.)?{column}\b", pair.sql):
                checked += 1
                assert re.search(forms, pair.question, re.IGNORECASE), pair
    assert checked > 200


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (r"\bwithout (an )?email\b|\bno email\b", r"email IS NULL"),
        (r"\b(per|by|for each|for every) month\b", r"STRFTIME\('%Y-%m', \w+(\.\w+)?\)"),
        (r"^show all|^all details", r"SELECT (\w+\.)?\*"),
        (r"\bno sales\b|without (any )?(a )?sale\b|without any sales", r"NOT IN \(SELECT|LEFT JOIN sale .*IS NULL"),
        (r"\b(percentage|percent)\b", r"100\.0 \*"),
        (r"\brunning total\b|\bcumulative\b", r"SUM\(\w+\) OVER \(ORDER BY"),
        (r"\bprevious (month|year|quarter|week|day)\b", r"LAG\("),
        (r"\b(average|mean) price (of|for|across)\b", r"AVG\((sale\.)?price\)"),
        (r"\bin each \w+$|\bfor each \w+, find the", r"PARTITION BY|GROUP BY"),
        (r"\bin the last \d+ days$", r"DATE\('now', '-\d+ days'\)"),
        (r"\b(dis)?tinct|\bunique\b", r"DISTINCT|UNIQUE"),
        (r"\bnot sold\b", r"is_sold = 0"),
    ],
)  # fmt: skip
def test_what_analysts_ask_has_the_sql_that_answers_it(
    careful_pairs: list[Pair], asked: str, written: str
) -> None:
    matching = [p for p in careful_pairs if re.search(asked, p.question.lower().rstrip("?."))]
    assert matching
    for pair in matching:
        assert re.search(written, pair.sql), pair


def test_entities_are_said_by_name(careful_pairs: list[Pair]) -> None:
    asked = re.compile(
        r"(which|list|list all|list the|show|show the|find the|what are the) (farms|animals)\b"
    )
    listed = [p for p in careful_pairs if p.kind == "listing" and asked.match(p.question.lower())]
    assert len(listed) > 5
    assert all(re.match(r"SELECT (\w+\.)?name\b", pair.sql) for pair in listed)


def test_a_question_to_be_kept_out_does_not_come_out(farm: Source) -> None:
    first, _ = synthesise([farm], 150)
    kept_out = [f"  {pair.question.upper()} ?" for pair in first]
    second, report = synthesise([farm], 150, exclude=kept_out)
    assert not {plain(p.question) for p in first} & {plain(p.question) for p in second}
    assert report.rejected["is a question to be kept out"] > 0


def test_the_same_seed_gives_the_same_pairs(farm: Source) -> None:
    first, _ = synthesise([farm], 300, seed=9)
    again, _ = synthesise([farm], 300, seed=9)
    other, _ = synthesise([farm], 300, seed=10)
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        (DateFormat("ymd"), "2021-05-09"), (DateFormat("ymd", timed=True), "2021-05-09 10:11:12"),
        (DateFormat("ymd", "/"), "2021/05/09"), (DateFormat("compact", text=False), 20210509),
        (DateFormat("compact"), "20210509"), (DateFormat("dmy", "."), "09.05.2021"),
        (DateFormat("mdy", "/"), "05/09/2021"), (DateFormat("seconds", text=False), 1620555072),
        (DateFormat("millis", text=False), 1620555072000), (DateFormat("month"), "2021-05"),
        (DateFormat("year", text=False), 2021),
    ],
)  # fmt: skip
def test_periods_follow_the_format_of_the_column(form: DateFormat, cell: str | int) -> None:
    day = day_of(cell, form)
    assert day is not None and day.year == 2021
    with closing(sqlite3.connect(":memory:")) as connection:
        run = lambda unit: connection.execute(f"SELECT {bucket(form, unit, literal(cell))}").fetchone()[0]  # noqa: E731  # fmt: skip
        assert str(run("year")) == "2021"
        if form.kind != "year":
            assert str(run("month")).translate({ord("-"): None, ord("/"): None}) == "202105"
        if bucket(form, "quarter", "d"):
            assert run("quarter") == "2021-Q2"


def test_dates_that_sql_sorts_wrongly_are_not_sorted(tmp_path: Path) -> None:
    script = "CREATE TABLE job (id INTEGER PRIMARY KEY, day TEXT, hours INT);"
    for i in range(40):
        script += (
            f"INSERT INTO job VALUES ({i}, '{i % 28 + 1:02}.{i % 12 + 1:02}.{2020 + i % 4}', {i});"
        )
    jobs = source(tmp_path / "jobs.sqlite", script)
    pairs, _ = synthesise([jobs], 300)
    assert sum("SUBSTR(day, 7, 4)" in pair.sql for pair in pairs) > 10
    assert not [p for p in pairs if re.search(r"(MIN|MAX)\(day|ORDER BY day|day [<>]", p.sql)]


# Stored -------------------------------------------------------------------------------------------


def test_a_folder_is_a_data_set(farm: Source, tmp_path: Path) -> None:
    pairs, _ = synthesise([farm], 30)
    write_pairs(pairs, tmp_path / "out", [farm])
    write_pairs(pairs, tmp_path / "out", [farm])  # again, over what is there
    dataset = open_dataset(tmp_path / "out")
    examples = list(dataset.examples("train"))
    assert dataset.splits == ("train",)
    assert [(e.question, e.gold_sql) for e in examples] == [(p.question, p.sql) for p in pairs]
    assert execute(dataset.database("farm"), examples[0].gold_sql).ok


def test_lines_hold_one_pair_each(farm: Source, tmp_path: Path) -> None:
    pairs, _ = synthesise([farm], 10)
    write_pairs(pairs, tmp_path / "pairs.jsonl", [farm])
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [row["query"] for row in rows] == [pair.sql for pair in pairs]
    assert set(rows[0]) == {"db_id", "question", "query", "kind"}


def test_the_words_of_a_data_set_are_used_and_passed_on(spider: Path, tmp_path: Path) -> None:
    dataset = open_dataset(spider)
    shops = Source(dataset.database("shops"), dataset.schema("shops"))
    pairs, _ = synthesise([shops], 60)
    assert any("year of opening" in pair.question.lower() for pair in pairs)
    write_pairs(pairs, tmp_path / "out", [shops], dataset.entry)  # type: ignore[attr-defined]
    again = open_dataset(tmp_path / "out").schema("shops")
    assert again.table("shop").column("opening_year").words == "year of opening"  # type: ignore[union-attr]


# Words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("city", "cities"), ("bus", "buses"), ("person", "people"), ("day", "days"), ("box", "boxes"),
        ("branch", "branches"), ("aircraft", "aircraft"), ("date of birth", "dates of birth"),
        ("home address", "home addresses"), ("class", "classes"), ("status", "statuses"),
        ("killed", "killed"), ("speed", "speeds"), ("year founded", "year founded"), ("größe", "größe"),
    ],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many
    assert plural(many) == many
    assert singular(many) == one


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stu_fname", "student first name"), ("num employees", "number of employees"),
        ("has pet", "pet"), ("id", "id"), ("Order  Date", "order date"), ("tbl_order", "order"),
        ("number of pieces", "number of pieces"), ("名前", "名前"),
    ],
)  # fmt: skip
def test_nouns(name: str, words: str) -> None:
    assert noun(name) == words


@given(st.text())
def test_words_take_any_text(text: str) -> None:
    for function in (noun, plural, singular, an):
        assert isinstance(function(text), str)


@given(st.text(st.characters(min_codepoint=33), min_size=1), st.integers())
def test_typing_errors_and_haste_leave_values_alone(value: str, seed: int) -> None:
    value = value.strip() or "x"
    typed = finish(
        f"orders of customer \x03{value}\x04 in total?", random.Random(seed), frozenset()
    )
    assert " ".join(value.split()) in typed


def test_a_skeleton_has_no_names_and_values() -> None:
    one = skeleton("SELECT a FROM t WHERE b = 'it''s' AND c > 3")
    assert one == skeleton('SELECT x FROM "u v" WHERE y = \'\' AND z > 1.5') == "SELECT _ FROM _ WHERE _ = ? AND _ > ?"  # fmt: skip


def test_functions_are_written_in_capitals() -> None:
    assert capital_calls("date(d, 'unixepoch')") == "DATE(d, 'unixepoch')"


# Spider -------------------------------------------------------------------------------------------


def test_nothing_of_spider_dev_comes_out(data_root: Path) -> None:
    spider = open_dataset("spider", data_root)
    ids = sorted({example.db_id for example in spider.examples("train")})[:20]
    sources = [Source(spider.database(db_id), spider.schema(db_id)) for db_id in ids]
    dev = [example.question for example in spider.examples("dev")]
    pairs, _ = synthesise(sources, 1000, exclude=dev)
    assert len(pairs) == 1000
    check(pairs, *sources)
    assert not set(map(plain, dev)) & {plain(pair.question) for pair in pairs}
