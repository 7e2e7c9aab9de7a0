"""DirectPredictor: what it asks, and which answer it takes."""

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
    Prompt,
    QueryResult,
    Sampling,
    Schema,
    Table,
    Turn,
    ValueMatch,
)

SCHEMA = Schema("shop", (Table("shop", (Column("id", "number", True), Column("town"))),))
EXAMPLES = [Example(str(i), "shop", f"question {i}?") for i in range(5)]


class Beam:
    """A generator that gives every prompt the same completions."""

    name = "beam"
    beam_search = True

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.batches: list[int] = []
        self.asked: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        self.batches.append(len(prompts))
        self.asked += prompts
        found = [Completion(text, (math.log(0.5),), 7, 3) for text in self.texts[: sampling.beams]]
        return [found for _ in prompts]


def results(sql: str) -> QueryResult:
    if "town" in sql:
        return QueryResult(error="no such column")
    return QueryResult(("count",), ((None,),) if "max" in sql else ((3,),))


def predictor(beam: Beam, executor: bool = True, **options: object) -> DirectPredictor:
    return DirectPredictor(
        beam,
        {"shop": SCHEMA}.__getitem__,
        lambda example: [ValueMatch("shop", "town", "Lisbon", "lisbon")],
        (lambda db_id, sql: results(sql)) if executor else None,
        PredictorOptions(**options),  # type: ignore[arg-type]
    )


BROKEN, EMPTY, GOOD = (
    "SELECT town FROM shop",
    "SELECT max(id) FROM shop",
    "SELECT count(*) FROM shop",
)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ((BROKEN, EMPTY, GOOD), "SELECT count(*) FROM shop"),
        ((BROKEN, EMPTY), "SELECT max(id) FROM shop"),
        ((BROKEN, BROKEN), "SELECT town FROM shop"),
        (("nonsense", GOOD), "SELECT count(*) FROM shop"),
        (("nonsense", "more of it"), None),
    ],
)
def test_the_likeliest_candidate_that_runs_is_taken(
    candidates: tuple[str, ...], expected: str | None
) -> None:
    chosen = next(predictor(Beam(*candidates), beams=3).predict(EXAMPLES[:1]))
    assert chosen.sql == expected


@pytest.mark.parametrize(
    ("candidates", "expected", "batches"),
    [
        ((GOOD, EMPTY), "SELECT count(*) FROM shop", [1]),
        ((BROKEN, GOOD), "SELECT count(*) FROM shop", [1, 1]),
        ((EMPTY, BROKEN, GOOD), "SELECT count(*) FROM shop", [1, 1]),
        (("nonsense", GOOD), "SELECT count(*) FROM shop", [1, 1]),
        ((EMPTY, BROKEN), "SELECT max(id) FROM shop", [1, 1]),
        ((BROKEN, BROKEN), "SELECT town FROM shop", [1, 1]),
    ],
)
def test_an_answer_that_fails_or_says_nothing_is_decoded_anew_with_a_beam(
    candidates: tuple[str, ...], expected: str, batches: list[int]
) -> None:
    beam = Beam(*candidates)
    answer = next(predictor(beam, second_beams=3).predict(EXAMPLES[:1]))
    assert answer.sql == expected
    assert beam.batches == batches


def test_a_model_that_tells_no_probabilities_has_no_confidence() -> None:
    class Silent(Beam):
        def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
            return [[Completion(text) for text in self.texts[: sampling.beams]] for _ in prompts]

    assert next(predictor(Silent(GOOD)).predict(EXAMPLES[:1])).confidence is None


def test_the_beam_can_be_left_out() -> None:
    beam = Beam(BROKEN, GOOD)
    assert next(predictor(beam, second_beams=0).predict(EXAMPLES[:1])).sql == (
        "SELECT town FROM shop"
    )
    assert beam.batches == [1]


def test_a_generator_without_beam_search_is_asked_once() -> None:
    beam = Beam(BROKEN, GOOD)
    beam.beam_search = False
    assert next(predictor(beam).predict(EXAMPLES[:1])).sql == "SELECT town FROM shop"
    assert beam.batches == [1]


def test_only_the_failures_of_a_batch_are_asked_again() -> None:
    class Mixed(Beam):
        def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
            found = super().generate(prompts, sampling)
            good = [Completion(GOOD, (-0.1,), 7, 3)]
            return [good if "question 1" in p.text else f for p, f in zip(prompts, found)]

    beam = Mixed(BROKEN, EMPTY)
    answers = list(predictor(beam, batch_size=3).predict(EXAMPLES[:3]))
    assert beam.batches == [3, 2]
    assert [answer.sql for answer in answers] == [
        "SELECT max(id) FROM shop",
        "SELECT count(*) FROM shop",
        "SELECT max(id) FROM shop",
    ]


def test_without_an_executor_the_likeliest_is_taken() -> None:
    answer = next(predictor(Beam(BROKEN, GOOD), executor=False, beams=2).predict(EXAMPLES[:1]))
    assert answer.sql == "SELECT town FROM shop"
    assert answer.candidates == ("SELECT town FROM shop", "SELECT count(*) FROM shop")


def test_predictions_come_in_order_and_in_batches() -> None:
    beam = Beam(GOOD)
    made = list(predictor(beam, batch_size=2).predict(EXAMPLES))
    assert [prediction.example_id for prediction in made] == ["0", "1", "2", "3", "4"]
    assert beam.batches == [2, 2, 1]


def test_confidence_tokens_and_time_are_told() -> None:
    answer = next(predictor(Beam(GOOD)).predict(EXAMPLES[:1]))
    assert answer.confidence == pytest.approx(0.5)
    assert answer.tokens == (7, 3)
    assert answer.seconds > 0


def test_the_prompt_has_matches_grammar_and_the_turn_before() -> None:
    turn = Turn("Which towns?", "SELECT town FROM shop")
    followed = [replace(EXAMPLES[0], previous=turn)]
    beam = Beam("SELECT 1")
    list(predictor(beam, executor=False).predict(followed))
    list(predictor(beam, executor=False, constrained=False).predict(EXAMPLES[:1]))
    assert 'TABLE: "shop"' in (beam.asked[0].grammar or "")
    assert beam.asked[1].grammar is None
    assert "Lisbon" in beam.asked[0].text
    assert ["Which towns?" in prompt.text for prompt in beam.asked] == [True, False]


def test_sql_text_is_cut_from_prose() -> None:
    beam = Beam("Sure:\n```sql\nSELECT town FROM shop;\n```")
    assert next(predictor(beam).predict(EXAMPLES[:1])).sql == "SELECT town FROM shop"


STAFF = Table("staff", (Column("shop_id", "number"), Column("name"), Column("Shift Plan")))
TWO = Schema("shop", (*SCHEMA.tables, STAFF), (ForeignKey("staff", "shop_id", "shop", "id"),))
GHOST, OTHER_GHOST, MENDED = (
    "SELECT budget FROM shop",
    'SELECT "Budget" FROM staff',
    "SELECT town FROM staff",
)


def writer(beam: Beam, ran: list[str] | None, **options: object) -> DirectPredictor:
    """A predictor of a model that writes SQL over two tables; `ran` gets what is run."""

    def run(db_id: str, sql: str) -> QueryResult:
        assert ran is not None
        ran.append(sql)
        return QueryResult(("n",), ((1,),))

    return DirectPredictor(
        beam,
        {"shop": TWO}.__getitem__,
        lambda example: (),
        run if ran is not None else None,
        PredictorOptions(**options),  # type: ignore[arg-type]
    )


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
    ran: list[str] = []
    beam = Beam(faulty, "SELECT name FROM staff", "SELECT id FROM shop")
    answer = next(writer(beam, ran, second_beams=3).predict(EXAMPLES[:1]))
    assert (answer.sql, answer.repaired, answer.problem) == ("SELECT name FROM staff", False, "")
    assert answer.candidates == ("SELECT name FROM staff", "SELECT id FROM shop")
    assert {*ran} == {"SELECT name FROM staff", "SELECT id FROM shop"}
    assert beam.batches == [1, 1]  # the greedy answer was faulty, so the beam was decoded


def test_a_candidate_that_can_be_repaired_is_and_says_so() -> None:
    ran: list[str] = []
    answer = next(writer(Beam(MENDED, GHOST), ran).predict(EXAMPLES[:1]))
    assert answer.sql == "SELECT town FROM staff JOIN shop ON shop.id = staff.shop_id"
    assert answer.repaired
    assert set(ran) == {answer.sql}


def test_where_no_candidate_may_be_run_the_answer_is_a_sentence() -> None:
    ran: list[str] = []
    answer = next(writer(Beam(GHOST, OTHER_GHOST), ran).predict(EXAMPLES[:1]))
    assert (answer.sql, answer.candidates, ran) == (None, (), [])
    assert answer.problem == (
        "the model wrote SQL with a column that its tables do not have (budget); ask in other words"
    )


def test_without_an_executor_a_faulty_answer_loses_too() -> None:
    beam = Beam(GHOST, MENDED)
    answer = next(writer(beam, None, beams=2).predict(EXAMPLES[:1]))
    assert answer.sql == "SELECT town FROM staff JOIN shop ON shop.id = staff.shop_id"
    assert answer.repaired


def test_the_whole_schema_counts_not_what_fits_the_prompt() -> None:
    wide = Table("wide", tuple(Column(f"column_{i}") for i in range(5000)))
    asked = writer(Beam("SELECT column_4999 FROM wide"), [], constrained=False)
    asked.schemas = lambda db_id: replace(TWO, tables=(*TWO.tables, wide))
    prompt = asked.prompt(EXAMPLES[0])
    assert "column_4999" not in prompt.text
    assert next(asked.predict(EXAMPLES[:1])).sql == "SELECT column_4999 FROM wide"


def test_an_engine_that_refuses_unknown_names_itself_gets_the_models_own_sql() -> None:
    ran: list[str] = []
    asked = writer(Beam("SELECT s.town FROM shop s, LATERAL f(s.id)"), ran)
    asked.schemas = lambda db_id: replace(TWO, dialect="postgres")
    answer = next(asked.predict(EXAMPLES[:1]))
    assert answer.sql == "SELECT s.town FROM shop s, LATERAL f(s.id)"


@pytest.mark.parametrize(
    ("bias", "certainty", "readings"),
    [
        (3.0, "sure", ()),
        (-1.0, "unsure", ("SELECT count(id) + 1 FROM shop",)),
        (-9.0, "unknown", None),
    ],
)
def test_an_unsure_answer_has_other_readings_beside_it(
    bias: float, certainty: str, readings: tuple[str, ...] | None
) -> None:
    other, same = "SELECT count(id) + 1 FROM shop", "SELECT count(id) FROM shop"
    beam = Beam(GOOD, same, other)
    direct = predictor(beam)
    direct.executor = lambda _, sql: QueryResult(("n",), ((4 if "+ 1" in sql else 3,),))
    zeros = (0.0,) * len(NAMES)
    direct.weights = Weights(zeros, (1.0,) * len(NAMES), zeros, bias)
    [prediction] = direct.predict(EXAMPLES[:1])
    assert prediction.sql == GOOD
    assert prediction.certainty == certainty
    assert prediction.confidence == pytest.approx(1 / (1 + math.exp(-bias)))
    assert prediction.readings == (readings if readings is not None else (other,))
    assert len(prediction.features) == len(NAMES)
    assert beam.batches == ([1] if certainty == "sure" else [1, 1])


def unsure(direct: DirectPredictor) -> DirectPredictor:
    """As it is, with results of 3, or 4 where one is added, and sure of nothing."""
    direct.executor = lambda _, sql: QueryResult(("n",), ((4 if "+ 1" in sql else 3,),))
    zeros = (0.0,) * len(NAMES)
    direct.weights = Weights(zeros, (1.0,) * len(NAMES), zeros, -1.0)
    return direct


def test_an_unsure_answer_is_voted_on_by_result() -> None:
    more = [f"SELECT count({name}) + 1 FROM shop" for name in ("*", "id")]
    assert next(unsure(predictor(Beam(GOOD, *more))).predict(EXAMPLES[:1])).sql == more[0]
    twice = [more[0], f" {more[0]} "]  # one text is one vote
    assert next(unsure(predictor(Beam(GOOD, *twice))).predict(EXAMPLES[:1])).sql == GOOD


@pytest.mark.parametrize(("channel", "chosen"), [(0.3, 1), (0.0, 0)])
def test_a_candidate_is_as_likely_as_it_makes_the_question(channel: float, chosen: int) -> None:
    texts = (GOOD, "SELECT count(*) + 1 FROM shop")

    class Scored(Beam):
        def score(self, prompts: Sequence[Prompt], text: str) -> list[float]:
            assert text == EXAMPLES[0].question
            assert all("Which question" in prompt.text for prompt in prompts)
            return [-1.0 if "+ 1" in prompt.text else -9.0 for prompt in prompts]

    direct = unsure(predictor(Scored(*texts), channel=channel))
    assert next(direct.predict(EXAMPLES[:1])).sql == texts[chosen]
    follow_up = replace(EXAMPLES[0], previous=Turn("How many?", GOOD))
    assert next(direct.predict([follow_up])).sql == GOOD  # "and in 2023?" says too little


def test_what_speaks_against_an_answer_is_told() -> None:
    direct = predictor(Beam(EMPTY))
    zeros = (0.0,) * len(NAMES)
    direct.weights = Weights(zeros, (1.0,) * len(NAMES), zeros, -9.0)
    question = replace(EXAMPLES[0], question="how many llamas are there?")
    assert "'llamas'" in next(direct.predict([question])).doubt
    question = replace(EXAMPLES[0], question="how many shops are there?")
    assert "no row" in next(direct.predict([question])).doubt
