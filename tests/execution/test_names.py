"""Natural names: what a person would call a table or a column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.execution.names import natural_name


@pytest.mark.parametrize(
    ("table", "name", "words"),
    [
        ("", "singerID_in_Show2", "singer id in show 2"),
        ("", "HTTPServer", "http server"),
        ("", "___", ""),
        ("", "EmpFname", "employee first name"),
        ("invoice", "inv_no", "invoice number"),  # explained by its own table alone
        ("payment", "inv_no", "inv number"),
        ("work_order", "wo_no", "work order number"),
        # whole words stay
        ("answers", "no", "no"),  # alone, a short one may be a word
        ("Addresses", "address_id", "address id"),
        ("community", "city_name", "city name"),  # a word of its own, though c-i-t-y is in there
    ],
)
def test_natural_names(table: str, name: str, words: str) -> None:
    assert natural_name(name, table) == words


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_identifier_has_words_without_marks(name: str, table: str) -> None:
    words = natural_name(name, table)
    assert "_" not in words
    assert words == " ".join(words.split())
