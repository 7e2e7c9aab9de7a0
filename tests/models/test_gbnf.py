from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher

from txt2sql.errors import ModelError
from txt2sql.models.gbnf import to_lark


@pytest.mark.parametrize(
    ("gbnf", "says"),
    [
        ('root ::= "a" other', "lacks the rule 'other'"),
        ('start ::= "a"', "lacks the rule 'root'"),
        ('root ::= "a"\nroot ::= "b"', "defines rule 'root' twice"),
        ('root ::= "a" ; "b"', "line 1 of the grammar is not GBNF at ';'"),
        ('# comment\n"a" root ::= "b"', "line 2"),
        ('root ::= a-b a_b\na-b ::= "x"\na_b ::= "y"', "differ only in case"),
    ],
)
def test_what_is_not_gbnf_says_so(gbnf: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        to_lark(gbnf)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (r'"say \"hi\"\n"', r'ROOT: "say \"hi\"\n"'),
        (r'"\x41\u00e9"', 'ROOT: "Aé"'),
        ("[^[/&\\]]", r"ROOT: /[^\[\/\&\]]/"),
        ('("a" | "b")* "c"{2,3} # comment', 'ROOT: ( "a" | "b")* "c"{2,3}'),
        (".", r"ROOT: /[^\n]/"),
        ("", 'ROOT: ""'),
    ],
)
def test_each_notation_is_rewritten(rule: str, expected: str) -> None:
    assert to_lark(f"root ::= {rule}").splitlines()[1] == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters='"\\\n'), min_size=1))
def test_any_literal_is_valid(text: str) -> None:
    problem = LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(to_lark(f'root ::= "{text}"')))
    assert problem == ""
