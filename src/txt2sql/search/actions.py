"""What a step is: one clause of a query, or one line of reasoning before it.

A query is cut before the words that begin a clause (FROM with its joins is one clause), outside
parentheses and quotes, so a subquery is inside one step. Before the query, a line is a step: a comment,
a fence, or prose.

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
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_SPLIT = re.compile(r"\s*[\w]+|\s*[^\w\s]")


def starts_step(step: str, piece: str) -> bool:
    """Whether `piece`, the text of the next token, begins a new step after a text: of a whole answer
    so far, or of its last step.
    """
    word = piece.strip().lower()
    begins = word in CLAUSES or word in _CUT
    if not step.strip() or not (begins or (word and step[-1].isspace())):
        return False
    thought, thinking = _thoughts(step)
    if thinking or not step[thought:].strip():
        return not thinking  # a line of reasoning has ended
    step = step[thought:]
    if not begins or not (piece[0].isspace() or step[-1].isspace() or step[-1] == ")"):
        return False
    last = _WORDS.findall(step[-40:])[-1].lower()
    if last in _PENDING and not (word.startswith("sel") and last not in _SET_OPERATORS):
        return False
    if word.startswith("sel") and last in _PENDING | _SET_OPERATORS:
        return False
    return _open_at_end(step) == (0, "")


def _thoughts(text: str) -> tuple[int, bool]:
    """Where the lines of reasoning end that a text begins with, and whether the last is still open."""
    at = 0
    for line in _LINES.findall(text):
        if _is_thought(line):
            if not line.endswith("\n"):
                return at, True
        elif line.strip():
            break
        at += len(line)
    return at, False


def _is_thought(line: str) -> bool:
    """Whether a line at the head of an answer is reasoning: a comment, a fence, or prose.

    Prose may begin with a clause's word, too, but with a capital: "Where the town is Faro."
    """
    line = line.lstrip()
    if not line or line.startswith(("--", "```", "/*")):
        return bool(line)
    found = _WORDS.match(line)
    word = found[0] if found else ""
    known = word.lower() in CLAUSES | _CUT | {"with"}
    return word.istitle() if known else bool(word) and line[0] not in "(["


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
    thought, _ = _thoughts(text)
    steps = [line.strip() for line in text[:thought].split("\n") if line.strip()]
    step, rest = "", text[thought:]
    if _thoughts(rest)[1]:  # a line of reasoning that is still open
        return [*steps, rest.strip()]
    for found in _SPLIT.finditer(rest):
        if starts_step(step, found[0]):
            steps.append(step.strip())
            step = ""
        step += found[0]
    step += rest[len(rest.rstrip()) :]
    return [*steps, step.strip()] if step.strip() else steps


def clause(step: str) -> str:
    """What kind of step a text is: its first word where it begins a clause, else "reason".

    >>> clause("order by [c3] desc")
    'order'
    """
    word = _WORDS.search(step)
    if word is None or _is_thought(step):
        return "reason"
    return word[0].lower() if word[0].lower() in CLAUSES | {"with"} else "reason"
