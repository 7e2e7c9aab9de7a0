"""The table of shapes: what analysts ask, each an SQL template with the wordings that ask for it.

Both name parts: `{by.words}` are the words of what rows are grouped by. A wording whose parts have
nothing to say is passed over. One that ends in "?" or "." is a whole question, others get a request.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from txt2sql.data.synthesis.conditions import Draft, Unfit
from txt2sql.data.synthesis.contents import Profile
from txt2sql.identifiers import quote_identifier as quote

_ONE = (
    "what is the {}?", "what's the {}?", "what was the {}?", "show the {}", "give me the {}", "{}", "{}",
    "calculate the {}", "find the {}", "I need the {}", "can you tell me the {}?", "please show the {}",
)  # fmt: skip
_MANY = (
    "what are the {}?", "list the {}", "show the {}", "show me the {}", "give me the {}", "{}", "{}",
    "find the {}", "get the {}", "I need the {}", "can you list the {}?", "please show the {}",
)  # fmt: skip
_FEW, _SOME, _MUST, _NEVER = (0.7, 0.3), (0.5, 0.4, 0.1), (0.12, 0.55, 0.25, 0.08), (1,)
"""Shares of questions with no, one, two and three conditions."""


class Question(NamedTuple):
    """A question with its SQL; `clock` is the day (ISO) that 'now' must be for there to be rows."""

    text: str
    sql: str
    kind: str
    clock: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of question: how often it is tried, its SQL and its wordings. `conditions` are the
    shares of questions with no, one, two ... conditions."""

    kind: str
    weight: float
    sql: str
    wordings: tuple[str, ...]
    conditions: tuple[float, ...] = _SOME
    requests: tuple[str, ...] = _MANY


_PARTED = "SELECT {ranked.plain} FROM (SELECT {ranked.inner}, ROW_NUMBER() OVER (PARTITION BY {ranked.group} ORDER BY {ranked.order}) AS place_in_group {rows}) AS ranked WHERE place_in_group "
_TOTALS = "WITH totals AS (SELECT {time.outputs}, {total.sql} AS amount {rows} GROUP BY {time.group}) "  # fmt: skip
_SIDE = "SELECT {other.outputs} {source} WHERE {case.sql} = "
_LEFT = "LEFT JOIN {child.table} ON {child.parent} = {child.key}"
_LONELY = ("which {nouns} have no {child.many}?", "{names.clear}{nouns} that have no {child.many}",
           "{names.clear}{nouns} without any {child.many}", "{names.words} of {nouns} with no {child.many}")  # fmt: skip
SHAPES = (
    Shape("listing", 11, "SELECT {names.sql} {rows}", (
        "{names.clear}{subject}", "{names.words} of {subject}", "list all{names.clear}{subject}.",
        "{names.clear}which {nouns} {predicate}?"), _MUST),
    Shape("columns", 9, "SELECT {columns.sql} {rows}", (
        "{columns.words} of {subject}", "{columns.words} of all {subject}",
        "{columns.words} for {subject}", "for {subject}, show the {columns.words}."), _MUST),
    Shape("sorted", 4, "SELECT {names.sql}, {key.sql} {rows} ORDER BY {key.order}", (
        "{names.list} and {key.many} of {subject}, {key.end} {key.noun} first",
        "{names.clear}{subject} with their {key.noun}, sorted by {key.noun}, {key.end} first")),
    Shape("rows", 4, "SELECT {star} {rows}", (
        "show all details of {subject}.", "give me everything about {subject}.",
        "list the full records of {subject}.", "show all columns for {subject}."), _MUST),
    Shape("with_parent", 4, "SELECT {names.sql}, {parent.sql} {rows}", (
        "{names.clear}{subject} with their {parent.words}",
        "{names.words} of {subject} along with the {parent.words}")),
    Shape("counting", 11, "SELECT COUNT(*) {rows}", (
        "how many {subject} are there?", "how many {subject} do we have?", "how many {plain}?",
        "count the {subject}.", "number of {subject}", "how many {nouns} {predicate}?"), _MUST, _ONE),
    Shape("different", 4, "SELECT DISTINCT {value.sql} {rows}", (
        "{different} {value.words} of {subject}", "which {value.words} do the {subject} have?",
        "{different} {value.words} among {subject}")),
    Shape("count_different", 2.5, "SELECT COUNT(DISTINCT {value.sql}) {rows}", (
        "how many {different} {value.words} do the {subject} have?",
        "number of {different} {value.words} of {subject}"), requests=_ONE),
    Shape("aggregate", 8, "SELECT {measure.sql} {rows}", (
        "{measure.name} of {subject}", "{measure.name} of all {subject}", "{measure.name} for {subject}"),
        requests=_ONE),
    Shape("grouped", 14, "SELECT {by.outputs}, {figure.sql} {rows} GROUP BY {by.group}", (
        "{figure.words} of {subject} {by.each}", "{by.each}, what is the {figure.words} of {subject}?",
        "{figure.bare}{plain} {by.each}.", "{figure.how_many} {subject} are there {by.each}?",
        "{figure.how_many} {subject} does each {by.entity} have?", "{always}{figure.name} {by.each}"),
        requests=_ONE),
    Shape("grouped", 2, "SELECT {by.outputs}, {figure.sql} {rows} GROUP BY {by.group} ORDER BY {figure.sql} DESC", (
        "{figure.words} of {subject} {by.each}, highest {figure.words} first",), requests=_ONE),
    Shape("having", 3.5, "SELECT {other.outputs} {rows} GROUP BY {other.group} HAVING COUNT(*) > {n.sql}", (
        "which {other.many} have more than {n.words} {subject}?",
        "{other.many} with more than {n.words} {subject}"), _FEW),
    Shape("having", 2, "SELECT {other.outputs} {rows} GROUP BY {other.group} HAVING {measure.sql} > {measure.middle}", (
        "{other.many} whose {measure.name} of {subject} is above {measure.middle}",
        "for which {other.many} is the {measure.name} of {subject} more than {measure.middle}?"), _FEW),
    Shape("leading_group", 4, "SELECT {other.outputs} {rows} GROUP BY {other.group} ORDER BY {total.sql} DESC LIMIT 1", (
        "which {other.words} has the {total.most} {subject}?", "{other.words} with the {total.most} {subject}",
        "which {other.words} has the highest {total.name} of {subject}?"), _FEW, _ONE),
    Shape("leading_groups", 3, "SELECT {by.outputs}, {total.sql} {rows} GROUP BY {by.group} ORDER BY {total.sql} DESC LIMIT {n.sql}", (
        "top {n.words} {by.many} by {total.words} of {subject}, with the {total.words}",
        "{n.words} {by.many} with the {total.most} {subject} and how many",
        "{n.words} {by.many} with the highest {total.name} of {subject} and the {total.name}"), _FEW),
    Shape("share", 3, "SELECT {by.outputs}, 100.0 * {total.sql} / SUM({total.sql}) OVER () {rows} GROUP BY {by.group}", (
        "what percentage of all{total.bare}{subject} does each {by.words} account for?",
        "what percentage of the {total.name} of {subject} does each {by.words} account for?",
        "percentage of{total.bare}{subject} {by.each}",
        "share of the {total.name} of {subject} in percent {by.each}"), _FEW, _ONE),
    Shape("percentage", 4, "SELECT 100.0 * SUM(CASE WHEN {counted.sql} THEN 1 ELSE 0 END) / COUNT(*) {rows}", (
        "what percentage of {subject} {counted.predicate}?", "percentage of {subject} that {counted.predicate}",
        "what percent of the {subject} {counted.predicate}?"), _FEW, _ONE),
    Shape("first", 6, "SELECT {names.sql} {rows} ORDER BY {key.order} LIMIT 1", (
        "{names.clear}{key.degree} {one}", "{names.clear}{one} with the {key.end} {key.noun}",
        "{names.noun} of the {one} with the {key.end} {key.noun}",
        "{names.clear}which {one} has the {key.end} {key.noun}?"), _FEW, _ONE),
    Shape("first_n", 5, "SELECT {names.sql}, {key.sql} {rows} ORDER BY {key.order} LIMIT {n.sql}", (
        "{names.clear}{n.words} {key.degree} {subject} and their {key.noun}",
        "{key.top} {n.words} {subject} by {key.noun}, with the {key.noun}",
        "{names.list} and {key.many} of the {n.words} {subject} with the {key.end} {key.noun}"), _FEW),
    Shape("first_in_group", 2.5, _PARTED + "= 1", (
        "{ranked.degree} {one} in each {ranked.words} and its {ranked.noun}",
        "{one} with the {ranked.end} {ranked.noun} in each {ranked.words}, with the {ranked.noun}",
        "for each {ranked.words}, which {one} has the {ranked.end} {ranked.noun}, and what is it?"), _FEW, _ONE),
    Shape("first_n_in_group", 2, _PARTED + "<= {n.sql}", (
        "{ranked.top} {n.words} {subject} by {ranked.noun} in each {ranked.words}, with the {ranked.noun}",
        "{n.words} {subject} with the {ranked.end} {ranked.noun} per {ranked.words} and their {ranked.noun}"), _FEW),
    Shape("change", 3.5, _TOTALS + "SELECT {time.at}, amount, amount - LAG(amount) OVER (ORDER BY {time.at}) FROM totals ORDER BY {time.at}", (
        "{total.words} of {subject} per {time.words} and the change from the previous {time.words}",
        "{total.words} of {subject} per {time.words} with the difference to the {time.words} before",
        "how did the {total.words} of {subject} change from {time.words} to {time.words}? show both."), _FEW, _ONE),
    Shape("running_total", 2.5, _TOTALS + "SELECT {time.at}, SUM(amount) OVER (ORDER BY {time.at}) FROM totals ORDER BY {time.at}", (
        "running total of the {total.words} of {subject} by {time.words}",
        "cumulative {total.words} of {subject} per {time.words}"), _FEW, _ONE),
    Shape("lonely", 2, "SELECT {names.sql} {source} " + _LEFT + " WHERE {child.key} IS NULL", _LONELY, _NEVER),
    Shape("zero_too", 1.5, "SELECT {names.sql}, COUNT({child.key}) {source} " + _LEFT + " GROUP BY {child.parent}", (
        "how many {child.many} does each {noun} have, including those with none?",
        "{names.clear}{nouns} with their number of {child.many}, zero included"), _NEVER),
    Shape("both", 1.5, _SIDE + "{case.one} INTERSECT " + _SIDE + "{case.other}", (
        "which {other.many} have both {nouns} with {case.noun} {case.a} and {nouns} with {case.noun} {case.b}?",
        "{other.many} with {nouns} of {case.noun} {case.a} as well as {case.noun} {case.b}"), _NEVER),
    Shape("not_both", 1.5, _SIDE + "{case.one} EXCEPT " + _SIDE + "{case.other}", (
        "which {other.many} have {nouns} with {case.noun} {case.a} but none with {case.noun} {case.b}?",
        "{other.many} with {nouns} of {case.noun} {case.a} but not of {case.noun} {case.b}"), _NEVER),
)  # fmt: skip
_TRIES, _ROOTS = 8, 4  # shapes that are tried for a question, and tables for each of them


def compose(profile: Profile, rng: random.Random) -> Question | None:
    """A question of a shape that fits the database; None where none of a few does."""
    roots = [i for i, table in enumerate(profile.tables) if table.rows]
    weights = [min(8, len(profile.tables[i].columns)) for i in roots]
    for _ in range(_TRIES):
        shape = rng.choices(SHAPES, [shape.weight for shape in SHAPES])[0]
        for _ in range(_ROOTS):
            try:
                return _fill(shape, Draft(profile, rng, rng.choices(roots, weights)[0]))
            except Unfit:
                continue
    return None


def _fill(shape: Shape, draft: Draft) -> Question:
    parts: dict[str, Any] = {}
    draft.broad = shape.conditions != _MUST  # what rows are listed for
    for name in dict.fromkeys(re.findall(r"{(\w+)\.", shape.sql)):
        parts[name] = getattr(draft, f"part_{name}")()
    draft.constrain(shape.conditions)
    rng, conditions = draft.rng, draft.conditions
    texts = {
        "source": draft.source, "rows": draft.rows, "nouns": draft.nouns, "noun": draft.table.noun,
        "subject": draft.subject(draft.nouns), "one": draft.subject(draft.table.noun),
        "plain": "" if conditions else draft.nouns, "always": "" if conditions else " ",
        "predicate": conditions[0].predicate if len(conditions) == 1 else "",
        "different": rng.choice(("different", "distinct", "unique")),
        "star": f"{quote(draft.table.name)}.*" if draft.joins else "*",
    }  # fmt: skip
    parts |= {name: text for name, text in texts.items() if text}
    sql = shape.sql.format(**parts)
    for wording in rng.sample(shape.wordings, len(shape.wordings)):
        try:
            text = wording.format(**parts)
        except (Unfit, KeyError):
            continue
        request = "{}" if wording[-1] in "?." else rng.choice(shape.requests)
        question = " ".join(request.format(text).split())
        if rng.random() < 0.25:  # in haste
            question = question[:-1] if request[-1] == "?" or wording[-1] in "?." else question
        else:
            question = question[:1].upper() + question[1:]
        return Question(question, sql, shape.kind, draft.clock)
    raise Unfit
