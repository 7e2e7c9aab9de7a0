"""Hashes change with what they stand for, and with nothing else."""

from __future__ import annotations

from pathlib import Path

from txt2sql.evaluation import provenance


def folder(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_changed_renamed_or_added_file_changes_the_model(tmp_path: Path) -> None:
    first = provenance.model_hash(folder(tmp_path / "a", weights="1", config="2"))
    others = [
        folder(tmp_path / "b", weights="2", config="1"),
        folder(tmp_path / "c", weights="1", configuration="2"),
        folder(tmp_path / "d", weights="1", config="2", tokenizer=""),
    ]
    assert first not in {provenance.model_hash(other) for other in others}


def test_large_files_are_told_apart_by_size_and_samples(tmp_path: Path) -> None:
    size, hashes = 3 << 20, set()
    for content in (bytes(size), bytes(size + 1), bytes(size - 1) + b"x", b"x" + bytes(size - 1)):
        (tmp_path / "file").write_bytes(content)
        hashes.add(provenance.file_hash(tmp_path / "file", whole=1 << 20))
    assert len(hashes) == 4
