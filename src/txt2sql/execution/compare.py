"""same_result: do two results hold the same answer? The judgement behind execution accuracy.

Results are bags of rows (lists when the question asks for an order), and their columns may come in
any order, as in the test-suite evaluation of Zhong, Yu and Klein (EMNLP 2020). Finding the order of
columns for a bag is an isomorphism search: it is done by colour refinement with individualisation
(Weisfeiler and Leman; McKay, "Practical graph isomorphism", 1981), not by trying permutations.

Cells: NULL equals NULL; text, numbers and blobs never equal each other; 1 equals 1.0. Integers, and
floats that are whole numbers below 2**53, are equal only when they are exactly equal; any other two
numbers also when they differ by at most 1e-11 of the larger, as sums in another order do. There is
no absolute tolerance: 1e-17 is not 0.

>>> gold = QueryResult(("name", "age"), (("Ann", 30), ("Bob", 40)))
>>> same_result(gold, QueryResult(("age", "name"), ((40.0, "Bob"), (30.0, "Ann"))), ordered=False)
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from txt2sql.types import Cell, QueryResult, Row

RELATIVE_TOLERANCE = 1e-11
_EXACT_BELOW = 2.0**53
# A step of the search is linear in the cells. Refinement alone settles all but highly symmetric
# results; where it does not, a wrong turn is rare, and a search longer than this ends as unequal.
_MAX_STEPS, _MAX_CELLS = 100, 20_000_000

_Column = tuple[Cell, ...]


def same_result(gold: QueryResult, predicted: QueryResult, ordered: bool) -> bool:
    """True when both ran and hold the same rows, in the same order if `ordered`.

    Two empty results are the same when they have as many columns. Two results that were both cut off
    at the row cap are the same when their first rows are; one cut off and one not, never.
    """
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
    """What the official test-suite evaluator says of two results, for agreement with its figures.

    Values are equal as Python's `==` has it, without tolerance; two empty results are the same
    whatever their columns; and rows of several columns in which a whole number is an integer on one
    side and a float on the other are usually told apart, because it sorts the cells of each row by
    value and type before it compares them (Zhong, Yu and Klein, EMNLP 2020, and their script).
    """
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
    sides = [[_sorted_cells(row) for row in result.rows] for result in (gold, predicted)]
    return sides[0] == sides[1] if ordered else set(sides[0]) == set(sides[1])


def _has_float(rows: Sequence[Row]) -> bool:
    return any(type(cell) is float for row in rows for cell in row)


def _sorted_cells(row: Row) -> Row:
    return tuple(sorted(row, key=lambda cell: str(cell) + str(type(cell))))


def _same_rows(gold: Sequence[Row], predicted: Sequence[Row], ordered: bool) -> bool:
    if ordered:
        # Rows agree in order under some order of columns when the columns agree as whole vectors.
        return gold == predicted or Counter(zip(*gold, strict=True)) == Counter(
            zip(*predicted, strict=True)
        )
    if len(gold[0]) == 1 or gold == predicted:
        return Counter(gold) == Counter(predicted)
    return _Search(list(zip(*gold, strict=True)), list(zip(*predicted, strict=True))).exists()


def leaders(*results: Sequence[Row]) -> dict[float, float]:
    """For each number that lies close to another, the smallest of its chain of close numbers.

    Grouping the numbers of both results at once makes equality transitive, so that bags can be
    compared by counting. Empty when nothing is close to anything.
    """
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


class _Search:
    """Is there an order of the predicted columns that makes the two bags of rows equal?

    Rows carry a class on each side; equal classes mean that the columns paired so far agree there.
    A column's signature is the bag of (row class, cell), hashed: columns can be paired only when
    their signatures are equal, pairs that are alone in their signature are forced, and each pair
    splits the row classes further. Only where every signature is shared is a pair tried.
    """

    def __init__(self, gold: list[_Column], predicted: list[_Column]) -> None:
        self.steps = 0
        # Columns equal as whole vectors are interchangeable: they are paired as one, with a count.
        self.gold = Counter(gold)
        self.predicted = Counter(predicted)
        self.rows = len(gold[0])
        self.max_steps = max(_MAX_STEPS, _MAX_CELLS // (self.rows * len(gold)))

    def exists(self) -> bool:
        """True when such an order exists."""
        if sorted(self.gold.values()) != sorted(self.predicted.values()):
            return False
        start = [0] * self.rows
        return self._pair(list(self.gold), list(self.predicted), start, start)

    def _pair(
        self,
        gold: list[_Column],
        predicted: list[_Column],
        gold_classes: list[int],
        predicted_classes: list[int],
    ) -> bool:
        """Pair the columns that are left, given the row classes that the paired ones imply."""
        while gold:
            self.steps += 1
            if self.steps > self.max_steps:
                return False
            left = self._by_signature(gold, self.gold, gold_classes)
            right = self._by_signature(predicted, self.predicted, predicted_classes)
            if {key: len(columns) for key, columns in left.items()} != {
                key: len(columns) for key, columns in right.items()
            }:
                return False
            forced = [key for key, columns in left.items() if len(columns) == 1]
            if not forced:
                return self._try(left, right, gold_classes, predicted_classes)
            gold_classes, predicted_classes = _split(
                gold_classes,
                [left[key][0] for key in forced],
                predicted_classes,
                [right[key][0] for key in forced],
            )
            for key in forced:
                gold.remove(left[key][0])
                predicted.remove(right[key][0])
        # Signatures are hashes of one column each; only this compares whole rows, exactly.
        return Counter(gold_classes) == Counter(predicted_classes)

    def _try(
        self,
        left: dict[tuple[int, int], list[_Column]],
        right: dict[tuple[int, int], list[_Column]],
        gold_classes: list[int],
        predicted_classes: list[int],
    ) -> bool:
        """Fix one gold column of the smallest group and try each partner it could have."""
        key = min(left, key=lambda key: len(left[key]))
        column = left[key][0]
        for partner in right[key]:
            ours, theirs = _split(gold_classes, [column], predicted_classes, [partner])
            gold = [c for columns in left.values() for c in columns if c is not column]
            predicted = [c for columns in right.values() for c in columns if c is not partner]
            if self._pair(gold, predicted, ours, theirs):
                return True
        return False

    @staticmethod
    def _by_signature(
        columns: list[_Column], counts: Counter[_Column], classes: list[int]
    ) -> dict[tuple[int, int], list[_Column]]:
        """Columns grouped by (how often each occurs, hash of its bag of (row class, cell))."""
        groups: dict[tuple[int, int], list[_Column]] = {}
        for column in columns:
            signature = (counts[column], sum(map(hash, zip(classes, column, strict=True))))
            groups.setdefault(signature, []).append(column)
        return groups


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


# ----------------------------------------------------------------------------------------- ties

_Group = tuple[list[Row], list[Row]]
"""The gold rows of one key, and the predicted rows at the places of those that are shown."""


def same_up_to_ties(
    keyed_rows: Sequence[Row],
    n_keys: int,
    offset: int,
    limit: int | None,
    predicted_rows: Sequence[Row],
) -> bool:
    """True when `predicted_rows` is one of the results that the ordered gold query may give.

    Rows with equal ORDER BY keys may come in any order, and where LIMIT or OFFSET cuts through such a
    group, any of its rows may be the ones shown. The order of columns is found by search: gold columns
    are paired one after the other, those with the fewest possible partners first, and a pairing goes
    on only while the rows of every group, seen through the paired columns, are among the gold's.

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
    if _same_groups(groups):
        return True
    close = leaders(*(rows for group in groups for rows in group))
    if not close:
        return False
    return _same_groups([(snapped(gold, close), snapped(ours, close)) for gold, ours in groups])


def _groups(
    keyed_rows: Sequence[Row],
    n_keys: int,
    offset: int,
    limit: int | None,
    predicted_rows: Sequence[Row],
) -> list[_Group] | None:
    """The groups of which something is shown; None when the number of rows is not the gold's."""
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
            groups.append((gold, list(shown)))
        start = stop
    return groups


def _same_groups(groups: list[_Group]) -> bool:
    width = len(groups[0][0][0])
    search = _TiedSearch(groups)
    if search.fits(range(width), range(width)):
        return True
    if width == 1:
        return False
    partners = {
        column: [other for other in range(width) if search.fits([column], [other])]
        for column in range(width)
    }
    return search.exists(sorted(partners, key=lambda column: len(partners[column])), partners, [])


class _TiedSearch:
    """Pairs gold columns with predicted ones, one after the other."""

    def __init__(self, groups: list[_Group]) -> None:
        self.groups = groups
        cells = sum(len(gold) * len(gold[0]) for gold, _ in groups)
        self.steps = max(_MAX_STEPS, _MAX_CELLS // cells)

    def fits(self, columns: Sequence[int], others: Sequence[int]) -> bool:
        """True when the predicted rows, seen through `others`, are among the gold's of each group."""
        for gold, shown in self.groups:
            there = Counter(tuple(row[i] for i in columns) for row in gold)
            there.subtract(tuple(row[i] for i in others) for row in shown)
            if min(there.values()) < 0:
                return False
        return True

    def exists(self, columns: list[int], partners: dict[int, list[int]], paired: list[int]) -> bool:
        """True when the columns after the first `len(paired)` can be paired too."""
        if len(paired) == len(columns):
            return True
        for partner in partners[columns[len(paired)]]:
            if partner in paired:
                continue
            self.steps -= 1
            if self.steps < 0:
                return False
            pairing = [*paired, partner]
            if self.fits(columns[: len(pairing)], pairing) and self.exists(
                columns, partners, pairing
            ):
                return True
        return False
