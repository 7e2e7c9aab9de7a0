"""Tiny data sets in the official layouts, and a web server that can misbehave."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SHOP = """
CREATE TABLE shop (Shop_ID INTEGER PRIMARY KEY, Name TEXT, Opening_year INT);
CREATE TABLE Sale (ID INTEGER PRIMARY KEY, shop INT, Price REAL,
                   FOREIGN KEY (shop) REFERENCES shop (Shop_ID));
CREATE TABLE visit (shop INT, day TEXT);
INSERT INTO shop VALUES (1, 'Corner', 1990), (2, 'Station', 2004);
INSERT INTO Sale VALUES (1, 1, 2.5), (2, 2, 10);
"""
COLUMNS = [
    (-1, "*", "*"),
    (0, "shop_id", "shop number"),
    (0, "name", "name"),
    (0, "opening_year", "year of opening"),
    *((1, name, name) for name in ("id", "shop", "price")),
    *((2, name, name) for name in ("shop", "day")),
    (3, "x", "x"),
]
TABLES = [
    {
        "db_id": "shops",
        "table_names_original": ["SHOP", "sale", "visit", "gone"],
        "table_names": ["shop", "sale", "visit of a shop", "gone"],
        "column_names_original": [[table, name] for table, name, _ in COLUMNS],
        "column_names": [[table, words] for table, _, words in COLUMNS],
        "foreign_keys": [[5, 1], [7, 1], [9, 1]],
        "primary_keys": [1, 4],
    }
]
QUESTIONS = [
    {"db_id": "shops", "question": "How many shops? ", "query": "SELECT count(*) FROM shop"},
    {
        "db_id": "shops",
        "question": "When was Station opened?",
        "query": "SELECT Opening_year FROM shop WHERE Name = 'Station'",
    },
    {"db_id": "shops", "question": "Who visits?", "query": "SELECT day FROM visit"},
    {"db_id": "shops", "question": "What is wrong here?", "query": "SELECT nowhere FROM shop"},
]

WIKI_TABLES = [
    {
        "id": "1-10-1",
        "header": ["Player", "No.", "Player", "", "Team\n(club)"],
        "types": ["text", "real", "text", "text", "text"],
        "rows": [
            ["Ann O'Hara", 3, "A. O'Hara", "x", "Émile FC"],
            ["Bob", 1200.5, "B", None, "Butler CC (KS)"],
        ],
        "page_title": "Players of Butler",
        "provenance": "tabfact",
    },
    {"id": "2-20-2", "header": ["Year"], "types": ["real"], "rows": [[1999], ["n/a"]]},
]
WIKI_QUESTIONS = [
    {
        "table_id": "1-10-1",
        "question": "Which number has Ann O'Hara?",
        "sql": {"sel": 1, "agg": 0, "conds": [[0, 0, "Ann O'Hara"]]},
    },
    {
        "table_id": "1-10-1",
        "question": "How many play for Émile FC?",
        "sql": {"sel": 0, "agg": 3, "conds": [[4, 0, "Émile FC"], [1, 2, "1,000"]]},
    },
    {"table_id": "2-20-2", "question": "First year?", "sql": {"sel": 0, "agg": 2, "conds": []}},
]


def write_database(path: Path, script: str = SHOP) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def spider(tmp_path: Path) -> Path:
    """A complete data set in Spider's layout: one database, four questions in dev."""
    root = tmp_path / "tiny-spider"
    write_database(root / "database" / "shops" / "shops.sqlite")
    for name, questions in (
        ("dev", QUESTIONS),
        ("train_spider", QUESTIONS[:2]),
        ("train_others", QUESTIONS[2:3]),
    ):
        (root / f"{name}.json").write_text(json.dumps(questions, indent=1), encoding="utf-8")
    (root / "tables.json").write_text(json.dumps(TABLES), encoding="utf-8")
    return root


@pytest.fixture
def wikisql(tmp_path: Path) -> Path:
    """A complete data set in WikiSQL's layout: two tables and three questions in each split."""
    root = tmp_path / "tiny-wikisql"
    root.mkdir()
    for split in ("train", "dev"):
        tables = [{**table, "id": table["id"] + "0" * (split == "train")} for table in WIKI_TABLES]
        questions = [
            {**item, "table_id": item["table_id"] + "0" * (split == "train")}
            for item in WIKI_QUESTIONS
        ]
        write_lines(root / f"{split}.tables.jsonl", tables)
        write_lines(root / f"{split}.jsonl", questions)
    return root


@dataclass
class Site:
    """One file on a web server. `cuts`: after how many bytes to cut each of the next answers."""

    body: bytes = b""
    url: str = ""
    status: int = 200
    ranges: bool = True
    etag: str = '"one"'
    content_type: str = "application/octet-stream"
    claimed: int | None = None
    cuts: list[int] = field(default_factory=list)
    stall_after: int | None = None
    asked: list[str] = field(default_factory=list)
    """The Range header of every request, empty where there was none."""
    released: threading.Event = field(default_factory=threading.Event)


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range") or ""
            site.asked.append(wanted)
            body, status = site.body, site.status
            found = re.fullmatch(r"bytes=(\d+)-", wanted)
            same = self.headers.get("If-Range") in (None, site.etag)
            if found and site.ranges and same and status == 200:
                start = int(found[1])
                status, body = (206, body[start:]) if start < len(body) else (416, b"")
            self.send_response(status)
            if status == 206:
                end = len(site.body)
                self.send_header("Content-Range", f"bytes {end - len(body)}-{end - 1}/{end}")
            if status == 416:
                self.send_header("Content-Range", f"bytes */{len(site.body)}")
            size = len(body) if site.claimed is None or status != 200 else site.claimed
            self.send_header("Content-Length", str(size))
            self.send_header("Content-Type", site.content_type)
            if site.etag:
                self.send_header("ETag", site.etag)
            self.end_headers()
            if site.stall_after is not None:
                self.wfile.write(body[: site.stall_after])
                self.wfile.flush()
                site.released.wait(20)
                return
            self.wfile.write(body[: site.cuts.pop(0)] if site.cuts else body)

    return Handler


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server on this machine that serves one file, as badly as it is told to."""
    monkeypatch.setenv("no_proxy", "*")
    served = Site()
    with _Server(("127.0.0.1", 0), _handler(served)) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/data.zip"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def run_killed() -> Callable[[str, Callable[[], bool]], None]:
    """Run Python code in a process of its own and kill it (SIGKILL) as soon as a condition holds."""
    import subprocess
    import time

    def run(code: str, reached: Callable[[], bool]) -> None:
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            until = time.monotonic() + 30
            while not reached():
                assert process.poll() is None, "the process ended before it could be killed"
                assert time.monotonic() < until, "the process never came so far"
                time.sleep(0.002)
        finally:
            process.kill()
            process.wait()

    return run
