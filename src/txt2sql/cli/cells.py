"""The cells of the results table: which model, strategy and data set, and how each is measured.

A cell is one run of `txt2sql evaluate` in a process of its own, so that what one dies of (memory, a
broken model) leaves the others. What a cell was made with is hashed; while the hash is the same the run
is not made again, and a run that was stopped goes on.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txt2sql.costs import HOURLY
from txt2sql.errors import DataError, Text2SQLError
from txt2sql.runs import write_atomically

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_TRAINED = ("results", "checkpoints")
_METHODS = {
    "lora": "LoRA",
    "dora": "DoRA",
    "qlora": "QLoRA",
    "rslora": "rsLoRA",
    "full": "fine-tuned",
    "grpo": "GRPO",
    "rstar": "rStar-SQL",
}


@dataclass(frozen=True)
class Part:
    """A split of a data set."""

    dataset: str
    split: str = "dev"

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"{Path(self.dataset).name} {self.split}"


@dataclass(frozen=True)
class RowPlan:
    """A model and a strategy. `options` go to `txt2sql evaluate`; `folder` is where a model that is
    trained here lies."""

    model: str
    strategy: str = "greedy"
    options: tuple[str, ...] = ()
    folder: str | None = None


@dataclass(frozen=True)
class Published:
    """Whose predictions a file holds."""

    model: str
    strategy: str = "published"


@dataclass(frozen=True)
class Comparison:
    """The section `comparison` of config/evaluation_config.yaml."""

    data: tuple[Part, ...] = (Part("spider"),)
    rows: tuple[RowPlan, ...] = (RowPlan("bundled"),)
    published: Mapping[str, Published] = field(default_factory=dict)
    hardware: Mapping[str, float] = field(default_factory=dict)

    @property
    def hourly(self) -> dict[str, float]:
        """The prices of an hour, with those of the file in place of the usual ones."""
        return {**HOURLY, **self.hardware}


@dataclass(frozen=True)
class Draw:
    """What is asked of every cell alike."""

    data: Path | None = None
    limit: int | None = None
    seed: int = 0
    mode: str = "strict"

    def command(self, part: Part, *who: str) -> tuple[str, ...]:
        """What follows `txt2sql evaluate`."""
        limit = ["--limit", str(self.limit)] if self.limit else []
        data = ["--data", str(self.data)] if self.data else []
        options = [*data, *limit, "--seed", str(self.seed), "--mode", self.mode]
        return (*who[:2], "--dataset", part.dataset, "--split", part.split, *options, *who[2:])


@dataclass(frozen=True)
class Cell:
    """One row of the table. `command` is what follows `txt2sql evaluate`, empty where `missing` says
    why nothing can be measured; `made_of` is everything that the answers and verdicts depend on."""

    part: Part
    model: str
    strategy: str
    command: tuple[str, ...] = ()
    made_of: str = ""
    missing: str = ""
    hosted: bool = False
    source: str = "measured"

    @property
    def name(self) -> str:
        """Readable, and a file name."""
        words = f"{self.part.name}-{self.model}-{self.strategy}-{self.source}"
        return re.sub(r"[^A-Za-z0-9._]+", "-", words).strip("-")


# ------------------------------------------------------------------------------------ what there is


def plan(comparison: Comparison, draw: Draw, published: Path | None) -> Iterator[Cell]:
    """Every cell, those that cannot be measured included."""
    from txt2sql.data import open_dataset

    for part in comparison.data:
        try:
            source = open_dataset(part.dataset, draw.data)
            next(iter(source.examples(part.split)), None)
        except DataError as error:
            missing = f"no data: {error}" if part.dataset not in str(error) else "no data here"
            for row in comparison.rows:
                yield Cell(part, row.model, row.strategy, missing=missing)
            continue
        # Files by size and time: their content would take longer to read than a table.
        stats = [(path.name, path.stat()) for path in source.files(part.split)]
        content = repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])
        for row in [*comparison.rows, *_trained(comparison.rows)]:
            yield _cell(row, part, draw, content)
        if published:
            yield from _of_others(comparison, part, draw, published, content, source)


def _cell(row: RowPlan, part: Part, draw: Draw, content: str) -> Cell:
    from txt2sql.evaluation.mode import judge_version
    from txt2sql.evaluation.provenance import ANSWERING, text_hash, weights_hash
    from txt2sql.models.catalog import find_hosted, resolve

    hosted = find_hosted(row.model)
    name = row.folder or row.model
    missing = weights = ""
    if hosted:
        missing, weights = _no_access(hosted.provider, hosted.api_base), repr(hosted)
    elif row.folder and not Path(row.folder).is_dir():
        missing = "not trained here"
    else:
        try:
            weights = weights_hash(resolve(name))
            missing = "" if weights else "weights not here"
        except Text2SQLError as error:
            missing = str(error).partition(";")[0]
    if missing:
        return Cell(part, row.model, row.strategy, missing=missing, hosted=bool(hosted))
    command = draw.command(part, "--model", name, *row.options)
    made_of = text_hash(repr((command, weights, content, ANSWERING, judge_version())))
    return Cell(part, row.model, row.strategy, command, made_of, hosted=bool(hosted))


def _no_access(provider: str, api_base: str) -> str:
    import importlib.util

    from txt2sql.models.api_keys import find_keys

    if find_keys(provider, api_base=api_base) is None:
        return "no key"
    return "" if importlib.util.find_spec("litellm") else "litellm is not installed"


def _trained(rows: Sequence[RowPlan]) -> Iterator[RowPlan]:
    """The models that were trained here and stand in no row."""
    from txt2sql.models.card import read_facts

    folders = {Path(row.folder).resolve() for row in rows if row.folder}
    for root in map(Path, _TRAINED):
        for file in sorted(root.glob("*/**/config.json")) + sorted(
            root.glob("*/**/adapter_config.json")
        ):
            folder = file.parent
            if folder.name != "model" or folder.resolve() in folders:
                continue
            folders.add(folder.resolve())
            facts = read_facts(folder)
            model = Path(facts.base).name if facts else folder.parent.name
            method = _METHODS.get(facts.method, facts.method) if facts else "trained here"
            yield RowPlan(model, f"{method} ({folder.parent.name})", folder=str(folder))


def _of_others(
    comparison: Comparison, part: Part, draw: Draw, folder: Path, content: str, source: Dataset
) -> Iterator[Cell]:
    """The files of predictions that fit a split: one for each of its questions."""
    from txt2sql.evaluation.mode import judge_version
    from txt2sql.evaluation.provenance import file_hash, text_hash

    n = source.count(part.split)
    for file in sorted(folder.glob("*.jsonl")):
        with file.open("rb") as lines:
            if sum(1 for line in lines if line.strip()) != n:
                continue
        whose = comparison.published.get(file.stem, Published(file.stem))
        command = draw.command(part, "--predictions", str(file))
        made_of = text_hash(repr((command, file_hash(file), content, judge_version())))
        yield Cell(part, whose.model, whose.strategy, command, made_of, source="published")


# ---------------------------------------------------------------------------------------- measuring


def remembered(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """The report of a cell that was measured before, with the same of everything."""
    try:
        index = json.loads((folder / f"{cell.name}.json").read_text(encoding="utf-8"))
        if index["made_of"] != cell.made_of or index["report"].get("unanswered"):
            return None
        report: dict[str, Any] = index["report"]
        return report
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def measure(
    cell: Cell, folder: Path, extra: Sequence[str] = ()
) -> tuple[dict[str, Any] | None, str]:
    """Run a cell; its report, or None and why there is none. Its messages go to <name>.log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{cell.name}.log"
    with log.open("w", encoding="utf-8") as messages:
        done = subprocess.run(
            [sys.executable, "-m", "txt2sql", "evaluate", "--json", *cell.command, *extra],
            stdout=subprocess.PIPE,
            stderr=messages,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].removeprefix("txt2sql: ") if lines else f"it ended with {done.returncode}"
        return None, last.partition(";")[0][:80]
    index = {"made_of": cell.made_of, "command": cell.command, "report": report}
    write_atomically(folder / f"{cell.name}.json", json.dumps(index) + "\n")
    return report, ""
