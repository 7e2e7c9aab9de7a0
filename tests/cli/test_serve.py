"""`txt2sql serve` and `txt2sql mcp`: what is wrong is told before anything is loaded."""

from __future__ import annotations

import pytest

from txt2sql.cli.main import main

pytest.importorskip("fastapi", reason="the service needs the extra serve")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["serve", "--host", "0.0.0.0"], "--token or TXT2SQL_TOKEN"),
        (["serve", "--token", ""], "token is empty"),
        (["serve", "--db", "no such file.sqlite"], "no file 'no such file.sqlite'"),
        (["mcp", "--http", "--host", "0.0.0.0"], "--token or TXT2SQL_TOKEN"),
        (["mcp", "--db", "no such file.sqlite"], "no file 'no such file.sqlite'"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    printed = capsys.readouterr()
    assert exit.value.code == 1
    assert printed.out == ""
    assert part in printed.err
    assert len(printed.err.strip().splitlines()) == 1
