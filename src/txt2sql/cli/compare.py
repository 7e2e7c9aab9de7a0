"""`txt2sql compare`: is B better than A? Two runs on the same examples, compared pair by pair.

$ txt2sql compare results/small results/large
$ txt2sql compare results/small/verdicts.jsonl official.jsonl --metric exact_match --json
"""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import JsonOption

if TYPE_CHECKING:
    from txt2sql.evaluation.comparison import Change, Comparison


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or a verdict file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, over the same examples.")],
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="The metric to compare.")
    ] = "execution_accuracy",
    changes: Annotated[
        int, typer.Option(metavar="N", min=0, help="Changed examples to show; JSON has them all.")
    ] = 10,
    json: JsonOption = False,
) -> None:
    """Say whether B is better than A, and on which examples.

    Both must have judged the same examples. Prints both means, the paired difference with its 95%
    interval, the p of McNemar's exact test, and the examples that changed.

    \b
    Examples:
      txt2sql compare results/small results/large
      txt2sql compare results/small results/large --metric exact_match --changes 50
      txt2sql compare verdicts_a.jsonl verdicts_b.jsonl --json
    """
    from txt2sql.evaluation import comparison

    found = comparison.compare(
        comparison.read_verdicts(a), comparison.read_verdicts(b), metric=metric
    )
    reports = comparison.read_report(a), comparison.read_report(b)
    warnings = [*comparison.unlike(*reports), *_left_out(found)]
    if json:
        print(jsonlib.dumps(_as_json(found, (a, b), warnings)))
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print(found, (a, b), changes)


def _left_out(found: Comparison) -> Iterator[str]:
    if found.unmatched_a or found.unmatched_b:
        yield (
            f"compared on the {found.a.n:,} examples that both have; left out: "
            f"{found.unmatched_a:,} of A, {found.unmatched_b:,} of B"
        )
    if found.unscored:
        yield f"{found.unscored:,} examples are left out because one side has no score for them"


def _as_json(found: Comparison, names: tuple[Path, Path], warnings: list[str]) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "a": {"name": str(names[0]), **found.a._asdict()},
        "b": {"name": str(names[1]), **found.b._asdict()},
        "difference": found.difference._asdict(),
        "p": found.p,
        "counts": {
            name: getattr(found, name)
            for name in ("both", "only_a", "only_b", "neither", "unscored")
        },
        "unmatched": {"a": found.unmatched_a, "b": found.unmatched_b},
        "warnings": warnings,
        "changed": [change._asdict() for change in found.changed],
    }


def _print(found: Comparison, names: tuple[Path, Path], shown_changes: int) -> None:
    from txt2sql.cli.report import print_facts
    from txt2sql.evaluation.pages import shown, words

    gap = found.difference
    lines = [
        (f"A  {names[0]}", shown(found.a)),
        (f"B  {names[1]}", shown(found.b)),
        (
            "B - A",
            f"{100 * gap.mean:+.1f} points  (95% interval {100 * gap.low:+.1f} to "
            f"{100 * gap.high:+.1f}, n = {gap.n:,} pairs)",
        ),
    ]
    if found.p is None:
        alike = found.both + found.neither
        counts = f"A scores more on {found.only_a:,}, B on {found.only_b:,}, alike on {alike:,}"
    else:
        p = f"p = {found.p:.3f}" if found.p >= 0.001 else "p < 0.001"
        lines.append(("McNemar, exact", p))
        counts = (
            f"both {found.both:,}, only A {found.only_a:,}, only B {found.only_b:,}, "
            f"neither {found.neither:,}"
        )
    lines.append(("correct" if found.p is not None else "examples", counts))
    print_facts(words(found.metric), lines)
    for change in found.changed[:shown_changes]:
        print("", *_change(change), sep="\n")
    hidden = len(found.changed) - shown_changes
    if hidden > 0:
        print(f"\n… {hidden:,} more examples changed; --changes {len(found.changed)} shows all")


def _change(change: Change) -> Iterator[str]:
    """What changed, a line each, with nothing in it that a terminal would obey."""
    from txt2sql.cli.display import printable

    def one_line(text: str | None) -> str:
        return printable(" ".join((text or "").split()))

    better = "B better" if change.b > change.a else "A better"
    question = f": {one_line(change.question)}" if change.question else ""
    yield f"{one_line(change.key)} ({one_line(change.db_id)}), {better}{question}"
    yield f"  gold  {one_line(change.gold_sql)}"
    yield f"  A     {one_line(change.a_sql) or 'no SQL'}"
    yield f"  B     {one_line(change.b_sql) or 'no SQL'}"
