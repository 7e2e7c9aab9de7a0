"""The end of the server: what was accepted is answered, what comes late is refused, and then it is gone."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
    command = [sys.executable, "-c", SCRIPT, plugins]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(1) as pool:
            accepted = pool.submit(client.post, "/api/ask", json={"question": "How many?"})
            while client.get("/metrics").text.find("txt2sql_open 1.0") < 0:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            while client.get("/health").status_code == 200:
                time.sleep(0.05)
            assert client.get("/health").json()["status"] == "shutting down"
            for path, body in (("ask", {"question": "Late?"}), ("sql", {"sql": "SELECT 1"})):
                late = client.post(f"/api/{path}", json=body)
                assert late.status_code == 503
                assert late.json() == {"error": "the server is shutting down"}
            assert accepted.result().json()["rows"] == [[1]]
        assert process.wait(30) == 0


def test_it_listens_where_it_can_and_its_answers_wait_for_no_acknowledgement() -> None:
    with closing(listen(Access(port=0))) as listening:
        # asyncio sets TCP_NODELAY on connections of a socket that names its protocol.
        assert listening.proto == socket.IPPROTO_TCP
        with pytest.raises(ConfigError, match="--port"):
            listen(Access(port=listening.getsockname()[1]))


def test_other_machines_are_let_in_only_with_a_token_that_a_header_can_carry() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org"):
        with pytest.raises(ConfigError, match="token"):
            Access(host)
        assert Access(host, token="t").host == Access(host, insecure=True).host == host
    for token in ("", " ", "naïve", "a\nb"):
        with pytest.raises(ConfigError, match="token"):
            Access(token=token)
