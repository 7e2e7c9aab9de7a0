"""`txt2sql adapt`: wrong use is told, adapters in use are listed and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from txt2sql.execution.database import open_database
from txt2sql.models import adapters

from .conftest import Command


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "no such model"], "no model 'no such model'"),
        (["--set", "steps=0"], "steps must be 1 or more"),
        (["--pairs", "none.tsv"], "cannot read pairs"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    options: list[str], message: str, shop: Path, refused: Callable[..., str]
) -> None:
    assert message in refused("adapt", "--db", shop, *options)


def test_adapters_in_use_are_listed_and_forgotten(
    shop: Path, tmp_path: Path, txt2sql: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    assert "no adapter is in use" in txt2sql("adapt", "--list").out
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    adapters.put_to_use(open_database(shop).schema(), shop, folder, "bundled", {})
    [entry] = txt2sql("adapt", "--list", "--json").json
    assert (entry["name"], entry["path"]) == ("bundled+shop", str(shop))
    assert "bundled+shop" in txt2sql("adapt", "--list").out
    assert txt2sql("adapt", "--db", shop, "--forget").code == 0
    assert txt2sql("adapt", "--list", "--json").json == []
