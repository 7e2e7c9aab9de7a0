"""Back-translation: a language model writes the question from the SQL; it is kept if it leads back.

Field's names: back-translation, round-trip consistency. The writer is any Generator, the asker any
Predictor; what the asker answers to the new question must give the rows of the SQL it was written
from, by the comparison passed in. Otherwise the template's question stays.

>>> list(rewrite(pairs, writer, asker, schemas, agrees))  # doctest: +SKIP
[Pair(db_id='shop', question='How many shops do we run?', ..., writer='Qwen3-4B')]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from txt2sql.data.synthesis.produce import Pair
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
    seed: int = 0,
) -> Iterator[Pair]:
    """Every pair in order, its question by the writer where that leads back to the same rows."""
    sampling = Sampling(max_new_tokens=96, temperature=0.7, top_p=0.95, seed=seed, stop=("\n\n",))
    for start in range(0, len(pairs), _BATCH):
        batch = pairs[start : start + _BATCH]
        prompts = [rewriting_prompt(pair, schema(pair.db_id)) for pair in batch]
        completions = writer.generate(prompts, sampling)
        asked = [first_question(found[0].text) if found else "" for found in completions]
        examples = [
            Example(str(at), pair.db_id, question)
            for at, (pair, question) in enumerate(zip(batch, asked, strict=True))
            if question
        ]
        kept: set[int] = set()
        for prediction in asker.predict(examples):
            pair = batch[int(prediction.example_id)]
            if prediction.sql and agrees(pair.db_id, pair.sql, prediction.sql):
                kept.add(int(prediction.example_id))
        for at, pair in enumerate(batch):
            yield replace(pair, question=asked[at], writer=writer.name) if at in kept else pair
