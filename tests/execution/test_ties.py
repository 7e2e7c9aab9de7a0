"""Wrong orders first; then every order that SQLite may give, by brute force and by shuffling."""

from __future__ import annotations

import itertools
import random
import sqlite3
import time
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.execution.compare import same_up_to_ties
from txt2sql.sql.ties import with_order_keys
from txt2sql.types import Row


def test_columns_are_permuted_alike_in_every_group() -> None:
    keyed = [(1, 2, "k"), (3, 4, "l"), (5, 6, "m")]
    assert same_up_to_ties(keyed, 1, 0, None, [(2, 1), (4, 3), (6, 5)])
    assert not same_up_to_ties(keyed, 1, 0, None, [(2, 1), (3, 4), (6, 5)])
    assert not same_up_to_ties([(1, 2, 0), (3, 4, 0)], 1, 0, None, [(1, 4), (3, 2)])


def test_numbers_are_equal_up_to_rounding() -> None:
    keyed = [(0.1 + 0.2, "a", 1), (0.5, "b", 1)]
    assert same_up_to_ties(keyed, 1, 0, None, [("b", 0.5), ("a", 0.3)])
    assert not same_up_to_ties(keyed, 1, 0, None, [("b", 0.5), ("a", 0.31)])


def test_wide_results_are_quick() -> None:
    """Twenty columns of noughts and ones, alike in every group but in how they hang together."""
    rng = random.Random(3)
    keyed = [(*(rng.randrange(2) for _ in range(20)), i // 50) for i in range(2000)]
    order = rng.sample(range(20), 20)
    same = [tuple(row[i] for i in order) for row in keyed]
    for start in range(0, 2000, 50):
        same[start : start + 50] = rng.sample(same[start : start + 50], 50)
    other = [*same[:-1], tuple(1 - cell for cell in same[-1])]
    start_s = time.process_time()
    assert same_up_to_ties(keyed, 1, 0, None, same)
    assert not same_up_to_ties(keyed, 1, 0, None, other)
    assert not same_up_to_ties(keyed, 1, 0, 1975, other[:1974] + other[:1])
    assert time.process_time() - start_s < 5


cells = st.sampled_from([0, 1, 2, None, "x", 1.5])
rows_of_three = st.lists(st.tuples(cells, cells, cells), max_size=6)
orders = st.lists(st.sampled_from(["a", "b DESC", "c", "a IS NULL", "2"]), min_size=1, max_size=2)
limits = st.sampled_from(["", " LIMIT 2", " LIMIT 3 OFFSET 1", " LIMIT 1 OFFSET 2", " LIMIT 0"])


def query(rows: list[Row], sql: str) -> list[Row]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b, c)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        return connection.execute(sql).fetchall()


def possible(keyed: list[Row], n_keys: int, offset: int, limit: int | None) -> set[tuple[Row, ...]]:
    """Every answer: any order within each group, then the cut, then any order of columns."""
    groups = [list(g) for _, g in itertools.groupby(keyed, key=lambda row: row[-n_keys:])]
    answers = set()
    for arranged in itertools.product(*(itertools.permutations(group) for group in groups)):
        rows = [row[:-n_keys] for group in arranged for row in group]
        cut = rows[offset : None if limit is None else offset + limit]
        for order in itertools.permutations(range(len(rows[0]) if rows else 0)):
            answers.add(tuple(tuple(row[i] for i in order) for row in cut))
    return answers


@settings(max_examples=100)
@given(st.data(), rows_of_three, orders, limits)
def test_agrees_with_brute_force(
    data: st.DataObject, rows: list[Row], order: list[str], limit: str
) -> None:
    gold = f"SELECT a, b FROM t ORDER BY {', '.join(order)}{limit}"
    ties = with_order_keys(gold)
    assert ties is not None
    keyed = query(rows, ties.sql)
    answers = possible(keyed, ties.n_keys, ties.offset, ties.limit)
    own = query(rows, gold)
    assert tuple(own) in answers
    assert not own or not same_up_to_ties(
        keyed, ties.n_keys, ties.offset, ties.limit, [row[:1] for row in own]
    )
    assert same_up_to_ties(keyed, ties.n_keys, ties.offset, ties.limit, own)
    for _ in range(4):
        predicted = data.draw(st.permutations([row[:2] for row in rows]))
        predicted = predicted[: len(own) + data.draw(st.sampled_from([0, 0, 0, 1, -1]))]
        if data.draw(st.booleans()):
            predicted = [row[::-1] for row in predicted]
        same = same_up_to_ties(keyed, ties.n_keys, ties.offset, ties.limit, predicted)
        assert same is (tuple(predicted) in answers)
