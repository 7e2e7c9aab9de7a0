"""The tokens that Spider's exact set match sees: SQL cut as English prose is cut.

Field's name: Treebank tokenisation. Spider's evaluator cuts SQL with an English word tokeniser, and
that decides which queries it can read: `age = 3` is three tokens, `age=3` is one and cannot be read,
while `age>3` is three again. Here the same cuts are made in one pass of one regular expression, in
time linear in the text. Source: the rules of the Penn Treebank tokeniser (Marcus et al. 1993) and
those of Punkt (Kiss and Strunk 2006) for where a sentence, and with it a full stop, ends.

>>> tokenise("SELECT Name FROM singer WHERE age>=3")
['select', 'name', 'from', 'singer', 'where', 'age', '>', '=3']
"""

from __future__ import annotations

import re

_QUOTED = re.compile('"[^"]*"')

_CUT = r"\s;@#$%&?!*()\[\]{}<>«»“”„‘’\u2012-\u2015`"
"""White space, and the characters that stand alone."""


def _tokens(word: str) -> re.Pattern[str]:
    """Words of the characters outside `word`, with single dots and dashes inside; the rest singly."""
    inner = rf"(?:\.(?!\.)|-(?!-))[^{word}.-]*"
    return re.compile(rf"[^{word}.-]+(?:{inner})*|(?:{inner})+|`+|--|\.\.+|\S")


_TOKEN = _tokens(_CUT + ",:")

# What asks for more work: a comma or colon stands alone unless a digit follows, of two in a row the
# second stays with what comes after it, and some English words are two.
_ODD = re.compile(r"[,:][\d,:]|cannot|gimme|gonna|gotta|lemme|wanna")
_COMMA = re.compile(r"([,:])(\D)")
_CONTRACTION = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)"
    rf"|(wan)(na)(?=$|[{_CUT}]|--|\.\.))\b"
)
_ODD_TOKEN = _tokens(_CUT)

# A full stop before white space or one of these characters may end a sentence; then it stands alone.
# Not so after a number when a small letter follows, nor after a single letter when any does.
_STOP = re.compile(r"\.[\s)\";}\]*:@({\[!?«»‘’“”]")
_RUN = re.compile(r"(\S+)(?=\s*(\S?))")
_END = re.compile(r"[.?!](?=$|[)\";}\]*:@({\[!?«»‘’“”])")
_NUMBER_OR_INITIAL = re.compile(r"(?:^|[^\w.,-])(?:-?[.,]?\d[\d,.-]*|([^\W\d_]))$")
_CLOSERS = ")]}>»”’ "


def tokenise(sql: str) -> list[str] | None:
    """Lower-case tokens, quoted text as it stands between double quotes; None: a quote is open."""
    quoted: dict[str, str] = {}
    text = sql.replace("'", '"')
    if '"' in text:
        if text.count('"') % 2:
            return None

        def hide(match: re.Match[str]) -> str:
            # The word that stands for quoted text holds its place, as Spider's does: glued to
            # something else it is never put back, and two of them differ.
            mark = f"__val_{match.start()}_{match.end() - 1}__"
            quoted[mark] = match.group()
            return mark

        text = _QUOTED.sub(hide, text)
    if "." in text:
        text = _split_stops(text)
    text = text.lower()
    tokens: list[str] = _odd_tokens(text) if _ODD.search(text) else _TOKEN.findall(text)
    if "=" in tokens and (">" in tokens or "<" in tokens or "!" in tokens):
        tokens = _join_comparisons(tokens)
    if quoted:
        tokens = [quoted.get(token, token) for token in tokens]
    return tokens


def _odd_tokens(text: str) -> list[str]:
    text = _COMMA.sub(r" \1 \2", text)
    if text.endswith((",", ":")):
        text = f"{text[:-1]} {text[-1]}"
    text = _CONTRACTION.sub(lambda match: f" {' '.join(filter(None, match.groups()))} ", text)
    return _ODD_TOKEN.findall(text)


def _join_comparisons(tokens: list[str]) -> list[str]:
    """`>` `=` -> `>=`, and so for `<` and `!`."""
    joined: list[str] = []
    for token in tokens:
        if token == "=" and joined and joined[-1] in ("!", ">", "<"):
            joined[-1] += "="
        else:
            joined.append(token)
    return joined


def _split_stops(text: str) -> str:
    """Set apart the full stops that end the text or a sentence in it."""
    bare = text.rstrip().rstrip(_CLOSERS)
    if bare.endswith(".") and not bare.endswith(".."):
        text = f"{bare[:-1]} . {text[len(bare) :]}"
    if _STOP.search(text):
        text = _RUN.sub(_split_stop, text)
    return text


def _split_stop(run: re.Match[str]) -> str:
    """Set apart the last full stop of a run without white space, where a sentence ends there."""
    text, following = run.groups()
    ends = [match.start() for match in _END.finditer(text)]
    if not (ends and following) and ends[-1:] == [len(text) - 1]:
        ends.pop()
    if not ends or text[ends[-1]] != "." or text[: ends[-1]][-1:] in ("", "."):
        return text
    before, after = text[: ends[-1]], text[ends[-1] + 1 :]
    following = after[:1] or following
    short = _NUMBER_OR_INITIAL.search(before)
    if short and (
        following in ";:,.!?" or (following.isalpha() if short[1] else following.islower())
    ):
        return text
    return f"{before} . {after}"
