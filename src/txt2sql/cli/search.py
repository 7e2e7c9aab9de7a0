"""`txt2sql search`: one question answered by a tree search, and the tree of what was tried."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from txt2sql.cli.options import DatabaseOption, JsonOption, ModelOption, flag, grouped, option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@grouped
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.")],
    db: DatabaseOption = None,
    model: ModelOption = None,
    simulations: int = option("How often the tree is walked.", default=100, metavar="N", min=1),
    seconds: float | None = option("Stop after the first answer then.", metavar="S", min=0.001),
    explain: bool = flag("Draw the tree: steps, visits, values, the choice.", "--explain"),
    html: Path | None = option("Write the tree as a page of its own.", metavar="FILE"),
    json: JsonOption = False,
) -> None:
    """Answer a question by a tree search over the clauses of its query.

    Each simulation follows the clauses that look best so far and tries one more; what cannot run is
    refused on the way, and answers with the same result stand together in the final vote.

    \b
    Examples:
      txt2sql search --explain --db shop.sqlite "Which shop is the oldest?"
      txt2sql search --html tree.html --simulations 300 "Which shop is the oldest?"
    """
    from txt2sql import sample
    from txt2sql.cli import display
    from txt2sql.runs import write_atomically
    from txt2sql.search.mcts import Settings
    from txt2sql.search.predictor import SearchOptions
    from txt2sql.search.tree import as_html
    from txt2sql.serving.service import Service

    options = SearchOptions(mcts=Settings(num_simulations=simulations, seconds=seconds))
    with display.working("loading the model"):
        service = Service(db or sample.path(), model, search=options)
    with display.working("searching"):
        answer = service.ask(question)
    searched = answer.tree
    if html is not None and searched is not None:
        write_atomically(html, as_html(searched))
    if json:
        print(jsonlib.dumps(searched))
    else:
        if explain and searched is not None:
            draw(display.terminal(), searched)
        display.answer(answer, 20)
    if answer.error is not None:
        raise typer.Exit(1)


_SHOWN = 2  # steps of a node that are drawn though they were hardly visited


def draw(console: Console, tree: Mapping[str, Any]) -> None:
    """Print the tree of `search.tree`, then its candidates: visits (N), mean value (Q), prior (P)."""
    from rich.text import Text
    from rich.tree import Tree

    from txt2sql.cli.display import printable

    nodes, chosen, drawn = tree["nodes"], set(tree["path"]), set[int]()
    facts = (
        f"{tree['simulations']} simulations, {tree['expansions']} expansions, "
        f"{tree['tokens']} tokens, {tree['seconds']:.2f} s; stopped: {tree['reason']}"
    )
    root = Tree(Text.assemble((printable(tree["question"]), "bold"), ("  ·  " + facts, "dim")))

    def grow(branch: Tree, number: int) -> None:
        drawn.add(number)
        edges = sorted(nodes[number]["edges"], key=lambda edge: (-edge["visits"], -edge["prior"]))
        for position, edge in enumerate(edges):
            to = edge["to"]
            if position >= _SHOWN and not edge["visits"] and to not in chosen:
                left = len(edges) - position
                branch.add(Text(f"… {left} more, never visited", style="dim"))
                break
            label = _label(nodes[to], edge, to in chosen)
            if to in drawn:
                branch.add(label.append("   same as above", style="dim"))
            else:
                grow(branch.add(label), to)
        for refused in nodes[number]["refused"]:
            text = f"✗ {printable(refused['step'])}   {printable(refused['reason'])}"
            branch.add(Text(text, style="dim red"))

    if nodes:
        grow(root, 0)
    console.print(root, soft_wrap=True)
    console.print()
    for candidate in tree["candidates"]:
        score = "failed" if candidate["score"] < 0 else f"{candidate['score']:.3f}"
        own = "  (the model's own)" if candidate["own"] else ""
        sql = printable(candidate["sql"])
        line = Text.assemble((f"  {score:>6}  ", "dim"), sql, (own, "yellow"))
        console.print(line, soft_wrap=True)
    console.print()


def _label(node: Mapping[str, Any], edge: Mapping[str, Any], chosen: bool) -> Text:
    from rich.text import Text

    from txt2sql.cli.display import printable

    text = Text("● " if chosen else "", style="green")
    text.append(printable(node["step"]) or "(end)", style="bold green" if chosen else "default")
    text.append(f"   N {edge['visits']}  Q {edge['q']:.2f}  P {edge['prior']:.2f}", style="dim")
    if node["score"] is not None:
        text.append(f"  preference {node['score']:.2f}", style="dim")
    if (result := node["result"]) and result["error"]:
        text.append(f"   fails: {printable(result['error'])}", style="red")
    elif result:
        wins = "chosen result, " if node["wins"] else ""
        text.append(f"   {wins}{result['rows']:,} row{'s' * (result['rows'] != 1)}", style="cyan")
    if node["own"]:
        text.append("   the model's own answer", style="yellow")
    return text
