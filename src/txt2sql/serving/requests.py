"""What somebody typed: a question that refers back, a statement of SQL, a wish to change something.

The wording alone decides: the words that follow-ups begin with (English and German), pronouns before
which no noun stands, "instead".
"""

from __future__ import annotations

import re

from txt2sql.sql.text import is_statement
from txt2sql.types import Schema

_DECLINED = "nothing here can be changed, the database is only read; ask a question about it"
_LONGEST = 5_000


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.VERBOSE)


_AT_THE_END = r"(?:\ (?:please|then|only|too|first|bitte))*\W*$"
_FILLERS = r"""(?:(?:which|what|who|whose|when|where|how|many|much|of|in|from|for|by|on|at|to|the|a|any|all|each
    |one|is|are|was|were|do|does|did|has|have|had|can|show|give|since|welche|wer|wie|viele|sind)\ +)*"""
"""All that may stand before a pronoun and explains nothing."""
_REFERS_BACK = _pattern(
    rf"""^\W*(?:(?:ok|okay|no|yes|please)\b\W*)*(?:
        (?:and|or|but|only|just|counting|now|then|also|same|instead|without|not\ counting|(?:what|how)\ about)\b
        |(?:und|oder|aber|nur|jetzt|auch|ohne|mit|lieber|sortiert|statt(?:\ dessen)?|das\ (?:gleiche|ganze)|nach)\b
        |(?:in|as\ a\ share\ of)\ (?:percent|everything|all)\b
        |(?:at|from|for|to|by)\ which\ \w+\W*$ | the\ (?:year|month|week|day|quarter)\ (?:after|before)\b
        |what(?:'s|\ is)\ the\ (?:sum|total|average|mean|share)\W*$
        |(?:sort|order\ (?:by|it|them|those)|sortier[e]?|split|break|broken|roll|leave|drop|skip|add(?!\ up)|count\ only)\b
        |(?:with|by(?!\ how\ (?:much|many))|as\ (?:a\ )?percent\w*|rounded)\b
        |(?:per|for\ (?:all|each|every))(?:\ [\w,]+){{1,5}}\W*$
        |(?:in|for|since|before|after|from)(?:\ [\w%]+){{1,2}}{_AT_THE_END}
        |the\ (?:other|ones?)\b | which\ ones?\b
        |(?:the\ )?(?:bottom|top)\ (?:\d+|one|two|three|four|five|ten){_AT_THE_END} | the\ bottom\b | the\ \d+\ \w+{_AT_THE_END}
        |\w*st\ (?:\w+\ )?(?:first|on\ top|at\ the\ top)\b
        |{_FILLERS}(?:those|these|them|they|it|that|this|he|she)\b(?!\ (?:day|week|month|quarter|year)s?\b)
        |(?:\w+\ ){{1,3}}only\b\W*(?:$|,)
    )
    |\b(?:instead|rather)\b | \b(?:too|as\ well)\ *(?:$|,)
    |\bdavon\b | \b(?:sind|ist|war|waren)\ (?:das|die)\W*$
    |\b(?:is|are|was|were|did|do|does|by|for|of|behind|after|with|from)\ (?:that|those|these|them|they|this|it)(?:\ \w+)?\W*$
    |^(?:\w+\ ){{1,4}}(?:them|then|each)\W*$ | \bmissing\ (?:for|of)\ each\W*$"""
)

_CHANGES = _pattern(
    r"""^\W*(?:(?:please|can\ you|could\ you|would\ you|i\ want\ to|let's|now|and|then)\b\W*)*(?:
        (?:delete|erase|wipe|l(?:ö|oe)sche?)\ (?!(?:\w+\ )?(?:per|by|of|requests?|operations?|events?|dates?|times?)\b)
        |(?:truncate|update|overwrite)\ (?:all|every|each|any|the|my|our|\w+\ \#?\d+)\b | update\ \S+\ set\b
        |(?:drop|alter|truncate|create)\ (?:the\ )?(?:table|column|view|index|trigger|database|schema)\b
        |remove\ (?:all|every|each|.+\ from\ the\ (?:database|db|table))\b | insert\ into\b
        |(?:insert|add|create)\ (?:an?\ |the\ )?(?:new|another)\ (?!column)
        |(?:insert|add|create)\ an?\ \w+\ (?:named|called|for|to|who)\b
        |(?:set|change|rename|raise|increase|lower|reduce|mark)\ (?:all|every|each|the|\w+\ \#?\d+)\b
         (?!\ (?:sort\w*|order|limit|day|month|quarter|year|period|range|chart)\b).*\ (?:to|by|as|=)\ \S
    )"""
)
_BEGINS = re.compile(r"\s*(?:explain\s+(?:query\s+plan\s+)?)?((?:select|with)\b.*)", re.I | re.S)
_WRITTEN = re.compile(r"SELECT|WITH|[*();=<>\"`]|(?i:select)\s+[\d']")
_READS = re.compile(r"\b(?:from|join)\s+[\"`\[]?(\w+)", re.I)


def refers_back(question: str) -> bool:
    """Whether a question makes sense only after another one."""
    return bool(_REFERS_BACK.search(" ".join(question.split())))


def declined(text: str) -> str:
    """Why a request to change something is not even tried; "" for everything else."""
    return _DECLINED if _CHANGES.search(" ".join(text.split())) else ""


def is_sql(text: str, schema: Schema) -> bool:
    """Whether it is one statement that somebody typed: what parses is SQL where it is written in capitals or
    signs, or reads a table that there is."""
    match = _BEGINS.fullmatch(text)
    if match is None or len(text) > _LONGEST or not is_statement(match[1]):
        return False
    tables = (schema.table(name) for name in _READS.findall(text))
    return _WRITTEN.search(match[1]) is not None or any(tables)
