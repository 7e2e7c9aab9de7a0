"""GBNF, the grammar notation of llama.cpp, rewritten in the Lark dialect that llguidance reads.

The two differ in one thing that matters: llguidance splits text into lexemes, longest match first.
Here a rule that refers to no other rule is one lexeme, and so are a literal and a character class
elsewhere; every other rule is a rule. A grammar is read as it is meant when no lexeme has to be cut
short for the next one to fit, so words that can be alternatives at one place belong into leaf
rules of their own, and the space before a word never into the word's literal.

>>> print(to_lark('root ::= "a" tail?\\ntail ::= [b-d]{1,3}'))
start: /[ \\\\n]/? root
root: "a" TAIL?
TAIL: /[b-d]/{1,3}
"""

from __future__ import annotations

import json
import re

from txt2sql.errors import ModelError

_TOKEN = re.compile(
    r'(?P<literal>"(?:[^"\\\n]|\\.)*")|(?P<klass>\[(?:[^\]\\\n]|\\.)*\])'
    r"|(?P<head>[A-Za-z][\w-]*)(?=\s*::=)|(?P<name>[A-Za-z][\w-]*)|(?P<is>::=)"
    r"|(?P<times>\{\d+(?:,\d*)?\})|(?P<mark>[()|?*+.])|(?P<comment>\#[^\n]*)|(?P<gap>\s+)"
    r"|(?P<unknown>.)"
)
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_CONTROL = re.compile("[\x7f-\x9f]")
_SHORT = {"n": "\n", "r": "\r", "t": "\t"}


def to_lark(gbnf: str) -> str:
    """The same grammar for llguidance; it may start with one space, as SentencePiece text does.

    Raises ModelError for text that is not GBNF, lacks `root`, or refers to a rule it lacks.
    """
    rules: dict[str, list[tuple[str, str]]] = {}
    body: list[tuple[str, str]] | None = None
    for found in _TOKEN.finditer(gbnf):
        kind, text = found.lastgroup or "", found[0]
        if kind == "head":
            body = rules.setdefault(text, [])
            if body:
                raise ModelError(f"the grammar defines rule '{text}' twice; keep one of them")
        elif kind == "unknown" or (body is None and kind not in ("gap", "comment", "is")):
            line = gbnf.count("\n", 0, found.start()) + 1
            raise ModelError(f"line {line} of the grammar is not GBNF at '{text}'; correct it")
        elif body is not None and kind not in ("gap", "comment", "is"):
            body.append((kind, text))
    missing = {text for body in rules.values() for kind, text in body if kind == "name"} - {*rules}
    if "root" not in rules:
        missing.add("root")
    if missing:
        raise ModelError(f"the grammar lacks the rule '{min(missing)}'; add it")
    leaves = {name for name, body in rules.items() if all(kind != "name" for kind, _ in body)}
    names = {
        name: name.replace("-", "_").upper() if name in leaves else name.replace("-", "_").lower()
        for name in rules
    }
    if len(set(names.values())) < len(names):
        raise ModelError("two rules of the grammar differ only in case or in - and _; rename one")
    lines = [f"start: /[ \\n]/? {names['root']}"]
    for name, body in rules.items():
        lines.append(f"{names[name]}: {_body(body, names)}")
    return "\n".join(lines) + "\n"


def _body(tokens: list[tuple[str, str]], names: dict[str, str]) -> str:
    parts: list[str] = []
    for kind, text in tokens:
        if kind == "name":
            parts.append(f" {names[text]}")
        elif kind == "literal":
            value = json.dumps(_ESCAPE.sub(_character, text[1:-1]), ensure_ascii=False)
            parts.append(" " + _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", value))
        elif kind == "klass":
            inside = text[1:-1].replace("/", r"\/")
            parts.append(" /[" + re.sub(r"(?<!\\)([\[&~])", r"\\\1", inside) + "]/")
        elif text == ".":
            parts.append(r" /[^\n]/")
        else:
            parts.append(text if kind == "times" or text in "?*+)" else f" {text}")
    return "".join(parts).strip() or '""'


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else _SHORT.get(found[4], found[4])
