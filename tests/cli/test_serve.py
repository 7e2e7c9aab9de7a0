"""`txt2sql serve` and `txt2sql mcp`: what is wrong is told before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from txt2sql import sample
from txt2sql.cli.options import Listening, Target
from txt2sql.cli.serve import _settings
from txt2sql.execution.pool import Limits

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


def test_one_file_in_two_spellings_is_one_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sample.path().parent)
    name, url = sample.path().name, "postgresql://reader@localhost/shop"
    listening, limits = Listening("localhost", None, False, None, 0), Limits()
    spelt = [name, f"./{name}", str(sample.path()), url, url]
    settings, _ = _settings(spelt, Target(None, 5.0, None), listening, 0, limits)
    assert settings.databases == (name, url)
