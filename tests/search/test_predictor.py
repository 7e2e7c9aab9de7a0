"""Search as a predictor: over answers that are known, on the sample database, and never with gold."""

from __future__ import annotations

import json
import math
import typing
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.config import load
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models.predictor import DirectPredictor
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.models.tree_decoder import Decoding, Place, Step
from txt2sql.models.vote import Weights
from txt2sql.search.mcts import Settings
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.search.states import Question, ValueSettings
from txt2sql.search.steps import split_steps
from txt2sql.search.tree import as_html
from txt2sql.serving.service import Service
from txt2sql.types import (
    Column,
    Example,
    ForeignKey,
    Prediction,
    Prompt,
    QueryResult,
    Schema,
    Table,
    Turn,
)

SIMULATIONS = 24
ANSWERS = {
    "How many shops are there?": {
        "SELECT COUNT(*) FROM shops": 0.7,
        "SELECT COUNT(name) FROM shops": 0.1,
        "SELECT MAX(floor_area) FROM shops": 0.15,
        "SELECT COUNT(employees) FROM shops": 0.05,
    },
    "Which shops opened before 2000?": {
        "SELECT name FROM shops WHERE opening_year < 2000": 0.4,
        "SELECT name FROM shops WHERE opening_year <= 2000 ORDER BY name": 0.05,
        "SELECT city FROM shops WHERE opening_year < 2000": 0.35,
        "SELECT name FROM shops": 0.1,
        "SELECT opened FROM shops": 0.1,
    },
    "What is the name of the oldest author?": {
        "SELECT name FROM authors ORDER BY birth_year LIMIT 1": 0.3,
        "SELECT MIN(birth_year) FROM authors": 0.3,
        "SELECT name FROM authors WHERE birth_year = (SELECT MIN(birth_year) FROM authors)": 0.4,
    },
}
"""What the model says, with probabilities that add up to one."""
QUESTIONS = list(ANSWERS)


class Clauses:
    """An engine that knows ANSWERS and gives them clause by clause; it likes `liked`."""

    name = "clauses"

    def __init__(self, liked: str = "") -> None:
        self.liked = liked
        self.trees: list[tuple[dict[tuple[str, ...], float], list[tuple[str, ...]]]] = []

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        for prompt in prompts:
            answers = next(ANSWERS[each] for each in QUESTIONS if each in prompt.text)
            by_steps = {tuple(split_steps(sql)): share for sql, share in answers.items()}
            self.trees.append((by_steps, [()]))
        return [Place(len(self.trees) - len(prompts) + i, 0) for i in range(len(prompts))]

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        return [(place, tuple(self._steps(place)), 1) for place in places]

    def _steps(self, place: Place) -> Iterator[Step]:
        answers, read = self.trees[place.tree]
        before = read[place.token]
        mass: Counter[tuple[tuple[str, ...], bool]] = Counter()
        for answer, share in answers.items():
            steps = answer[: len(before) + 1]
            if steps[: len(before)] == before and len(answer) > len(before):
                mass[steps, steps == answer] += share
        for (steps, ended), share in mass.most_common():
            read.append(steps)
            logprob = math.log(share / sum(mass.values()))
            yield Step(Place(place.tree, len(read) - 1), " ".join(steps), logprob, 1, ended)

    def score(self, places: Sequence[Place]) -> list[float]:
        texts = [" ".join(self.trees[place.tree][1][place.token]) for place in places]
        return [9.0 if text == self.liked else -9.0 for text in texts]

    def free(self, root: Place) -> None:
        pass


def searching(liked: str = "", **options: Any) -> SearchPredictor:
    """A search over the sample database."""
    service = Service(sample.path(), ScriptedGenerator([]))
    settings = SearchOptions(Settings(num_simulations=SIMULATIONS), **options)
    return SearchPredictor(service.direct, Clauses(liked), settings, scored=bool(liked))


@pytest.fixture(scope="module")
def predictor() -> SearchPredictor:
    return searching()


def test_nothing_but_the_question_is_looked_at(predictor: SearchPredictor) -> None:
    parts = {"id": "1", "db_id": "sample", "question": QUESTIONS[0], "evidence": ""}
    secret = typing.cast(Example, SimpleNamespace(**parts, previous=None))  # it has no gold_sql
    assert [p.sql for p in predictor.predict([secret])] == ["SELECT COUNT(*) FROM shops"]


def test_a_follow_up_is_searched_with_the_turn_before(predictor: SearchPredictor) -> None:
    turn = Turn("How many books are there?", "SELECT COUNT(*) FROM books")
    [result] = predictor.search([Question.of(Example("q", "sample", QUESTIONS[0], previous=turn))])
    assert "-- Its SQL: SELECT COUNT(*) FROM books\n" in result.rendered.prompt.text


def test_a_vote_that_is_over_ends_the_search(predictor: SearchPredictor) -> None:
    sure, unsure = (Question(q, "sample", q) for q in QUESTIONS[:2])
    early = searching(early=True)
    [whole], [result] = predictor.search([sure]), early.search([sure])
    assert result.tree.reason == "one answer has more than half"
    assert result.tree.simulations < whole.tree.simulations
    assert result.candidates[0].sql == whole.candidates[0].sql
    assert early.search([unsure])[0].tree.simulations == SIMULATIONS
    weighed = searching(early=True, vote=Weights(preference=1.0))
    assert weighed.search([sure])[0].tree.simulations == SIMULATIONS


@pytest.mark.parametrize("preference", [0.0, 20.0])
def test_a_value_head_has_its_say_in_the_vote(preference: float) -> None:
    first, _, liked, *_ = ANSWERS[QUESTIONS[1]]
    voting = searching(liked, vote=Weights(preference=preference))
    [result] = voting.search([Question("q", "sample", QUESTIONS[1])])
    assert result.candidates[0].sql == (liked if preference else first)
    scores = {answer.sql: answer.score for answer in result.answers}
    assert scores[liked] > 0.9 > -0.9 > scores[first]


def test_a_tree_is_plain_json_and_a_page(predictor: SearchPredictor) -> None:
    question = f"{QUESTIONS[1]} </script><b>"
    prediction = next(predictor.predict([Example("q", "sample", question)]))
    tree = json.loads(json.dumps(prediction.tree))
    assert tree["sql"] == prediction.sql
    assert tree["nodes"][tree["path"][-1]]["sql"] == prediction.sql
    assert tree["path"][0] == 0
    for before, after in zip(tree["path"], tree["path"][1:]):
        assert after in [edge["to"] for edge in tree["nodes"][before]["edges"]]
    page = as_html(tree)
    assert page.count("</script>") == 2
    assert "&lt;/script&gt;&lt;b&gt;" in page
    assert "http://" not in page and "https://" not in page


def test_a_model_that_runs_elsewhere_cannot_be_searched() -> None:
    with pytest.raises(ModelError, match="cannot be searched"):
        Service(sample.path(), ScriptedGenerator(["SELECT 1"]), search=SearchOptions())


def test_the_file_of_settings_holds_the_defaults_and_a_wrong_override_is_refused() -> None:
    file = Path(__file__).parents[2] / "config" / "rstar_config.yaml"
    kinds = {"mcts": Settings, "steps": Decoding, "value": ValueSettings, "vote": Weights}
    for section, kind in kinds.items():
        assert load(kind, file, section=section) == kind()
    assert load(Settings, file, ["c_puct=2"], section="mcts").c_puct == 2.0
    with pytest.raises(ConfigError, match="num_simulations"):
        load(Settings, file, ["num_simulations=0"], section="mcts")
    with pytest.raises(ConfigError, match="must not be negative"):
        load(Weights, file, ["empty=-1"], section="vote")


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


def searched_answers(*answers: str, checked: bool) -> tuple[Prediction, list[str]]:
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
    prediction, ran = searched_answers(faulty, "SELECT town FROM harbours", checked=checked)
    assert (prediction.sql, prediction.repaired) == ("SELECT town FROM harbours", False)
    assert ran == ["SELECT town FROM harbours"]
    alone, ran = searched_answers(faulty, checked=checked)
    assert (alone.sql, ran) == (None, [])
    assert alone.problem.startswith("the model wrote SQL with ") or "joins" in alone.problem


@pytest.mark.parametrize("checked", [True, False])
def test_a_whole_answer_that_can_be_repaired_is_searched_as_it_is_run(checked: bool) -> None:
    mended = "SELECT DISTINCT town FROM trips JOIN harbours ON harbours.id = trips.harbour_id"
    prediction, ran = searched_answers("SELECT town FROM trips", checked=checked)
    assert (prediction.sql, prediction.repaired, ran) == (mended, True, [mended])
    both, _ = searched_answers("SELECT town FROM trips", mended, checked=checked)
    assert (both.sql, both.repaired) == (mended, False)  # the model wrote it as well
