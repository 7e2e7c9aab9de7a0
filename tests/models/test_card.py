"""Model cards, and their upload to a server on this machine that answers the hub client as the hub does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from txt2sql.errors import ModelError
from txt2sql.models.card import Facts, Result, push, read_facts, write_card


class Hub(ThreadingHTTPServer):
    """Takes every file in one commit; `status` is what it answers to a new repository."""

    status = 200

    def __init__(self) -> None:
        self.created: list[dict[str, object]] = []
        self.files: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, tree: object) -> None:
        body = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        status = 404 if self.server.status != 200 else 200
        self.answer(status, {"id": "me/model", "sha": "0" * 40, "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/repos/create"):
            self.server.created.append(json.loads(body))
            self.answer(self.server.status, {"url": "https://huggingface.co/me/model"})
        elif self.path.endswith("/validate-yaml"):
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]
            self.answer(200, {"files": modes})
        else:
            for line in filter(None, body.splitlines()):
                row = json.loads(line)
                if row["key"] == "file":
                    content = base64.b64decode(row["value"]["content"])
                    self.server.files[row["value"]["path"]] = content
            url = f"https://huggingface.co/me/model/commit/{'1' * 40}"
            self.answer(200, {"commitUrl": url, "commitOid": "1" * 40})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with Hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "phi"}')
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    (tmp_path / ".part").write_text("half")
    return tmp_path


def test_a_token_that_may_not_write_and_a_hub_out_of_reach_are_reported(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status = 403
    with pytest.raises(ModelError, match="refused to write 'me/model'; set HF_TOKEN"):
        push(folder, "me/model")
    assert not hub.files
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be reached .* hf upload me/model"):
        push(folder, "me/model")


def test_an_adapter_that_nobody_else_could_load_is_not_uploaded(
    hub: Hub, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="'my model' is no repository name; write owner/name"):
        push(folder, "my model")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"base_model_name_or_path": str(folder)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="lies on this machine only"):
        push(adapter, "me/model")
    assert not hub.created
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "bundled"}')
    push(adapter, "me/model")
    assert set(hub.files) == {"adapter_config.json"}


def test_a_folder_is_uploaded_to_a_private_repository(hub: Hub, folder: Path) -> None:
    def private(repository: dict[str, object]) -> bool:
        return True in (repository.get("private"), repository.get("visibility") == "private")

    assert push(folder, "me/model").endswith("/me/model")
    assert hub.created[0]["name"] == "model" and hub.created[0]["organization"] == "me"
    assert private(hub.created[0])
    assert hub.files == {n: (folder / n).read_bytes() for n in ("config.json", "README.md")}
    push(folder, "me/model", private=False)
    assert not private(hub.created[1])


def test_a_card_says_what_is_known_and_no_path(tmp_path: Path) -> None:
    share = Result("spider dev", "execution_accuracy", 0.5, 100, 0.404, 0.596)
    data = ("spider", "/home/me/mine"), ("spider dev",)
    settings = {"adapter": {"r": 16}, "output": "/home/me/run", "epochs": 3}
    more = {"steps": 1200}, settings, {"peft": "0.21"}, "abc"
    write_card(tmp_path, Facts("phi-2", "lora", *data, (share,), *more))
    card = (tmp_path / "README.md").read_text()
    for text in (
        "base_model: microsoft/phi-2\nbase_model_relation: finetune\nlicense: cc-by-sa-4.0\n",
        "# phi-2 for text-to-SQL",
        "| spider dev | execution accuracy | 100 | 50.0% | 40.4% to 59.6% |",
        "spider, mine.\n\nNot trained on: spider dev.",
        "| steps | 1,200 |\n| `r` | 16 |\n| `epochs` | 3 |\n| peft | 0.21 |",
        "the base model: MIT; spider: CC BY-SA 4.0.",
    ):
        assert text in card
    assert "/home/me" not in card + (tmp_path / "training.json").read_text()
    assert read_facts(tmp_path).measured == (share,)
    write_card(tmp_path, Facts("bundled", "full"))
    card = (tmp_path / "README.md").read_text()
    assert "Nothing was measured." in card and "base_model" not in card
    assert "The model that ships with txt2sql" in card and "## Training\n" not in card
