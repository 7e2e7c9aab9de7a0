"""Keys: files that do not fit first, then where keys come from and that they are never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.errors import ConfigError
from txt2sql.models.hosted import KEYS_FILE, VARIABLES, Keys, find_keys, warning

SECRET = "sk-proj-Abc123Def456Ghi789"


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for each in VARIABLES.values() for names in each.values() for name in names]:
        monkeypatch.delenv(name, raising=False)


def keys_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def arguments(provider: str, file: Path = KEYS_FILE, api_base: str = "") -> dict[str, str] | None:
    keys = find_keys(provider, file, api_base=api_base)
    return keys.arguments if keys else None


@pytest.mark.parametrize(
    "text",
    [
        f"openai: [{SECRET}]",
        f"openai: {{key: {SECRET}}}",
        f"openai: '{SECRET}\nanthropic: x: y",
        f"- {SECRET}",
    ],
)
def test_a_file_that_does_not_fit_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_keys("openai", keys_file(tmp_path, text))
    assert "Abc123" not in str(caught.value)


def test_without_a_key_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_keys("openai") is None
    assert find_keys("azure", keys_file(tmp_path, "azure: {api_base: 'https://x'}")) is None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF")
    assert find_keys("bedrock") is None


def test_the_file_comes_before_the_environment_and_another_server_gets_no_key_of_the_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    file = keys_file(tmp_path, f"openai: {SECRET}\ngemini: ''")
    monkeypatch.setenv("GOOGLE_API_KEY", "from-google")
    assert arguments("openai", file) == {"api_key": SECRET}
    assert arguments("gemini", file) == {"api_key": "from-google"}
    assert arguments("openai") == {"api_key": "from-environment"}
    server = "http://localhost:8000/v1"
    assert arguments("openai", api_base=server) == {"api_key": "none"}
    monkeypatch.setenv("TXT2SQL_API_KEY", "for-this-server")
    assert arguments("openai", api_base=server) == {"api_key": "for-this-server"}


def test_the_example_has_every_provider_and_no_key() -> None:
    file = Path(__file__).parents[2] / "config" / "api_keys.yaml.example"
    assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) == set(VARIABLES)
    for provider in VARIABLES:
        assert arguments(provider, file) in (None, {"api_key": "none"})


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
@pytest.mark.parametrize(("mode", "warned"), [(0o640, True), (0o600, False)])
def test_loose_permissions_get_a_warning(tmp_path: Path, mode: int, warned: bool) -> None:
    file = keys_file(tmp_path, f"openai: {SECRET}")
    file.chmod(mode)
    assert ("chmod 600" in warning(file)) == warned
    assert warning(tmp_path / "none.yaml") == ""


@pytest.mark.parametrize(
    "text",
    [
        "Bearer sk-proj-Abc123Def456Ghi789",
        "key sk-ant-api03-Abc123Def456Ghi789_x",
        "AIzaSyAbc123Def456Ghi789Jkl012Mno345",
        "AKIAABC123DEF456GHI7",
        "http://user:Abc123Def456@host/v1",
    ],
)
def test_what_is_shaped_like_a_key_is_masked(text: str) -> None:
    shown = Keys({}).mask(text)
    assert "[key]" in shown
    assert "Abc123" not in shown and "ABC123" not in shown


@settings(max_examples=40)
@given(
    st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=6), st.text(), st.text()
)
def test_a_given_secret_never_survives(secret: str, before: str, after: str) -> None:
    masked = Keys({"api_key": secret}).mask(f"{before}{secret}{after}", shapes=False)
    if secret not in f"{before}[key]{after}":
        assert secret not in masked


def test_other_text_stays_and_keys_are_printed_by_name() -> None:
    text = "HTTP 429: rate limit, task-runner at http://localhost:8000/v1 says: none but x"
    assert Keys({"api_key": "none"}).mask(text) == text
    assert repr(Keys({"api_key": SECRET, "api_base": "https://x"})) == "Keys(api_base, api_key)"
