"""`txt2sql ask`: questions in, SQL and rows out; without a question, a prompt to ask at."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from txt2sql.cli.options import DatabaseOption, NoConstrainedOption, Target, flag, grouped, option
from txt2sql.errors import PromptError

if TYPE_CHECKING:
    from txt2sql.serving.service import Service

SHOWN_ROWS = 20


@grouped
def ask(
    *,
    db: DatabaseOption = None,
    target: Target,
    questions: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="Questions; without one, a prompt opens."),
    ] = None,
    json: bool = flag("Print one JSON object per question.", "--json"),
    explain: bool = flag("Show the prompt, matched values and candidates.", "--explain"),
    max_rows: int | None = option("Rows to show  [default: 20; JSON 10000]", metavar="N", min=1),
    no_constrained: NoConstrainedOption = False,
    search: int | None = option("A tree search of N simulations.", metavar="N", min=1),
    guess: bool = flag("Show a guess where the answer is not known.", "--guess"),
) -> None:
    """Ask a database questions.

    The database is opened read-only: nothing a model writes can change it.
    Exits with 1 when a question got no SQL or its SQL failed.
    Other readings of the question stand beside an answer that is unsure or one of several; in the prompt,
    their number runs one.

    \b
    Examples:
      txt2sql ask "How many shops are there?"
      txt2sql ask --db shop.sqlite "How many shops are there?" "only those in Lisbon"
      txt2sql ask --db shop.sqlite                  (opens a prompt)
      txt2sql ask --db postgresql://reader@localhost/shop "How many shops are there?"
      txt2sql ask --json --db shop.sqlite "How many shops are there?" | jq .rows
      txt2sql ask --model Qwen/Qwen2.5-Coder-1.5B-Instruct "How many shops are there?"
    """
    from txt2sql.cli import display, shell

    interactive = not questions and not json and sys.stdin.isatty()
    lines: Iterator[str] = iter(())
    if not interactive:
        # The lines of standard input are answered as they come; the first is awaited.
        lines = iter(questions or (line.strip() for line in sys.stdin if line.strip()))
        first = next(lines, None)
        if first is None:
            raise PromptError(
                'no question was given; write it in quotes: txt2sql ask "How many ...?"'
            )
        lines = chain((first,), lines)
    with display.working("loading the model"):
        service = _service(db, target, max_rows, not no_constrained, search)
    if service.notice:
        print(f"txt2sql: {service.notice}", file=sys.stderr)
    if not questions:
        lines = shell.questions(lines)
    if interactive:
        shell.converse(service, max_rows or SHOWN_ROWS, explain, guess)
    elif not answer_all(service, lines, max_rows, json, explain, guess):
        raise typer.Exit(1)


def _service(
    db: str | None,
    target: Target,
    max_rows: int | None,
    constrained: bool,
    simulations: int | None,
) -> Service:
    from txt2sql import sample
    from txt2sql.execution.execute import Limits
    from txt2sql.serving.service import Service

    options = None
    if simulations is not None:
        from txt2sql.search.mcts import Settings
        from txt2sql.search.predictor import SearchOptions

        options = SearchOptions(mcts=Settings(num_simulations=simulations), early=True)
    return Service(
        db or sample.path(),
        target.model,
        limits=Limits(timeout_s=target.timeout, max_rows=max(max_rows or 0, Limits().max_rows)),
        constrained=constrained,
        search=options,
        describe=target.describe,
    )


def answer_all(
    service: Service,
    questions: Iterable[str],
    max_rows: int | None,
    json: bool,
    explain: bool,
    guess: bool = False,
) -> bool:
    """Print each answer as soon as it is there; True when every question got rows."""
    from txt2sql.cli import display, shell

    failed, previous = 0, None
    for question in questions:
        if question == shell.NEW:
            previous = None
            continue
        with display.working("thinking"):
            answer = service.ask(question, previous)
        previous = answer.turn or previous
        if explain:
            display.explanation(answer, to_stderr=json)
        if json:
            print(display.answer_json(answer, max_rows), flush=True)
        else:
            display.answer(answer, max_rows or SHOWN_ROWS, guess=guess)
        failed += answer.error is not None
    return not failed
