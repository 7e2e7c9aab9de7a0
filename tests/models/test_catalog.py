from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.errors import ModelError
from txt2sql.models.catalog import resolve, sources


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("phi-3", "did you mean phi-2"),
        ("gpt-9000", "did you mean gpt-4"),
        ("zzzzzzzz", "known names: bundled"),
        ("checkpoints/rstar/round_5", "or a folder that holds one"),
    ],
)
def test_an_unknown_name_says_what_to_do(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        resolve(name)


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        resolve(tmp_path)
    for text, reason in (("{", "is damaged"), ("[]", "not a JSON object")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError, match=reason):
            resolve(tmp_path)


def test_adapters_over_each_other_are_refused(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / one).mkdir()
        config = {"base_model_name_or_path": str(tmp_path / other)}
        (tmp_path / one / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="made over itself"):
        sources(resolve(tmp_path / "a"))
