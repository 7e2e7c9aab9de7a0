"""The grammar of the intermediate representation: only what the prompt defines can be said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.intermediate_grammar import intermediate_grammar
from txt2sql.training.tokenizer import build_tokenizer
from txt2sql.types import Links

PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789()*=<>!,.'%+-", "select", "from", "where"]
PIECES += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
LINKS = Links(("a", "b"), tuple(("a", str(i)) for i in range(6)), ("x", "7"))
Accepts = Callable[[str, Links], bool]


@pytest.fixture(scope="module")
def accepts() -> Accepts:
    tokenizer = build_tokenizer(PIECES)
    engine = GrammarEngine(tokenizer, len(tokenizer), [int(tokenizer.eos_token_id)])

    def accepted(text: str, links: Links) -> bool:
        matcher = engine.matcher(intermediate_grammar(links))
        ids = tokenizer(text, add_special_tokens=False).input_ids
        return bool(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())

    return accepted


@pytest.mark.parametrize(
    "text",
    [
        "select [c6] from [t0]",
        "select [c0] from [t2]",
        "select [c0] from [t0] where [c1] = [v2]",
        "select [c0]",
        "select [c0] from [t0] where",
        "select ( [c0] from [t0]",
        "select [c0] from [t0] where [c1] = ' open",
        "select name from [t0]",
        "drop [t0]",
        "select [c0] from [t0] ; select [c0] from [t0]",
        "select [c0] from [t0] where [c1] = ' " + "x " * 9 + "'",
        "select [c0] from [t0] limit 1234567890123",
    ],
)
def test_what_the_prompt_does_not_define_is_refused(accepts: Accepts, text: str) -> None:
    assert not accepts(text, LINKS)


@pytest.mark.parametrize(
    "text",
    [
        "select count ( * ) from [t0]",
        "select distinct [c0] , avg ( [c1] ) from [t0] join [t1] group by [c0]",
        "select [c0] from [t0] where [c1] > = [v1] and [c2] ! = [v0] or [c3] < 2.5",
        "select [c0] from [t0] where [c1] not in ( select [c4] from [t1] )",
        "select [c0] from [t0] where [c1] like % [v0] % and [c2] is not null",
        "select [c0] from [t0] where [c1] between 1 and [v1] order by [c2] desc , [c3] asc limit 1",
        "select a . [c0] from [t0] as a join [t0] as b on a . [c1] = b . [c2]",
        "select [c0] from [t0] where [c1] = ' new york '",
        "select [c0] from [t0] intersect select [c4] from [t1]",
        "select count ( * ) from ( select [c0] from [t0] group by [c0] having count ( * ) > 1 )",
    ],
)
def test_every_form_of_an_answer_is_accepted(accepts: Accepts, text: str) -> None:
    assert accepts(text, LINKS)


def test_without_values_none_can_be_named(accepts: Accepts) -> None:
    bare = Links(LINKS.tables, LINKS.columns)
    assert accepts("select [c0] from [t0] where [c1] = 3", bare)
    assert not accepts("select [c0] from [t0] where [c1] = [v0]", bare)


HELD = Links(LINKS.tables, LINKS.columns, ("oslo", "7", "rome", "x"), ((1, 0), (1, 2), (3, 1)))


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ("[c2] = [v0]", False),
        ("[c1] > [v0]", False),
        ("[c1] between [v0] and [v2]", False),
        ("[c2] in ( [v0] , [v2] )", False),
        ("[c2] like % [v0] %", False),
        ("[c2] = [v3] or [c2] = [v0]", False),
        ("[c1] = [v0]", True),
        ("a . [c1] ! = [v2]", True),
        ("[c1] not in ( [v0] , [v2] , [v3] )", True),
        ("[c1] like % [v0] %", True),
        ("[c1] = [v3]", True),
        ("[c2] = [v3]", True),
        ("[c2] > = [v1]", True),
        ("( [c1] = [v0] or [c2] < [v1] ) and [c1] = [c2]", True),
    ],
)
def test_a_cell_is_compared_with_the_columns_that_hold_it(
    accepts: Accepts, condition: str, allowed: bool
) -> None:
    assert accepts(f"select [c0] from [t0] where {condition}", HELD) is allowed


def test_when_every_value_is_a_cell_the_other_columns_have_none(accepts: Accepts) -> None:
    links = Links(LINKS.tables, LINKS.columns, ("oslo",), ((1, 0),))
    assert accepts("select [c0] from [t0] where [c1] = [v0] and [c2] = ' x '", links)
    assert not accepts("select [c0] from [t0] where [c2] = [v0]", links)
