"""Expressions of one dialect with places for arguments: `_0`, `_1`.

>>> filled("GREATEST(_0, _1)", "postgres", exp.column("a"), exp.column("b")).sql("postgres")
'GREATEST(a, b)'
"""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp

from txt2sql.sql.resolve import Node

_PLACE = re.compile(r"\b_\d\b")


def filled(template: str, dialect: str, *arguments: Node) -> Node:
    """The expression with copies of the arguments in their places."""
    tree = _parsed(template, dialect).copy()
    for column in list(tree.find_all(exp.Column)):
        if _PLACE.fullmatch(column.name):
            column.replace(arguments[int(column.name[1:])].copy())
    return tree


def places(template: str) -> int:
    """How many arguments it takes."""
    return len(set(_PLACE.findall(template)))


@lru_cache(maxsize=256)
def _parsed(template: str, dialect: str) -> Node:
    return sqlglot.parse_one(template, read=dialect)
