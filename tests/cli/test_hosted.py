"""`txt2sql evaluate` with a hosted model: wrong use first, then runs that go on, and no key anywhere."""

from __future__ import annotations

import json
import re
import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main
from txt2sql.runs import cache_dir

from .conftest import Command

if not find_spec("litellm"):  # looked for, not imported: that takes seconds
    pytest.skip("needs the extra api", allow_module_level=True)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
STUB = Path(__file__).parents[1] / "fixtures" / "stub_provider.py"
StubProvider = runpy.run_path(str(STUB))["StubProvider"]
SECRET = "sk-proj-Abc123Def456Ghi789Jkl012Mno345"
KEY_SHAPED = re.compile(r"sk-proj-\w{8,}|sk-ant-\w{8,}|AIza\w{8,}|Abc123Def456")
ANSWERS = {
    "How many shops are there?": "```sql\nSELECT count(*) FROM shop\n```",
    "Which cities have a shop?": "SELECT DISTINCT city FROM shop;",
    "Which shop is the oldest?": "SELECT id FROM shop ORDER BY opened LIMIT 1",
    "Which shops are in Lisbon?": "SELECT id FROM shop",
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TXT2SQL_API_KEY", SECRET)
    (tmp_path / "config").mkdir()
    prices = {name: {"input": 30, "output": 60} for name in ("openai-stub", "anthropic-claude-3")}
    asking = {"first_wait_s": 0.01, "timeout_s": 2.0, "give_up_after": 2, "concurrency": 1}
    content = {"models": {}, "generalists": {"asking": asking, "prices": prices}}
    (tmp_path / "config" / "model_config.yaml").write_text(json.dumps(content), encoding="utf-8")


def test_what_got_no_answer_is_told_and_asked_again_and_nothing_twice(
    shops: Path, txt2sql: Command
) -> None:
    stub = StubProvider(ANSWERS)
    with stub as url:
        command = ("evaluate", "--dataset", shops, "--model", f"api:openai/stub@{url}/v1", "--json")
        done = txt2sql(*command, "--max-cost", "0.26")
        assert done.code == 1
        answered = done.json["metrics"]["execution_accuracy"]["n"]
        assert 0 < answered < 4
        [(reason, missing)] = done.json["unanswered"].items()
        assert "budget of $0.26" in reason and missing == 4 - answered
        assert f"{missing} of 4 questions got no answer" in done.err
        whole, again = (txt2sql(*command, "--max-cost", "9") for _ in range(2))
    assert whole.code == again.code == 0
    assert set(stub.answered.values()) == {1} and sum(stub.asked.values()) == 4
    for report in (whole.json, again.json):
        accuracy = report["metrics"]["execution_accuracy"]
        assert (accuracy["mean"], accuracy["n"]) == (0.75, 4)
        assert report["cost"]["total"] == pytest.approx(stub.bill)
        assert report["tokens"]["n"] == report["cost"]["n"] == 4
        assert report["unanswered"] == {}


@pytest.mark.parametrize(
    ("route", "fault"),
    [
        ("openai/stub", ""),
        ("openai/stub", "echo"),
        ("gemini/gemini-2.5-pro", "401"),
        ("anthropic/claude-3", "401"),
    ],
)
def test_no_key_is_left_in_files_output_or_logs(
    shops: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    route: str,
    fault: str,
) -> None:
    caplog.set_level("DEBUG")
    stub: Any = StubProvider(ANSWERS, echo_key=fault == "echo")
    stub.always = "" if fault == "echo" else fault
    with stub as url, pytest.raises(SystemExit) as ended:
        model = f"api:{route}@{url}{'/v1' if 'openai' in route else ''}"
        main(["evaluate", "--dataset", str(shops), "--model", model, "--json"])
    assert stub.asked, "the model was asked"
    assert (not ended.value.code) == (fault in ("", "echo"))
    captured = capfd.readouterr()
    for text in (captured.out, captured.err, caplog.text):
        assert not KEY_SHAPED.search(text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [p for p in files if KEY_SHAPED.search(p.read_bytes().decode("latin-1"))] == []
    assert cache_dir().is_dir() and len(files) > 5
