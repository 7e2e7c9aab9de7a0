"""The interactive prompt of `txt2sql ask`: a read-eval-print loop (REPL) with history.

txt2sql> How many shops are there?
txt2sql> .schema shop
txt2sql> .quit
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from txt2sql.cli import display
from txt2sql.runs import cache_dir
from txt2sql.serving.service import Service

_HELP = """\
Type a question and press Enter; the arrow keys bring earlier ones back.
  .schema [TABLE]   the tables, or the columns of one
  .help             this text
  .quit             leave (or Ctrl-D)"""
_HISTORY_LINES = 1000


def converse(service: Service, max_rows: int, explain: bool) -> None:
    """Answer questions until EOF or `.quit`; Ctrl-C drops the line or the answer in the making."""
    display.greeting(service.schema, service.model)
    if service.adapted:
        print(f"adapted to this database; --model {service.adapted.base} asks the plain one")
    with _history():
        while True:
            try:
                line = input("txt2sql> ").strip()
                if line in (".quit", ".exit"):
                    return
                if line:
                    _respond(line, service, max_rows, explain)
            except KeyboardInterrupt:
                print()
            except EOFError:
                print()
                return


def _respond(line: str, service: Service, max_rows: int, explain: bool) -> None:
    command, _, argument = line.partition(" ")
    if command == ".schema":
        display.schema(service.schema, argument.strip())
    elif command == ".help":
        print(_HELP)
    elif command.startswith("."):
        print(f"there is no command {command}; .help lists them")
    else:
        with display.working("thinking"):
            answer = service.ask(line)
        if explain:
            display.explanation(answer)
        display.answer(answer, max_rows, echo=False)


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
