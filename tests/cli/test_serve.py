"""`txt2sql serve` and `txt2sql mcp`: what is wrong is told before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from txt2sql import sample

pytest.importorskip("fastapi", reason="the service needs the extra serve")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["serve", "--host", "0.0.0.0"], "--token or TXT2SQL_TOKEN"),
        (["serve", "--token", ""], "token is empty"),
        (["mcp", "--http", "--host", "0.0.0.0"], "--token or TXT2SQL_TOKEN"),
        (["serve", "--db", "none.sqlite"], "no file 'none.sqlite'"),
        (["serve", "--db", str(sample.path()), "--db", "none.sqlite"], "no file 'none.sqlite'"),
        (["mcp", "--db", "a", "--db", "b", "--describe", "x"], "--describe is of one database"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    arguments: list[str], part: str, refused: Callable[..., str]
) -> None:
    assert part in refused(*arguments)
