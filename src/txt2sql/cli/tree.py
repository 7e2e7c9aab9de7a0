"""A searched tree in the terminal: steps with visits (N), mean value (Q) and prior (P).

question  ·  100 simulations, 14 expansions, 0.41 s
├── ● select count ( * )          N 97  Q  0.24  P 0.91
│   └── ● from [t0]               N 97  ...
└── ✗ select [c9]                 no such column
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from txt2sql.cli.display import printable

_SHOWN = 2
"""Steps of a node that are drawn though they were hardly visited."""


def drawing(tree: Mapping[str, Any]) -> Tree:
    """The tree of `search.trajectory.as_json`, for rich to print."""
    nodes, chosen = tree["nodes"], set(tree["path"])
    facts = (
        f"{tree['simulations']} simulations, {tree['expansions']} expansions, "
        f"{tree['tokens']} tokens, {tree['seconds']:.2f} s; stopped: {tree['reason']}"
    )
    root = Tree(Text.assemble((printable(tree["question"]), "bold"), ("  ·  " + facts, "dim")))
    drawn: set[int] = set()

    def grow(branch: Tree, number: int) -> None:
        drawn.add(number)
        node = nodes[number]
        edges = sorted(node["edges"], key=lambda edge: (-edge["visits"], -edge["prior"]))
        for position, edge in enumerate(edges):
            if position >= _SHOWN and not edge["visits"] and edge["to"] not in chosen:
                left = len(edges) - position
                branch.add(Text(f"… {left} more, never visited", style="dim"))
                break
            again = edge["to"] in drawn
            below = branch.add(_label(nodes[edge["to"]], edge, edge["to"] in chosen, again))
            if not again:
                grow(below, edge["to"])
        for refused in node["refused"]:
            text = f"✗ {printable(refused['step'])}   {printable(refused['reason'])}"
            branch.add(Text(text, style="dim red"))

    if nodes:
        grow(root, 0)
    return root


def _label(node: Mapping[str, Any], edge: Mapping[str, Any], chosen: bool, again: bool) -> Text:
    text = Text("● " if chosen else "", style="green")
    text.append(printable(node["step"]) or "(end)", style="bold green" if chosen else "default")
    numbers = f"   N {edge['visits']}  Q {edge['q']:.2f}  P {edge['prior']:.2f}"
    text.append(numbers, style="dim")
    if node["score"] is not None:
        text.append(f"  preference {node['score']:.2f}", style="dim")
    if again:
        text.append("   same as above", style="dim")
    result = node["result"]
    if result is not None:
        if result["error"]:
            text.append(f"   fails: {printable(result['error'])}", style="red")
        else:
            count = result["rows"]
            wins = "chosen result, " if node["wins"] else ""
            text.append(f"   {wins}{count:,} row{'s' * (count != 1)}", style="cyan")
    if node["own"]:
        text.append("   the model's own answer", style="yellow")
    return text


def draw(console: Console, tree: Mapping[str, Any]) -> None:
    """Print a tree, then its candidates."""
    console.print(drawing(tree), soft_wrap=True)
    console.print()
    for candidate in tree["candidates"]:
        score = "failed" if candidate["score"] < 0 else f"{candidate['score']:.3f}"
        own = "  (the model's own)" if candidate["own"] else ""
        line = Text(f"  {score:>6}  ", style="dim")
        line.append(printable(candidate["sql"]))
        line.append(own, style="yellow")
        console.print(line, soft_wrap=True)
    console.print()
