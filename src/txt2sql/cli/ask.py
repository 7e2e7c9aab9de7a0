"""`txt2sql ask`: questions in, SQL and rows out; without a question, a prompt (REPL) with history.
`txt2sql search`: one question answered by a tree search, and the tree of what was tried.
"""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from txt2sql.cli.options import (
    DatabaseOption,
    JsonOption,
    ModelOption,
    NoConstrainedOption,
    Target,
    flag,
    grouped,
    option,
)
from txt2sql.errors import PromptError
from txt2sql.runs import cache_dir, write_atomically

if TYPE_CHECKING:
    from txt2sql.serving.service import Answer, Service

SHOWN_ROWS = 20
_HELP = """\
Type a question and press Enter; the arrow keys bring earlier ones back.
  .schema [TABLE]   the tables, or the columns of one
  .new              start afresh: the next question follows no other
  1, 2, 3           run another reading of the last question, where some are shown
  .guess            show the best guess where the answer is not known
  help              this text
  exit              leave (or quit, or Ctrl-D)
SQL that begins with SELECT or WITH is run as it is."""
_HELPS = ("help", ".help")
_ENDS = ("exit", "quit", ".exit", ".quit")
NEW = ".new"


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
    from txt2sql import sample
    from txt2sql.cli import display
    from txt2sql.execution.execute import Limits

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
        from txt2sql.serving.service import Service

        options = None
        if search:
            from txt2sql.search.mcts import Settings
            from txt2sql.search.predictor import SearchOptions

            options = SearchOptions(mcts=Settings(num_simulations=search), early=True)
        most = max(max_rows or 0, Limits().max_rows)
        service = Service(
            db or sample.path(),
            target.model,
            limits=Limits(timeout_s=target.timeout, max_rows=most),
            constrained=not no_constrained,
            search=options,
            describe=target.describe,
        )
    if service.notice:
        print(f"txt2sql: {service.notice}", file=sys.stderr)
    if not questions:
        lines = commandless(lines)
    if interactive:
        converse(service, max_rows or SHOWN_ROWS, explain, guess)
    elif not answer_all(service, lines, max_rows, json, explain, guess):
        raise typer.Exit(1)


@grouped
def search(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="The question.")],
    db: DatabaseOption = None,
    model: ModelOption = None,
    simulations: int = option("How often the tree is walked.", default=100, metavar="N", min=1),
    seconds: float | None = option("Stop after the first answer then.", metavar="S", min=0.001),
    html: Path | None = option("Write the tree as a page of its own.", metavar="FILE"),
    json: JsonOption = False,
) -> None:
    """Answer a question by a tree search over the clauses of its query.

    Each simulation follows the clauses that look best so far and tries one more; what cannot run is
    refused on the way, and answers with the same result stand together in the final vote. The page
    draws the tree: steps with visits, mean values and priors, and the choice.

    \b
    Examples:
      txt2sql search --html tree.html "How many shops are there?"
      txt2sql search --db shop.sqlite --simulations 300 "Which shop is the oldest?"
    """
    from txt2sql import sample
    from txt2sql.cli import display
    from txt2sql.search.mcts import Settings
    from txt2sql.search.predictor import SearchOptions
    from txt2sql.search.tree import as_html
    from txt2sql.serving.service import Service

    options = SearchOptions(mcts=Settings(num_simulations=simulations, seconds=seconds))
    with display.working("loading the model"):
        service = Service(db or sample.path(), model, search=options)
    with display.working("searching"):
        answer = service.ask(question)
    if html is not None and answer.tree is not None:
        write_atomically(html, as_html(answer.tree))
    if json:
        print(jsonlib.dumps(answer.tree))
    else:
        display.answer(answer, 20)
    if answer.error is not None:
        raise typer.Exit(1)


def answer_all(
    service: Service,
    questions: Iterable[str],
    max_rows: int | None,
    json: bool,
    explain: bool,
    guess: bool = False,
) -> bool:
    """Print each answer as soon as it is there; True when every question got rows."""
    from txt2sql.cli import display

    failed, previous = 0, None
    for question in questions:
        if question == NEW:
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


def converse(service: Service, max_rows: int, explain: bool, guess: bool = False) -> None:
    """Answer questions until EOF or `exit`; Ctrl-C drops the line or the answer in the making."""
    from txt2sql.cli import display

    display.greeting(service.schema, service.model)
    if service.adapted:
        print(f"adapted to this database; --model {service.adapted.base} asks the plain one")
    last: Answer | None = None
    with _history():
        while True:
            try:
                line = input("txt2sql> ").strip()
                if line.lower() in _ENDS:
                    return
                last = _respond(line, last, service, max_rows, explain, guess)
            except KeyboardInterrupt:
                print()
            except EOFError:
                print()
                return


def commandless(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a pipe that are no commands: `help` is printed beside the answers, `quit` ends."""
    for line in lines:
        if line.lower() in _ENDS:
            return
        if line.lower() in _HELPS:
            print(_HELP, file=sys.stderr)
        else:
            yield line


def _respond(
    line: str, last: Answer | None, service: Service, max_rows: int, explain: bool, guess: bool
) -> Answer | None:
    from txt2sql.cli import display

    command, _, argument = line.partition(" ")
    if line == NEW:
        return None
    if last and line.isdecimal() and 0 < int(line) <= len(last.readings):
        taken = service.run_sql(last.readings[int(line) - 1].sql)
        display.answer(taken, max_rows, echo=False)
        return replace(taken, question=last.question, readings=last.readings)
    if last and line == ".guess":
        display.answer(last, max_rows, echo=False, guess=True)
    elif command == ".schema":
        display.schema(service.schema, argument.strip())
    elif line.lower() in _HELPS:
        print(_HELP)
    elif command.startswith("."):
        print(f"there is no command {command}; .help lists them")
    elif line:
        with display.working("thinking"):
            answer = service.ask(line, last.turn if last else None)
        if explain:
            display.explanation(answer)
        display.answer(answer, max_rows, echo=False, guess=guess)
        return answer if answer.turn else last
    return last


@contextmanager
def _history() -> Iterator[None]:
    try:
        import readline
    except ImportError:  # Windows: input() still reads, without history
        yield
        return
    path = cache_dir() / "history"
    readline.set_history_length(1000)
    # A history that cannot be read or kept is no reason to refuse an answer.
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)
