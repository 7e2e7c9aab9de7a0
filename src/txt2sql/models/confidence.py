"""Confidence: how likely an answer is right, from what is known of it once it has run.

A logistic regression over a few signs of an answer (`NAMES`) turns the model's own probability, which is
of its words, into one of being right (Platt scaling with more than one sign). Its weights are fitted to
answers that were judged, and are a small JSON file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from txt2sql.errors import ModelError
from txt2sql.identifiers import joined, name_parts, stem
from txt2sql.runs import write_atomically
from txt2sql.sql.text import DECLINED
from txt2sql.types import Certainty, Column, Prediction, QueryResult, Schema, Table, ValueMatch

SURE, KNOWN = 0.6, 0.2
"""From SURE on an answer is given as it is; below KNOWN it is better to say that one does not know."""

FILE = "confidence.json"
"""The weights, in the folder of the model whose answers they were fitted to."""

NAMES = (
    "probability", "least_token", "tokens", "failed", "empty", "repaired", "dropped", "candidates",
    "unmatched_words", "none",
)  # fmt: skip
"""The features, in order."""

_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|er|or|ion|ment|ity|al|ly|ance|ence|y|s|e)$")
_COMMON = frozenset(
    """
    a about above according across actually after again against ago all along alphabetical
    alphabetically also always am among amount an and any anything are aren around as ascending ask
    at available average averages avg be because been before being below best between biggest both
    bottom break breakdown broken but by calculate can cheapest column come comes compare compared
    compute consider contain containing contains correspond corresponding could couldn count counts cumulative
    current currently data database date dates day days decreasing descending describe detail
    details did didn differ difference different display distinct distribution do does doesn doing
    don done double down during each earlier earliest eight either else entries entry equal equals
    even ever every everything exactly exceed exist exists fewer fewest figure figures find first
    five following for four frequency frequent from gave get gets give given go got greater greatest
    group grouped had half has hasn have haven having he her here high higher highest him his hour
    hours how however i if in include included includes including increasing individual information
    into is isn it its joined just kind kinds know known knows large larger largest last late later latest
    least less let like list listed long longer longest look lot low lower lowest made make many
    match matching max maximum me mean median mention min minimum missing month monthly months more
    most moved much must my name named names need neither never new newest next nine no non none nor not
    nothing now null number numbers occur of off often old older oldest on once one ones only or
    order ordered ordering other others otherwise our out over overall own pair pairs part past per
    percent percentage percentages please popular possible present previous proportion provide
    quarter question range rank ranked ranking rather ratio recent recently record recorded records
    regardless related respective respectively result results return row rows running same say second see
    select separately seven shall share short shorter shortest should show shown shows since single
    six small smaller smallest so some something sort sorted specific such sum table take taken takes tell ten
    than that the their them then there these they thing things third this those three through time
    times to today together took top total totals towards twice two type types under unique until up us
    use used using value values various very want was wasn we week weekly weeks well were weren what
    when where whether which while who whole whom whose why will with within without worst would
    wouldn year yearly years yesterday yet you youngest your
    """.split()
)
"""What questions of any database say."""


def features(
    prediction: Prediction,
    unmatched: Sequence[str],
    logprobs: Sequence[float] = (),
    result: QueryResult | None = None,
    none: float = -math.inf,
) -> tuple[float, ...]:
    """The signs of an answer, see `NAMES`. `unmatched` are words of the question that nothing
    explains, `logprobs` those of the completion, `result` what its statement gave, `none` log
    P(SELECT NULL)."""
    confidence = 0.5 if prediction.confidence is None else prediction.confidence
    probability = min(max(confidence, 1e-6), 1 - 1e-6)
    failed = prediction.sql is None or (result is not None and not result.ok)
    return (
        math.log(probability / (1 - probability)),
        max(min(logprobs, default=0.0), -20.0),
        float(len(logprobs) or prediction.tokens[1]),
        float(failed),
        float(not failed and result is not None and not result.says_something),
        float(prediction.repaired),
        math.log1p(len(prediction.dropped)),
        float(len(prediction.candidates)),
        float(len(unmatched)),
        max(none, -8.0),
    )


def doubts(
    prediction: Prediction, unmatched: Sequence[str], result: QueryResult | None, declined: bool
) -> str:
    """One sentence on what speaks against an answer; "" where nothing but a low probability does."""
    if unmatched:
        some = " or ".join(f"'{word}'" for word in unmatched[:3])
        return f"nothing in this database is called {some}"
    if declined:
        return DECLINED
    if prediction.sql is None:
        return "the model wrote no query for it"
    if result is not None and result.ok and not result.says_something:
        return "no row fulfils the conditions of the query"
    return ""


def unmatched_words(
    question: str, schema: Schema, matches: Sequence[ValueMatch]
) -> tuple[str, ...]:
    """The words of a question that nothing explains: no name, comment or sample value of the
    schema, no cell that it mentions, and not that questions say them of any database."""
    texts = [text for match in matches for text in (match.span, match.value)]
    columns = [column for table in schema.tables for column in table.columns]
    texts += [sample for column in columns for sample in column.samples]
    items: list[Table | Column] = [*schema.tables, *columns]
    for item in items:
        texts += (item.name, joined(name_parts(item.name)), item.words, item.comment)
    known = {_root(word) for text in texts for word in _WORD.findall(text.lower())}
    known.update(_root(word) for text in texts for word in name_parts(text))
    words = _WORD.findall(question.lower())
    pairs = [pair for pair in pairwise(words) if _root("".join(pair)) in known]  # "e mail"
    explained = _COMMON.union(*pairs)
    return tuple(
        word
        for word in dict.fromkeys(words)
        if len(word) > 1
        and not word[0].isdigit()
        and word not in explained
        and _root(word) not in known
    )


def _root(word: str) -> str:
    """What forms of a word have in common, roughly.

    >>> [_root(word) for word in ("prices", "pricing", "nationality", "nations", "shipped", "shipment")]
    ['pric', 'pric', 'nat', 'nat', 'ship', 'ship']
    """
    word = stem(word)
    while (shorter := _ENDING.sub("", word)) != word:
        word = shorter
    if len(word) > 3 and word[-1] == word[-2]:
        return word[:-1]
    return word


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over features that are brought to mean 0 and deviation 1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    slope: tuple[float, ...]
    bias: float

    def probability(self, features: Sequence[float]) -> float:
        rows = zip(features, self.mean, self.deviation, self.slope, strict=True)
        odds = self.bias + sum(w * (x - m) / d for x, m, d, w in rows)
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0

    def save(self, path: Path) -> None:
        write_atomically(path, json.dumps({"names": NAMES, **asdict(self)}, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read what `save` wrote. Raises ModelError for anything else."""
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            mean, deviation, slope = (
                tuple(map(float, facts[name])) for name in ("mean", "deviation", "slope")
            )
            weights, names = cls(mean, deviation, slope, float(facts["bias"])), facts["names"]
        except (OSError, ValueError, TypeError, KeyError) as problem:
            raise ModelError(f"cannot read weights of confidence in '{path}': {problem}") from None
        if names != list(NAMES) or {*map(len, (mean, deviation, slope))} != {len(NAMES)}:
            raise ModelError(f"'{path}' weighs other features; fit it again")
        return weights


def find(folders: Iterable[Path | None]) -> Weights | None:
    """The weights that were fitted for the first of these models that has some."""
    for folder in folders:
        if folder is not None and (folder / FILE).is_file():
            return Weights.load(folder / FILE)
    return None


def certainty(p: float) -> Certainty:
    return "sure" if p >= SURE else "unsure" if p >= KNOWN else "unknown"
