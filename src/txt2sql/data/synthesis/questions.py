"""The kinds of questions that analysts ask, each composed of parts: its words and its SQL.

A kind is a function of a draft. It gives None, or raises Unfit, where the database has not what the
kind needs.

>>> write_question(profile, random.Random(1))  # doctest: +SKIP
Question(text='orders per month', sql="SELECT STRFTIME('%Y-%m', day) AS month, COUNT(*) FROM ...")
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from txt2sql.data.synthesis import words as wording
from txt2sql.data.synthesis.conditions import Condition, day_of, mention, noun_phrase
from txt2sql.data.synthesis.contents import ColumnProfile, Profile
from txt2sql.data.synthesis.parts import (
    MORE_LESS,
    Dimension,
    Draft,
    Measure,
    Unfit,
    dimension,
    first_of,
    measure,
    period,
    product,
    ranges,
    shown,
    spoken,
)
from txt2sql.data.synthesis.query import Scope, literal, mark
from txt2sql.data.synthesis.words import an, be, in_words, listed, plural


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its SQL. `probe` gives what LIMIT orders by, one row more than it keeps.

    `clock` is the day that 'now' must be for there to be rows.
    """

    text: str
    sql: str
    kind: str
    probe: str = ""
    clock: str = ""


Written = tuple[str, ...]
"""text, SQL and, where LIMIT cuts, the probe."""
Kind = Callable[[Draft], Written]


def _ask(draft: Draft, frames: Sequence[str], words: str) -> str:
    return draft.rng.choice(frames).format(words)


# -------------------------------------------------------------------------------------------- rows


def listing(draft: Draft) -> Written:
    """Rows of the subject, or some of their columns."""
    draft.constrain(0.12, 0.55, 0.25, 0.08, broad=False)
    scope, table = draft.scope, draft.table
    if draft.chance(0.22):
        subject = draft.subject()
        words = _ask(draft, wording.WHOLE_ROWS, subject)
        star = f"{scope.write(scope.column(0), True).rpartition('.')[0]}.*" if scope.edges else "*"
        if len(table.columns) > 40:
            raise Unfit
        return words, scope.select([star], where=draft.where)
    columns, words, names = shown(draft)
    order, suffix = "", ""
    if any(column.sortable for column in table.columns) and draft.chance(0.25):
        place = draft.sortable()
        name, noun = scope.column(place), draft.claim(place).noun
        down = draft.chance(0.55)
        order = f"{name} DESC" if down else name
        ends = (
            ("oldest", "newest") if table.columns[place].kind == "date" else ("lowest", "highest")
        )
        end = f"{ends[down]} first"
        way = "descending" if down else "ascending"
        suffix = draft.pick(
            f" sorted by {noun}, {end}", f" in {way} order of {noun}", f", {end} by {noun}"
        )
        if not down and draft.chance(0.4):
            suffix = draft.pick(f" sorted by {noun}", f" ordered by {noun}", f", order by {noun}")
    elif names and draft.chance(0.1):
        order, suffix = columns[0], draft.pick(" in alphabetical order", " alphabetically", " sorted by name")  # fmt: skip
        if table.columns[table.names[0]].kind not in ("name", "text"):
            order, suffix = "", ""
    subject = draft.subject()
    sql = scope.select(columns, where=draft.where, order=order)
    if names:
        if any(condition.lead == "named" for condition in draft.conditions):
            raise Unfit
        frames: Sequence[str] = wording.MANY
        sole = draft.conditions[0] if len(draft.conditions) == 1 else None
        predicate = _predicate(sole, table.person) if sole else ""
        named = table.columns[table.names[0]].kind == "name"
        if predicate and named and not suffix and draft.chance(0.35):
            text = draft.pick("which {} {}?", "what {} {}?", "which of the {} {}?", "which {} {}")
            return text.format(plural(table.noun), predicate), sql
        if not named:
            subject = f"{plural(table.columns[table.names[0]].noun)} of {subject}"
        elif draft.chance(0.3):
            subject = f"names of {subject}"
        elif table.person and draft.chance(0.2):
            frames = ("who are the {}?", "who are all the {}?")
        return _ask(draft, frames, subject + suffix), sql
    link = draft.pick("of", "of the", "for", "of all", "for all")
    if draft.chance(0.1):
        return f"for {subject}, show the {words}{suffix}", sql
    return _ask(draft, wording.MANY, f"{words} {link} {subject}{suffix}"), sql


def different_values(draft: Draft) -> Written:
    """The values of a column, each once; or how many there are."""
    kinds = ("category", "flag") if draft.chance(0.7) else ("text", "number", "name")
    place = draft.column(*kinds)
    words = plural(draft.claim(place).noun)
    draft.constrain(0.5, 0.4, 0.1)
    column, subject = draft.scope.column(place), draft.subject()
    unique = draft.pick("different", "distinct", "unique")
    if draft.chance(0.4):
        sql = draft.scope.select([f"COUNT(DISTINCT {column})"], where=draft.where)
        if draft.chance(0.3):
            return f"how many {unique} {words} do the {subject} have?", sql
        return _ask(draft, wording.COUNT, f"{unique} {words} of {subject}"), sql
    sql = draft.scope.select([column], where=draft.where, distinct=True)
    if draft.chance(0.2):
        return f"which {words} do the {subject} have?", sql
    return _ask(draft, wording.MANY, f"{unique} {words} of {subject}"), sql


def computed(draft: Draft) -> Written:
    """A value computed of each row's columns, and its share of the whole."""
    table, scope = draft.table, draft.scope
    names = draft.names()
    numbers = table.of("number")
    pair = product(draft)
    if pair is not None and draft.chance(0.7):
        expression, words = pair
    elif draft.chance(0.5):
        place = draft.column("number")
        if not table.columns[place].additive:
            raise Unfit
        noun, column = draft.claim(place).noun, scope.column(place)
        expression = f"100.0 * {column} / SUM({column}) OVER ()"
        words = draft.pick(f"percentage of the total {noun}", f"share of total {noun} in percent", f"{noun} as a percentage of the total")  # fmt: skip
        text = draft.pick(
            f"for each {table.noun}, its {words}", f"each {table.noun} and its {words}"
        )
        return text, scope.select([*names, expression])
    else:
        pairs = [
            (a, b)
            for a in numbers
            for b in numbers
            if a != b and _last(table.columns[a]) == _last(table.columns[b])
        ]
        if not pairs:
            raise Unfit
        one, other = draft.rng.choice(pairs)
        expression = f"{scope.column(one)} - {scope.column(other)}"
        a, b = draft.claim(one).noun, draft.claim(other).noun
        words = draft.pick(f"difference between {a} and {b}", f"{a} minus {b}")
    draft.constrain(0.5, 0.4, 0.1)
    subject = draft.subject()
    sql = scope.select([*names, expression], where=draft.where)
    return _ask(draft, wording.MANY, f"{subject} with their {words}"), sql


def _last(column: ColumnProfile) -> str:
    return column.noun.rpartition(" ")[2]


# -------------------------------------------------------------------------------------- one figure


def counting(draft: Draft) -> Written:
    """How many rows there are."""
    draft.constrain(0.1, 0.5, 0.3, 0.1, broad=draft.chance(0.6))
    sql = draft.scope.select(["COUNT(*)"], where=draft.where)
    return _ask(draft, wording.COUNT, draft.subject()), sql


def aggregate(draft: Draft) -> Written:
    """One or several aggregates of numbers."""
    scope = draft.scope
    if draft.chance(0.25):
        place = draft.sortable()
        column, name = draft.claim(place), scope.column(place)
        draft.constrain(0.3, 0.5, 0.2)
        low, high = "minimum", "maximum"
        if column.kind == "date":
            low, high = draft.rng.choice((("first", "last"), ("earliest", "latest")))
            outputs, words = [f"MIN({name})", f"MAX({name})"], f"{low} and {high} {column.noun}"
        else:
            options = {low: "MIN", "average": "AVG", high: "MAX"}
            chosen = draft.rng.choice(((low, high), (low, "average", high), ("average", high)))
            outputs = [f"{options[each]}({name})" for each in chosen]
            words = f"{listed(chosen)} {column.noun}"
        sql = scope.select(outputs, where=draft.where)
        return _ask(draft, wording.MANY[:10], f"{words} of {draft.subject()}"), sql
    if draft.chance(0.12):
        return _span_of_dates(draft)
    figure = measure(draft, counts=0)
    if figure.count:
        raise Unfit
    draft.constrain(0.25, 0.5, 0.25)
    sql = scope.select([figure.sql], where=draft.where)
    subject = draft.subject()
    link = draft.pick("of", "of", "for", "across", "over all") if draft.conditions else draft.pick("of all", "of", "across all", "over all")  # fmt: skip
    columns = [c.noun for table in draft.profile.tables for c in table.columns]
    clear = sum(figure.words.endswith(noun) for noun in columns) == 1
    if not draft.conditions and clear and draft.chance(0.4):
        return _ask(draft, wording.ONE, figure.words), sql
    return _ask(draft, wording.ONE, f"{figure.words} {link} {subject}"), sql


def _days(one: ColumnProfile, name: str) -> str:
    form = one.date
    if form is None or form.kind not in ("ymd", "seconds") or form.mark != "-":
        raise Unfit
    return f"JULIANDAY({name})" if form.kind == "ymd" else f"{name} / 86400.0"


def _span_of_dates(draft: Draft) -> Written:
    """Days between two dates of a row, or between the first and the last of all."""
    table, scope = draft.table, draft.scope
    dates = table.of("date")
    if len(dates) > 1 and draft.chance(0.6):
        one, other = sorted(draft.rng.sample(dates, 2))
        if table.columns[one].date.kind != table.columns[other].date.kind:  # type: ignore[union-attr]
            raise Unfit
        ends = [_days(draft.claim(i), scope.column(i)) for i in (other, one)]
        draft.constrain(0.5, 0.5)
        a, b = table.columns[one].noun, table.columns[other].noun
        sql = scope.select([f"AVG({ends[0]} - {ends[1]})"], where=draft.where)
        return _ask(draft, wording.ONE, f"average number of days between {a} and {b} of {draft.subject()}"), sql  # fmt: skip
    place = draft.column("date")
    column, name = draft.claim(place), scope.column(place)
    if draft.chance(0.5):
        sql = scope.select([f"CAST(JULIANDAY('now') - {_days(column, f'MAX({name})')} AS INTEGER)"])
        if column.date and column.date.kind != "ymd":
            raise Unfit
        return draft.pick(
            f"how many days ago was the latest {column.noun} of the {plural(table.noun)}?",
            f"days since the last {column.noun} in {plural(table.noun)}",
        ), sql  # fmt: skip
    sql = scope.select([f"{_days(column, f'MAX({name})')} - {_days(column, f'MIN({name})')}"])
    return draft.pick(
        f"how many days are there between the first and the last {column.noun} of {plural(table.noun)}?",
        f"days between the earliest and latest {column.noun} of {plural(table.noun)}",
    ), sql  # fmt: skip


def percentage(draft: Draft) -> Written:
    """The share of rows that meet a condition."""
    draft.constrain(0.6, 0.4)
    counted = draft.condition()
    if counted is None or counted.clock or counted.lead == "named":
        raise Unfit
    total = "COUNT(*)"
    inner = f"SUM(CASE WHEN {counted.sql} THEN 1 ELSE 0 END)"
    percent = draft.chance(0.75)
    expression = f"100.0 * {inner} / {total}" if percent else f"CAST({inner} AS REAL) / {total}"
    name = draft.pick("percentage", "percent", "percentage") if percent else draft.pick("share", "fraction", "proportion")  # fmt: skip
    sql = draft.scope.select([expression], where=draft.where)
    subject = draft.subject()
    predicate = _predicate(counted, draft.table.person)
    if predicate and draft.chance(0.6):
        return draft.pick(
            f"what {name} of {subject} {predicate}?", f"{name} of {subject} that {predicate}",
            f"what {name} of the {subject} {predicate}?", f"what {name} of all {subject} {predicate}?",
        ), sql  # fmt: skip
    several = [*draft.conditions, counted]
    if draft.conditions:
        if not predicate:
            raise Unfit
        return f"among {subject}, what {name} {predicate}?", sql
    whole = noun_phrase(draft.rng, draft.table, several, plural(draft.table.noun), False)
    return _ask(draft, wording.ONE, f"{name} of {whole}"), sql


def _predicate(condition: Condition, person: bool) -> str:
    """A condition said with a verb: "are in Kent"."""
    lead, rest = condition.lead, condition.rest
    if condition.adjective:
        return f"are {condition.adjective}"
    if lead in ("with", "having"):
        return f"have {rest}"
    if lead in ("in", "from", "located in", "based in", "for", "of"):
        return f"are {lead} {rest}"
    if lead.split()[:1] in (["that"], ["who"]):
        return f"{lead.partition(' ')[2]} {rest}".strip()
    return f"are {rest}" if not lead and condition.sql.count("'") < 2 and "than" in rest else ""


def ratio(draft: Draft) -> Written:
    """Two conditional counts, one divided by the other; or rows for each of another table."""
    table, scope = draft.table, draft.scope
    if draft.chance(0.4) and draft.profile.paths[draft.root]:
        direct = [
            e for e in draft.profile.edges if e.child == draft.root and len(e.child_columns) == 1
        ]
        if not direct:
            raise Unfit
        edge = draft.rng.choice(direct)
        draft.constrain(0.6, 0.4)
        column = scope.column(edge.child_columns[0])
        sql = scope.select(
            [f"CAST(COUNT(*) AS REAL) / COUNT(DISTINCT {column})"], where=draft.where
        )
        if table.columns[edge.child_columns[0]].nulls:
            raise Unfit
        return _ask(draft, wording.ONE, f"average number of {draft.subject()} per {edge.role}"), sql
    place = draft.column("category")
    kind = draft.claim(place)
    if len(kind.values) < 2:
        raise Unfit
    one, other = draft.rng.sample(list(kind.values), 2)
    draft.constrain(0.6, 0.4)
    name = scope.column(place)
    counts = [f"SUM(CASE WHEN {name} = {literal(v)} THEN 1 ELSE 0 END)" for v in (one, other)]
    sql = scope.select([f"CAST({counts[0]} AS REAL) / {counts[1]}"], where=draft.where)
    a, b = mention(one, draft.rng), mention(other, draft.rng)
    words = draft.pick(
        f"ratio of {draft.subject()} with {kind.noun} {a} to those with {kind.noun} {b}",
        f"ratio of {kind.noun} {a} to {kind.noun} {b} among {draft.subject()}",
        f"ratio of {a} to {b} {draft.subject()}" if not draft.conditions else f"{a} to {b} ratio of {draft.subject()}",
    )  # fmt: skip
    return _ask(draft, wording.ONE, words), sql


def side_by_side(draft: Draft) -> Written:
    """Conditional counts or sums beside each other, maybe for every group."""
    scope = draft.scope
    place = draft.column("category")
    column = draft.claim(place)
    if len(column.values) < 2:
        raise Unfit
    values = draft.rng.sample(list(column.values), 2 if len(column.values) < 4 or draft.chance(0.7) else 3)  # fmt: skip
    name = scope.column(place)
    group: Dimension | None = dimension(draft) if draft.chance(0.55) else None
    draft.constrain(0.7, 0.3)
    sums = [i for i in draft.table.of("number") if draft.table.columns[i].additive]
    subject = draft.subject()
    if sums and draft.chance(0.3):
        counted = draft.table.columns[sums[0]].noun
        number = scope.column(sums[0])
        outputs = [f"SUM(CASE WHEN {name} = {literal(v)} THEN {number} ELSE 0 END)" for v in values]
        figure = f"total {counted} of {subject}"
    else:
        filtered = draft.chance(0.15)
        outputs = [
            f"COUNT(*) FILTER(WHERE {name} = {literal(v)})" if filtered
            else f"SUM(CASE WHEN {name} = {literal(v)} THEN 1 ELSE 0 END)"
            for v in values
        ]  # fmt: skip
        figure = f"number of {subject}"
    both = listed([mention(v, draft.rng) for v in values])
    words = draft.pick(
        f"{figure} with {column.noun} {both} side by side", f"{figure} with {column.noun} {both}, each in its own column",
        f"{figure} for {column.noun} {both} separately",
    )  # fmt: skip
    if group is None:
        return _ask(draft, wording.MANY[:8], words), scope.select(outputs, where=draft.where)
    sql = scope.select([*group.outputs, *outputs], where=draft.where, group=group.group)
    each = wording.each(group.words, draft.rng)
    return draft.pick(f"{each}, show the {words}", f"show {each} the {words}", f"the {words}, {each}"), sql  # fmt: skip


# ------------------------------------------------------------------------------------------ groups


def grouped(draft: Draft) -> Written:
    """A measure, or two, for every group; sorted, cut or with a condition on groups now and then."""
    scope = draft.scope
    group = dimension(draft) if draft.chance(0.93) else ranges(draft)
    figure = measure(draft)
    draft.constrain(0.5, 0.4, 0.1)
    subject = draft.subject()
    each = wording.each(group.words, draft.rng)
    outputs, words = [figure.sql], figure.of(subject)
    if draft.chance(0.12):
        second = measure(draft, counts=0 if figure.count else 0.7)
        if second.sql != figure.sql and not (second.count and figure.count):
            outputs.append(second.sql)
            words = f"{figure.words or 'number'} and {second.words or 'number'} of {subject}"
    having = tail = order = ""
    chance = draft.rng.random()
    if chance < 0.12 and figure.count and not group.timely:
        least = draft.rng.choice((1, 2, 3, 4, 5, 10))
        having, tail = f"COUNT(*) > {least}", draft.pick(
            f", only those with more than {mention(least, draft.rng)}", f" with more than {mention(least, draft.rng)} {plural(draft.table.noun)}",
            f", but only where there are more than {mention(least, draft.rng)}",
        )  # fmt: skip
    elif chance < 0.25 and len(outputs) == 1:
        ways = (
            ", highest first",
            ", largest first",
            " sorted from highest to lowest",
            " in descending order",
        )
        order = f"{figure.sql} DESC"
        tail = draft.pick(*ways[: 2 if group.timely else 4])  # months descend in time
    elif group.timely and chance < 0.5:
        order, tail = group.group[0], draft.pick(
            " in chronological order", ", sorted by time", f" over time, ordered by {group.words}", ", oldest first",
        )  # fmt: skip
    sql = scope.select(
        [*group.outputs, *outputs], where=draft.where, group=group.group, having=having, order=order
    )
    plain = not draft.conditions and len(outputs) == 1 and figure.count
    if plain and draft.chance(0.35):
        many = plural(draft.table.noun)
        options = [f"{many} by {group.words}", f"how many {many} {each}?", f"{many} per {group.words}",
                   f"breakdown of {many} by {group.words}", f"how many {many} are there {each}?"]  # fmt: skip
        if group.ancestor:
            options += [f"how many {many} does each {group.words} have?", f"{group.words} and number of {many}",
                        f"list each {group.words} with the number of their {many}"]  # fmt: skip
        if group.timely:
            options += [
                f"how many {many} were there {each}?",
                f"{group.words}-wise number of {many}",
            ]
        text = draft.rng.choice(options)
        if tail and text.endswith("?"):
            return text[:-1] + tail + "?", sql
        return text + tail, sql
    if len(outputs) == 1 and figure.count and draft.chance(0.3):
        return f"how many {subject} are there {each}{tail}?", sql
    if draft.chance(0.2):
        return draft.pick("{}, show the {}", "{}, what is the {}?").format(each, words + tail), sql
    return _ask(draft, wording.ONE, f"{words} {each}{tail}"), sql


def groups_that(draft: Draft) -> Written:
    """The groups whose measure meets a condition (HAVING)."""
    scope = draft.scope
    group = dimension(draft, timely=False)
    figure = measure(draft, counts=0.65)
    draft.constrain(0.65, 0.35)
    subject = draft.subject()
    if not figure.count and "AVG" in figure.sql and not draft.conditions and draft.chance(0.35):
        having = f"{figure.sql} > (SELECT {scope.write(figure.sql, False)} FROM {scope.source().split(' JOIN ')[0]})"  # fmt: skip
        tail = f"{figure.words} of {subject} is above the overall average"
        text = draft.pick(f"which {group.words_in_plural} have {an(figure.words)} of {subject} above the overall average?",
                          f"list the {group.words_in_plural} whose {tail}")  # fmt: skip
        return text, scope.select(
            group.outputs, where=draft.where, group=group.group, having=having
        )
    if figure.count:
        least = draft.rng.choice((1, 1, 2, 3, 4, 5, 8, 10))
        said_so, test = draft.rng.choice(((f"more than {mention(least, draft.rng)}", ">"),
                                          (f"at least {mention(least + 1, draft.rng)}", f">= {least + 1}"),
                                          (f"fewer than {mention(least + 1, draft.rng)}", f"< {least + 1}"),
                                          (f"exactly {mention(least, draft.rng)}", "=")))  # fmt: skip
        having = f"COUNT(*) {test}" if " " in test else f"COUNT(*) {test} {least}"
        verb = f"have {said_so} {subject}"
    else:
        numbers = sorted(v for v in _values(draft, figure) if isinstance(v, (int, float)))
        if len(numbers) < 3:
            raise Unfit
        limit = round(numbers[len(numbers) // 2])
        above = draft.chance(0.7)
        having = f"{figure.sql} {'>' if above else '<'} {limit}"
        verb = (
            f"have {an(figure.words)} {'above' if above else 'below'} {mention(limit, draft.rng)}"
        )
        if draft.conditions or subject != plural(draft.table.noun):
            verb += f" for {subject}"
    outputs = [*group.outputs, figure.sql] if draft.chance(0.2) else list(group.outputs)
    also = (
        f" and what is the {figure.words or 'number'}" if len(outputs) > len(group.outputs) else ""
    )
    sql = scope.select(outputs, where=draft.where, group=group.group, having=having)
    many = group.words_in_plural
    if also or draft.chance(0.5):
        return f"{draft.pick('which', 'which', 'what')} {many} {verb}{also}?", sql
    return _ask(draft, wording.MANY, f"{many} that {verb}"), sql


def _values(draft: Draft, figure: Measure) -> tuple[object, ...]:
    for i, column in enumerate(draft.table.columns):
        if draft.scope.column(i) in figure.sql and column.kind == "number":
            return column.values
    return ()


def leading_groups(draft: Draft) -> Written:
    """The group, or the few groups, with the most or the least."""
    scope = draft.scope
    group = dimension(draft, timely=None if draft.chance(0.3) else False)
    figure = measure(draft, counts=0.6)
    draft.constrain(0.6, 0.3, 0.1)
    subject = draft.subject()
    least = draft.chance(0.2)
    count = 1 if draft.chance(0.55) else draft.rng.choice((2, 3, 3, 5, 5, 10))
    order = figure.sql if least else f"{figure.sql} DESC"
    shows = draft.chance(0.35)
    outputs = [*group.outputs, *([figure.sql] if shows else [])]
    where = draft.where
    sql = scope.select(outputs, where=where, group=group.group, order=order, limit=count)
    probe_outputs = [*group.outputs, figure.sql] if any(" AS " in g for g in group.outputs) else [figure.sql]  # fmt: skip
    probe = scope.select(
        probe_outputs, where=where, group=group.group, order=order, limit=count + 1
    )
    most = ("fewest" if least else "most") if figure.count else ("lowest" if least else "highest")
    what = subject if figure.count else f"{figure.words} of {subject}"
    if not figure.count and figure.words.split()[0] in ("highest", "lowest", "minimum", "maximum", "largest", "smallest", "max", "min"):  # fmt: skip
        raise Unfit
    if count == 1:
        also = draft.pick(", and how many" if figure.count else ", and how much is it",
                          f" and what is the {figure.words or 'number'}") if shows else ""  # fmt: skip
        if shows or draft.chance(0.5):
            verb = draft.pick("has", "has", "had")
            return f"which {group.words} {verb} the {most} {what}{also}?", sql, probe
        return _ask(draft, wording.ONE, f"{group.words} with the {most} {what}"), sql, probe
    number = mention(count, draft.rng) if draft.chance(0.7) else in_words(count)
    end = "bottom" if least else "top"
    with_it = (
        draft.pick(" with the numbers", ", show the value too", " and their values")
        if shows
        else ""
    )
    by = f"number of {subject}" if figure.count else what
    many = group.words_in_plural
    who = draft.pick(f"{end} {number} {many} by {by}", f"{number} {many} with the {most} {what}")
    return _ask(draft, wording.MANY, who + with_it), sql, probe


def shares(draft: Draft) -> Written:
    """What every group is of the whole, in percent."""
    scope = draft.scope
    group = dimension(draft)
    figure = measure(draft, counts=0.6)
    if not (figure.count or figure.sql.startswith("SUM(")):
        raise Unfit
    draft.constrain(0.7, 0.3)
    subject = draft.subject()
    expression = f"100.0 * {figure.sql} / SUM({figure.sql}) OVER ()"
    plain = not draft.conditions and not scope.edges and draft.chance(0.5)
    if plain:
        expression = f"100.0 * {figure.sql} / (SELECT {scope.write(figure.sql, False)} FROM {scope.source()})"  # fmt: skip
    sql = scope.select([*group.outputs, expression], where=draft.where, group=group.group)
    whole = f"all {subject}" if figure.count else f"the {figure.words} of {subject}"
    each = wording.each(group.words, draft.rng)
    part = subject if figure.count else whole
    if draft.chance(0.5):
        return draft.pick(f"what percentage of {whole} does each {group.words} account for?",
                          f"what percent of {whole} falls on each {group.words}?"), sql  # fmt: skip
    name = draft.pick("percentage of {}", "share of {} in percent", "percent distribution of {}")
    return _ask(draft, wording.ONE, f"{name.format(part)} {each}"), sql


def share_in_group(draft: Draft) -> Written:
    """For every group the percentage of its rows that meet a condition."""
    group = dimension(draft)
    counted = draft.condition()
    if counted is None or counted.clock or counted.lead == "named":
        raise Unfit
    expression = f"100.0 * SUM(CASE WHEN {counted.sql} THEN 1 ELSE 0 END) / COUNT(*)"
    sql = draft.scope.select([*group.outputs, expression], group=group.group)
    each = wording.each(group.words, draft.rng)
    many = plural(draft.table.noun)
    predicate = _predicate(counted, draft.table.person)
    whole = noun_phrase(draft.rng, draft.table, [counted], many, False)
    if predicate and draft.chance(0.5):
        return draft.pick(f"what percentage of {many} {predicate} {each}?", f"{each}, what percentage of {many} {predicate}?",
                          f"percentage of {many} that {predicate}, {each}"), sql  # fmt: skip
    return draft.pick(f"what is the percentage of {whole} {each}?", f"{each}, show the percentage of {whole}"), sql  # fmt: skip


# ------------------------------------------------------------------------------------ superlatives


def _extreme(draft: Draft) -> tuple[str, str, bool, ColumnProfile, str]:
    """(column, superlative adjective or "", least, its profile, "highest price")."""
    place = draft.sortable()
    column = draft.claim(place)
    least = draft.chance(0.35)
    head = column.noun.rpartition(" ")[2]
    adjective = MORE_LESS.get(column.noun, ("", ""))[least]
    if column.kind == "date":
        adjective = draft.pick("oldest", "earliest", "first") if least else draft.pick("latest", "most recent", "newest", "last")  # fmt: skip
        if len(draft.table.of("date")) > 1 or head in ("birth", "birthday") or draft.table.person:
            adjective = ""
        phrase = f"{draft.pick('earliest', 'first') if least else draft.pick('latest', 'most recent')} {column.noun}"  # fmt: skip
    else:
        phrase = f"{draft.pick('lowest', 'smallest', 'lowest') if least else draft.pick('highest', 'largest', 'highest')} {column.noun}"  # fmt: skip
    return draft.scope.column(place), adjective, least, column, phrase


def superlative(draft: Draft) -> Written:
    """The first row, or the first few, by a column."""
    scope, table = draft.scope, draft.table
    column, adjective, least, profile, phrase = _extreme(draft)
    draft.constrain(0.55, 0.35, 0.1)
    sql: tuple[str, ...]
    count = 1 if draft.chance(0.6) else draft.rng.choice((2, 3, 3, 5, 5, 10, 20))
    outputs, words, names = shown(draft)
    shows = names and draft.chance(0.25)
    if shows:
        outputs.append(column)
    one = plural(table.noun) if count > 1 else table.noun
    base = noun_phrase(draft.rng, table, draft.conditions, one, draft.either)
    number = (mention(count, draft.rng) if draft.chance(0.7) else in_words(count)) if count > 1 else ""  # fmt: skip
    if adjective and draft.chance(0.6):
        who = f"{number} {adjective} {base}".strip()
    else:
        join = (
            " and the" if draft.conditions and draft.conditions[-1].lead == "with" else " with the"
        )
        who = f"{number} {base}{join} {phrase}".strip()
        if count > 1 and draft.chance(0.5):
            who = f"{'bottom' if least else 'top'} {number} {base} by {profile.noun}"
    order, present = first_of(column, least, profile.nulls)
    where = [*draft.where, *present]
    if count == 1 and not draft.conditions and not scope.edges and draft.chance(0.3):
        function = "MIN" if least else "MAX"
        best = f"(SELECT {function}({scope.write(column, False)}) FROM {scope.source()})"
        sql = (scope.select(outputs, where=[f"{column} = {best}"]),)
    else:
        sql = (
            scope.select(outputs, where=where, order=order, limit=count),
            scope.select([column], where=where, order=order, limit=count + 1),
        )
    tail = ""
    if shows:
        tail = draft.pick(
            f" and {'their' if count > 1 else 'its'} {profile.noun}", f" with {profile.noun}"
        )
        if table.person:
            tail = tail.replace(" its ", " their ")
    if names:
        verb, ending = ("are", "s") if count > 1 else ("is", "")
        texts = [_ask(draft, wording.MANY if count > 1 else wording.ONE, who + tail)] * 4
        if table.columns[table.names[0]].kind == "name":
            texts += [f"what {verb} the name{ending} of the {who}{tail}?", f"give me the name{ending} of the {who}{tail}"]  # fmt: skip
        if table.person:
            texts += [f"who {verb} the {who}{tail}?"] * 2
        if adjective and count == 1 and not tail and who.startswith(adjective):
            texts += [f"which {base} is the {adjective}?"]
    else:
        verb = "are" if " and " in words else be(words)
        texts = [_ask(draft, wording.ONE, f"{words} of the {who}").replace(" is the ", f" {verb} the ", 1),
                 f"for the {who}, what {verb} the {words}?"]  # fmt: skip
    return draft.rng.choice(texts), *sql


def runner_up(draft: Draft) -> Written:
    """The second or third highest value, and whose it is."""
    column, _, least, profile, _ = _extreme(draft)
    draft.constrain(0.8, 0.2)
    place = draft.rng.choice((2, 2, 3))
    order, present = first_of(column, least, profile.nulls)
    rank = {2: draft.pick("second", "2nd"), 3: draft.pick("third", "3rd")}[place]
    end = ("earliest" if least else "latest") if profile.kind == "date" else ("lowest" if least else "highest")  # fmt: skip
    where = [*draft.where, *present]
    sql = draft.scope.select([column], where=where, order=order, distinct=True)
    sql += f" LIMIT 1 OFFSET {place - 1}"
    return _ask(draft, wording.ONE, f"{rank} {end} {profile.noun} among {draft.subject()}"), sql


def extremes_in_groups(draft: Draft) -> Written:
    """The first rows of every group (a window)."""
    scope, table = draft.scope, draft.table
    group = dimension(draft, timely=False)
    column, adjective, least, profile, phrase = _extreme(draft)
    if len(profile.values) * 3 < min(table.count, 200):
        raise Unfit  # ties
    draft.constrain(0.75, 0.25)
    names = draft.names()
    count = draft.rng.choice((1, 1, 2, 3, 3, 5))
    outputs = [*group.outputs, *names, column]
    plain = [scope.write(output, False) for output in outputs]
    alias = next(a for a in ("position", "place_in_group", "nth") if not scope.taken(a))
    if len(set(map(str.lower, plain))) < len(plain):
        raise Unfit
    order, present = first_of(column, least, profile.nulls)
    window = (
        f"ROW_NUMBER() OVER (PARTITION BY {', '.join(group.group)} ORDER BY {order}) AS {alias}"
    )
    inner = scope.select([*outputs, window], where=[*draft.where, *present])
    test = f"{alias} = 1" if count == 1 else f"{alias} <= {count}"
    sql = f"SELECT {', '.join(plain)} FROM ({inner}) AS ranked WHERE {test}"
    number = "" if count == 1 else (mention(count, draft.rng) if draft.chance(0.6) else in_words(count)) + " "  # fmt: skip
    base = noun_phrase(draft.rng, table, draft.conditions, table.noun if count == 1 else plural(table.noun), False)  # fmt: skip
    who = f"{number}{adjective} {base}" if adjective else f"{number}{base} with the {phrase}"
    if not adjective and count > 1 and draft.chance(0.6):
        who = f"{'bottom' if least else 'top'} {number}{base} by {profile.noun}"
    each = draft.pick(f"in each {group.words}", f"for each {group.words}", f"per {group.words}", f"of every {group.words}")  # fmt: skip
    tail = draft.pick(
        f" and its {profile.noun}", f", with the {profile.noun}", f" (with {profile.noun})"
    )
    if draft.chance(0.2):
        return f"{each}, find the {who}{tail}", sql
    return _ask(draft, wording.ONE if count == 1 else wording.MANY, f"{who} {each}{tail}"), sql


# ------------------------------------------------------------------------------------------ series


def _series(draft: Draft) -> tuple[Dimension, Measure, str, str, str]:
    """(period, measure, its words, its alias, a common table expression with both)."""
    place = draft.column("date")
    unit = draft.pick("month", "month", "year", "year", "quarter", "week", "day")
    group = period(draft, place, unit if draft.table.columns[place].date.kind != "year" else "year")  # type: ignore[union-attr]
    figure = measure(draft, counts=0.5)
    draft.constrain(0.6, 0.4)
    alias = figure.alias
    words = figure.of(draft.subject())
    if " AS " not in group.outputs[0] and group.outputs[0] != group.group[0]:
        raise Unfit
    if draft.scope.taken(alias) or draft.scope.taken("totals"):
        raise Unfit
    where = [*draft.where, *([f"{draft.scope.column(place)} IS NOT NULL"] if draft.table.columns[place].nulls else [])]  # fmt: skip
    inner = draft.scope.select([*group.outputs, f"{figure.sql} AS {alias}"], where=where, group=group.group)  # fmt: skip
    return group, figure, words, alias, f"WITH totals AS ({inner}) "


def change(draft: Draft) -> Written:
    """How a measure changed against the period before."""
    group, _, words, alias, common = _series(draft)
    at = group.outputs[0].rpartition(" AS ")[2]
    at = draft.scope.write(at, False)
    before = f"LAG({alias}) OVER (ORDER BY {at})"
    unit = group.words
    if draft.chance(0.3):
        expression = f"100.0 * ({alias} - {before}) / {before}"
        name = draft.pick("percentage change", "growth in percent", "percent change", "growth rate in percent")  # fmt: skip
        what = f"{name} of the {words}"
    else:
        expression = f"{alias} - {before}"
        what = f"{draft.pick('change', 'difference')} in the {words}"
    if draft.chance(0.2):
        expression, what = before, f"{words} of the previous {unit}"
    outputs = f"{at}, {alias}, {expression}"
    sql = f"{common}SELECT {outputs} FROM totals ORDER BY {at}"
    link = draft.pick("and the", "with the", "next to the", "together with the")
    if "previous" not in what:
        what += draft.pick(f" from the previous {unit}", f" against the {unit} before", f" compared to the previous {unit}")  # fmt: skip
        if draft.chance(0.2):
            return f"how did the {words} change from {unit} to {unit}? show both", sql
    return _ask(draft, wording.ONE, f"{words} per {unit} {link} {what}"), sql


def running_total(draft: Draft) -> Written:
    """A measure summed up over periods."""
    group, figure, words, alias, common = _series(draft)
    if not (figure.count or figure.sql.startswith("SUM(")):
        raise Unfit
    at = draft.scope.write(group.outputs[0].rpartition(" AS ")[2], False)
    name = draft.pick("running total", "cumulative total", "running sum", "cumulative sum")
    total = f"SUM({alias}) OVER (ORDER BY {at})"
    sql = f"{common}SELECT {at}, {total} FROM totals ORDER BY {at}"
    words = words.removeprefix("sum of ")
    base = words.removeprefix("number of ") if draft.chance(0.4) else f"the {words}"
    if "total" in name and base.startswith("the total "):
        base = base.replace("the total ", "", 1)
    each = draft.pick(
        f"by {group.words}", f"per {group.words}", f"over the {group.words_in_plural}"
    )
    return _ask(draft, wording.ONE, f"{name} of {base} {each}"), sql


def compared_years(draft: Draft) -> Written:
    """A measure in two years, one below the other."""
    place = draft.column("date")
    group = period(draft, place, "year")
    column = draft.table.columns[place]
    days = [day_of(value, column.date) for value in column.values] if column.date else []
    years = sorted({day.year for day in days if day})
    whole = group.outputs[0] == group.group[0] and column.date and column.date.kind != "year"
    if len(years) < 2 or whole:
        raise Unfit
    one, other = sorted(draft.rng.sample(years, 2)) if draft.chance(0.4) else years[-2:]
    figure = measure(draft)
    draft.constrain(0.8, 0.2)
    expression = group.outputs[0].partition(" AS ")[0]
    number = column.date and not column.date.text and column.date.kind in ("year", "compact")
    texts = [str(year) if number else f"'{year}'" for year in (one, other)]
    where = [f"{expression} IN ({', '.join(texts)})", *draft.where]
    sql = draft.scope.select([*group.outputs, figure.sql], where=where, group=group.group)
    words = figure.of(draft.subject())
    if len(draft.table.of("date")) > 1:
        words = f"{words} by {column.noun}"
    return draft.pick(
        f"compare the {words} in {one} and {other}", f"{words} in {one} vs {other}", f"{words}: {one} compared to {other}",
        f"what was the {words} in {one} and in {other}?", f"compare {one} and {other} by {words}",
    ), sql  # fmt: skip


# ---------------------------------------------------------------------------------- other tables


def lonely(draft: Draft) -> Written:
    """Rows that no row of another table leads to (an outer join)."""
    edges = draft.profile.children[draft.root]
    if not edges:
        raise Unfit
    edge = draft.rng.choice(edges)
    child, table = draft.profile.tables[edge.child], draft.table
    outputs = draft.names()
    scope = draft.scope
    key, other = scope.column(edge.parent_columns[0]), mark(edge.child, edge.child_columns[0])
    joined = Scope(draft.profile, edge.child)
    source = f"{scope.source()} LEFT JOIN {joined.source()} ON {key} = {other}"
    outer = draft.chance(0.6)
    many, subject = plural(child.noun), plural(table.noun)
    if outer:
        sql = f"SELECT {', '.join(outputs)} FROM {source} WHERE {other} IS NULL"
        that = "who" if table.person else "that"
        text = draft.pick(
            f"which {subject} have no {many}?", f"{subject} without {many}", f"list the {subject} {that} have no {many}",
            f"{subject} {that} don't have any {many}", f"which {subject} never had {an(child.noun)}?",
            f"{subject} missing from {many}", f"find {subject} with no {many} at all",
        )  # fmt: skip
        return text, scope.write(sql, True)
    group = outputs if len(outputs) == 1 and table.columns[table.names[0]].unique else [key]
    sql = f"SELECT {', '.join(outputs)}, COUNT({other}) FROM {source} GROUP BY {', '.join(group)}"
    text = draft.pick(
        f"how many {many} does each {table.noun} have, including those with none?",
        f"number of {many} per {table.noun}, also show {subject} with zero", f"all {subject} with their number of {many}, zero included",
        f"for every {table.noun}, even those without {many}, count the {many}",
    )  # fmt: skip
    return text, scope.write(sql, True)


def both_or_not(draft: Draft) -> Written:
    """Groups that have rows of one kind and also, or but not, of another (a set operation)."""
    group = dimension(draft, timely=False)
    if len(group.outputs) > 1:
        raise Unfit
    place = draft.column("category")
    column = draft.claim(place)
    if len(column.values) < 2:
        raise Unfit
    one, other = draft.rng.sample(list(column.values), 2)
    name = draft.scope.column(place)
    sides = [
        draft.scope.select(group.outputs, where=[f"{name} = {literal(v)}"]) for v in (one, other)
    ]
    both = draft.chance(0.6)
    sql = f" {'INTERSECT' if both else 'EXCEPT'} ".join(sides)
    a, b = mention(one, draft.rng), mention(other, draft.rng)
    many, noun = plural(draft.table.noun), column.noun
    if both:
        text = draft.pick(
            f"which {group.words_in_plural} have both {many} with {noun} {a} and {many} with {noun} {b}?",
            f"{group.words_in_plural} with {many} of {noun} {a} as well as {noun} {b}",
            f"list the {group.words_in_plural} that have {many} with {noun} {a} and also some with {noun} {b}",
        )  # fmt: skip
    else:
        text = draft.pick(
            f"which {group.words_in_plural} have {many} with {noun} {a} but none with {noun} {b}?",
            f"{group.words_in_plural} with {many} of {noun} {a} but not {noun} {b}",
        )  # fmt: skip
    return text, sql


def with_parent(draft: Draft) -> Written:
    """Rows with what an ancestor says of them."""
    ancestors = draft.profile.paths[draft.root]
    if not ancestors or not draft.table.names or draft.table.names[0] == draft.table.key:
        raise Unfit
    home = draft.rng.choice(list(ancestors))
    parent = draft.profile.tables[home]
    others = [i for i, c in enumerate(parent.columns) if c.kind in ("name", "category", "text", "number", "date")]  # fmt: skip
    if not others:
        raise Unfit
    place = parent.names[0] if parent.names and draft.chance(0.6) else draft.rng.choice(others)
    if parent.columns[place].kind == "id":
        raise Unfit
    words = draft.profile.role(draft.root, home)
    if place not in parent.names:
        words = f"{spoken(parent.columns[place], draft.rng)} of the {words}"
    outputs = [*draft.names(), draft.scope.column(place, home)]
    draft.used |= {(home, place), (home, -1)}
    draft.constrain(0.5, 0.4, 0.1)
    sql = draft.scope.select(outputs, where=draft.where)
    subject = draft.subject()
    link = draft.pick("with their", "and their", "along with the", "together with the", "with the")
    return _ask(draft, wording.MANY, f"{subject} {link} {words}"), sql


def repeated(draft: Draft) -> Written:
    """Values that stand in several rows."""
    place = draft.column("text", "name", "code", "category")
    noun, column = draft.claim(place).noun, draft.scope.column(place)
    draft.constrain(0.8, 0.2)
    sql = draft.scope.select([column], where=draft.where, group=[column], having="COUNT(*) > 1")
    subject = draft.subject()
    return draft.pick(
        f"which {plural(noun)} occur more than once among {subject}?", f"duplicate {plural(noun)} of {subject}",
        f"{plural(noun)} shared by more than one {draft.table.noun}" if not draft.conditions else f"repeated {plural(noun)} among {subject}",
        f"which {plural(noun)} appear several times in {subject}?",
    ), sql  # fmt: skip


KINDS: dict[Kind, float] = {
    listing: 22, counting: 11, aggregate: 8, grouped: 14, superlative: 11, leading_groups: 8,
    groups_that: 5, different_values: 4, computed: 3, percentage: 4, ratio: 2,
    side_by_side: 2.5, shares: 3, share_in_group: 1.5, runner_up: 1, extremes_in_groups: 4,
    change: 3.5, running_total: 2.5, compared_years: 2, lonely: 2.5, both_or_not: 2.5, with_parent: 5,
    repeated: 1,
}  # fmt: skip
"""How often each kind is tried."""
_WEIGHTS = list(accumulate(KINDS.values()))
_KINDS = tuple(KINDS)
_TRIES, _ROOTS = 8, 4
"""Kinds that are tried for a question, and tables for each of them."""


class Author:
    """Writes questions about one database."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.roots = [i for i, table in enumerate(profile.tables) if table.rows]
        self.weights = [
            1
            + min(6, sum(c.kind not in ("id", "empty", "long") for c in profile.tables[i].columns))
            for i in self.roots
        ]
        words = [t.noun for t in profile.tables]
        words += [c.noun for t in profile.tables for c in t.columns]
        single = {part for word in words for part in word.split()}
        self.nouns = frozenset({*words, *single, *map(plural, words), *map(plural, single)})

    def write(self, rng: random.Random) -> Question | None:
        """A question of a kind that fits; None where none of a few does."""
        for attempt in range(_TRIES * _ROOTS):
            if attempt % _ROOTS == 0:
                kind = rng.choices(_KINDS, cum_weights=_WEIGHTS)[0]
            draft = Draft(self.profile, rng, rng.choices(self.roots, self.weights)[0])
            try:
                text, sql, *probe = kind(draft)
            except Unfit:
                continue
            text = wording.finish(text, rng, self.nouns)
            return Question(text, sql, kind.__name__, probe[0] if probe else "", draft.clock)
        return None
