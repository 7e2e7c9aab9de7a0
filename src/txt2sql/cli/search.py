"""`txt2sql search`: one question, thought about longer; the tree of what was tried.

$ txt2sql search --explain "How many shops are there?"
$ txt2sql search --db shop.sqlite --html tree.html "Which shop is the oldest?"
"""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import DatabaseOption, JsonOption, ModelOption


def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.")],
    db: DatabaseOption = None,
    model: ModelOption = None,
    simulations: Annotated[
        int, typer.Option(metavar="N", min=1, help="How often the tree is walked.")
    ] = 100,
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.001, help="Stop then; the first answer is never cut."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Draw the tree: steps, visits, values, the choice.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tree as a page of its own.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Answer a question by a tree search over the clauses of its query.

    Each simulation follows the clauses that look best so far and tries one more; what cannot run is
    refused on the way, and answers with the same result stand together in the final vote.

    \b
    Examples:
      txt2sql search "How many shops are there?"
      txt2sql search --explain --db shop.sqlite "Which shop is the oldest?"
      txt2sql search --html tree.html --simulations 300 "Which shop is the oldest?"
    """
    from txt2sql import sample
    from txt2sql.cli import display, tree
    from txt2sql.runs import write_atomically
    from txt2sql.search.mcts import Settings
    from txt2sql.search.predictor import SearchOptions
    from txt2sql.search.view import as_html
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
            tree.draw(display.terminal(), searched)
        display.answer(answer, 20)
    if answer.error is not None:
        raise typer.Exit(1)
