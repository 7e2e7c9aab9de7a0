"""The real data sets: nothing of Spider dev is trained on, and normal forms return the same rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import gold_fault, usable
from txt2sql.data.spider import SpiderDataset
from txt2sql.errors import DataError
from txt2sql.types import Example

TRAINING = ("spider", "spider_syn", "cosql", "bird_train", "wtq")
SPIDERS_OWN = 6
"""Questions of Spider's training set that its dev set asks of another database, in the same words."""


@pytest.fixture(scope="module", params=TRAINING)
def training(request: pytest.FixtureRequest, data_root: Path) -> Dataset:
    """One training set; skipped where it is not there."""
    name = str(request.param)
    try:
        return open_dataset(name, data_root)
    except DataError as error:
        pytest.skip(f"{name} is not in {data_root}: {error}")


@pytest.fixture(scope="module")
def dev(data_root: Path) -> list[Example]:
    return list(open_dataset("spider", data_root).examples("dev"))


def words(question: str) -> str:
    return "".join(c for c in question.lower() if c.isalnum())


def test_no_question_and_no_database_of_spider_dev_is_trained_on(
    training: Dataset, dev: list[Example]
) -> None:
    examples = list(training.examples("train"))
    assert len(examples) > 3000
    assert {e.db_id for e in examples}.isdisjoint(e.db_id for e in dev)
    questions = {words(e.question) for e in dev}
    shared = {e.question for e in examples if words(e.question) in questions}
    assert len(shared) == (SPIDERS_OWN if training.name == "spider" else 0), shared


def test_no_database_of_spider_dev_is_there_under_another_name(
    training: Dataset, dev: list[Example], data_root: Path
) -> None:
    def columns(dataset: Dataset, db_id: str) -> frozenset[tuple[str, str]]:
        assert isinstance(dataset, SpiderDataset)
        entry = dataset.entry(db_id)
        assert entry is not None
        names = [name.lower() for name in entry["table_names_original"]]
        return frozenset(
            (names[at], name.lower()) for at, name in entry["column_names_original"] if at >= 0
        )

    source = open_dataset("spider", data_root)
    held_out = {db_id: columns(source, db_id) for db_id in {e.db_id for e in dev}}
    for db_id in {e.db_id for e in training.examples("train")}:
        own = columns(training, db_id)
        for other, theirs in held_out.items():
            assert len(own & theirs) <= 0.5 * len(own | theirs), (db_id, other)


def test_every_gold_query_of_the_training_sets_parses(training: Dataset) -> None:
    examples = list(training.examples("train"))
    if any(example.answers for example in examples):
        assert len(usable(examples, training.name, answers=True)) == len(examples)
        return
    faults = Counter(fault for e in examples if (fault := gold_fault(e)) is not None)
    assert sum(faults.values()) <= 2, faults
