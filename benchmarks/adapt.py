"""What `txt2sql adapt` is worth: questions of people, before and after, on two databases it never saw.

The sample database (8 tables, plain names) and an invented cooperative (38 tables, abbreviated names).
Each is adapted to with the defaults; then the model as it is and the adapted one answer the same
questions, which people phrased and no run has trained on or chosen its settings by. Judged by execution
accuracy; compared in pairs. The adapters are kept in the output folder and are not put to use elsewhere.

    python benchmarks/adapt.py [--output results/adapt-benchmark] [--only bookshops] [--quick] [--set steps=50]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from txt2sql import sample
from txt2sql.cli.progress import steps
from txt2sql.config import load
from txt2sql.evaluation.comparison import Comparison, Row, compare
from txt2sql.evaluation.evaluate import judge
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.report import verdict_rows
from txt2sql.execution.database import Database, open_database
from txt2sql.runs import hardware, versions
from txt2sql.serving.service import build_predictor
from txt2sql.training.adapt import adapt
from txt2sql.training.adapt_report import numbers
from txt2sql.training.adapt_settings import AdaptConfig
from txt2sql.types import Example

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures" / "adapt"
QUICK = ("count=200", "held_out=40", "steps=20", "general=")


def main() -> None:
    """Print a line for each set of questions, and one JSON object last."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results") / "adapt-benchmark")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--only", choices=["bookshops", "energy_coop"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    arguments = parser.parse_args()
    os.environ.setdefault("TXT2SQL_CACHE", str(arguments.output / "cache"))
    settings = [*(QUICK if arguments.quick else ()), *arguments.settings]
    config = load(AdaptConfig, None, settings)
    rows: tuple[list[Row], list[Row]] = ([], [])
    found: dict[str, Any] = {}
    for name, (path, sets) in databases(arguments.output).items():
        if arguments.only in (None, name):
            found[name] = measure(open_database(path), sets, config, arguments, rows)
    whole = compare(*rows)
    show("all", whole)
    print(
        json.dumps(
            {
                "name": "adapt",
                "ours": whole.b.mean,
                "peer": whole.a.mean,
                "ratio": whole.b.mean / whole.a.mean if whole.a.mean else None,
                "n": whole.a.n,
                "unit": "execution accuracy",
                "difference": whole.difference._asdict(),
                "p": whole.p,
                "databases": found,
                "machine": hardware(),
                "versions": versions(),
            }
        )
    )


def databases(output: Path) -> dict[str, tuple[Path, dict[str, Path]]]:
    """Name -> file, and the files of questions about it."""
    wide = output / "energy_coop.sqlite"
    if not wide.is_file():
        wide.parent.mkdir(parents=True, exist_ok=True)
        spec = importlib.util.spec_from_file_location("wide", FIXTURES / "wide_database.py")
        assert spec is not None
        assert spec.loader is not None
        builder = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(builder)
        part = wide.with_suffix(".part")
        part.unlink(missing_ok=True)
        builder.build(part)
        part.replace(wide)
    own = {"questions": FIXTURES / "bookshops.json", "sample": sample.folder() / "dev.json"}
    return {
        "bookshops": (sample.path(), own),
        "energy_coop": (wide, {"questions": FIXTURES / "wide.json"}),
    }


def measure(
    database: Database,
    sets: dict[str, Path],
    config: AdaptConfig,
    arguments: argparse.Namespace,
    rows: tuple[list[Row], list[Row]],
) -> dict[str, Any]:
    """Adapt to a database and ask; the verdicts are added to `rows`, before and after."""
    schema = database.schema()

    def answering(model: str | Path) -> Any:
        return build_predictor(model, lambda _: schema, lambda _: database)

    started = time.monotonic()
    report = adapt(
        database,
        config,
        arguments.output / database.db_id,
        answering,
        model=arguments.model,
        report=lambda line: print(line, file=sys.stderr),
        progress=steps,
    )
    assert report is not None
    seconds = time.monotonic() - started
    result: dict[str, Any] = {
        "tables": len(schema.tables),
        "seconds": round(seconds, 1),
        "stages": report["seconds"],
        "used": report["used"],
        "made": report["measured"]["synthetic"],
        "sets": {},
    }
    for name, file in sets.items():
        items = json.loads(file.read_text(encoding="utf-8"))
        examples = [
            Example(f"{database.db_id}-{name}-{i}", database.db_id, item["question"], item["query"])
            for i, item in enumerate(items)
        ]
        before, after = (
            verdicts(examples, answering, model, database)
            for model in (arguments.model, Path(report["adapter"]))
        )
        rows[0].extend(before)
        rows[1].extend(after)
        found = compare(before, after)
        show(f"{database.db_id}, {name}", found)
        result["sets"][name] = {"n": found.a.n, **numbers(found)}
    return result


def verdicts(
    examples: list[Example],
    answering: Callable[[str | Path], Any],
    model: str | Path,
    database: Database,
) -> list[Row]:
    """What a model's answers are judged to be."""
    judged = judge(examples, answering(model), [ExecutionAccuracy()], lambda _: database)
    return list(verdict_rows(judged))


def show(name: str, found: Comparison) -> None:
    """One line on standard output."""
    gap = found.difference
    print(
        f"{name}: before {found.a.mean:.1%}, after {found.b.mean:.1%}, difference "
        f"{100 * gap.mean:+.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}), "
        f"n = {found.a.n}, McNemar's p = {found.p:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
