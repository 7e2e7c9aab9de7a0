"""`txt2sql compare`: is B better than A? Two runs on the same examples, compared pair by pair."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from txt2sql.cli.options import JsonOption, grouped, option

if TYPE_CHECKING:
    from txt2sql.evaluation.comparison import Comparison


@grouped
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A run's folder, or a verdict file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, over the same examples.")],
    metric: str = option("The metric to compare.", default="execution_accuracy", metavar="NAME"),
    changes: int = option(
        "Changed examples to show; JSON has them all.", default=10, metavar="N", min=0
    ),
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

    result = comparison.compare(
        comparison.read_verdicts(a), comparison.read_verdicts(b), metric=metric
    )
    warnings = list(comparison.unlike(comparison.read_report(a), comparison.read_report(b)))
    if result.unmatched_a or result.unmatched_b:
        warnings.append(
            f"compared on the {result.a.n:,} examples that both have; left out: "
            f"{result.unmatched_a:,} of A, {result.unmatched_b:,} of B"
        )
    if result.unscored:
        warnings.append(
            f"{result.unscored:,} examples are left out because one side has no score for them"
        )
    if json:
        print(jsonlib.dumps({**comparison.as_json(result, str(a), str(b)), "warnings": warnings}))
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _print(result, (a, b), changes)


def _print(result: Comparison, names: tuple[Path, Path], shown_changes: int) -> None:
    from txt2sql.cli.display import printable
    from txt2sql.evaluation.report import print_facts, shown, shown_difference, shown_p, words

    counts = (
        f"both {result.both:,}, only A {result.only_a:,}, only B {result.only_b:,}, "
        f"neither {result.neither:,}"
    )
    lines = [
        (f"A  {names[0]}", shown(result.a)),
        (f"B  {names[1]}", shown(result.b)),
        ("B - A", shown_difference(result.difference)),
    ]
    if result.p is None:
        alike = result.both + result.neither
        counts = f"A scores more on {result.only_a:,}, B on {result.only_b:,}, alike on {alike:,}"
        lines.append(("examples", counts))
    else:
        lines += [("McNemar, exact", shown_p(result.p)), ("correct", counts)]
    print_facts(words(result.metric), lines)

    def one_line(text: str | None) -> str:
        """Nothing in it that a terminal would obey."""
        return printable(" ".join((text or "").split()))

    for change in result.changed[:shown_changes]:
        better = "B better" if change.b > change.a else "A better"
        question = f": {one_line(change.question)}" if change.question else ""
        print(f"\n{one_line(change.key)} ({one_line(change.db_id)}), {better}{question}")
        print(f"  gold  {one_line(change.gold_sql)}")
        print(f"  A     {one_line(change.a_sql) or 'no SQL'}")
        print(f"  B     {one_line(change.b_sql) or 'no SQL'}")
    if (hidden := len(result.changed) - shown_changes) > 0:
        print(f"\n… {hidden:,} more examples changed; --changes {len(result.changed)} shows all")
