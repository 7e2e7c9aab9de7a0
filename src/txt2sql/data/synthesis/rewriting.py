"""Back-translation: a language model writes the question from the SQL; it is kept if it leads back.

Field's names: back-translation, round-trip consistency. The writer is any Generator, the asker any
Predictor; what the asker answers to the new question must give the rows of the SQL it was written
from, by the comparison passed in. Otherwise the template's question stays.

>>> list(rewrite(pairs, writer, asker, schemas, agrees))  # doctest: +SKIP
[Pair(db_id='shop', question='How many shops do we run?', ..., writer='Qwen3-4B')]
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from txt2sql.data.synthesis.produce import Pair, plain
from txt2sql.runs import append_row, read_rows
from txt2sql.types import Example, Generator, Message, Predictor, Prompt, Sampling, Schema

_BATCH = 16
_LABEL = re.compile(r"^\s*(?:question|rewritten|answer)\s*:\s*", re.IGNORECASE)
_SYSTEM = (
    "You write questions that people ask a database. Given one SQL query, write the one question "
    "it answers, in plain English. Do not mention SQL, tables or columns as such; keep every value, "
    "number, order and limit. Answer with the question alone."
)

Agrees = Callable[[str, str, str], bool]
"""(db_id, sql, other sql) -> whether both give the same rows"""


def rewriting_prompt(pair: Pair, schema: Schema) -> Prompt:
    """What the writer is asked: the tables of the query, the query, and a plain question for it."""
    used = [t for t in schema.tables if re.search(rf"\b{re.escape(t.name)}\b", pair.sql, re.IGNORECASE)]  # fmt: skip
    tables = "\n".join(
        f"- {table.words or table.name}: {', '.join(c.words or c.name for c in table.columns)}"
        for table in used or schema.tables[:8]
    )
    asked = (
        f"Tables:\n{tables}\n\nSQL: {pair.sql}\n\n"
        f"A stiff wording: {pair.question}\n\nThe same, as a person would ask it:"
    )
    messages = (Message("system", _SYSTEM), Message("user", asked))
    return Prompt(text=f"{_SYSTEM}\n\n{asked}", style="rewriting", messages=messages)


def first_question(text: str) -> str:
    """The question in a completion: its first line, without label and quotes; '' for none."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = _LABEL.sub("", line).strip()
    if len(line) > 1 and line[0] == line[-1] and line[0] in "\"'`":
        line = line[1:-1].strip()
    return line if 8 <= len(line) <= 400 and " " in line else ""


def rewrite(
    pairs: Sequence[Pair],
    writer: Generator,
    asker: Predictor,
    schema: Callable[[str], Schema],
    agrees: Agrees,
    *,
    seed: int = 0,
    exclude: Collection[str] = (),
    log: Path | None = None,
) -> Iterator[Pair]:
    """Every pair in order, its question by the writer where that leads back to the same rows.

    A new question that another pair has, or that is in `exclude`, is not taken. `log` is a file that
    lets a killed run go on after its last whole batch.
    """
    sampling = Sampling(max_new_tokens=96, temperature=0.7, top_p=0.95, seed=seed, stop=("\n\n",))
    taken = {plain(question) for question in (*exclude, *(pair.question for pair in pairs))}
    known = _known(log, _fingerprint(pairs, writer.name, asker.name, seed))
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        lines = known[start : start + _BATCH]
        if len(lines) < len(batch):
            lines = _rewritten(batch, writer, asker, schema, agrees, sampling)
            if log is not None:
                append_row(log, {"start": start, "questions": lines})
        for pair, question in zip(batch, lines, strict=True):
            if question and plain(question) not in taken:
                taken.add(plain(question))
                yield replace(pair, question=question, writer=writer.name)
            else:
                yield pair


def _rewritten(
    batch: Sequence[Pair],
    writer: Generator,
    asker: Predictor,
    schema: Callable[[str], Schema],
    agrees: Agrees,
    sampling: Sampling,
) -> list[str]:
    """The writer's question for each pair, '' where it does not lead back."""
    prompts = [rewriting_prompt(pair, schema(pair.db_id)) for pair in batch]
    completions = writer.generate(prompts, sampling)
    asked = [first_question(found[0].text) if found else "" for found in completions]
    examples = [
        Example(str(at), pair.db_id, question)
        for at, (pair, question) in enumerate(zip(batch, asked, strict=True))
        if question
    ]
    kept = [""] * len(batch)
    for prediction in asker.predict(examples):
        at = int(prediction.example_id)
        if prediction.sql and agrees(batch[at].db_id, batch[at].sql, prediction.sql):
            kept[at] = asked[at]
    return kept


def _known(log: Path | None, fingerprint: str) -> list[str]:
    """The questions that an earlier run with the same settings wrote."""
    if log is None:
        return []
    rows = read_rows(log)
    head = next(rows, None)
    if head is None or head.get("settings") != fingerprint:
        log.unlink(missing_ok=True)
        append_row(log, {"settings": fingerprint})
        return []
    return [str(question) for row in rows for question in row["questions"]]


def _fingerprint(pairs: Sequence[Pair], *settings: str | int) -> str:
    text = json.dumps([settings, [(pair.db_id, pair.question, pair.sql) for pair in pairs]])
    return hashlib.sha256(text.encode()).hexdigest()
