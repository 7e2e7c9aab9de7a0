"""Synthesis: hostile databases first; then that pairs run, differ, repeat by seed and survive a kill."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.data import open_dataset
from txt2sql.data.synthesis import Pair, Source, rewrite, summary, synthesise, write_pairs
from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.contents import read_facts
from txt2sql.data.synthesis.fill import Filled
from txt2sql.data.synthesis.grammar import level_of, sample
from txt2sql.data.synthesis.mention import date_in_words, quoted
from txt2sql.data.synthesis.mining import mined, mined_total, shape_of
from txt2sql.data.synthesis.produce import plain
from txt2sql.data.synthesis.questions import question
from txt2sql.data.synthesis.rewriting import first_question
from txt2sql.data.synthesis.sampler import Sampler
from txt2sql.data.synthesis.shape import Ref, Unreadable, read, skeleton
from txt2sql.data.synthesis.values import rounded
from txt2sql.data.synthesis.words import an, noun, plural, singular
from txt2sql.data.synthesis.write import literal
from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import execute
from txt2sql.identifiers import quote_identifier
from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.sql.hardness import LEVELS

FARM = """
CREATE TABLE farm (farm_id INTEGER PRIMARY KEY, name TEXT, county TEXT, hectares REAL, founded INT);
CREATE TABLE animal (animal_id INTEGER PRIMARY KEY, name TEXT, species TEXT, age INT, weight REAL,
  farm_id INT REFERENCES farm (farm_id));
INSERT INTO farm VALUES (1, 'Long Acre', 'Kent', 40.5, 1950), (2, 'Mill End', 'Kent', 12, 1988),
  (3, 'High Barn', 'Devon', 77, 1911), (4, 'Two Oaks', 'Surrey', 30, 2003);
"""
ANIMALS = "INSERT INTO animal VALUES ({0}, 'Animal {0}', '{1}', {2}, {3}, {4});"


def farm_script() -> str:
    rng = random.Random(4)
    rows = (
        ANIMALS.format(
            i, rng.choice(("cow", "sheep", "goat")), i % 13, 20 + i * 3.5, rng.randint(1, 3)
        )
        for i in range(1, 40)
    )
    return FARM + "".join(rows)


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
        assert result.error is None, pair.sql
        assert any(cell not in (None, "") for row in result.rows for cell in row), pair.sql
        assert pair.question == " ".join(pair.question.split())
        assert "{" not in pair.question or "{" in pair.sql, pair.question
    assert len({plain(pair.question) for pair in pairs}) == len(pairs)
    assert len({(pair.db_id, pair.sql.lower()) for pair in pairs}) == len(pairs)


# Databases of which little or nothing can be asked ------------------------------------------------


def test_a_database_without_rows_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'empty' has no rows") as error:
        synthesise([source(tmp_path / "empty.sqlite", "CREATE TABLE t (a INT)")], 5)
    assert "\n" not in str(error.value)


def test_no_database_at_all_says_so() -> None:
    with pytest.raises(DataError, match="no database"):
        synthesise([], 5)


def test_two_databases_of_one_name_are_told(tmp_path: Path, farm: Source) -> None:
    (tmp_path / "other").mkdir()
    second = source(tmp_path / "other" / "farm.sqlite", FARM)
    with pytest.raises(DatabaseError, match="two databases are called 'farm'"):
        synthesise([farm, second], 5)


def test_a_database_with_little_in_it_gives_what_it_has_and_ends(tmp_path: Path) -> None:
    small = source(tmp_path / "small.sqlite", "CREATE TABLE t (a INT); INSERT INTO t VALUES (7)")
    pairs, report = synthesise([small], 5000, processes=1)
    assert 0 < len(pairs) == report.made < 5000
    check(pairs, small)


def test_cells_of_nulls_and_blobs_are_passed_over(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE t (a BLOB, b TEXT, c TEXT); "
        "INSERT INTO t VALUES (x'00ff', NULL, ''), (x'01', NULL, ''), (x'02', NULL, 'a\nb');"
    )
    odd = source(tmp_path / "odd.sqlite", script)
    pairs, _ = synthesise([odd], 20, processes=1)
    check(pairs, odd)
    assert not any("00ff" in pair.question or "b'" in pair.sql for pair in pairs)


def test_a_view_that_never_ends_costs_a_budget_and_no_more(tmp_path: Path) -> None:
    endless = (
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i % 2 AS parity, count(*) AS amount FROM n GROUP BY 1;"
    )
    both = source(tmp_path / "endless.sqlite", farm_script() + endless)
    pairs, _ = synthesise([both], 60, processes=1)
    assert len(pairs) == 60
    assert not any("parity" in pair.sql for pair in pairs)
    check(pairs, both)


ODD_NAMES = """
CREATE TABLE "order details" ("select" INTEGER PRIMARY KEY, "it's" TEXT, "a ""quoted"" one" TEXT,
  "größe" REAL, "{have}" TEXT, "50% | off" INT, "名前" TEXT, "constraint" INT REFERENCES "group"("to"));
CREATE TABLE "group" ("to" INTEGER PRIMARY KEY, "from" TEXT, "." TEXT);
"""


def odd_rows() -> str:
    texts = [
        "O'Brien",
        'say "hi"',
        "100%",
        "a_b",
        "{their}",
        "{0}",
        "x|y",
        "naïve",
        "東京",
        "; --",
        "NULL",
    ]
    rows = ""
    for i, text in enumerate(texts, start=1):
        cells = [str(i), literal(text), literal(text[::-1]), str(i / 4), literal(text), str(i % 3)]
        rows += f'INSERT INTO "order details" VALUES ({", ".join(cells)}, {literal(text)}, {i % 2 + 1});'
    return rows + "INSERT INTO \"group\" VALUES (1, 'a b', 'x'), (2, 'c', 'x');"


def test_odd_names_and_cells_are_quoted(tmp_path: Path) -> None:
    odd = source(tmp_path / "odd.sqlite", ODD_NAMES + odd_rows())
    pairs, _ = synthesise([odd], 300, processes=1)
    assert len(pairs) == 300
    check(pairs, odd)
    texts = " ".join(pair.sql for pair in pairs)
    for name in ('"select"', '"it\'s"', '"a ""quoted"" one"', '"order details"', '"constraint"'):
        assert name in texts


def test_cells_with_the_marks_of_templates_are_mentioned_whole(tmp_path: Path) -> None:
    cells = ["a|b|c", "{have} x", "{0} y", "} z {", "{who}", "%s w"]
    rows = "".join(
        f"INSERT INTO t VALUES ({literal(cell)}, {i % 4});" for i, cell in enumerate(cells)
    )
    marked = source(tmp_path / "t.sqlite", f"CREATE TABLE t (label TEXT, amount INT); {rows}")
    pairs, _ = synthesise([marked], 60, processes=1)
    check(pairs, marked)
    plainly = [p for p in pairs if p.sql.count("WHERE label = '") == 1 and p.sql.count("'") == 2]
    assert len(plainly) > 2
    for pair in plainly:
        cell = pair.sql.split("'")[1]
        assert cell.lower() in pair.question.lower(), pair


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_any_text_is_a_literal_and_a_name(text: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {literal(text)}").fetchone() == (text,)
        connection.execute(f"CREATE TABLE t ({quote_identifier(text)} INT)")
        columns = connection.execute("PRAGMA table_info(t)").fetchall()
        assert columns[0][1] == text


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_is_a_literal(value: int | float) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.execute(f"SELECT {literal(value)}").fetchone()[0] == pytest.approx(value)


def test_words_that_sqlite_reserves_are_quoted() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for word in ("constraint", "nothing", "Returning", "raise", "order", "where", "plain"):
            connection.execute(f'CREATE TABLE "{word}" ("{word}" INT)')
            name = quote_identifier(word)
            connection.execute(f"SELECT {name}, count({name}) FROM {name} GROUP BY {name}")


def test_a_schema_of_forty_tables(tmp_path: Path) -> None:
    script = ""
    for i in range(40):
        parent = f", parent_id INT REFERENCES part{i - 1} (id)" if i else ""
        script += f"CREATE TABLE part{i} (id INTEGER PRIMARY KEY, label TEXT, amount INT{parent});"
        for j in range(1, 9):
            key = f", {9 - j}" if i else ""
            script += f"INSERT INTO part{i} VALUES ({j}, 'label {i} {j % 5}', {j * i}{key});"
    wide = source(tmp_path / "wide.sqlite", script)
    pairs, report = synthesise([wide], 250, processes=1)
    assert len(pairs) == 250 and not report.silent
    check(pairs, wide)
    assert sum(" JOIN " in pair.sql for pair in pairs) > 40
    assert (
        len({word for pair in pairs for word in pair.sql.split() if word.startswith("part")}) > 30
    )


def test_tables_without_declared_keys_are_joined_by_inferred_ones(tmp_path: Path) -> None:
    bare = farm_script().replace(" REFERENCES farm (farm_id)", "")
    farm = source(tmp_path / "bare.sqlite", bare)
    assert [key.inferred for key in farm.schema.foreign_keys] == [True]
    facts = read_facts(farm.database, farm.schema)
    assert [(edge.child, edge.parent) for edge in facts.edges] == [(1, 0)]
    pairs, _ = synthesise([farm], 200, processes=1)
    assert any("farm_id = " in pair.sql for pair in pairs)
    check(pairs, farm)


def test_columns_that_only_share_a_name_are_not_joined(tmp_path: Path) -> None:
    script = (
        "CREATE TABLE a (id INT, code TEXT); CREATE TABLE b (id INT, code TEXT); "
        "INSERT INTO a VALUES (1, 'x'), (2, 'y'); INSERT INTO b VALUES (1, 'p'), (2, 'q');"
    )
    apart = source(tmp_path / "apart.sqlite", script)
    assert read_facts(apart.database, apart.schema).edges == ()


# What comes out -----------------------------------------------------------------------------------


def test_pairs_run_differ_and_spread_over_the_levels(farm: Source) -> None:
    pairs, report = synthesise([farm], 400, seed=3, processes=1)
    assert len(pairs) == 400 and report.made == 400
    check(pairs, farm)
    shares = summary(pairs, report)["levels"]
    assert set(shares) == set(LEVELS)
    assert min(shares.values()) > 0.1
    assert all(level_of(pair.shape) == pair.level for pair in pairs)


def test_the_first_rows_are_never_a_tie(farm: Source) -> None:
    pairs, _ = synthesise([farm], 600, seed=5, processes=1)
    ranked = [
        p for p in pairs if " LIMIT " in p.sql and "count(" not in p.sql and "(SELECT" not in p.sql
    ]
    assert len(ranked) > 20
    for pair in ranked:
        body, _, limit = pair.sql.partition(" LIMIT ")
        key = body.rpartition(" ORDER BY ")[2].rpartition(" ")[0]
        rest = body[body.index(" FROM ") :]
        keys = execute(farm.database, f"SELECT {key}{rest}").rows
        assert len(keys) > int(limit) and keys[int(limit) - 1] != keys[int(limit)], pair.sql


def test_a_question_to_be_kept_out_does_not_come_out(farm: Source) -> None:
    first, _ = synthesise([farm], 150, processes=1)
    kept_out = [f"  {pair.question.upper()} ?" for pair in first]
    second, report = synthesise([farm], 150, processes=1, exclude=kept_out)
    assert not {plain(p.question) for p in first} & {plain(p.question) for p in second}
    assert report.rejected["is a question to be kept out"] > 0


def test_the_same_seed_gives_the_same_pairs_over_any_number_of_processes(farm: Source) -> None:
    alone, _ = synthesise([farm], 300, seed=9, processes=1)
    spread, _ = synthesise([farm], 300, seed=9, processes=3)
    other, _ = synthesise([farm], 300, seed=10, processes=1)
    assert alone == spread
    assert alone != other


def test_questions_name_the_column_that_decides(farm: Source) -> None:
    """Whatever a value is compared with, or rows are ordered by, is in the words."""
    pairs, _ = synthesise([farm], 500, seed=1, processes=1)
    plainly = [p for p in pairs if p.shape == "select t0.c0 from t0 where t0.c1 > v"]
    named = {
        "age": ("age", "old"),
        "hectares": ("hectares",),
        "weight": ("weigh", "heav", "mass"),
        "founded": ("founded",),
    }
    assert plainly
    for pair in plainly:
        column = pair.sql.split(" WHERE ")[1].split()[0]
        assert any(word in pair.question.lower() for word in named[column]), pair


def test_a_question_has_one_answer(farm: Source) -> None:
    """Statements that the same words were found for give the same rows."""
    facts = read_facts(farm.database, farm.schema)
    drawn, _ = Sampler([facts], [farm.database], seed=8)((0, 0, 1500))
    found: dict[str, set[tuple[tuple[str, ...], ...]]] = {}
    statements: dict[str, set[str]] = {}
    for asked, sql, *_ in drawn:
        rows = execute(farm.database, sql).rows
        unordered = tuple(sorted({tuple(sorted(map(str, row))) for row in rows}))
        found.setdefault(plain(asked), set()).add(unordered)
        statements.setdefault(plain(asked), set()).add(sql)
    assert sum(len(each) > 1 for each in statements.values()) > 2
    assert [asked for asked, answers in found.items() if len(answers) > 1] == []


PETS = """
CREATE TABLE student (student_id INTEGER PRIMARY KEY, name TEXT, age INT);
CREATE TABLE pet (pet_id INTEGER PRIMARY KEY, kind TEXT, weight INT);
CREATE TABLE has_pet (student_id INT REFERENCES student (student_id), pet_id INT REFERENCES pet (pet_id),
  since INT);
"""


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("select count ( * ) from t0 join t1 join t2 where t2.c0 = v", ("students", "pupils")),
        ("select count ( * ) from t0 join t1 join t2 where t1.c0 = v and t2.c0 = v", ()),
        ("select count ( * ) from t0 join t1", ("pets",)),
    ],
)
def test_a_link_is_counted_as_what_it_links_unless_it_has_conditions(
    tmp_path: Path, text: str, counted: tuple[str, ...]
) -> None:
    """A student may have two pets of a kind since one year: then students are not what is counted."""
    rows = (
        "INSERT INTO student VALUES (1, 'Ann', 20); INSERT INTO has_pet VALUES (1, 1, 2010);"
        "INSERT INTO pet VALUES (1, 'newt', 3);"
    )
    pets = source(tmp_path / "pets.sqlite", PETS + rows)
    facts = read_facts(pets.database, pets.schema)
    filled = Filled(read(text), facts, {0: 0, 1: 2, 2: 1}, {Ref(1, 0): 2, Ref(2, 0): 1})
    of_student, of_pet = facts.edges
    filled.links = {(0, 1): of_student, (1, 0): of_student, (1, 2): of_pet, (2, 1): of_pet}
    filled.values = {0: 2010, 1: "newt"} if "t1.c0" in text else {0: "newt"}
    for seed in range(20):
        if not counted:
            with pytest.raises(Unsayable):
                question(filled, random.Random(seed))
            continue
        asked = question(filled, random.Random(seed)).lower()
        subject = re.split(r" (?:that|who|with|related|associated|since|have|are|whose)\b", asked)[
            0
        ]
        assert any(each in subject for each in counted), asked


# Killed and started again -------------------------------------------------------------------------

RUN = """
from pathlib import Path
from txt2sql.data.synthesis import Source, synthesise
from txt2sql.execution.database import open_database
database = open_database({path!r})
synthesise([Source(database, database.schema())], 500, seed=2, processes={processes}, log=Path({log!r}))
raise SystemExit("it should have been killed")
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_goes_on_to_the_same_pairs(
    farm: Source,
    tmp_path: Path,
    processes: int,
    run_killed: Callable[[str, Callable[[], bool]], None],
) -> None:
    log = tmp_path / "log.jsonl"
    code = RUN.format(path=str(farm.database.path), log=str(log), processes=processes)
    run_killed(code, lambda: log.exists() and log.read_bytes().count(b"\n") > 3)
    with log.open("ab") as file:
        file.write(b'{"drawn": [["half a li')
    before = log.read_bytes().count(b"\n")
    resumed, _ = synthesise([farm], 500, seed=2, processes=1, log=log)
    assert log.read_bytes().count(b"\n") > before
    assert resumed == synthesise([farm], 500, seed=2, processes=1)[0]


def test_a_log_of_other_settings_is_not_read(farm: Source, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    synthesise([farm], 50, seed=1, processes=1, log=log)
    again, _ = synthesise([farm], 50, seed=2, processes=1, log=log)
    assert again == synthesise([farm], 50, seed=2, processes=1)[0]


# Stored -------------------------------------------------------------------------------------------


def test_a_folder_is_a_data_set(farm: Source, tmp_path: Path) -> None:
    pairs, _ = synthesise([farm], 30, processes=1)
    write_pairs(pairs, tmp_path / "out", [farm])
    write_pairs(pairs, tmp_path / "out", [farm])  # again, over what is there
    dataset = open_dataset(tmp_path / "out")
    examples = list(dataset.examples("train"))
    assert dataset.splits == ("train",)
    assert [(e.question, e.gold_sql, e.difficulty) for e in examples] == [
        (pair.question, pair.sql, pair.level) for pair in pairs
    ]
    assert execute(dataset.database("farm"), examples[0].gold_sql).ok


def test_lines_hold_one_pair_each(farm: Source, tmp_path: Path) -> None:
    pairs, _ = synthesise([farm], 10, processes=1)
    write_pairs(pairs, tmp_path / "pairs.jsonl", [farm])
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [row["query"] for row in rows] == [pair.sql for pair in pairs]
    assert set(rows[0]) == {"db_id", "question", "query", "hardness", "skeleton", "writer"}


def test_the_words_of_a_data_set_are_used_and_passed_on(spider: Path, tmp_path: Path) -> None:
    dataset = open_dataset(spider)
    shops = Source(dataset.database("shops"), dataset.schema("shops"))
    pairs, _ = synthesise([shops], 60, processes=1)
    assert any("year of opening" in pair.question.lower() for pair in pairs)
    write_pairs(pairs, tmp_path / "out", [shops], dataset.entry)  # type: ignore[attr-defined]
    again = open_dataset(tmp_path / "out").schema("shops")
    assert again.table("shop").column("opening_year").words == "year of opening"  # type: ignore[union-attr]


# Back-translation ---------------------------------------------------------------------------------


def rewritten(
    farm: Source, pairs: list[Pair], questions: list[str], answers: list[str], **options: object
) -> list[Pair]:
    writer = ScriptedGenerator(questions, name="writer")
    asker = DirectPredictor(ScriptedGenerator(answers), lambda _: farm.schema, lambda _: ())

    def agrees(db_id: str, sql: str, other: str) -> bool:
        return execute(farm.database, sql).rows == execute(farm.database, other).rows

    return list(rewrite(pairs, writer, asker, lambda _: farm.schema, agrees, **options))  # type: ignore[arg-type]


@pytest.fixture
def two() -> list[Pair]:
    shape = "select count ( * ) from t0"
    return [
        Pair("farm", "How many farms are there?", "SELECT count(*) FROM farm", "easy", shape),
        Pair("farm", "Count the animals.", "SELECT count(*) FROM animal", "easy", shape),
    ]


def test_a_question_that_leads_elsewhere_is_not_taken(farm: Source, two: list[Pair]) -> None:
    found = rewritten(
        farm, two, ["Question: What farms do we run?", '"How many animals live on them?"'],
        ["SELECT name FROM farm", "SELECT count(animal_id) FROM animal"],
    )  # fmt: skip
    assert found[0] == two[0]
    assert found[1] == replace(two[1], question="How many animals live on them?", writer="writer")


def test_a_question_that_another_pair_has_is_not_taken(farm: Source, two: list[Pair]) -> None:
    answers = [pair.sql for pair in two]
    found = rewritten(farm, two, ["How many farms have we?"] * 2, answers)
    assert [pair.writer for pair in found] == ["writer", "templates"]
    found = rewritten(farm, two, ["How many farms have we?", "What number of animals?"], answers, exclude=["how many farms have we"])  # fmt: skip
    assert [pair.writer for pair in found] == ["templates", "writer"]


def test_rewriting_goes_on_where_it_was(farm: Source, two: list[Pair], tmp_path: Path) -> None:
    pairs = [replace(two[0], question=f"{two[0].question} {i}") for i in range(20)]
    questions = [f"How many farms exist, take {i}?" for i in range(20)]
    log = tmp_path / "log.jsonl"
    options = {"log": log}
    whole = rewritten(farm, pairs, questions, [two[0].sql] * 20, **options)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2]))  # the head and the first batch of sixteen
    assert rewritten(farm, pairs, questions[16:], [two[0].sql] * 4, **options) == whole


@pytest.mark.parametrize("text", ["", "\n \n", "yes", "SELECT", "x" * 500, "Question:", '""'])
def test_what_is_no_question_is_dropped(text: str) -> None:
    assert first_question(text) == ""


# Shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "select",
        "select t0.c0",
        "select t0.c0 from",
        "select t0.c0 from t1",
        "select t0.c0 from t0 join t0",
        "select t0.c0 from t0 where t0.c1 = v and t0.c2 = v or t0.c3 = v",
        "select t0.c0 + t0.c1 from t0",
        "select t0.c0 from t0 where t0.c1 ! v",
        "select t0.c0 from t0 limit",
        "select t0.c0 from t0 order by t0.c1",
        "select t0.c0 from t0 extra",
        "select t0.c0 from t0 where t0.c1 in ( select t1.c0 from t1 where t0.c2 = v )",
    ],
)
def test_text_that_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_gold_queries_give_shapes(farm: Source) -> None:
    shape = lambda sql: shape_of(sql, farm.schema)  # noqa: E731
    assert shape("SELECT 1 +") is None
    assert shape("SELECT max(age) - min(age) FROM animal") is None
    assert shape("SELECT T1.name FROM farm AS T1 JOIN animal AS T2 ON T1.farm_id = T2.farm_id WHERE T2.species = 'cow' AND T2.age > 3") == (
        "select t0.c0 from t0 join t1 where t1.c0 = v and t1.c1 > v"
    )  # fmt: skip
    assert (
        skeleton("select t0.c0 from t0 join t1 where t1.c0 = v")
        == "select c from t join t where c = v"
    )


def test_mined_shapes_are_counts_of_training_shapes() -> None:
    shapes = mined()
    assert len({shape.text for shape in shapes}) == len(shapes) > 500
    assert all(shape.golds >= 2 and shape.level in LEVELS for shape in shapes)
    assert all(a.golds >= b.golds for a, b in pairwise(shapes))
    assert all(level_of(shape.text) == shape.level for shape in shapes[:50])
    assert sum(shape.golds for shape in shapes) < mined_total()


@given(st.integers(0, 10_000))
def test_the_grammar_makes_shapes(seed: int) -> None:
    text = sample(random.Random(seed))
    read(text)
    assert level_of(text) in LEVELS


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
    ("name", "said"),
    [
        ("stu_fname", "student first name"), ("num employees", "number of employees"),
        ("no", "number"), ("has pet", "pet"), ("id", "id"), ("Order  Date", "order date"),
        ("number of pieces", "number of pieces"), ("名前", "名前"),
    ],
)  # fmt: skip
def test_nouns(name: str, said: str) -> None:
    assert noun(name) == said


@given(st.text())
def test_words_take_any_text(text: str) -> None:
    for function in (noun, plural, singular, an):
        assert isinstance(function(text), str)


@given(st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9), st.integers(), st.booleans())
def test_rounding_keeps_to_its_side(value: int | float, seed: int, up: bool) -> None:
    number = rounded(value, random.Random(seed), up=up)
    slack = abs(value) * 1e-9 + 1e-5
    assert number >= value - slack if up else number <= value + slack


@pytest.mark.parametrize("text", ["2014-13-01", "2014-00-10", "0000-01-40"])
def test_a_date_that_is_none_stays(text: str) -> None:
    assert date_in_words(text, random.Random(0)) == text


@given(st.text(min_size=1), st.integers())
def test_a_mention_holds_the_whole_text(text: str, seed: int) -> None:
    assert text in quoted(text, random.Random(seed))


# Spider -------------------------------------------------------------------------------------------


def test_nothing_of_spider_dev_comes_out(data_root: Path) -> None:
    spider = open_dataset("spider", data_root)
    ids = sorted({example.db_id for example in spider.examples("train")})[:30]
    sources = [Source(spider.database(db_id), spider.schema(db_id)) for db_id in ids]
    dev = list(spider.examples("dev"))
    pairs, report = synthesise(sources, 1500, exclude=[example.question for example in dev])
    assert len(pairs) == 1500
    check(pairs, *sources)
    asked = {plain(example.question) for example in dev}
    assert not asked & {plain(pair.question) for pair in pairs}
    of_dev = {
        (example.db_id, skeleton(text))
        for example in dev
        if (text := shape_of(example.gold_sql, spider.schema(example.db_id)))
    }
    assert not of_dev & {(pair.db_id, skeleton(pair.shape)) for pair in pairs}
    assert summary(pairs, report)["skeleton_coverage"] > 0.6


def test_facts_are_the_same_at_every_reading(farm: Source) -> None:
    first = read_facts(farm.database, farm.schema)
    assert first == read_facts(Database(farm.database.path, "farm"), farm.schema)
    assert {c.noun: c.kind for c in first.tables[0].columns}["founded"] == "number"
