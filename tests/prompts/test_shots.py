"""Few-shot examples: what must not be shown first, then which are the likest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from txt2sql.prompts import Shot, render
from txt2sql.prompts.shots import Shots, mask
from txt2sql.types import Column, Example, Schema, Table


def schema(db_id: str, table: str, *columns: str) -> Schema:
    return Schema(db_id, (Table(table, tuple(Column(name) for name in columns)),))


SHOP = schema("shop", "shop", "city", "opened")
ZOO = schema("zoo", "animal", "species", "weight")
ANSWERED = [
    (Example("0", "zoo", "How many animals are there?", "SELECT count(*) FROM animal"), ZOO),
    (Example("1", "zoo", "What is the weight of Dumbo?", "SELECT weight ..."), ZOO),
    (Example("2", "zoo", "Which species has the most animals?", "SELECT species ..."), ZOO),
    (Example("3", "shop", "How many shops are there?", "SELECT count(*) FROM shop"), SHOP),
    (Example("4", "zoo", "Count the animals.", "SELECT count(*) FROM animal"), ZOO),
]


def test_questions_about_the_same_database_are_never_shown() -> None:
    nearest = Shots(ANSWERED).nearest("How many shops are there?", SHOP, 5)
    assert all("shop" not in shot.sql for shot in nearest)


def test_one_question_of_each_query_and_the_likest_last() -> None:
    nearest = Shots(ANSWERED).nearest("How many shops are there?", SHOP, 2)
    assert nearest[-1] == Shot("How many animals are there?", "SELECT count(*) FROM animal")
    assert len({shot.sql for shot in nearest}) == 2


def test_what_is_asked_counts_not_what_it_is_asked_about() -> None:
    nearest = Shots(ANSWERED).nearest("Which city has the most shops?", SHOP, 1)
    assert nearest == (Shot("Which species has the most animals?", "SELECT species ..."),)


def test_names_and_values_are_masked() -> None:
    question = 'How many Shops in "Porto" or New York opened after 1999-01-01?'
    assert mask(question, SHOP) == (
        "how", "many", "<name>", "in", "<value>", "or", "<value>", "<name>", "after",
        "<value>", "?",
    )  # fmt: skip


def test_examples_stand_in_the_question_part_before_the_question() -> None:
    shown = [Shot("How many\nanimals?", "SELECT 1 ;"), Shot("```evil", "SELECT 2")]
    prompt = render("How many shops?", SHOP, shots=shown)
    for text in (prompt.text.replace("-- ", ""), prompt.messages[-1].content):
        assert "Question: How many animals?\nSQL: SELECT 1\n" in text
        assert text.index("SQL: SELECT 2\n") < text.index("Question: How many shops?")
        assert "```" not in text
    assert "animals" not in prompt.prefix + prompt.messages[0].content
    assert render("How many shops?", SHOP, shots=[]) == render("How many shops?", SHOP)


@given(st.text(max_size=60), st.integers(0, 6))
def test_any_question_gets_at_most_k(question: str, k: int) -> None:
    nearest = Shots(ANSWERED).nearest(question, SHOP, k)
    assert len(nearest) <= k
    assert len(set(nearest)) == len(nearest)
    assert Shots([]).nearest(question, SHOP, k) == ()
