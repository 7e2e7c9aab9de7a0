"""DirectPredictor: what it asks a model, and which answer it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from txt2sql.models.confidence import NAMES, Weights
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.types import (
    Column,
    Completion,
    Example,
    ForeignKey,
    Prediction,
    Prompt,
    QueryResult,
    Sampling,
    Schema,
    Table,
    Turn,
    ValueMatch,
)

SHOP = Table("shop", (Column("id", "number", True), Column("town")))
STAFF = Table("staff", (Column("shop_id", "number"), Column("name"), Column("Shift Plan")))
SCHEMA = Schema("shop", (SHOP, STAFF), (ForeignKey("staff", "shop_id", "shop", "id"),))
EXAMPLES = [Example(str(i), "shop", f"question {i}?") for i in range(5)]
BROKEN = "SELECT town FROM shop"
EMPTY, GOOD = "SELECT max(id) FROM shop", "SELECT count(*) FROM shop"
UNLIKELY = "SELECT count(town) + 1 + 1 FROM shop"
GHOST, OTHER_GHOST = "SELECT budget FROM shop", 'SELECT "Budget" FROM staff'
JOINLESS = "SELECT town FROM staff"
MENDED = "SELECT DISTINCT town FROM staff JOIN shop ON shop.id = staff.shop_id"


class Beam:
    """A generator that gives every prompt the same completions."""

    name = "beam"
    beam_search = True

    def __init__(self, *texts: str, share: float = 0.5) -> None:
        self.texts, self.share = texts, share
        self.batches: list[int] = []
        self.prompts: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        self.batches.append(len(prompts))
        self.prompts += prompts
        return [
            [
                Completion(text, (math.log(0.01 if text == UNLIKELY else self.share),), 7, 3)
                for text in self.texts[: sampling.beams]
            ]
            for _ in prompts
        ]


class Run:
    """What executing gives, and what was executed."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(self, db_id: str, sql: str) -> QueryResult:
        self.ran.append(sql)
        if sql == BROKEN:
            return QueryResult(error="no such column")
        cell = None if "max" in sql else 3 + sql.count("+ 1")
        return QueryResult(("count",), ((cell,),))


def predictor(beam: Beam, run: Run | None, **options: object) -> DirectPredictor:
    return DirectPredictor(
        beam,
        {"shop": SCHEMA}.__getitem__,
        lambda example: [ValueMatch("shop", "town", "Lisbon", "lisbon")],
        run,
        PredictorOptions(**options),  # type: ignore[arg-type]
    )


def answer(beam: Beam, run: Run | None = None, **options: object) -> Prediction:
    return next(predictor(beam, run or Run(), **options).predict(EXAMPLES[:1]))


@pytest.mark.parametrize(
    ("candidates", "expected", "batches"),
    [
        ((GOOD, EMPTY), GOOD, [1]),
        ((BROKEN, GOOD), GOOD, [1, 1]),
        ((EMPTY, BROKEN, GOOD), GOOD, [1, 1]),
        (("nonsense", GOOD), GOOD, [1, 1]),
        ((BROKEN, EMPTY), EMPTY, [1, 1]),
        ((BROKEN, BROKEN), BROKEN, [1, 1]),
        (("nonsense", "more of it"), None, [1, 1]),
    ],
)
def test_the_likeliest_that_runs_is_taken_and_a_faulty_answer_decoded_anew_with_a_beam(
    candidates: tuple[str, ...], expected: str, batches: list[int]
) -> None:
    beam = Beam(*candidates)
    assert answer(beam, second_beams=3).sql == expected
    assert beam.batches == batches


def test_that_nothing_happened_lately_is_an_answer() -> None:
    lately = f"{EMPTY} WHERE id > DATE('now', '-7 days')"
    beam = Beam(lately, GOOD)
    assert answer(beam).sql == lately
    assert beam.batches == [1]


def test_predictions_come_in_order_and_only_the_failures_of_a_batch_are_asked_again() -> None:
    class Mixed(Beam):
        def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
            good = [Completion(GOOD, (-0.1,), 7, 3)]
            made = super().generate(prompts, sampling)
            return [good if "question 1" in p.text else each for p, each in zip(prompts, made)]

    beam = Mixed(BROKEN, EMPTY)
    made = list(predictor(beam, Run(), batch_size=3).predict(EXAMPLES))
    assert beam.batches == [3, 2, 2, 2]
    assert [prediction.example_id for prediction in made] == ["0", "1", "2", "3", "4"]
    assert [prediction.sql for prediction in made] == [EMPTY, GOOD, EMPTY, EMPTY, EMPTY]


def test_without_an_executor_the_greedy_answer_is_taken_and_repaired() -> None:
    for text, expected in ((BROKEN, (BROKEN, False)), (JOINLESS, (MENDED, True))):
        [prediction] = predictor(Beam(text, GOOD), None).predict(EXAMPLES[:1])
        assert (prediction.sql, prediction.repaired) == expected


def test_the_prompt_has_matches_grammar_and_the_turn_before() -> None:
    followed = replace(EXAMPLES[0], previous=Turn("Which towns?", BROKEN))
    beam = Beam("Sure:\n```sql\nSELECT 1;\n```")
    assert [p.sql for p in predictor(beam, Run()).predict([followed])] == ["SELECT 1"]
    list(predictor(beam, Run(), constrained=False).predict(EXAMPLES[:1]))
    first, second = beam.prompts
    assert 'TABLE: "shop"' in (first.grammar or "") and second.grammar is None
    assert "Lisbon" in first.text
    assert ["Which towns?" in prompt.text for prompt in beam.prompts] == [True, False]


@pytest.mark.parametrize(
    "faulty",
    [
        GHOST,
        OTHER_GHOST,
        "SELECT a.town FROM shop AS a, shop AS b",
        "SELECT town FROM shops_of_2020",
        "SELECT shop.town FROM staff AS shop",
        "SELECT town FROM",
    ],
)
def test_a_candidate_with_wrong_names_is_never_run_and_loses_to_the_next(faulty: str) -> None:
    run, right = Run(), ("SELECT name FROM staff", "SELECT id FROM shop")
    beam = Beam(faulty, *right)
    prediction = answer(beam, run, second_beams=3)
    assert (prediction.sql, prediction.repaired, prediction.problem) == (right[0], False, "")
    assert prediction.candidates == right
    assert {*run.ran} == {*right}
    assert beam.batches == [1, 1]  # the greedy answer was faulty, so the beam was decoded


def test_a_candidate_that_can_be_repaired_is_and_says_so() -> None:
    run = Run()
    prediction = answer(Beam(JOINLESS, GHOST), run)
    assert (prediction.sql, prediction.repaired, {*run.ran}) == (MENDED, True, {MENDED})


def test_where_no_candidate_may_be_run_the_answer_is_a_sentence() -> None:
    run = Run()
    prediction = answer(Beam(GHOST, OTHER_GHOST), run)
    assert (prediction.sql, prediction.candidates, run.ran) == (None, (), [])
    assert prediction.problem == (
        "the model wrote SQL with a column that its tables do not have (budget); ask in other words"
    )


def weighed(direct: DirectPredictor, bias: float) -> DirectPredictor:
    """As it is, and as sure of every answer as the bias says."""
    zeros = (0.0,) * len(NAMES)
    direct.weights = Weights(zeros, (1.0,) * len(NAMES), zeros, bias)
    return direct


OTHER, SAME = "SELECT count(id) + 1 FROM shop", "SELECT count(id) FROM shop"


@pytest.mark.parametrize(
    ("bias", "certainty"), [(3.0, "sure"), (-1.0, "unsure"), (-9.0, "unknown")]
)
def test_an_unsure_answer_has_other_readings_beside_it(bias: float, certainty: str) -> None:
    beam = Beam(GOOD, SAME, OTHER)
    [prediction] = weighed(predictor(beam, Run()), bias).predict(EXAMPLES[:1])
    assert (prediction.sql, prediction.certainty) == (GOOD, certainty)
    assert prediction.confidence == pytest.approx(1 / (1 + math.exp(-bias)))
    assert (prediction.readings, beam.batches) == ((OTHER,), [1, 1])


def test_an_unsure_answer_is_voted_on_by_result() -> None:
    more = [f"SELECT count({name}) + 1 FROM shop" for name in ("*", "id")]
    twice = [more[0], f" {more[0]} "]  # one text is one vote
    for others, chosen in ((more, more[0]), (twice, GOOD)):
        direct = weighed(predictor(Beam(GOOD, *others), Run()), -1.0)
        assert next(direct.predict(EXAMPLES[:1])).sql == chosen


def test_a_candidate_is_as_likely_as_it_makes_the_question() -> None:
    class Scored(Beam):
        def score(self, prompts: Sequence[Prompt], text: str) -> list[float]:
            assert text == EXAMPLES[0].question
            assert all("Which question" in prompt.text for prompt in prompts)
            return [-1.0 if "+ 1" in prompt.text else -9.0 for prompt in prompts]

    direct = weighed(predictor(Scored(GOOD, OTHER), Run()), -1.0)
    assert next(direct.predict(EXAMPLES[:1])).sql == OTHER
    follow_up = replace(EXAMPLES[0], previous=Turn("How many?", GOOD))
    assert next(direct.predict([follow_up])).sql == GOOD  # "and in 2023?" says too little


def test_what_is_hardly_meant_loses_to_any_other_candidate() -> None:
    twice = "SELECT town, town FROM shop"
    beam = Beam(twice, GOOD, share=0.9)
    [prediction] = weighed(predictor(beam, Run()), 9.0).predict(EXAMPLES[:1])
    assert (prediction.sql, beam.batches) == (GOOD, [1, 1])
    assert answer(Beam(twice, BROKEN)).sql == twice


def test_a_model_that_finds_no_answer_declines_and_leaves_a_guess() -> None:
    direct = weighed(predictor(Beam("SELECT NULL", GOOD), Run()), -9.0)
    question = replace(EXAMPLES[0], question="how many shops are there?")
    [guess] = direct.predict([question])
    assert (guess.sql, guess.certainty) == (GOOD, "unknown")
    assert "nothing in this database" in guess.doubt
    assert guess.features[NAMES.index("none")] == 0
    assert answer(Beam("SELECT NULL", "select null;")).sql is None
