"""How Spider's tokeniser cuts; the expected tokens are those of the official evaluator."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql.spider import tokenise


@pytest.mark.parametrize(
    ("sql", "tokens"),
    [
        ("age=3", "age=3"),
        ("age >=3", "age > =3"),
        ("age<>3", "age < > 3"),
        ("age>3", "age > 3"),
        ("a-b a/b a||b a*b", "a-b a/b a||b a * b"),
        ("a,1 1,000 a, b:c", "a,1 1,000 a , b : c"),
        ("a,1 x,,,b x,,1", "a,1 x , , , b x , ,1"),
        ("a,1,", "a,1 ,"),
        ("a--b---c", "a -- b -- -c"),
        ("a..b ...", "a .. b ..."),
        ("``a` $x% {y}", "`` a ` $ x % { y }"),
        ("“name” – don’t", "“ name ” – don ’ t"),
        ("T1.Name. ", "t1.name ."),
        ("count(T1.Name.)", "count ( t1.name . )"),
        ("T1.* FROM", "t1 . * from"),
        ("ORDER BY age. The end", "order by age . the end"),
        ("age > 3. and", "age > 3. and"),
        ("age > 3. The", "age > 3 . the"),
        ("ORDER BY x. The end", "order by x. the end"),
        ("a.;", "a. ;"),
        ("cannot wanna, gonna wanna.x", "can not wan na , gon na wanna.x"),
        ("a > = 3 ! = < = 4", "a >= 3 != <= 4"),
        ("a = = b", "a = = b"),
        ("a\tb\u00a0c\nd", "a b c d"),
        ("ÀÉ", "àé"),
    ],
)
def test_cuts(sql: str, tokens: str) -> None:
    assert tokenise(sql) == tokens.split()


def test_quoted_text_is_one_token_with_its_case() -> None:
    assert tokenise("x = 'New  York; a,b' y \"Z\"") == ["x", "=", '"New  York; a,b"', "y", '"Z"']


def test_glued_quoted_text_is_lost_in_a_word_of_its_place() -> None:
    first, second = tokenise("x='a' x='b'") or []
    assert first != second
    assert '"' not in first + second
    assert tokenise("''''") == ["__val_0_1____val_2_3__"]


@pytest.mark.parametrize("sql", ["'", 'x = "a', "O'Brien", "'O'Brien'"])
def test_an_open_quote_cannot_be_cut(sql: str) -> None:
    assert tokenise(sql) is None


@given(st.text(alphabet=st.sampled_from(" \t\n,.:;()'\"=<>!-`*aT1é“wanna"), max_size=60))
def test_nothing_is_lost_but_white_space(sql: str) -> None:
    tokens = tokenise(sql)
    quotes = sql.replace("'", '"')
    assert (tokens is None) == (quotes.count('"') % 2 == 1)
    if tokens is not None and '"' not in quotes:
        assert "".join(tokens) == "".join(quotes.split()).lower()
        assert all(token and not any(map(str.isspace, token)) for token in tokens)


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "'",
        ",",
        ".",
        " .",
        ".\t",
        "a. ",
        "a.)",
        "1. ",
        "1,.",
        "-",
        "`",
        "= > ",
        "a, 1,",
        "wanna ",
    ],
)
def test_time_is_linear_in_the_text(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    tokenise(text)
    assert time.process_time() - started < 2.0
