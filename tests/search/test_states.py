"""The expander of a search: no whole answer with wrong names enters a tree, checked or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.models.tree_decoder import Place, Step
from txt2sql.search.mcts import Settings
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.types import (
    Column,
    Example,
    ForeignKey,
    Prediction,
    Prompt,
    QueryResult,
    Schema,
    Table,
)

HARBOURS = Table("harbours", (Column("id"), Column("town")))
TRIPS = Table("trips", (Column("harbour_id"), Column("price")))
KEYS = (ForeignKey("trips", "harbour_id", "harbours", "id"),)
SCHEMA = Schema("ferry", (HARBOURS, TRIPS), KEYS)


class OneStep:
    """An engine whose steps are whole answers, each half as likely as the one before."""

    name = "one step"

    def __init__(self, *answers: str) -> None:
        self.answers = answers

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        return [Place(tree, 0) for tree, _ in enumerate(prompts)]

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        def step(place: Place, i: int, text: str) -> Step:
            return Step(Place(place.tree, i), text, math.log(0.5**i), 1, True)

        texts = list(enumerate(self.answers, start=1))
        return [
            (place, tuple(step(place, *each) for each in texts), len(texts)) for place in places
        ]

    def free(self, root: Place) -> None:
        pass


def searched(*answers: str, checked: bool) -> tuple[Prediction, list[str]]:
    """What a search of these answers predicts, and what it ran."""
    ran: list[str] = []

    def run(db_id: str, sql: str) -> QueryResult:
        ran.append(sql)
        return QueryResult(("n",), ((len(sql),),))

    direct = DirectPredictor(ScriptedGenerator([]), lambda db_id: SCHEMA, lambda example: (), run)
    options = SearchOptions(Settings(num_simulations=8), checked=checked)
    predictor = SearchPredictor(direct, OneStep(*answers), options)
    [prediction] = predictor.predict([Example("1", "ferry", "Where do ferries go?")])
    return prediction, [sql for sql in ran if "LIMIT 0" not in sql]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    "faulty", ['SELECT "Sailors" FROM trips', "SELECT a.town FROM harbours a, harbours b"]
)
def test_a_whole_answer_with_wrong_names_is_never_run(faulty: str, checked: bool) -> None:
    prediction, ran = searched(faulty, "SELECT town FROM harbours", checked=checked)
    assert (prediction.sql, prediction.repaired) == ("SELECT town FROM harbours", False)
    assert ran == ["SELECT town FROM harbours"]
    alone, ran = searched(faulty, checked=checked)
    assert (alone.sql, ran) == (None, [])
    assert alone.problem.startswith("the model wrote SQL with ") or "joins" in alone.problem


@pytest.mark.parametrize("checked", [True, False])
def test_a_whole_answer_that_can_be_repaired_is_searched_as_it_is_run(checked: bool) -> None:
    mended = "SELECT DISTINCT town FROM trips JOIN harbours ON harbours.id = trips.harbour_id"
    prediction, ran = searched("SELECT town FROM trips", checked=checked)
    assert (prediction.sql, prediction.repaired, ran) == (mended, True, [mended])
    both, _ = searched("SELECT town FROM trips", mended, checked=checked)
    assert (both.sql, both.repaired) == (mended, False)  # the model wrote it as well
