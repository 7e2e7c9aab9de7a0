"""A run survives being killed at any moment, and never mixes two configurations."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from txt2sql import runs
from txt2sql.errors import ConfigError, DataError

ROOT = Path(__file__).parents[1]


def test_a_damaged_row_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for line in (b'{"a": 1\n{"a": 2}\n', b"[1]\n", b'\xff{"a": 1}\n'):
        path.write_bytes(line)
        with pytest.raises(DataError, match="line 1 of .* is damaged"):
            list(runs.read_rows(path))


rows_of_json = st.lists(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())),
    min_size=1,
    max_size=5,
)


@given(rows_of_json, st.data())
def test_a_file_cut_anywhere_loses_only_the_row_that_was_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    path.unlink(missing_ok=True)
    for row in rows:
        runs.append_row(path, row)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = rows[: whole[:cut].count(b"\n")]
    assert list(runs.read_rows(path)) == kept
    runs.append_row(path, {"next": True})
    assert list(runs.read_rows(path)) == [*kept, {"next": True}]


def test_a_killed_writer_leaves_whole_rows_and_goes_on(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from txt2sql.runs import open_run\n"
        "run = open_run(Path(sys.argv[1]), {'model': 'm'})\n"
        "first = len(list(run.rows('predictions')))\n"
        "for i in range(first, 10**9):\n"
        "    run.append('predictions', {'id': i, 'sql': 'SELECT 1 ' * 500})\n"
        "    run.save_state({'done': i + 1})\n"
    )
    folder = tmp_path / "run"
    path = folder / "predictions.jsonl"
    for _ in range(3):
        start = path.stat().st_size if path.exists() else 0
        writer = subprocess.Popen([sys.executable, "-c", code, str(folder)])
        deadline = time.monotonic() + 30
        while not path.exists() or path.stat().st_size < start + 20_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    run = runs.open_run(folder, {"model": "m"})
    ids = [row["id"] for row in run.rows("predictions")]
    assert ids == list(range(len(ids)))
    assert run.state()["done"] in (len(ids), len(ids) - 1)


def test_a_run_goes_on_only_under_its_own_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a"
    config = {"model": "m", "search": {"n": 1}}
    run = runs.open_run(folder, config, seed=7)
    run.append("metrics", {"step": 1, "loss": 0.5})
    with pytest.raises(ConfigError, match=r"run with search\.n = 1, not 2"):
        runs.open_run(folder, {"model": "m", "search": {"n": 2}}, seed=7)
    with pytest.raises(ConfigError, match="seed of the run = 7, not 8"):
        runs.open_run(folder, config, seed=8)
    again = runs.open_run(folder, config, seed=7)
    again.append("metrics", {"step": 2, "loss": 0.25})
    assert [row["loss"] for row in again.rows("metrics")] == [0.5, 0.25]


def test_a_run_says_what_made_it(tmp_path: Path) -> None:
    runs.open_run(tmp_path / "run", {"model": "m"}, seed=3)
    about = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert about["seed"] == 3
    assert about["hardware"]["cores"] >= 1
    assert about["versions"]["python"] == sys.version.split()[0]
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == {"model": "m"}


def test_the_commit_is_that_of_this_checkout() -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        assert runs.commit() is None
        return
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert (runs.commit() or "").removesuffix("-dirty") == head.stdout.strip()


def test_the_state_is_empty_at_first_and_explained_when_damaged(tmp_path: Path) -> None:
    run = runs.open_run(tmp_path / "run", {})
    assert run.state() == {}
    run.save_state({"step": 4})
    assert run.state() == {"step": 4}
    (tmp_path / "run" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"state\.json' is damaged; remove it"):
        run.state()
