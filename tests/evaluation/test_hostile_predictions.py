"""Broken and hostile predictions by the hundred: each gets an outcome in time, and nothing changes.

Generated from a seed: a corpus, mutations of real queries, statements that write, bombs, and noise.
The default run draws 600 of them, `-m slow` 3,000. What the metrics call right is checked against
an oracle that shares no code with them: plain sqlite3, and every order of columns.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_files import build, listing

from txt2sql.evaluation.metrics import METRICS, Context
from txt2sql.evaluation.mode import Judging
from txt2sql.execution import pool
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Row, Verdict

LIMITS = Limits(
    timeout_s=0.2, max_rows=5_000, max_memory_bytes=64_000_000, max_result_bytes=4_000_000
)
MARGIN_S = 0.5
USUAL = ("execution_accuracy", "exact_match", "component_match", "clause_jaccard")
CHOOSY = ("exact_match", "component_match", "logical_form_accuracy", "wikisql_execution_accuracy")
CHOOSY += ("answer_accuracy",)
"""Metrics that cannot judge every gold: outside Spider's subset, without a logical form or answers."""
FIXTURES = Path(__file__).parents[1] / "fixtures" / "sql"
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|([nt0r\\]))")
_ESCAPED = {"n": "\n", "t": "\t", "0": "\0", "r": "\r", "\\": "\\"}


def lines(name: str) -> list[str]:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    return [
        _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPED[m[2]], line)
        for line in text.splitlines()
        if line and not line.startswith("# ")
    ]


CORPUS, LONG, SEEDS = lines("hostile.txt"), lines("hostile_long.txt"), lines("hostile_seeds.txt")
WORDS = (
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT JOIN ON AND OR NOT IN LIKE BETWEEN IS NULL UNION EXCEPT "
    "INTERSECT ALL DISTINCT AS CASE WHEN THEN ELSE END WITH RECURSIVE VALUES EXISTS OVER CAST COLLATE item "
    "shop id name price city opened rating shop_id T1 T1.id T2.city count max avg sum * ( ) , ; . = < > != "
    "|| + - / % -- /* */ ' \" ` [ ] { } ? : @ $ \\ 1 0 2.5 1e9 'x' \"y\" x'00' nothing DROP TABLE PRAGMA"
).split()
STRANGE = [*"\0\t\n\r\x01\x02\x0b\x7f\u00a0\u200b\u202e\u2028\ufeff\ud800\udfff\U0001f600éİß", ""]
TALK = (
    "Here is the query:\n```sql\n{}\n```\nIt lists what you asked for.",
    "{}\n\nExplanation: the query reads the table.",
    '{"sql": "{}"}',
    "<s>{}</s>",
    "-- {}",
)


@dataclass(frozen=True)
class Case:
    """A prediction, the gold query it answers, and whether it may run until the time limit."""

    gold: str
    predicted: str | None
    long: bool = False


def tokens(sql: str) -> list[str]:
    return re.findall(r"\s+|\w+|'[^']*'|.", sql, re.S)


def _edited(rng: random.Random, sql: str) -> str:
    parts = tokens(sql)
    for _ in range(rng.randint(1, 4)):
        place, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        change = rng.randrange(5)
        if change == 0 and len(parts) > 1:
            del parts[place]
        elif change == 1:
            parts.insert(place, parts[other])
        elif change == 2:
            parts[place], parts[other] = parts[other], parts[place]
        else:
            parts[place : place + (change == 3)] = [f" {rng.choice(WORDS)} "]
    return "".join(parts)


def _garbled(rng: random.Random, sql: str) -> str:
    letters = list(sql)
    for _ in range(rng.randint(1, 6)):
        strange = [rng.choice(STRANGE), rng.choice("'\"`[](),;-*/"), ""]
        letters[rng.randrange(len(letters))] = rng.choice(strange)
    return "".join(letters)


def _respelled(rng: random.Random, sql: str) -> str:
    case = rng.choice([str.upper, str.lower, str.swapcase])
    gap = rng.choice([" ", "\n", "\t", " /* x */ ", " -- x\n"])
    parts = [gap if p.isspace() else p if p[0] == "'" else case(p) for p in tokens(sql)]
    return "".join([rng.choice(["", "-- all\n"]), *parts, rng.choice(["", " ; ", " -- x"])])


def _smuggled(rng: random.Random, sql: str) -> str:
    evil = rng.choice(CORPUS)
    shapes = (f"{sql}; {evil}", f"{evil}; {sql}", f"-- {sql}\n{evil}", f"{sql} UNION {evil}")
    return rng.choice([*shapes, f"({evil})"])


def _nested(rng: random.Random, sql: str) -> str:
    n = rng.choice([5, 30, 100, 400])
    return rng.choice(
        [
            "SELECT " + "(" * n + "1" + ")" * n,
            "SELECT " + "(" * n,
            "SELECT " + "abs(" * n + "1" + ")" * n,
            "SELECT * FROM (" * n + sql + ")" * n,
            "SELECT " + "NOT " * n + "1",
            "SELECT " + "CASE WHEN 1 THEN " * n + "1" + " END" * n,
            "SELECT count(*) FROM item WHERE id IN (" + ", ".join(map(str, range(n))) + ")",
            "SELECT count(*) FROM shop" + ", shop" * min(n // 5, 4),
            "SELECT count(*) FROM shop" + "".join(f" JOIN shop s{i} USING (id)" for i in range(n)),
            sql + f" UNION {sql}" * n,
            "/*" * n + sql,
        ]
    )


def _swollen(rng: random.Random, sql: str) -> str:
    n = rng.choice([10, 1000, 400_000, 10**6, 10**9, 10**12, -1])
    text = rng.choice([f"hex(zeroblob({n}))", f"printf('%{n}d', 1)", f"randomblob({n})"])
    return rng.choice(
        [
            f"SELECT length({text}) FROM item",
            f"SELECT replace({text}, '0', {text})",
            f"SELECT group_concat({text}) FROM shop",
            f"SELECT {text} || {text} || {text}",
            f"SELECT name FROM item WHERE name LIKE '{'%_' * min(abs(n), 30_000)}'",
            f"SELECT * FROM item LIMIT {n} OFFSET {-n}",
        ]
    )


def _noise(rng: random.Random, sql: str) -> str | None:
    size = rng.choice([1, 3, 20, 200])
    return rng.choice(
        [
            None,
            " " * size,
            rng.choice(TALK).replace("{}", sql),
            "".join(chr(rng.randrange(0x110000)) for _ in range(size)),
            "".join(rng.choice(STRANGE) for _ in range(size)),
            "SELECT " + " ".join(rng.choice(WORDS) for _ in range(size)),
            sql[: rng.randrange(len(sql))],
            sql[rng.randrange(len(sql)) :],
        ]
    )


def _huge(rng: random.Random, sql: str) -> str:
    n = rng.choice([9_000, 99_000, 101_000, 500_000])
    shapes = (sql + " " * n, f"SELECT '{'x' * n}'", f"/* {'x' * n} */ {sql}", "(" * n, "\ud800" * n)
    return rng.choice([*shapes, "SELECT " + "1," * (n // 2) + "1"])


FAMILIES: dict[Callable[[random.Random, str], str | None], int] = {
    _edited: 30,
    _garbled: 15,
    _respelled: 10,
    _smuggled: 15,
    _nested: 5,
    _swollen: 5,
    _noise: 19,
    _huge: 1,
}


def cases(n: int, seed: int) -> list[Case]:
    """The corpora, then generated predictions up to `n`; some of them run long."""
    rng = random.Random(seed)
    made = [Case(rng.choice(SEEDS), sql, True) for sql in rng.choices(LONG, k=4)]
    made += [Case(SEEDS[0], sql) for sql in CORPUS]
    while len(made) < n:
        gold = rng.choice(SEEDS)
        (kind,) = rng.choices(list(FAMILIES), list(FAMILIES.values()))
        made.append(Case(gold, kind(rng, gold), long=kind is _swollen))
    rng.shuffle(made)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small database alone in the folder that everything runs in, where nothing may change."""
    place, rng = tmp_path_factory.mktemp("hostile"), random.Random(11)
    ratings = ["NULL", 2.5, 3.5, 4.5]
    shops = [f"({i}, 'city {i % 7}', {1985 + 3 * i}, {ratings[i % 4]})" for i in range(10)]
    items = [f"({i}, 'item {i}', {rng.randrange(9999) / 100}, {i % 9})" for i in range(300)]
    file = build(
        place / "shop.sqlite",
        "CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT, opened INTEGER, rating REAL);"
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL,"
        " shop_id INTEGER REFERENCES shop (id));"
        f"INSERT INTO shop VALUES {', '.join(shops)}; INSERT INTO item VALUES {', '.join(items)};",
    )
    os.utime(file, (time.time() - 100,) * 2)
    before, here = listing(place), Path.cwd()
    pool.close_idle()  # the next ones start in this folder
    os.chdir(place)
    yield place
    os.chdir(here)
    pool.close_idle()
    assert listing(place) == before


class Judge:
    """Metrics over the shop, timed; a verdict that came late is asked for once more."""

    def __init__(self, folder: Path, names: tuple[str, ...], mode: str) -> None:
        self.database = open_database(folder / "shop.sqlite")
        schema = self.database.schema()
        shop = SimpleNamespace(database=lambda db_id: self.database, schema=lambda db_id: schema)
        context = Context(Judging(mode, both=False, limits=LIMITS), shop)
        self.metrics = {name: METRICS[name](context) for name in names}

    def verdicts(self, case: Case) -> dict[str, Verdict]:
        return {name: self._in_time(name, case) for name in self.metrics}

    def _in_time(self, name: str, case: Case) -> Verdict:
        example, prediction = Example("e", "shop", "?", case.gold), Prediction("e", case.predicted)
        for _ in range(2):  # the machine may have been busy elsewhere
            start = time.perf_counter()
            verdict = self.metrics[name](example, prediction, self.database)
            if time.perf_counter() - start <= LIMITS.timeout_s + MARGIN_S:
                return verdict
        raise AssertionError(f"{name} took too long over {case}")


def rows_of(path: Path, sql: str) -> list[Row] | None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        if hasattr(connection, "setlimit"):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMITS.max_cell_bytes)
        end = time.perf_counter() + 1
        connection.set_progress_handler(lambda: time.perf_counter() > end, 10_000)
        try:
            return connection.execute(sql.rstrip("; \n")).fetchmany(LIMITS.max_rows)
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return None


def deserved(gold: list[Row], predicted: list[Row] | None, ordered: bool) -> bool:
    """Equal rows under some order of columns; floats to eleven digits."""

    def plain(cell: object) -> object:
        return float(f"{cell:.10e}") if isinstance(cell, float) and math.isfinite(cell) else cell

    if predicted is None or len(gold) != len(predicted):
        return False
    if not gold or len(gold[0]) != len(predicted[0]):
        return not gold
    left = [tuple(map(plain, row)) for row in gold]
    for order in itertools.permutations(range(len(gold[0]))):
        right = [tuple(plain(row[i]) for i in order) for row in predicted]
        if left == right if ordered else Counter(left) == Counter(right):
            return True
    return False


def check(case: Case, verdicts: dict[str, Verdict]) -> None:
    blank = not (case.predicted and case.predicted.strip())
    for name, verdict in verdicts.items():
        assert (verdict.metric, verdict.example_id) == (name, "e")
        assert isinstance(verdict.outcome, Outcome)
        if verdict.outcome is Outcome.GOLD_ERROR:
            assert name in CHOOSY, (name, case, verdict.reason)
        assert 0 <= verdict.score <= 1
        if verdict.correct or name != "component_match":  # FROM is none of the components
            assert verdict.correct is (verdict.score == 1)
        assert verdict.correct or verdict.reason, (name, case)
        json.dumps(verdict.details)
    executed = verdicts["execution_accuracy"].outcome
    assert (executed is Outcome.NO_SQL) is blank, case
    assert executed is not Outcome.TIMEOUT or case.long, case


def check_strictly(case: Case, verdicts: dict[str, Verdict], path: Path, gold: list[Row]) -> None:
    """What is right by execution is right by the oracle, and the other way round."""
    executed = verdicts["execution_accuracy"].outcome
    if executed in (Outcome.CORRECT, Outcome.WRONG_RESULT):
        assert case.predicted is not None
        predicted = rows_of(path, case.predicted)
        right = deserved(gold, predicted, " ORDER BY " in case.gold)
        # Two empty results are as wide as each other or not: plain rows do not show it.
        assert (executed is Outcome.CORRECT) is right or not gold, (case, predicted)
        # Equal parts, literals included, cannot answer differently.
        assert not (verdicts["clause_jaccard"].correct and executed is Outcome.WRONG_RESULT), case


def run(folder: Path, n: int, seed: int, names: tuple[str, ...], mode: str) -> Counter[Outcome]:
    """Judge `n` predictions; how execution accuracy went."""
    judge, path, before = Judge(folder, names, mode), folder / "shop.sqlite", listing(folder)
    golds = {gold: rows_of(path, gold) for gold in SEEDS}
    assert None not in golds.values()
    outcomes: Counter[Outcome] = Counter()
    for place, case in enumerate(cases(n, seed)):
        verdicts = judge.verdicts(case)
        check(case, verdicts)
        if mode == "strict":
            check_strictly(case, verdicts, path, golds[case.gold])
        outcomes[verdicts["execution_accuracy"].outcome] += 1
        assert place % 50 or listing(folder) == before, case
    return outcomes


def test_every_hostile_prediction_gets_an_outcome_in_time_and_changes_nothing(folder: Path) -> None:
    outcomes = run(folder, 600, 0, USUAL, "strict")
    # The cases are of use only if every kind of outcome is among them.
    assert set(outcomes) == set(Outcome) - {Outcome.GOLD_ERROR}
    assert min(outcomes.values()) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["strict", "official"])
def test_so_it_does_by_every_metric(folder: Path, mode: str) -> None:
    names = tuple(name for name in METRICS if name != "test_suite_accuracy")  # needs its databases
    assert sum(run(folder, 1500, 2, names, mode).values()) == 1500


@pytest.fixture(scope="module")
def judge(folder: Path) -> Judge:
    return Judge(folder, USUAL, "strict")


@settings(max_examples=60)
@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map(" ".join)), st.sampled_from(SEEDS))
def test_so_does_any_text(folder: Path, judge: Judge, predicted: str, gold: str) -> None:
    case, path = Case(gold, predicted), folder / "shop.sqlite"
    verdicts = judge.verdicts(case)
    check(case, verdicts)
    check_strictly(case, verdicts, path, rows_of(path, gold) or [])
