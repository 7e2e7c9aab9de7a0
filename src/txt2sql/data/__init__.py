"""Data sets (benchmarks): questions, gold SQL, schemas and databases behind one small interface.

Training sets by name: Spider-Syn (Gan et al., ACL 2021) and CoSQL (Yu et al., EMNLP 2019) over
Spider's databases, BIRD (Li et al., NeurIPS 2023), and WikiTableQuestions (Pasupat and Liang, ACL
2015), which has answers instead of SQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from txt2sql.data.spider import SpiderDataset
from txt2sql.errors import DataError
from txt2sql.execution.database import Database
from txt2sql.types import Example, Schema

__all__ = ["DATASETS", "PAGES", "Dataset", "dataset_root", "open_dataset"]


class Dataset(Protocol):
    """What every data set offers. Unknown splits and ids raise DataError or DatabaseError."""

    @property
    def name(self) -> str: ...

    @property
    def root(self) -> Path: ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    def examples(self, split: str) -> Iterator[Example]:
        """The questions of a split, in the order of its file."""
        ...

    def count(self, split: str) -> int: ...

    def files(self, split: str) -> tuple[Path, ...]:
        """Every file that a split depends on; it is unchanged as long as they are."""
        ...

    def database(self, db_id: str) -> Database: ...

    def schema(self, db_id: str) -> Schema:
        """The schema with natural names in `words` and every declared foreign key."""
        ...


def _wikisql(root: Path) -> Dataset:
    from txt2sql.data.wikisql import WikiSQLDataset

    return WikiSQLDataset(root)


def _over_spider(name: str) -> Callable[[Path], Dataset]:
    return lambda root: SpiderDataset(root, name, beside=root.resolve().parent / "spider")


DATASETS: dict[str, Callable[[Path], Dataset]] = {
    "spider": SpiderDataset,
    "wikisql": _wikisql,
    "spider_syn": _over_spider("spider_syn"),
    "cosql": _over_spider("cosql"),
    "bird_train": partial(SpiderDataset, name="bird_train"),
    "wtq": partial(SpiderDataset, name="wtq", train=("questions",)),
}

PAGES = {
    "spider_syn": "https://github.com/ygan/Spider-Syn",
    "cosql": "https://yale-lily.github.io/cosql",
    "bird_train": "https://bird-bench.github.io",
    "wtq": "https://github.com/ppasupat/WikiTableQuestions",
}
"""Where the data sets come from that `txt2sql data download` does not bring."""

_FOLDERS = {
    "spider_syn": ("spider_syn_train", "Spider-Syn"),
    "cosql": ("cosql_dataset",),
    "bird_train": ("bird", "train"),
    "wtq": ("WikiTableQuestions",),
}
"""Other names that the folders of data sets have, as their releases call them."""


def dataset_root(name: str, root: Path | None = None) -> Path:
    """Where a named data set lies: the argument, else $TXT2SQL_DATA/<name>, else data/raw/<name>. A
    `root` that holds a folder of that name (one root for all data sets) is taken to mean that
    one."""
    base = root if root is not None else Path(os.environ.get("TXT2SQL_DATA") or Path("data", "raw"))
    for folder in (name, *_FOLDERS.get(name, ())):
        if (base / folder).is_dir():
            return base / folder
    return base if root is not None else base / name


def open_dataset(name_or_folder: str | Path, root: Path | None = None) -> Dataset:
    """Open a data set of DATASETS, or a folder in Spider's, BIRD's or WikiSQL's layout. Raises
    DataError with what to do when it is unknown, missing or in another layout."""
    text = str(name_or_folder)
    if text in DATASETS:
        folder = dataset_root(text, root)
        if not folder.is_dir():
            script = f"python data/scripts/download_{text}.py"
            way = f"run `txt2sql data download {text}` (or {script})"
            way = f"get it from {PAGES[text]}" if text in PAGES else way
            raise DataError(
                f"no {text} data in '{folder}'; {way}, or say where it is with --data or TXT2SQL_DATA"
            )
        return DATASETS[text](folder)
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"no data set or folder '{text}'; take one of {', '.join(DATASETS)}, "
            "or the path of a folder in Spider's or BIRD's layout"
        )
    if any(folder.glob("*.tables.jsonl")):
        return _wikisql(folder)
    return SpiderDataset(folder)
