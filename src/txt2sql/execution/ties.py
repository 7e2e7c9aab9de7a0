"""same_up_to_ties: is a predicted order right, where the gold order has ties?

Rows with equal ORDER BY keys may come in any order, and where LIMIT or OFFSET cuts through such a
group, any of its rows may be the ones shown. Columns may be permuted as a whole and numbers differ
by rounding, as in `compare.same_result`.

The order of columns is found by search: gold columns are paired one after the other, those with the
fewest possible partners first, and a pairing goes on only while the rows of every group, seen through
the paired columns, are among the gold rows of that group.

>>> keyed = [("Ann", 30), ("Bob", 25), ("Cid", 25)]  # name, and the key of ORDER BY age DESC
>>> same_up_to_ties(keyed, 1, 0, 2, [("Ann",), ("Cid",)])
True
>>> same_up_to_ties(keyed, 1, 0, 2, [("Cid",), ("Ann",)])
False
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from txt2sql.execution.compare import leaders, snapped
from txt2sql.types import Row

# A step of the search is linear in the cells; one longer than this ends as unequal.
_MAX_STEPS, _MAX_CELLS = 100, 20_000_000

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

    `keyed_rows` are all rows of the gold query in order, without its LIMIT and OFFSET and with the
    values of its keys as the last `n_keys` cells. NULL keys tie with NULL. Two empty results are the
    same here; whether they have as many columns is the caller's to see.
    """
    groups = _groups(keyed_rows, n_keys, offset, limit, predicted_rows)
    if not groups:
        return groups is not None
    if len(groups[0][0][0]) != len(groups[0][1][0]):
        return False
    if _same(groups):
        return True
    close = leaders(*(rows for group in groups for rows in group))
    if not close:
        return False
    return _same([(snapped(gold, close), snapped(ours, close)) for gold, ours in groups])


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


def _same(groups: list[_Group]) -> bool:
    width = len(groups[0][0][0])
    search = _Search(groups)
    if search.fits(range(width), range(width)):
        return True
    if width == 1:
        return False
    partners = {
        column: [other for other in range(width) if search.fits([column], [other])]
        for column in range(width)
    }
    return search.found(sorted(partners, key=lambda column: len(partners[column])), partners, [])


class _Search:
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

    def found(self, columns: list[int], partners: dict[int, list[int]], paired: list[int]) -> bool:
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
            if self.fits(columns[: len(pairing)], pairing) and self.found(
                columns, partners, pairing
            ):
                return True
        return False
