"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Machines differ in speed: the suite has its own time limit, and CI draws the same examples each run.
settings.register_profile("txt2sql", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("txt2sql")

# Tiny models on one thread each: threads of several test processes wait for each other, six times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ("engines", "page_browser")

ROOT = Path(__file__).parents[1]

# What the tests start in a process of its own sees this checkout too, installed or not.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder that holds spider/ and wikisql/: $TXT2SQL_DATA, else data/raw of this checkout, else
    the first data folder beside the checkout that holds them.
    """
    given = os.environ.get("TXT2SQL_DATA")
    beside = sorted(path.parents[1] for path in ROOT.parent.glob("*/data/spider/tables.json"))
    for root in [Path(given)] if given else [ROOT / "data" / "raw", *beside]:
        if (root / "spider" / "tables.json").is_file():
            return root
    pytest.skip("no data sets here; set TXT2SQL_DATA to the folder with spider/ and wikisql/")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
