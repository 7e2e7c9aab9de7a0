"""`txt2sql doctor`: is this database there, what is in it, and is it safe to ask?"""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from txt2sql.cli.options import DatabaseOption, DescribeOption, JsonOption

if TYPE_CHECKING:
    from txt2sql.execution.examine import Examination

_MARKS = {"ok": "ok      ", "advice": "advice  ", "danger": "DANGER  "}


def doctor(
    db: DatabaseOption = None, json: JsonOption = False, describe: DescribeOption = None
) -> None:
    """Check a database before you ask it: connection, tables, rights, inferred keys.

    Nothing is changed. Exits with 1 when the database cannot be used, or is not safe to use: a
    superuser, rights to files of the server, rows that cross the network in the clear.

    \b
    Examples:
      txt2sql doctor --db shop.sqlite
      txt2sql doctor --db postgresql://reader@localhost/shop
    """
    from txt2sql import sample
    from txt2sql.execution.database import open_database
    from txt2sql.execution.examine import examine

    examination = examine(open_database(db or str(sample.path())), describe)
    if json:
        names = ("engine", "version", "role", "tables", "safe", "findings")
        facts = {name: getattr(examination, name) for name in names}
        ends = {"table": "table", "column": "column", "to_table": "referenced_table"}
        ends |= {"to_column": "referenced_column", "score": "score"}
        keys = [
            {name: getattr(key, own) for name, own in ends.items()}
            for key in examination.inferred_keys
        ]
        facts = {"database": examination.place, **facts, "inferred_keys": keys}
        print(jsonlib.dumps(facts, ensure_ascii=False, indent=2, default=asdict))
    else:
        print(_text(examination))
    if not examination.safe:
        raise typer.Exit(1)


def _text(examination: Examination) -> str:
    role = f", as {examination.role}" if examination.role else ""
    engine = f"{examination.engine} {examination.version}"
    lines = [examination.place, f"{engine}, {examination.tables} tables{role}", ""]
    for each in examination.findings:
        lines.append(f"{_MARKS[each.level]}{each.what}")
        if each.mend:
            lines.append(f"        -> {each.mend}")
    if examination.inferred_keys:
        lines += ["", "foreign keys that are not declared, inferred from names and values"]
    for key in examination.inferred_keys:
        reference = f"{key.table}.{key.column} -> {key.referenced_table}.{key.referenced_column}"
        lines.append(f"{key.score:.0%}     {reference}")
    return "\n".join([*lines, "", "safe to use" if examination.safe else "not safe to use"])
