"""same_result: do two results hold the same answer? The judgement behind execution accuracy.

Results are bags of rows (lists when the question asks for an order), and their columns may come in
any order, as in the test-suite evaluation of Zhong, Yu and Klein (EMNLP 2020). The order of columns
is found by a backtracking search whose partial pairings refine classes of rows, not by trying
permutations.

Cells: NULL equals NULL; text, numbers and blobs never equal each other; 1 equals 1.0. Integers, and
floats that are whole numbers below 2**53, are equal only when they are exactly equal; any other two
numbers also when they differ by at most 1e-11 of the larger, as sums in another order do. There is
no absolute tolerance: 1e-17 is not 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from txt2sql.types import Cell, QueryResult, Row

RELATIVE_TOLERANCE = 1e-11
_EXACT_BELOW = 2.0**53
# A wrong turn is rare but in highly symmetric results; a search longer than this ends as unequal.
_MAX_ATTEMPTS, _MAX_ROWS = 10_000, 5_000_000

_Column = tuple[Cell, ...]
_Group = tuple[Sequence[Row], Sequence[Row]]
"""Gold rows that may come in any order, and the predicted rows that stand in their places."""


def same_result(gold: QueryResult, predicted: QueryResult, ordered: bool) -> bool:
    """True when both ran and hold the same rows, in the same order if `ordered`: empty ones of as many columns,
    and of two that were cut off at the row cap the first rows."""
    if not (gold.ok and predicted.ok) or gold.truncated != predicted.truncated:
        return False
    if len(gold.columns) != len(predicted.columns) or len(gold.rows) != len(predicted.rows):
        return False
    if not gold.rows:
        return True
    if _same_rows(gold.rows, predicted.rows, ordered):
        return True
    close = leaders(gold.rows, predicted.rows)
    if not close:
        return False
    return _same_rows(snapped(gold.rows, close), snapped(predicted.rows, close), ordered)


def same_as_official(gold: QueryResult, predicted: QueryResult, ordered: bool) -> bool:
    """What the official test-suite evaluator says of two results (Zhong, Yu and Klein, EMNLP 2020, and their
    script): no tolerance, all empty results alike, and rows of several columns in which a whole number is an
    integer on one side and a float on the other usually told apart."""
    if not (gold.ok and predicted.ok) or gold.truncated or predicted.truncated:
        return False
    if len(gold.rows) != len(predicted.rows):
        return False
    if not gold.rows:
        return True
    if len(gold.columns) != len(predicted.columns):
        return False
    if not _same_rows(gold.rows, predicted.rows, ordered):
        return False
    if len(gold.columns) == 1 or not (_has_float(gold.rows) or _has_float(predicted.rows)):
        return True
    sides = [
        [tuple(sorted(row, key=lambda cell: str(cell) + str(type(cell)))) for row in result.rows]
        for result in (gold, predicted)
    ]
    return sides[0] == sides[1] if ordered else set(sides[0]) == set(sides[1])


def _has_float(rows: Sequence[Row]) -> bool:
    return any(type(cell) is float for row in rows for cell in row)


def _same_rows(gold: Sequence[Row], predicted: Sequence[Row], ordered: bool) -> bool:
    if ordered:
        # Rows agree in order under some order of columns when the columns agree as whole vectors.
        return gold == predicted or Counter(zip(*gold, strict=True)) == Counter(
            zip(*predicted, strict=True)
        )
    if len(gold[0]) == 1 or gold == predicted:
        return Counter(gold) == Counter(predicted)
    return _fit([(gold, predicted)])


def leaders(*results: Sequence[Row]) -> dict[float, float]:
    """For each number that lies close to another, the smallest of its chain of close numbers: equality
    becomes transitive, so that bags can be compared by counting."""
    numbers = {
        cell for rows in results for row in rows for cell in row if isinstance(cell, (int, float))
    }
    if not any(isinstance(number, float) for number in numbers):
        return {}
    leaders: dict[float, float] = {}
    previous: float | None = None
    for number in sorted(numbers):
        if previous is not None and _close(previous, number):
            leaders[number] = leaders.get(previous, previous)
        previous = number
    return leaders


def _close(low: float, high: float) -> bool:
    if _exact(low) and _exact(high):
        return False
    return high - low <= RELATIVE_TOLERANCE * max(abs(low), abs(high)) < float("inf")


def _exact(number: float) -> bool:
    return isinstance(number, int) or (number.is_integer() and abs(number) < _EXACT_BELOW)


def snapped(rows: Sequence[Row], leaders: dict[float, float]) -> list[Row]:
    return [
        tuple(leaders.get(cell, cell) if isinstance(cell, (int, float)) else cell for cell in row)
        for row in rows
    ]


def _fit(groups: Sequence[_Group]) -> bool:
    """Are the predicted rows of every group among its gold rows, in some order of the columns?

    Rows carry a class on each side, at first their group; equal classes mean that the columns paired
    so far agree there. Gold columns are paired one after the other, those with the fewest possible
    partners first, as long as the classes of the predicted rows are among the gold's.
    """
    ours = [number for number, (gold, _) in enumerate(groups) for _ in gold]
    theirs = [number for number, (_, shown) in enumerate(groups) for _ in shown]
    columns = list(zip(*(row for gold, _ in groups for row in gold), strict=True))
    others = list(zip(*(row for _, shown in groups for row in shown), strict=True))
    if _among(*_split(ours, columns, theirs, others)):
        return True
    bags = [Counter(zip(theirs, other, strict=True)) for other in others]
    possible = []
    for column in columns:
        held = Counter(zip(ours, column, strict=True))
        fitting = [i for i, bag in enumerate(bags) if all(held[x] >= n for x, n in bag.items())]
        possible.append((column, fitting))
    possible.sort(key=lambda pair: len(pair[1]))
    attempts = 2 * len(columns) + min(_MAX_ATTEMPTS, _MAX_ROWS // len(ours))
    classes = [(ours, theirs)]
    paired: list[int] = []
    untried = [iter(possible[0][1])]
    while untried:
        for partner in untried[-1]:
            if partner in paired:
                continue
            attempts -= 1
            if attempts < 0:
                return False
            ours, theirs = classes[-1]
            column = possible[len(paired)][0]
            split = _split(ours, [column], theirs, [others[partner]])
            if _among(*split):
                paired.append(partner)
                if len(paired) == len(columns):
                    return True
                classes.append(split)
                untried.append(iter(possible[len(paired)][1]))
                break
        else:
            untried.pop()
            classes.pop()
            del paired[-1:]
    return False


def _among(gold: Sequence[int], predicted: Sequence[int]) -> bool:
    return not Counter(predicted) - Counter(gold)


def _split(
    gold_classes: list[int],
    gold: list[_Column],
    predicted_classes: list[int],
    predicted: list[_Column],
) -> tuple[list[int], list[int]]:
    """New row classes: the old class and the cells of the newly paired columns, numbered alike."""
    numbers: dict[tuple[object, ...], int] = {}
    ours = [numbers.setdefault(key, len(numbers)) for key in zip(gold_classes, *gold, strict=True)]
    theirs = [
        numbers.setdefault(key, len(numbers))
        for key in zip(predicted_classes, *predicted, strict=True)
    ]
    return ours, theirs


def same_up_to_ties(
    keyed_rows: Sequence[Row],
    n_keys: int,
    offset: int,
    limit: int | None,
    predicted_rows: Sequence[Row],
) -> bool:
    """True when `predicted_rows` is one of the results that the ordered gold query may give.

    Rows with equal ORDER BY keys may come in any order, and where LIMIT or OFFSET cuts through such a
    group, any of its rows may be the ones shown.

    `keyed_rows` are all rows of the gold query in order, without its LIMIT and OFFSET and with the
    values of its keys as the last `n_keys` cells. NULL keys tie with NULL. Two empty results are the
    same here; whether they have as many columns is the caller's to see.

    >>> keyed = [("Ann", 30), ("Bob", 25), ("Cid", 25)]  # name, and the key of ORDER BY age DESC
    >>> same_up_to_ties(keyed, 1, 0, 2, [("Ann",), ("Cid",)])
    True
    >>> same_up_to_ties(keyed, 1, 0, 2, [("Cid",), ("Ann",)])
    False
    """
    groups = _groups(keyed_rows, n_keys, offset, limit, predicted_rows)
    if not groups:
        return groups is not None
    if len(groups[0][0][0]) != len(groups[0][1][0]):
        return False
    if _fit(groups):
        return True
    close = leaders(*(rows for group in groups for rows in group))
    if not close:
        return False
    return _fit([(snapped(gold, close), snapped(ours, close)) for gold, ours in groups])


def _groups(
    keyed_rows: Sequence[Row],
    n_keys: int,
    offset: int,
    limit: int | None,
    predicted_rows: Sequence[Row],
) -> list[_Group] | None:
    end = len(keyed_rows) if limit is None else min(len(keyed_rows), offset + limit)
    if len(predicted_rows) != max(0, end - offset):
        return None
    groups: list[_Group] = []
    start = 0
    for _, tied in groupby(keyed_rows, key=lambda row: row[len(row) - n_keys :]):
        gold = [row[: len(row) - n_keys] for row in tied]
        stop = start + len(gold)
        shown = predicted_rows[max(start - offset, 0) : max(min(stop, end) - offset, 0)]
        if shown:
            groups.append((gold, shown))
        start = stop
    return groups
