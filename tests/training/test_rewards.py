"""Rewards: a wrong answer never outscores a right one, and what only looks right is worth nothing."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from txt2sql.training.rewards import (
    PRESETS,
    REWARDS,
    Judged,
    brevity,
    check_weights,
    component,
    executes,
    execution,
    format_,
    parts,
    worth,
)
from txt2sql.types import Outcome

SHOP = frozenset({"shop"})
share = st.floats(0, 1)
judged = st.builds(
    Judged,
    st.sampled_from(Outcome),
    component=share,
    reads=st.none() | st.frozensets(st.sampled_from(["shop", "sale", "sqlite_master"])),
    gold_reads=st.frozensets(st.sampled_from(["shop", "sale"])),
    empty=st.booleans(),
    several=st.booleans(),
    ended=st.booleans(),
    length=share,
)
wrongs = judged.filter(lambda each: not each.right)
rights = st.builds(
    Judged, st.just(Outcome.CORRECT), component=share, reads=st.just(SHOP), gold_reads=st.just(SHOP),
    ended=st.booleans(), length=share,
)  # fmt: skip
weights = st.dictionaries(st.sampled_from(list(REWARDS)), st.floats(-2, 2, width=32), min_size=1)


def right(**changes: object) -> Judged:
    return Judged(Outcome.CORRECT, **{"reads": SHOP, "gold_reads": SHOP, **changes})  # type: ignore[arg-type]


def wrong(outcome: Outcome = Outcome.WRONG_RESULT, **changes: object) -> Judged:
    return Judged(outcome, **{"reads": SHOP, "gold_reads": SHOP, **changes})  # type: ignore[arg-type]


@given(weights, rights, wrongs)
def test_no_wrong_answer_is_worth_as_much_as_a_right_one(
    given_weights: dict[str, float], first: Judged, second: Judged
) -> None:
    """Whatever weights a config may hold."""
    given_weights = {"execution": 2.0, **given_weights}
    try:
        check_weights(given_weights)
    except ValueError:
        assume(False)
    assert first.right and not second.right
    assert worth(first, given_weights) > worth(second, given_weights)


@given(weights)
def test_weights_are_refused_only_where_a_wrong_answer_could_win(
    given_weights: dict[str, float],
) -> None:
    """The worst right answer and the best wrong one that there can be, by trying the ends."""
    ends = [
        {"component": c, "ended": e, "length": n}
        for c in (0.0, 1.0)
        for e in (True, False)
        for n in (0.0, 1.0)
    ]
    worst = min(worth(right(**end), given_weights) for end in ends)
    outcomes = [Outcome.WRONG_RESULT, Outcome.PREDICTION_ERROR, Outcome.NO_SQL]
    tried = [worth(wrong(o, **end), given_weights) for o in outcomes for end in ends]
    best = max(*tried, 0.0)
    if worst <= best:
        with pytest.raises(ValueError, match="more weight"):
            check_weights(given_weights)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"component": 1.0}, "give execution more weight"),
        ({"execution": 0.1, "format": 0.1}, "a wrong answer can be worth 0.1 and a right one 0.1"),
        ({"execution": 1.0, "format": 0.6, "brevity": 0.5}, "format and brevity"),
        ({"execution": 0.0}, "a wrong answer can be worth 0"),
        ({"execution": -1.0}, "right one -1"),
        ({}, "more weight"),
        ({"executoin": 1.0}, "no reward 'executoin'; choose from execution"),
    ],
)
def test_weights_that_would_pay_wrong_answers_are_refused(
    broken: dict[str, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        check_weights(broken)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_hold(preset: str) -> None:
    check_weights(PRESETS[preset])


@pytest.mark.parametrize(
    ("preset", "answer", "value"),
    [
        # As published: 1 for right, 0.1 for what runs, else 0.
        ("sparse", right(component=0.2), 1.0),
        ("sparse", wrong(component=0.9), 0.1),
        ("sparse", wrong(Outcome.PREDICTION_ERROR), 0.0),
        # EX + (1 - EX) (0.1 runs + 0.2 component) + 0.1 format.
        ("dense", right(component=0.2), 1.1),
        ("dense", wrong(component=0.5), 0.3),
        ("dense", wrong(Outcome.TIMEOUT, component=0.5), 0.2),
        ("dense", wrong(Outcome.NO_SQL), 0.0),
        ("dense", wrong(component=0.5, ended=False, length=1.0), 0.1),
        ("mission", right(component=0.2), 2.0),
        ("mission", wrong(component=0.9), 0.9),
    ],
)
def test_what_an_answer_is_worth(preset: str, answer: Judged, value: float) -> None:
    assert worth(answer, PRESETS[preset]) == pytest.approx(value)


@pytest.mark.parametrize(
    "hack",
    [
        right(reads=frozenset()),  # SELECT 5, where 5 is the answer
        right(reads=frozenset({"sale"})),
        right(reads=frozenset({"shop", "sqlite_master"})),
        right(several=True),
        wrong(reads=frozenset({"sqlite_schema"}), component=0.9),
    ],
)
def test_what_only_looks_right_is_worth_nothing(hack: Judged) -> None:
    assert hack.is_hack and not hack.right
    assert set(parts(hack).values()) == {0.0}


def test_the_catalogue_may_be_read_where_the_gold_query_reads_it() -> None:
    names = frozenset({"sqlite_master"})
    assert right(reads=names, gold_reads=names).right


def test_where_the_gold_query_reads_no_table_none_need_be_read() -> None:
    assert right(reads=frozenset(), gold_reads=frozenset()).right


def test_nothing_where_nothing_is_expected_is_luck_unless_the_components_match() -> None:
    lucky = right(empty=True, component=0.9)
    assert not lucky.right and execution(lucky) == 0 and executes(lucky) == 1
    assert component(lucky) == 0.9
    assert right(empty=True, component=1.0).right


def test_a_gold_query_that_fails_makes_every_answer_alike() -> None:
    failed = Judged(Outcome.GOLD_ERROR, component=0.9, reads=SHOP)
    assert set(parts(failed).values()) == {0.0}


def test_format_wants_sql_and_an_end() -> None:
    assert format_(wrong(Outcome.PREDICTION_ERROR)) == 1
    assert format_(wrong(Outcome.NO_SQL)) == 0
    assert format_(right(ended=False)) == 0


def test_brevity_costs_over_the_last_tenth_only_and_being_short_earns_nothing() -> None:
    assert [brevity(right(length=n)) for n in (0.0, 0.5, 0.9)] == [0, 0, 0]
    assert brevity(right(length=0.95)) == pytest.approx(-0.5)
    assert brevity(right(length=1.0)) == brevity(right(length=1.5)) == -1
