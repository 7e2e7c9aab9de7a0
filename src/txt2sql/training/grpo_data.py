"""What GRPO asks: training questions with the prompts of inference, and what their answers are judged by.

A prompt is what `txt2sql ask` would send: the one renderer, the cells that the question mentions, the
grammar of the schema. It is made when it is first asked. An answer's text becomes SQL as inference does
it, and a task for the judges.

>>> questions = open_questions(config, style="ddl", tokenizer=tokenizer, longest=2048)  # doctest: +SKIP
>>> questions.task(17, "SELECT count(*) FROM shop").sql  # doctest: +SKIP
'SELECT count(*) FROM shop'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import with_gold
from txt2sql.errors import ConfigError, DatabaseError
from txt2sql.evaluation.evaluate import draw
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.hf import input_text
from txt2sql.models.intermediate_grammar import intermediate_grammar
from txt2sql.prompts import render
from txt2sql.sql.decode import decode
from txt2sql.sql.text import extract_sql
from txt2sql.training.grpo_judge import Ruling, Task
from txt2sql.training.grpo_settings import GRPOConfig
from txt2sql.training.rewards import Judged
from txt2sql.training.selection import Measured, trained_on
from txt2sql.types import Example, Outcome, Prompt

_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and the token ids that the model reads for it."""

    prompt: Prompt
    ids: tuple[int, ...]

    @property
    def text(self) -> str:
        """What the model reads."""
        return self.prompt.text


class Questions:
    """Training questions by position. `longest` is the most tokens of prompt and answer."""

    def __init__(
        self,
        sets: Sequence[tuple[Dataset, Sequence[Example]]],
        style: str,
        tokenizer: Any,
        *,
        longest: int,
        answer: int,
        constrained: bool,
    ) -> None:
        self.examples = [example for _, examples in sets for example in examples]
        self._sets = [dataset for dataset, examples in sets for _ in examples]
        self._datasets = {dataset.name: dataset for dataset, _ in sets}
        self.style, self.tokenizer = style, tokenizer
        self.longest, self.answer, self.constrained = longest, answer, constrained
        self.asked = lru_cache(_REMEMBERED)(self._asked)
        self._index = lru_cache(64)(self._open_index)

    def __len__(self) -> int:
        return len(self.examples)

    def name(self, position: int) -> str:
        """What a question is called beyond this run."""
        return f"{self._sets[position].name}/{self.examples[position].id}"

    def problem(self, position: int) -> str:
        """Why a question cannot be asked; "" where it can."""
        try:
            size = len(self.asked(position).ids)
        except DatabaseError as error:
            return str(error)
        return "too long" if size + self.answer > self.longest else ""

    def task(self, position: int, text: str) -> Task:
        """An answer's text as a task for the judges."""
        example, dataset = self.examples[position], self._sets[position]
        database = dataset.database(example.db_id)
        sql = self._sql(position, text)
        path = str(database.path.absolute())
        return Task(path, database.tables, example.db_id, example.gold_sql, sql)

    def judged(self, text: str, task: Task, ruling: Ruling, ended: bool, length: int) -> Judged:
        """All that is known of an answer of `length` tokens."""
        return Judged(
            Outcome(ruling.outcome),
            component=ruling.component,
            reads=None if ruling.reads is None else frozenset(ruling.reads),
            gold_reads=frozenset(ruling.gold_reads),
            empty=ruling.empty,
            several=self.style != "compact" and holds_several(text, task.sql),
            ended=ended,
            length=length / self.answer,
            reason=ruling.reason,
        )

    def _asked(self, position: int) -> Asked:
        example, dataset = self.examples[position], self._sets[position]
        schema = dataset.schema(example.db_id)
        prompt = render(
            example.question,
            schema,
            style=self.style,
            matches=self._index(dataset.name, example.db_id).match(example.question),
            evidence=example.evidence,
            count=self._count_tokens,
        )
        if self.constrained:
            links = prompt.links
            grammar = intermediate_grammar(links) if links else sql_grammar(schema)
            prompt = replace(prompt, grammar=grammar)
        text, special = input_text(self.tokenizer, prompt)
        ids = self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"]
        return Asked(prompt, tuple(ids))

    def _sql(self, position: int, text: str) -> str | None:
        links = self.asked(position).prompt.links
        if links is None:
            return extract_sql(text)
        example, dataset = self.examples[position], self._sets[position]
        index = self._index(dataset.name, example.db_id)
        return decode(text, dataset.schema(example.db_id), links, index.spell)

    def _count_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _open_index(self, dataset: str, db_id: str) -> ValueIndex:
        return open_value_index(self._datasets[dataset].database(db_id))


def holds_several(text: str, sql: str | None) -> bool:
    """Whether another statement follows the one that is taken from an answer.

    >>> holds_several("SELECT 1; SELECT 2", "SELECT 1"), holds_several("SELECT 1;", "SELECT 1")
    (True, False)
    """
    rest = text.partition(sql)[2] if sql else ""
    return ";" in rest and extract_sql(rest.partition(";")[2]) is not None


def longest_answer(config: GRPOConfig, style: str) -> int:
    """The most tokens of an answer: as in inference, unless the settings say otherwise."""
    return config.max_new_tokens or (96 if style == "compact" else 256)


def open_questions(
    config: GRPOConfig, *, style: str, tokenizer: Any, longest: int, constrained: bool
) -> tuple[Questions, list[Measured]]:
    """The questions to train on, and those that measure progress."""
    root = Path(config.data).expanduser() if config.data else None
    sets: list[tuple[Dataset, Sequence[Example]]] = []
    measured: list[Measured] = []
    for number, name in enumerate(config.datasets):
        dataset = open_dataset(name, root)
        everything = with_gold(dataset, config.split)
        kept = trained_on(config, [example.db_id for example in everything])
        chosen = draw([e for e in everything if kept(e.db_id)], config.limit, config.seed)
        if not chosen:
            raise ConfigError(
                f"'{dataset.name}' has no training question; check datasets, split and held_out"
            )
        sets.append((dataset, chosen))
        asked = [e for e in everything if not kept(e.db_id)]
        if config.measure_split is not None:
            asked = with_gold(dataset, config.measure_split) if number == 0 else []
        asked = draw(asked, config.measured, config.seed)
        measured.append(Measured(dataset.name, asked, dataset.schema, dataset.database))
    answer = longest_answer(config, style)
    questions = Questions(
        sets, style, tokenizer, longest=longest, answer=answer, constrained=constrained
    )
    return questions, measured
