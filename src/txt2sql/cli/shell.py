"""The interactive prompt of `txt2sql ask`: a read-eval-print loop (REPL) with history."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from txt2sql.cli import display
from txt2sql.runs import cache_dir
from txt2sql.serving.service import Answer, Service

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
                last = _respond(line, last, service, max_rows, explain, guess)
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


def _respond(
    line: str, last: Answer | None, service: Service, max_rows: int, explain: bool, guess: bool
) -> Answer | None:
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
