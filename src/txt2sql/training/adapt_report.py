"""What an adaptation came to: whether its adapter is worth using, in numbers and on a page.

Execution accuracy before and after on the same questions, compared in pairs (McNemar's exact test,
Newcombe's interval).

>>> verdict({"synthetic": compare(before, after)})  # doctest: +SKIP
(True, 'it answers more of the made questions')
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txt2sql.evaluation.comparison import Comparison

MEASURED = {"synthetic": "made questions", "given": "given questions"}
"""The parts that measure, and what people call them."""

_SURE = 0.05


def verdict(found: Mapping[str, Comparison]) -> tuple[bool, str]:
    """Whether to use an adapter, and why: surely better on made questions, and, where there are given
    ones, not worse on them.
    """
    made, given = found.get("synthetic"), found.get("given")
    if given is not None and given.difference.mean < 0:
        return False, "it answers fewer of the given questions"
    if made is None or made.difference.mean <= 0:
        return False, "it answers no more of the made questions"
    if made.p is not None and made.p >= _SURE:
        return False, "that it answers more of the made questions may be chance"
    given_too = ", and no fewer of the given ones" if given is not None else ""
    return True, f"it answers more of the made questions{given_too}"


def numbers(found: Comparison) -> dict[str, Any]:
    """One comparison, ready for JSON."""
    return {
        "before": found.a._asdict(),
        "after": found.b._asdict(),
        "difference": found.difference._asdict(),
        "p": found.p,
        "only_before": found.only_a,
        "only_after": found.only_b,
    }


def page(facts: Mapping[str, Any], found: Mapping[str, Comparison]) -> str:
    """The report to read, in Markdown."""
    lines = [
        f"# {facts['model']} adapted to {facts['db_id']}",
        "",
        f"The adapter is {'in use' if facts['used'] else 'not used'}: {facts['why']}.",
        "",
        "Execution accuracy on questions whose SQL was not trained on, with any values:",
        "",
        "| questions | n | before | after | difference, 95% interval | McNemar's p |",
        "|---|---|---|---|---|---|",
    ]
    for part, each in found.items():
        gap = each.difference
        lines.append(
            f"| {MEASURED[part]} | {each.a.n:,} | {each.a.mean:.1%} | {each.b.mean:.1%} | "
            f"{100 * gap.mean:+.1f} points, {100 * gap.low:+.1f} to {100 * gap.high:+.1f} | "
            f"{each.p:.3f} |"
        )
    for part, each in found.items():
        lines += ["", f"## {MEASURED[part].capitalize()} that changed", ""]
        for change in each.changed[:20]:
            sign = "now right" if change.b > change.a else "now wrong"
            lines.append(f"- {sign}: {change.question}  \n  `{change.b_sql or 'no SQL'}`")
    return "\n".join(lines) + "\n"
