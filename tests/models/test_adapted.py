"""The registry of adapters: by schema, robust to damage, honest about what it cannot use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from txt2sql.models import adapted
from txt2sql.types import Column, Schema, Table

SHOP = Schema(
    "shop", (Table("shop", (Column("id"), Column("city"))), Table("sale", (Column("id"),)))
)


@pytest.fixture(autouse=True)
def _empty_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Files that look like a model's."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def used(tmp_path: Path, model: Path) -> adapted.Adapted:
    """An adapter in use for SHOP."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return adapted.put_to_use(SHOP, tmp_path / "shop.sqlite", folder, str(model), {"n": 3})


def test_nothing_is_found_where_nothing_was_adapted(tmp_path: Path) -> None:
    assert adapted.find(SHOP, tmp_path / "shop.sqlite") == (None, "")
    assert list(adapted.entries()) == []
    assert adapted.forget(SHOP) is False


def test_another_schema_is_another_fingerprint() -> None:
    renamed = replace(SHOP, tables=(Table("shop", (Column("id"), Column("town"))), SHOP.tables[1]))
    moved = replace(SHOP, tables=(Table("shop", (Column("id"),)), Table("sale", (Column("id"), Column("city")))))  # fmt: skip
    prints = {adapted.fingerprint(each) for each in (SHOP, renamed, moved, Schema("shop", ()))}
    assert len(prints) == 4


def test_order_case_types_and_names_of_files_do_not_matter(
    used: adapted.Adapted, tmp_path: Path
) -> None:
    other = Schema(
        "copy",
        (Table("SALE", (Column("ID", "number"),)), Table("Shop", (Column("City"), Column("Id")))),
    )
    found, notice = adapted.find(other, tmp_path / "elsewhere" / "copy.sqlite")
    assert found == used
    assert notice == ""
    assert found.name == "model+shop"


def test_a_changed_schema_is_told_and_the_plain_model_answers(
    used: adapted.Adapted, tmp_path: Path
) -> None:
    changed = replace(SHOP, tables=SHOP.tables[:1])
    found, notice = adapted.find(changed, tmp_path / "shop.sqlite")
    assert found is None
    assert "others than when it was adapted to" in notice
    assert adapted.find(changed, tmp_path / "never seen.sqlite") == (None, "")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (adapted.FILE, "{"),
        (adapted.FILE, "[]"),
        (adapted.FILE, '{"base": 3}'),
        (adapted.FILE, None),
        ("adapter_config.json", None),
    ],
)
def test_a_damaged_entry_is_passed_over_with_a_notice(
    used: adapted.Adapted, tmp_path: Path, file: str, content: str | None
) -> None:
    if content is None:
        (used.folder / file).unlink()
    else:
        (used.folder / file).write_text(content)
    found, notice = adapted.find(SHOP, tmp_path / "shop.sqlite")
    assert found is None
    assert "is damaged" in notice
    assert "\n" not in notice
    assert list(adapted.entries()) == []


def test_an_adapter_for_other_weights_is_not_used(
    used: adapted.Adapted, model: Path, tmp_path: Path
) -> None:
    (model / "model.safetensors").write_bytes(b"Weights")
    found, notice = adapted.find(SHOP, tmp_path / "shop.sqlite")
    assert found is None
    assert "other weights" in notice
    (model / "config.json").unlink()
    found, notice = adapted.find(SHOP, tmp_path / "shop.sqlite")
    assert found is None
    assert "holds no model" in notice


def test_a_later_adapter_takes_the_place_of_an_earlier_one(
    used: adapted.Adapted, model: Path, tmp_path: Path
) -> None:
    again = adapted.put_to_use(SHOP, tmp_path / "b.sqlite", tmp_path / "adapter", str(model), {})
    assert [each.path for each in adapted.entries()] == [str(tmp_path / "b.sqlite")]
    assert again.folder == used.folder
    assert json.loads((again.folder / adapted.FILE).read_text())["measured"] == {}
    assert [p.name for p in again.folder.parent.iterdir()] == [again.folder.name]
    assert adapted.forget(SHOP) is True
    assert adapted.find(SHOP, tmp_path / "b.sqlite") == (None, "")
