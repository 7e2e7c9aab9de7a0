"""What the command says of broken set-ups, and its exit code: 1 with a sentence, 2 for wrong usage."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main

for module in ("duckdb", "fastapi", "mcp", "psycopg", "sqlalchemy", "trl"):
    if not find_spec(module):
        reason = f"the sentences of a whole installation; {module} is missing here"
        pytest.skip(reason, allow_module_level=True)

ITEMS = [
    {
        "db_id": "shop",
        "question": "How many shops are there?",
        "query": "SELECT count(*) FROM shop",
    },
    {"db_id": "shop", "question": "Which is the oldest?", "query": "SELECT min(id) FROM shop"},
]
ASK = "ask 'How many?'"
EVALUATE = "evaluate --dataset good"
COMMANDS = {
    # databases
    "no such database": f"{ASK} --db nowhere.sqlite",
    "a folder for a database": f"{ASK} --db good",
    "an empty database": f"{ASK} --db empty.sqlite",
    "a database without tables": f"{ASK} --db bare.sqlite",
    "text for a database": f"{ASK} --db text.sqlite",
    "a damaged database": f"{ASK} --db damaged.sqlite",
    "an unknown engine": f"{ASK} --db oracle://ann@localhost/shop",
    "a URL without a database": f"{ASK} --db postgresql://ann@localhost",
    "a port that is no number": f"{ASK} --db postgresql://ann:a@localhost:b/shop",
    "a slash in a password": f"{ASK} --db postgresql://ann:1/b@localhost/shop",
    "a server that is not there": f"{ASK} --db postgresql://ann:secret@127.0.0.1:9/shop",
    "no such DuckDB file": f"{ASK} --db duckdb:///nowhere.duckdb",
    "text for a DuckDB file": f"{ASK} --db duckdb:///text.sqlite",
    "doctor without the file": "doctor --db nowhere.sqlite",
    "serve without the file": "serve --db nowhere.sqlite",
    "mcp without the file": "mcp --db nowhere.sqlite",
    "synth without a database": "synth --output out.json",
    "synth of a database without rows": "synth --db unfilled.sqlite -n 5 --output out.json",
    "adapt without a database": "adapt",
    # questions and models
    "no question": "ask",
    "an unknown model": f"{ASK} --model bundeld",
    "a folder without a model": f"{ASK} --model good",
    "a model that is hosted": f"{ASK} --model gpt-4o",
    "a hosted model without a key": f"{EVALUATE} --model gpt-4o",
    "a route that is none": f"{EVALUATE} --model api:gpt",
    "a damaged model": f"{ASK} --model damaged_model",
    "an adapter without its base": f"{ASK} --model adapter",
    # data sets
    "an unknown data set": "evaluate --dataset spidr",
    "a data set that is not downloaded": "evaluate --dataset spider",
    "a folder without a data set": "evaluate --dataset nothing",
    "an unknown split": f"{EVALUATE} --split test",
    "a split that is no JSON": "evaluate --dataset broken_json",
    "a split that is no list": "evaluate --dataset no_list",
    "an item without SQL": "evaluate --dataset no_query --predictions one.txt",
    "tables.json in another form": "evaluate --dataset bad_tables --predictions two.txt --output run",
    "data info without data": "data info",
    "data check of what is not there": "data check --dataset spidr",
    "download of an unknown data set": "data download bird",
    "download from nowhere": "data download spider --source nowhere.zip --dest out",
    "a damaged archive": "data download spider --source text.sqlite --dest out",
    # predictions, metrics and runs
    "no such predictions": f"{EVALUATE} --predictions nowhere.txt",
    "too few predictions": f"{EVALUATE} --predictions one.txt",
    "predictions in another encoding": f"{EVALUATE} --predictions latin.txt",
    "predictions that are no JSON": f"{EVALUATE} --predictions broken.json",
    "predictions with a broken line": f"{EVALUATE} --predictions broken.jsonl",
    "predictions under an unknown key": f"{EVALUATE} --predictions keys.json",
    "gold without a database": f"{EVALUATE} --gold one.txt --predictions one.txt",
    "an unknown mode": f"{EVALUATE} --predictions two.txt --mode offical",
    "an unknown metric": f"{EVALUATE} --predictions two.txt --metrics execution_acuracy",
    "a test suite that is not there": f"{EVALUATE} --predictions two.txt --test-suite nowhere",
    "greedy and a search": f"{EVALUATE} --greedy --search 5",
    "a run": f"{EVALUATE} --predictions two.txt --output old_run",
    "the same run with other predictions": f"{EVALUATE} --predictions other.txt --output old_run",
    "a run that is damaged": f"{EVALUATE} --predictions two.txt --output broken_run",
    "a file for a run": f"{EVALUATE} --predictions two.txt --output one.txt",
    "compare with nothing": "compare nowhere good",
    "runs of nothing": "runs nowhere",
    # training and export
    "an unknown setting": "train lora --set learning_rat=1",
    "a setting of another type": "train lora --set learning_rate=fast",
    "an override without a value": "train lora --set learning_rate",
    "no such config": "train lora --config nowhere.yaml",
    "a config that is no YAML": "train lora --config broken.yaml",
    "nothing to resume": "train lora --resume --output out",
    "export of what is no model": "export nothing --output out",
    # usage
    "a number out of range": f"{ASK} --max-rows 0",
    "an option without its value": "evaluate",
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: one sound data set, and things that are broken in ways people meet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TXT2SQL_DATA", "data")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    home = Path("good/database/shop")
    home.mkdir(parents=True)
    with closing(sqlite3.connect(home / "shop.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE shop (id INTEGER); INSERT INTO shop VALUES (1), (2);"
        )
    texts = {
        "good/dev.json": json.dumps(ITEMS),
        "empty.sqlite": "",
        "text.sqlite": "this is no database\n" * 100,
        "one.txt": "SELECT 1\n",
        "two.txt": "SELECT 1\nSELECT 2\n",
        "other.txt": "SELECT 1\nSELECT 3\n",
        "broken.json": "[1, 2",
        "broken.jsonl": '{"sql": "SELECT 1"}\n{"sql": \n',
        "keys.json": json.dumps([{"colour": "SELECT 1"}, {"colour": "SELECT 2"}]),
        "broken.yaml": "a: [1,\n",
        "damaged_model/config.json": "{",
        "adapter/adapter_config.json": "{}",
        "broken_run/run.json": "{",
    }
    for name in ("nothing", "damaged_model", "adapter", "broken_run"):
        Path(name).mkdir()
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("latin.txt").write_bytes("SELECT 'é'\nSELECT 1\n".encode("latin-1"))
    for name, schema in {
        "bare": "",
        "unfilled": "CREATE TABLE shop (id INTEGER, city TEXT);",
    }.items():
        with closing(sqlite3.connect(f"{name}.sqlite")) as connection:
            connection.executescript(f"PRAGMA user_version = 1; {schema}")
    sound = (home / "shop.sqlite").read_bytes()
    Path("damaged.sqlite").write_bytes(sound[:3000] + b"\xff" * 3000)
    for name, file, text in (
        ("broken_json", "dev.json", "[{]"),
        ("no_list", "dev.json", '{"a": 1}'),
        ("no_query", "dev.json", json.dumps([{"db_id": "shop", "question": "How many?"}])),
        ("bad_tables", "tables.json", json.dumps([{"db_id": "shop"}])),
    ):
        shutil.copytree("good", name)
        Path(name, file).write_text(text, encoding="utf-8")
    return tmp_path


def test_sentences(
    golden: Callable[[str, Any], None], broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentences = {}
    for name, command in COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command))
        printed = capsys.readouterr()
        assert printed.out == "" or ended.value.code == 0, name
        lines = [stable(line, broken) for line in printed.err.splitlines()]
        if ended.value.code == 2:  # the parser of options shows the usage before its sentence
            lines = lines[-1:]
        sentences[name] = [f"txt2sql {command}", ended.value.code, *lines]
    golden("error_sentences", sentences)


def stable(line: str, folder: Path) -> str:
    """A line without times, and without what drivers of other databases say in their own words."""
    line = re.sub(r"\d+:\d\d in all", "<time> in all", line.replace(str(folder), "<folder>"))
    return re.sub(r"(cannot use '[^']+': ).*", r"\1<what the driver says>", line)
