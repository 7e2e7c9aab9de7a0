"""Search as a predictor: with the bundled model on the sample database, and never with gold."""

from __future__ import annotations

import ast
import inspect
import json
import typing
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import txt2sql.search
from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.search.mcts import Settings
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.search.state import Asked, Question, state_key
from txt2sql.search.trajectory import trajectories
from txt2sql.search.view import as_html
from txt2sql.search.vote import Weights
from txt2sql.serving.service import Service
from txt2sql.types import Example, Sampling

SIMULATIONS = 24
QUESTIONS = [
    "How many shops are there?",
    "Which shops have more than 3 employees?",
    "What is the name of the oldest author?",
]


@pytest.fixture(scope="module")
def predictor() -> SearchPredictor:
    options = SearchOptions(mcts=Settings(num_simulations=SIMULATIONS))
    found = Service(sample.path(), "bundled", search=options)._predictor
    assert isinstance(found, SearchPredictor)
    return found


class Secret:
    """An example whose gold query must not be looked at."""

    def __init__(self, question: str) -> None:
        self.id, self.db_id, self.question, self.evidence = question, "sample", question, ""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the search looked at {name}")


def test_nothing_but_the_question_is_looked_at(predictor: SearchPredictor) -> None:
    secrets = [typing.cast(Example, Secret(question)) for question in QUESTIONS[:1]]
    assert [p.sql for p in predictor.predict(secrets)] == ["SELECT count(*) FROM shops"]


def test_no_signature_of_the_search_could_carry_a_gold_query() -> None:
    """Examples come in at three places, which hand on the question; nothing names a gold query."""
    folder = Path(txt2sql.search.__file__).parent
    takers = set()
    for path in sorted(folder.glob("*.py")):
        source = path.read_text(encoding="utf-8")
        names = {
            node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
        }
        names |= {node.arg for node in ast.walk(ast.parse(source)) if isinstance(node, ast.arg)}
        assert not [name for name in names if "gold" in name], path.name
        module = import_module(f"txt2sql.search.{path.stem}")
        for name, found in inspect.getmembers(module):
            if getattr(found, "__module__", "") != module.__name__:
                continue
            functions = [(name, found)] if inspect.isfunction(found) else []
            if inspect.isclass(found):
                functions = [
                    (f"{name}.{member}", getattr(function, "__func__", function))
                    for member, function in vars(found).items()
                    if callable(getattr(function, "__func__", function))
                ]
            for called, function in functions:
                if not inspect.isfunction(function):
                    continue
                annotations = [
                    p.annotation for p in inspect.signature(function).parameters.values()
                ]
                if any("Example" in str(annotation) for annotation in annotations):
                    takers.add(called)
    assert takers == {"Question.of", "SearchPredictor.prompt", "SearchPredictor.predict"}
    assert Question.__slots__ == ("id", "db_id", "text", "evidence")


def test_the_first_answer_is_the_models_own(predictor: SearchPredictor) -> None:
    for question in QUESTIONS:
        example = Example(question, "sample", question)
        [found] = predictor.search([Question.of(example)])
        prompt = predictor.prompt(example)
        [greedy] = predictor.direct.generator.generate([prompt], Sampling(max_new_tokens=96))[0]
        first = found.tree.first
        assert first is not None and first.state.text == greedy.text
        assert [b.sql for b in found.ballots if b.own] == [first.state.sql]


def test_every_answer_in_a_tree_runs_and_the_chosen_is_one_of_them(
    predictor: SearchPredictor,
) -> None:
    [found] = predictor.search([Question("q", "sample", QUESTIONS[1])])
    assert len(found.ballots) > 3
    assert all(ballot.result.ok for ballot in found.ballots)
    assert sum(b.probability for b in found.ballots) <= 1 + 1e-3
    assert found.candidates[0].sql in {ballot.sql for ballot in found.ballots}
    assert sum(edge.visits for edge in found.tree.root.edges or ()) == SIMULATIONS


@pytest.fixture(scope="module")
def plain(predictor: SearchPredictor) -> SearchPredictor:
    """The same without the bundled model's channel model: probability alone decides the vote."""
    options = replace(predictor.options, vote=Weights())
    return SearchPredictor(predictor.direct, predictor.engine, options)


def test_a_vote_that_is_over_ends_the_search(
    predictor: SearchPredictor, plain: SearchPredictor
) -> None:
    sure, unsure = (Question(q, "sample", q) for q in QUESTIONS[:2])
    early = SearchPredictor(plain.direct, plain.engine, replace(plain.options, early=True))
    [whole], [found] = plain.search([sure]), early.search([sure])
    assert found.tree.reason == "no other answer can win"
    assert found.tree.simulations < whole.tree.simulations
    assert found.candidates[0].sql == whole.candidates[0].sql
    assert early.search([unsure])[0].tree.simulations == SIMULATIONS
    by_value = replace(early.options, vote=Weights(value=1.0))
    [found] = SearchPredictor(plain.direct, plain.engine, by_value).search([sure])
    assert found.tree.simulations == SIMULATIONS
    predictor.options = replace(predictor.options, early=True)
    assert predictor.search([sure])[0].tree.simulations == SIMULATIONS  # the judge comes last
    predictor.options = replace(predictor.options, early=False)


def test_a_judge_of_whole_answers_has_its_say_in_the_vote(plain: SearchPredictor) -> None:
    question = Question("q", "sample", QUESTIONS[1])
    [found] = plain.search([question])
    second = found.candidates[1].ballots[0].sql
    seen: list[str] = []

    def judge(asked: Asked, answers: Sequence[str]) -> list[float]:
        assert asked.question == question
        seen.extend(answers)
        return [1.0 if sql == second else -1.0 for sql in answers]

    for weight, chosen in ((0.0, found.candidates[0].sql), (20.0, second)):
        options = replace(plain.options, vote=Weights(preference=weight))
        judged = SearchPredictor(plain.direct, plain.engine, options, judge=judge)
        assert judged.search([question])[0].candidates[0].sql == chosen
    assert second in seen and len(set(seen)) >= len(found.candidates)


def test_the_same_question_grows_the_same_tree(predictor: SearchPredictor) -> None:
    def grown() -> dict[str, Any]:
        tree = dict(next(predictor.predict([Example("q", "sample", QUESTIONS[1])])).tree or {})
        return {key: value for key, value in tree.items() if key != "seconds"}

    assert grown() == grown()


def test_questions_searched_together_get_their_answers(predictor: SearchPredictor) -> None:
    together = predictor.search([Question(q, "sample", q) for q in QUESTIONS])
    for question, found in zip(QUESTIONS, together, strict=True):
        [alone] = predictor.search([Question(question, "sample", question)])
        assert found.asked.question.text == question
        assert found.candidates[0].sql == alone.candidates[0].sql


def test_a_tree_is_plain_json_and_a_page(predictor: SearchPredictor) -> None:
    question = "Which shops have more than 3 employees? </script><b>"
    prediction = next(predictor.predict([Example("q", "sample", question)]))
    tree = json.loads(json.dumps(prediction.tree))
    assert tree["sql"] == prediction.sql
    assert tree["nodes"][tree["path"][-1]]["sql"] == prediction.sql
    assert tree["path"][0] == 0
    for before, after in zip(tree["path"], tree["path"][1:]):
        assert after in [edge["to"] for edge in tree["nodes"][before]["edges"]]
    assert not any("[c" in node["step"] for node in tree["nodes"])
    page = as_html(tree)
    assert page.count("</script>") == 2
    assert "&lt;/script&gt;&lt;b&gt;" in page
    assert "http://" not in page and "https://" not in page


def test_trajectories_spell_their_answers(predictor: SearchPredictor) -> None:
    [found] = predictor.search([Question("q", "sample", QUESTIONS[1])])
    paths = list(trajectories(found.tree))
    assert {path.sql for path in paths} >= {ballot.sql for ballot in found.ballots}
    for path in paths:
        assert " ".join(step.step for step in path.steps) == path.text
        assert path.steps[0].before == ""
        assert all(step.visits > 0 and 0 <= step.prior <= 1 for step in path.steps)


def test_a_model_that_runs_elsewhere_cannot_be_searched() -> None:
    with pytest.raises(ModelError, match="cannot be searched"):
        Service(sample.path(), ScriptedGenerator(["SELECT 1"]), search=SearchOptions())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (["from [t0] join [t1]"], ["from [t1] join [t0]"], True),
        (["where [c0] = [v0] and [c1] = [v1]"], ["where [c1] = [v1] and [c0] = [v0]"], True),
        (["where [c0] = [v0] or [c1] = [v1]"], ["where [c1] = [v1] or [c0] = [v0]"], False),
        (["where [c0] between [v0] and [v1]"], ["where [v1] and [c0] between [v0]"], False),
        (["from [t0] as a join [t0] as b on a . [c0] = b . [c1]"], ["from [t0] join [t0]"], False),
        (["select [c0] , [c1]"], ["select [c1] , [c0]"], False),
        (["select [c0]"], ["select [c0]", "from [t0]"], False),
    ],
)
def test_what_means_the_same_is_one_state(one: list[str], other: list[str], same: bool) -> None:
    assert (state_key(one, False, True) == state_key(other, False, True)) is same
    assert state_key(one, False, True) != state_key(one, True, True)
