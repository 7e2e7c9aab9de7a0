"""Synthesis: hostile databases first; then that pairs run, answer their question, differ and repeat."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer

from txt2sql.data import open_dataset
from txt2sql.data.synthesis import Pair, Source, synthesise, write_pairs
from txt2sql.errors import DataError
from txt2sql.execution.database import open_database
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


@pytest.fixture(scope="module")
def farm_pairs(tmp_path_factory: pytest.TempPathFactory) -> list[Pair]:
    made = synthesise(
        [source(tmp_path_factory.mktemp("farm") / "farm.sqlite", farm_script())], 1200
    )
    return made[0]


def plain(question: str) -> str:
    return " ".join(question.lower().split()).rstrip("?.! ")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def check(pairs: list[Pair], *sources: Source) -> None:
    databases = {each.schema.db_id: each.database for each in sources}
    for pair in pairs:
        result = execute(databases[pair.db_id], pair.sql)
        assert result.error is None, (pair.sql, result.error)
        if "'now'" not in pair.sql:
            assert any(cell not in (None, "", 0) for row in result.rows for cell in row), pair.sql
        assert pair.question == " ".join(pair.question.split())
        assert not re.search("[{}]", pair.question) or re.search("[{}]", pair.sql), pair
    assert len({(pair.db_id, plain(pair.question)) for pair in pairs}) == len(pairs)
    assert len({(pair.db_id, pair.sql) for pair in pairs}) == len(pairs)


# Databases of which little or nothing can be asked ------------------------------------------------


def test_a_database_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'empty' has no rows") as error:
        synthesise([source(tmp_path / "empty.sqlite", "CREATE TABLE t (a INT)")], 5)
    assert "\n" not in str(error.value)


def test_tables_of_which_nothing_can_be_asked_are_passed_over(tmp_path: Path) -> None:
    hostile = (
        "CREATE TABLE visit (id INTEGER PRIMARY KEY, farm_id INT REFERENCES farm);"
        "CREATE TABLE odd (a BLOB, b TEXT, c TEXT);"
        "INSERT INTO odd VALUES (x'00ff', NULL, ''), (x'01', NULL, ''), (x'02', NULL, 'a\nb');"
        "CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i % 2 AS parity, count(*) AS amount FROM n GROUP BY 1;"
    )
    farm = source(tmp_path / "farm.sqlite", farm_script() + hostile)
    pairs, _ = synthesise([farm], 100)
    check(pairs, farm)
    assert len(pairs) == 100
    assert not any(re.search(r"FROM visit|parity|X'|00ff", pair.sql) for pair in pairs)


ODD_NAMES = """
CREATE TABLE "order details" ("select" INTEGER PRIMARY KEY, "it's" TEXT, "a ""quoted"" one" TEXT,
  "größe" REAL, "{have}" TEXT, "50% | off" INT, "名前" TEXT, "constraint" INT REFERENCES "group"("to"));
CREATE TABLE "group" ("to" INTEGER PRIMARY KEY, "from" TEXT, "." TEXT);
"""
ODD_CELLS = ("O'Brien", 'say "hi"', "100%", "a_b", "{their}", "{0}", "x|y", "naïve", "東京", "; --", "NULL")  # fmt: skip


def test_odd_names_and_cells_are_quoted(tmp_path: Path) -> None:
    script = ODD_NAMES + "INSERT INTO \"group\" VALUES (1, 'a b', 'x'), (2, 'c', 'x');"
    for i, text in enumerate(ODD_CELLS, start=1):
        cells = [str(i), quoted(text), quoted(text[::-1]), str(i / 4), quoted(text), str(i % 3)]
        script += (
            f'INSERT INTO "order details" VALUES ({", ".join(cells)}, {quoted(text)}, {i % 2 + 1});'
        )
    odd = source(tmp_path / "odd.sqlite", script)
    pairs, _ = synthesise([odd], 300)
    assert len(pairs) == 300
    check(pairs, odd)
    texts = " ".join(pair.sql for pair in pairs)
    for name in ('"select"', '"it\'s"', '"a ""quoted"" one"', '"order details"', '"constraint"'):
        assert name in texts


def test_pairs_run_and_differ_and_every_kind_comes_out(
    farm: Source, farm_pairs: list[Pair]
) -> None:
    check(farm_pairs, farm)
    assert {pair.kind for pair in farm_pairs} == set(KINDS)


KINDS = {
    "listing": (r"^SELECT (\w+\.)?(name|sale_id) FROM", r"farms|animals|cows|sheep|goats|sales"),
    "columns": (r"^SELECT (?!\*)", r" (of|for) |^for "),
    "sorted": (r"ORDER BY (\w+\.)?\w+( DESC)?$", r"(highest|lowest|earliest|latest) .*first"),
    "rows": (r"^SELECT (\w+\.)?\*", r"all details|everything|full records|all columns"),
    "with_parent": (r"JOIN", r"with their|along with"),
    "counting": (r"^SELECT COUNT\(\*\)", r"how many|number of|count the"),
    "different": (r"SELECT DISTINCT", r"different|distinct|unique|^which .* do the"),
    "count_different": (r"COUNT\(DISTINCT", r"different|distinct|unique"),
    "aggregate": (r"^SELECT (SUM|AVG|MIN|MAX)\(", r"total|average|mean|highest|maximum|lowest|minimum"),
    "grouped": (r"GROUP BY", r"per |by |each |every "),
    "having": (r"HAVING", r"more than|above"),
    "leading_group": (r"ORDER BY .* DESC LIMIT 1$", r"most|highest"),
    "leading_groups": (r"GROUP BY .*ORDER BY .* DESC LIMIT \d+$", r"top|most|highest"),
    "share": (r"100\.0 \* .* OVER \(\)", r"percent"),
    "percentage": (r"100\.0 \* SUM\(CASE WHEN", r"percent"),
    "first": (r"ORDER BY .* LIMIT 1$", r"highest|lowest|earliest|latest|est "),
    "first_n": (r"ORDER BY .* LIMIT \d+$", r"top|bottom|highest|lowest|earliest|latest|est "),
    "first_in_group": (r"PARTITION BY .* = 1$", r"in each|for each"),
    "first_n_in_group": (r"PARTITION BY .* <= \d+$", r"in each|per "),
    "change": (r"LAG\(", r"change|difference"),
    "running_total": (r"SUM\(amount\) OVER \(ORDER BY", r"running total|cumulative"),
    "lonely": (r"LEFT JOIN .* IS NULL$", r"no |without"),
    "zero_too": (r"COUNT\(\w+\.\w+\) FROM .*LEFT JOIN", r"none|zero"),
    "both": (r" INTERSECT ", r"both|as well as"),
    "not_both": (r" EXCEPT SELECT .* = ", r"but n"),
}  # fmt: skip
"""For each kind what its SQL does and the words that ask for it."""


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_of_a_kind_ask_for_what_its_sql_does(farm_pairs: list[Pair], kind: str) -> None:
    sql, words = KINDS[kind]
    pairs = [pair for pair in farm_pairs if pair.kind == kind]
    assert pairs
    for pair in pairs:
        assert re.search(sql, pair.sql), pair
        assert re.search(words, pair.question, re.IGNORECASE), pair


def test_golds_are_in_normal_form_and_the_grammar_accepts_them(farm: Source) -> None:
    pairs, _ = synthesise([farm], 250, seed=4)
    start = LLMatcher(LLTokenizer("byte"), sql_grammar(farm.schema), log_level=0)
    for pair in pairs:
        assert canonical_sql(pair.sql, farm.schema) == pair.sql
        matcher = start.deep_copy()
        assert matcher.consume_tokens(list(pair.sql.encode())) and matcher.is_accepting(), pair.sql


def test_the_first_rows_are_never_a_tie(farm: Source, farm_pairs: list[Pair]) -> None:
    ranked = [p for p in farm_pairs if p.kind in ("first", "first_n") and "'now'" not in p.sql]
    assert len(ranked) > 20
    for pair in ranked:
        body, _, limit = pair.sql.partition(" LIMIT ")
        key = re.sub(r" DESC$", "", body.rpartition(" ORDER BY ")[2])
        keys = execute(farm.database, f"SELECT {key}{body[body.index(' FROM ') :]}").rows
        assert len(keys) > int(limit) and keys[int(limit) - 1] != keys[int(limit)], pair.sql


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (r"\bwithout (an )?email\b|\bno email\b", r"email IS NULL"),
        (r"\b(per|by|for each|for every) month\b", r"STRFTIME\('%Y-%m', \w+(\.\w+)?\)"),
        (r"\bno sales\b|without any sales", r"NOT IN \(SELECT|LEFT JOIN sale .*IS NULL"),
        (r"\bprevious (month|year|quarter|day)\b", r"LAG\("),
        (r"\b(average|mean) price (of|for)\b", r"AVG\((sale\.)?price\)"),
        (r"\bin the last \d+ days$", r"DATE\('now', '-\d+ days'\)"),
        (r"\bsince \d{4}\b", r">= "),
        (r"\bnot sold\b", r"is_sold = 0"),
        (r"above average|above-average|above the average", r"> \(SELECT AVG"),
    ],
)  # fmt: skip
def test_what_analysts_ask_has_the_sql_that_answers_it(
    farm_pairs: list[Pair], asked: str, written: str
) -> None:
    matching = [p for p in farm_pairs if re.search(asked, p.question.lower().rstrip("?."))]
    assert matching
    for pair in matching:
        assert re.search(written, pair.sql), pair


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
    ("kind", "cell", "conditions"),
    [
        ("TEXT", lambda i: f"'{2020 + i % 4}-{i % 12 + 1:02}-{i % 28 + 1:02}'", r"day >= '20\d\d-\d\d-\d\d'"),
        ("INT", lambda i: f"{2020 + i % 4}{i % 12 + 1:02}{i % 28 + 1:02}", r"day >= 20\d{6}\b"),
        ("INT", lambda i: str(1577880000 + 86400 * 9 * i), r"DATE\(day, 'unixepoch'\) >= '"),
        ("INT", lambda i: str(1577880000000 + 864000000 * i), r"DATE\(day / 1000, 'unixepoch'\) >= '"),
        ("TEXT", lambda i: f"'{i % 28 + 1:02}.{i % 12 + 1:02}.{2020 + i % 4}'", r"SUBSTR\(day, 7, 4\)"),
        ("TEXT", lambda i: f"'{2020 + i % 4}-{i % 12 + 1:02}'", r"day >= '20\d\d-\d\d'"),
    ],
)  # fmt: skip
def test_times_follow_the_format_of_the_column(
    tmp_path: Path, kind: str, cell: Callable[[int], str], conditions: str
) -> None:
    script = f"CREATE TABLE job (id INTEGER PRIMARY KEY, day {kind}, hours INT);"
    script += "".join(f"INSERT INTO job VALUES ({i}, {cell(i)}, {i});" for i in range(60))
    jobs = source(tmp_path / "jobs.sqlite", script)
    pairs, _ = synthesise([jobs], 150)
    check(pairs, jobs)
    assert any(re.search(conditions, pair.sql) for pair in pairs)
    yearly = [
        p
        for p in pairs
        if re.search(r"\b(per|by|each|every) year\b", p.question) and "'now'" not in p.sql
    ]
    assert yearly
    for pair in yearly:
        years = {str(row[0]) for row in execute(jobs.database, pair.sql).rows}
        assert years <= {"2020", "2021", "2022", "2023"}, pair
    if "'." in cell(0) or "." in cell(0):  # SQL sorts them wrongly
        assert not [p for p in pairs if re.search(r"(MIN|MAX)\(day|ORDER BY day\b|day [<>]", p.sql)]


def test_a_folder_is_a_data_set_and_lines_hold_one_pair_each(farm: Source, tmp_path: Path) -> None:
    pairs, _ = synthesise([farm], 30)
    write_pairs(pairs, tmp_path / "out", [farm])
    write_pairs(pairs, tmp_path / "out", [farm])  # again, over what is there
    dataset = open_dataset(tmp_path / "out")
    examples = list(dataset.examples("train"))
    assert dataset.splits == ("train",)
    assert [(e.question, e.gold_sql) for e in examples] == [(p.question, p.sql) for p in pairs]
    assert execute(dataset.database("farm"), examples[0].gold_sql).ok
    write_pairs(pairs, tmp_path / "pairs.jsonl", [farm])
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [Pair(r["db_id"], r["question"], r["query"], r["kind"]) for r in rows] == pairs
