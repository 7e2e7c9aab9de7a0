"""Writes docs/cli.md: what `--help` says of every command, taken from the commands themselves.

python docs/generate_cli.py            write it
python docs/generate_cli.py --check    fail when the file is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from txt2sql.cli.main import application

PAGE = Path(__file__).with_name("cli.md")
HEADER = """\
# Command line

Made by `make docs` from the commands themselves; change the command, not this page.
"""


def commands(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    """(full name, help text) of a command and of everything below it."""
    # The width is given, or the page would depend on the terminal.
    settings = {**command.context_settings, "terminal_width": 90, "max_content_width": 90}
    context = command.context_class(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    for child in sorted(getattr(command, "commands", {})):
        yield from commands(command.commands[child], child, context)


def page() -> str:
    """The text of docs/cli.md."""
    parts = [HEADER]
    for name, text in commands(typer.main.get_command(application()), "txt2sql"):
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"## `{name}`\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit("docs/cli.md is out of date; run: make docs")
