"""The check of a data set (validation of its files): is every question answerable on what is there?

Whether each gold query runs is told by preprocessing, which runs them all.

>>> check(open_dataset("spider")).problems  # doctest: +SKIP
()
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from txt2sql.data.fetch import Progress
from txt2sql.errors import Text2SQLError

if TYPE_CHECKING:
    from txt2sql.data import Dataset


@dataclass(frozen=True, slots=True)
class SplitSize:
    """One split in numbers."""

    split: str
    questions: int
    databases: int


@dataclass(frozen=True, slots=True)
class Checked:
    """The sizes of the splits and, one sentence each, what is wrong."""

    splits: tuple[SplitSize, ...]
    problems: tuple[str, ...]


def sizes(dataset: Dataset) -> tuple[SplitSize, ...]:
    """Questions and databases of every split."""
    return tuple(
        SplitSize(split, sum(used.values()), len(used))
        for split in dataset.splits
        for used in (_used(dataset, split),)
    )


def check(dataset: Dataset, progress: Progress | None = None) -> Checked:
    """Read every question and open every database that one is about."""
    found, problems = [], []
    questions: Counter[str] = Counter()
    for split in dataset.splits:
        try:
            used = _used(dataset, split)
        except Text2SQLError as error:
            problems.append(f"split {split}: {error}")
            continue
        found.append(SplitSize(split, sum(used.values()), len(used)))
        questions |= used
    for number, (db_id, count) in enumerate(questions.items(), start=1):
        try:
            dataset.database(db_id)
            dataset.schema(db_id)
        except Text2SQLError as error:
            problems.append(f"{count:,} questions on {db_id}: {error}")
        if progress is not None:
            progress("databases", number, len(questions))
    return Checked(tuple(found), tuple(problems))


def _used(dataset: Dataset, split: str) -> Counter[str]:
    """How many questions each database of a split has."""
    return Counter(example.db_id for example in dataset.examples(split))
