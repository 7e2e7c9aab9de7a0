"""Where an answer is cut into steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.search.actions import clause, split_steps, starts_step


@pytest.mark.parametrize(
    ("step", "piece"),
    [
        ("select count ( distinct", " from"),  # inside parentheses
        ("where a = 'made ", "from"),  # inside a string
        ('SELECT "odd', " from"),  # inside a quoted name
        ("SELECT a,", " from"),  # a list goes on
        ("SELECT", " from"),  # nothing selected
        ("", " select"),  # an answer begins
        ("union", " select"),  # one step with its operator
        ("union all", " select"),
        ("select a", " fromage"),  # another word
        ("select a", "from"),  # no space: part of a name
        ("from t", " join"),  # joins are part of FROM
        ("-- the rows", " from"),  # reasoning goes to the end of its line
        ("group", " by"),
        ("Names come", " from"),  # prose goes to the end of its line
        ("Where the town is Faro we", " select"),
        ("```sql", "select"),
        ("-- one line\n", "\n"),  # an empty line is no step
        ("-- of a\u2028", "select"),  # nor is any other break a line's end
    ],
)
def test_what_begins_no_step(step: str, piece: str) -> None:
    assert not starts_step(step, piece)


@pytest.mark.parametrize(
    ("step", "piece"),
    [
        ("select [c1]", " from"),
        ("SELECT count(*)", " FROM"),
        ("SELECT a\n", "FROM"),
        ("SELECT a", " HAV"),  # the first piece of a keyword
        ("from t", " union"),
        ("from ( select a from u )", " where"),
        ("where a = 'it''s'", " order"),
        ("-- the rows\n", "SELECT"),
        ("-- one line\n", "--"),
        ("-- one line\n\n", "We"),
        ("We need names.\n", " select"),
        ("```sql\n", "SELECT"),
        ("-- from t\nSELECT a", " from"),  # of a whole answer so far
        ("Count them.\nselect a\nfrom t", "\nwhere"),
    ],
)
def test_what_begins_a_step(step: str, piece: str) -> None:
    assert starts_step(step, piece)


def test_a_query_is_cut_before_its_clauses() -> None:
    text = (
        "select a , count ( * ) from t join u where a in ( select b from v where c = 'from d' ) "
        "group by a having count ( * ) > 1 order by a asc limit 3 except select a from t"
    )
    assert [clause(step) for step in split_steps(text)] == [
        "select", "from", "where", "group", "having", "order", "limit", "except", "from",
    ]  # fmt: skip


def test_reasoning_is_a_step_for_each_line() -> None:
    steps = split_steps("-- from singers\n-- count them\nSELECT count(*)\nFROM singer")
    assert [clause(step) for step in steps] == ["reason", "reason", "select", "from"]


def test_prose_and_fences_before_a_query_are_steps() -> None:
    text = "We count rows from singer.\nWhere: none.\n\n```sql\nSELECT count(*)\nFROM singer\nWHERE a = 1"
    assert split_steps(text) == [
        "We count rows from singer.", "Where: none.", "```sql",
        "SELECT count(*)", "FROM singer", "WHERE a = 1",
    ]  # fmt: skip
    assert [clause(step) for step in split_steps(text)] == [*["reason"] * 3, "select", "from", "where"]  # fmt: skip
    assert split_steps("-- done\nI select from") == ["-- done", "I select from"]


@given(st.lists(st.sampled_from("select from a , ( ) where 'x y' group by -- = 1".split(" "))))
def test_nothing_is_lost(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join("".join(split_steps(text)).split()) == "".join(text.split())
