"""The interactive prompt of `txt2sql ask`: a read-eval-print loop (REPL) with history.

txt2sql> How many shops are there?
txt2sql> .schema shop
txt2sql> only in Lisbon
txt2sql> exit
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from txt2sql.cli import display
from txt2sql.runs import cache_dir
from txt2sql.serving.service import Answer, Service
from txt2sql.types import Turn

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
GUESS = ".guess"
_HISTORY_LINES = 1000


def converse(service: Service, max_rows: int, explain: bool, guess: bool = False) -> None:
    """Answer questions until EOF or `exit`; Ctrl-C drops the line or the answer in the making."""
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
                if line == NEW:
                    last = None
                elif line.isdigit() and last and 0 < int(line) <= len(last.readings):
                    last = _take(last, int(line), service, max_rows)
                elif line == GUESS and last:
                    display.answer(last, max_rows, echo=False, guess=True)
                elif line:
                    answer = _respond(
                        line, service, max_rows, explain, last.turn if last else None, guess
                    )
                    last = answer if answer and answer.turn else last
            except KeyboardInterrupt:
                print()
            except EOFError:
                print()
                return


def questions(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a pipe that are no commands: `help` is printed beside the answers, `quit` ends."""
    for line in lines:
        if line.lower() in _ENDS:
            return
        if line.lower() in _HELPS:
            print(_HELP, file=sys.stderr)
        else:
            yield line


def _take(last: Answer, number: int, service: Service, max_rows: int) -> Answer:
    """Run another reading of the last question; it is the answer then."""
    taken = service.run_sql(last.readings[number - 1].sql)
    display.answer(taken, max_rows, echo=False)
    return replace(taken, question=last.question, readings=last.readings)


def _respond(
    line: str,
    service: Service,
    max_rows: int,
    explain: bool,
    previous: Turn | None,
    guess: bool,
) -> Answer | None:
    """Do what a line says; the answer of a question."""
    command, _, argument = line.partition(" ")
    if command == ".schema":
        display.schema(service.schema, argument.strip())
    elif line.lower() in _HELPS:
        print(_HELP)
    elif command.startswith("."):
        print(f"there is no command {command}; .help lists them")
    else:
        with display.working("thinking"):
            answer = service.ask(line, previous)
        if explain:
            display.explanation(answer)
        display.answer(answer, max_rows, echo=False, guess=guess)
        return answer
    return None


@contextmanager
def _history() -> Iterator[None]:
    """Line editing and a history file, where this Python has readline."""
    try:
        import readline
    except ImportError:  # Windows: input() still reads, without history
        yield
        return
    path = cache_dir() / "history"
    readline.set_history_length(_HISTORY_LINES)
    # A history that cannot be read or kept is no reason to refuse an answer.
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)
