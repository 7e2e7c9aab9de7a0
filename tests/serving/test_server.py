"""The end of the server: what was accepted is answered, what comes late is refused, and then it is gone."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from txt2sql.errors import ConfigError
from txt2sql.serving.server import Access, listen

SCRIPT = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from stand_ins import Slow
from txt2sql import sample
from txt2sql.serving.backend import Backend
from txt2sql.serving.worker import ModelSettings
from txt2sql.serving.server import Access, Server
from txt2sql.serving.web import create_app

async def main():
    backend = Backend(ModelSettings(str(sample.path()), Slow(2.0), search=0), history=False)
    server = Server(backend, Access(port=0), create_app(backend))
    await server.run_on(lambda url: print(url, flush=True))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_sigterm_answers_what_was_accepted_and_refuses_what_is_new() -> None:
    plugins = str(Path(__file__).parents[1] / "plugins")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, plugins], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found: list[httpx.Response] = []
    with httpx.Client(base_url=process.stdout.readline().strip(), timeout=60) as client:

        def ask() -> None:
            found.append(client.post("/api/ask", json={"question": "How many?"}))

        asking = threading.Thread(target=ask)
        asking.start()
        while client.get("/metrics").text.find("txt2sql_open 1.0") < 0:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        while client.get("/health").status_code == 200:
            time.sleep(0.05)
        assert client.get("/health").json()["status"] == "shutting down"
        for path, body in (("/api/ask", {"question": "Late?"}), ("/api/sql", {"sql": "SELECT 1"})):
            late = client.post(path, json=body)
            assert (late.status_code, late.json()) == (
                503,
                {"error": "the server is shutting down"},
            )
        asking.join()
        assert found[0].json()["rows"] == [[1]]
    assert process.wait(30) == 0
    process.stdout.close()


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="--port"):
            listen(Access(port=taken.getsockname()[1]))
