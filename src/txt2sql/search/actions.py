"""What a step is: one clause of a query, or one line of reasoning before it.

A query is cut before the words that begin a clause (FROM with its joins is one clause), outside
parentheses and quotes, so a subquery is inside one step. This holds for SQL and for the intermediate
representation alike. A line that begins with `--` is reasoning, and ends with its line break.

>>> split_steps("select name from t where a in ( select b from u ) order by c asc")
['select name', 'from t', 'where a in ( select b from u )', 'order by c asc']
"""

from __future__ import annotations

import re

_STARTERS = ("select", "from", "where", "group", "having", "order", "limit", "union", "intersect")
CLAUSES = frozenset((*_STARTERS, "except"))
# A tokenizer may cut a keyword; three letters of it, where a word can end a clause, are enough.
_CUT = frozenset(word[:size] for word in CLAUSES for size in range(3, len(word)))
_PENDING = frozenset(
    "select distinct all by as on and or not in like between from join where having limit union "
    "intersect except , ( . = < > + - / | ! case when then else with is".split()
)
_SET_OPERATORS = frozenset(("union", "intersect", "except", "all"))
_QUOTES = "'\"`"
_WORDS = re.compile(r"\w+|[^\w\s]")
_SPLIT = re.compile(r"\s*[\w]+|\s*[^\w\s]")


def starts_step(step: str, piece: str) -> bool:
    """Whether `piece`, the text of the next token, begins a new step after the text of this one."""
    if step.lstrip().startswith("--"):
        return step.endswith("\n")
    word = piece.strip().lower()
    if word not in CLAUSES and word not in _CUT:
        return False
    if not step.strip() or not (piece[0].isspace() or step[-1].isspace() or step[-1] == ")"):
        return False
    last = _WORDS.findall(step[-40:])[-1].lower()
    if last in _PENDING and not (word.startswith("sel") and last not in _SET_OPERATORS):
        return False
    if word.startswith("sel") and last in _PENDING | _SET_OPERATORS:
        return False
    return _open_at_end(step) == (0, "")


def _open_at_end(text: str) -> tuple[int, str]:
    """How many parentheses are open at the end of a text, and the quote that is, or ''."""
    depth, quote = 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        else:
            depth += (char == "(") - (char == ")")
    return depth, quote


def split_steps(text: str) -> list[str]:
    """A whole answer cut into its steps, without the space around them."""
    steps: list[str] = []
    step = ""
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("--") and not step.strip():
            steps.append(line.strip())
            continue
        for found in _SPLIT.finditer(line):
            if starts_step(step, found[0]):
                steps.append(step.strip())
                step = ""
            step += found[0]
        step += "\n" if line.endswith("\n") else ""
    return [*steps, step.strip()] if step.strip() else steps


def clause(step: str) -> str:
    """What kind of step a text is: its first word where it begins a clause, else "reason".

    >>> clause("order by [c3] desc")
    'order'
    """
    word = _WORDS.search(step)
    return word[0].lower() if word and word[0].lower() in CLAUSES | {"with"} else "reason"
