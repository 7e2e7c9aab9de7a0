"""The check of a data set (validation of its files): is every question answerable on what is there?

Every database is opened and every gold query run on it; faults are counted by kind (gold.py).

>>> check(open_dataset("spider")).problems  # doctest: +SKIP
()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from txt2sql.data.fetch import Progress
from txt2sql.data.gold import GoldFault, run_fault
from txt2sql.errors import Text2SQLError
from txt2sql.types import Example

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_NAMED = 5
"""Questions that a problem names."""


@dataclass(frozen=True, slots=True)
class SplitSize:
    """One split in numbers."""

    split: str
    questions: int
    databases: int


@dataclass(frozen=True, slots=True)
class BadGold:
    """The questions of one split whose gold query has one kind of fault."""

    split: str
    fault: GoldFault
    ids: tuple[str, ...]
    error: str
    """What the database says of the first."""

    def __str__(self) -> str:
        shown = ", ".join(self.ids[:_NAMED]) + (", …" if len(self.ids) > _NAMED else "")
        error = f" ({self.error})" if self.error else ""
        return f"{len(self.ids):,} with {self.fault.value}: {shown}{error}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The sizes of the splits and, one sentence each, what is wrong."""

    splits: tuple[SplitSize, ...]
    problems: tuple[str, ...]
    bad_gold: tuple[BadGold, ...] = ()


def sizes(dataset: Dataset) -> tuple[SplitSize, ...]:
    """Questions and databases of every split."""
    return tuple(
        SplitSize(split, sum(used.values()), len(used))
        for split in dataset.splits
        for used in (_used(dataset, split),)
    )


def check(dataset: Dataset, progress: Progress | None = None) -> Checked:
    """Read every question, open every database that one is about, and run every gold query."""
    splits, problems = [], []
    questions: Counter[str] = Counter()
    unique: dict[str, tuple[str, Example]] = {}
    for split in dataset.splits:
        try:
            examples = list(dataset.examples(split))
        except Text2SQLError as error:
            problems.append(f"split {split}: {error}")
            continue
        used = Counter(example.db_id for example in examples)
        splits.append(SplitSize(split, len(examples), len(used)))
        questions |= used
        for example in examples:  # `train` has the questions of its parts
            unique.setdefault(example.id, (split, example))
    readable = set()
    for number, (db_id, count) in enumerate(questions.items(), start=1):
        try:
            dataset.database(db_id)
            dataset.schema(db_id)
            readable.add(db_id)
        except Text2SQLError as error:
            problems.append(f"{count:,} questions on {db_id}: {error}")
        if progress is not None:
            progress("databases", number, len(questions))
    if hasattr(dataset, "logical_forms"):  # its SQL is written from them, not by annotators
        return Checked(tuple(splits), tuple(problems))
    bad = _bad_gold(
        dataset, [pair for pair in unique.values() if pair[1].db_id in readable], progress
    )
    return Checked(tuple(splits), (*problems, *map(str, bad)), bad)


def _bad_gold(
    dataset: Dataset, pairs: Sequence[tuple[str, Example]], progress: Progress | None
) -> tuple[BadGold, ...]:
    """The faults of gold queries; questions that have answers need none."""
    faults: dict[tuple[str, GoldFault], list[tuple[str, str]]] = {}
    for number, (split, example) in enumerate(pairs, start=1):
        if example.gold_sql or example.answers is None:
            fault, error = run_fault(example, dataset)
            if fault is not None:
                faults.setdefault((split, fault), []).append((example.id, error))
        if progress is not None:
            progress("gold queries", number, len(pairs))
    return tuple(
        BadGold(split, fault, tuple(example_id for example_id, _ in cases), cases[0][1])
        for (split, fault), cases in faults.items()
    )


def _used(dataset: Dataset, split: str) -> Counter[str]:
    """How many questions each database of a split has."""
    return Counter(example.db_id for example in dataset.examples(split))
