"""Numbers reach Weights & Biases when asked, and its folder alone when there is no network."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from txt2sql.training.loop import Tracker


def records(file: Path) -> list[Any]:
    """What an offline run of W&B wrote: LevelDB's log format after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, found, place = file.read_bytes(), [], 7
    while place < len(content):
        length, kind = struct.unpack_from("<HB", content, place + 4)  # after a checksum
        assert kind == 1, "a record in pieces: the test logs too much for one block"
        record = Record()
        record.ParseFromString(content[place + 7 : place + 7 + length])
        found.append(record)
        place += 7 + length
    return found


@pytest.mark.filterwarnings("default")  # wandb's imports warn of things that are its own business
def test_an_offline_run_of_wandb_holds_config_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    tracker = Tracker(tmp_path / "run", {"epochs": 3}, 0, use_wandb=True)
    for step, loss in ((1, 2.5), (2, 0.75)):
        tracker.log({"step": step, "loss": loss})
    tracker.close()
    wandb.teardown()  # the process that it started, and the socket to it

    (file,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    rows = [record.history for record in records(file) if record.HasField("history")]
    logged = [{i.key or ".".join(i.nested_key): i.value_json for i in row.item} for row in rows]
    assert [(row["_step"], row["loss"]) for row in logged] == [("1", "2.5"), ("2", "0.75")]
    (run,) = [record.run for record in records(file) if record.HasField("run")]
    assert {i.key: i.value_json for i in run.config.update}["epochs"] == "3"
    assert run.project == "txt2sql" and run.display_name == "run"
