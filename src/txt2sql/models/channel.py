"""Reading an answer back: how well the question follows from it. A noisy channel model.

Field's names and sources: noisy channel (Brown et al. 1993; Yee et al. 2019), reconstruction of the
utterance (Yin and Neubig 2019, reranking for semantic parsing). A policy says how likely an answer is
given the question, and overlooks what it leaves out; from `SELECT name FROM store` the question "the
number of stores in each city" hardly follows. The vote of a search multiplies both (`search.vote`).

The model is a policy under a LoRA adapter of its own, trained by `training/channel.py`. It reads queries
in words, whichever way the policy writes them, and lies beside the policy whose searches it votes in:

    round_2/
    ├── model.safetensors, ...                                      the policy
    └── channel/ adapter_model.safetensors, adapter_config.json, channel.json

>>> channel = open_channel(Path("round_2"))  # doctest: +SKIP
>>> channel.scores("How many stores?", ["SELECT count(*) FROM store"], schema)  # doctest: +SKIP
[-5.1]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from txt2sql.errors import ModelError
from txt2sql.models.catalog import base_of, is_adapter
from txt2sql.models.packed import pack
from txt2sql.models.weights import load_weights
from txt2sql.runs import write_atomically
from txt2sql.sql.encode import encode_template
from txt2sql.sql.intermediate import SYMBOL, Unsupported, whole_links
from txt2sql.types import Schema

FOLDER, FACTS = "channel", "channel.json"
"""Of the adapter in its policy's folder, and what the vote needs to know of it."""

Row = tuple[list[int], list[int]]
"""Token ids of a query in words, and of a question with the end token."""

_QUERY_TOKENS, _QUESTION_TOKENS = 160, 80
_BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Exponents:
    """What the vote makes of both models: p(answer | question) ** policy * p(question | answer) **
    question. `doubt` is the weight of "none of these is right", which makes the share of an answer a
    probability.
    """

    policy: float = 1.0
    question: float = 0.0
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A model that reads answers back; `measured` is what it was found to be worth."""

    model: Any
    tokenizer: Any
    exponents: Exponents = Exponents()
    measured: dict[str, Any] = field(default_factory=dict)

    def scores(self, question: str, queries: Sequence[str], schema: Schema) -> list[float]:
        """The log-probability of the question given each of the queries."""
        words = [in_words(sql, schema) for sql in queries]
        rows = {text: self.row(text, question) for text in words}
        known: dict[str, float] = {}
        batch: list[str] = []

        def read() -> None:
            if batch:
                sums, _ = question_logprobs(self.model, [rows[text] for text in batch])
                known.update(zip(batch, sums.tolist(), strict=True))
                batch.clear()

        with torch.inference_mode():
            for text in sorted(rows, key=lambda text: _length(rows[text])):
                if (len(batch) + 1) * _length(rows[text]) > _BATCH_TOKENS:
                    read()
                batch.append(text)
            read()
        return [known[text] for text in words]

    def row(self, words: str, question: str) -> Row:
        """What the model reads and what it is to say, cut where it is very long."""
        asked = self.tokenizer(f"{words} |", verbose=False)["input_ids"]
        said = self.tokenizer(question.lower(), add_special_tokens=False, verbose=False)
        end = int(self.tokenizer.eos_token_id)
        return asked[:_QUERY_TOKENS], [*said["input_ids"][:_QUESTION_TOKENS], end]


def _length(row: Row) -> int:
    return len(row[0]) + len(row[1])


def in_words(sql: str, schema: Schema) -> str:
    """A query with the names that people use, and joins along keys without their conditions.

    >>> columns = (Column("fname", words="first name"),)  # doctest: +SKIP
    >>> schema = Schema("shop", (Table("emp", columns, words="employee"),))  # doctest: +SKIP
    >>> in_words("SELECT fname FROM emp", schema)  # doctest: +SKIP
    'select first name from employee'
    """
    try:
        template = encode_template(sql, schema)
    except (Unsupported, RecursionError):
        return " ".join(sql.split()).lower()
    links = whole_links(schema)
    tables = {table.name: (table.words or table.name).lower() for table in schema.tables}
    columns = {
        (table.name, column.name): (column.words or column.name).lower()
        for table in schema.tables
        for column in table.columns
    }
    joined = len({number for kind, number in SYMBOL.findall(template.text) if kind == "t"}) > 1

    def word(kind: str, number: int) -> str:
        if kind == "v":
            return template.literals[number][0].lower().strip()
        if kind == "t":
            return tables[links.tables[number]]
        table, _ = pair = links.columns[number]
        owner, name = tables[table], columns[pair]
        return f"{owner} {name}" if joined and owner not in name else name

    return SYMBOL.sub(lambda match: word(match[1], int(match[2])), template.text)


def question_logprobs(model: Any, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Of each row the log-probability of its question, (n,), and how many tokens that has, (n,).

    A prefix model reads the query in both directions. Gradients flow where they are on.
    """
    width = max(map(_length, rows))
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), -1)
    seen = torch.ones(width, width, dtype=torch.bool).tril().repeat(len(rows), 1, 1)
    prefix = bool(getattr(model.config, "prefix_lm", False))
    for i, (asked, said) in enumerate(rows):
        inputs[i, : len(asked) + len(said)] = torch.tensor([*asked, *said])
        targets[i, len(asked) - 1 : len(asked) + len(said) - 1] = torch.tensor(said)
        if prefix:
            seen[i, : len(asked) - 1, : len(asked) - 1] = True
    device = next(model.parameters()).device
    mask = torch.zeros(seen.shape, dtype=model.dtype)
    mask.masked_fill_(~seen, torch.finfo(model.dtype).min)
    hidden = model.base_model(
        input_ids=inputs.to(device), attention_mask=mask[:, None].to(device), use_cache=False
    ).last_hidden_state
    targets = targets.to(device)
    where = targets >= 0
    head = getattr(model, "cls", None) or model.get_output_embeddings()
    losses = functional.cross_entropy(head(hidden[where]).float(), targets[where], reduction="none")
    owner = where.nonzero()[:, 0]
    sums = torch.zeros(len(rows), device=device).index_add(0, owner, -losses)
    return sums, where.sum(1)


def channel_folder(policy: Path | None) -> Path | None:
    """Where the channel model of a policy lies: in its folder, or in that of the model it adapts."""
    while policy is not None:
        if (policy / FOLDER / FACTS).is_file():
            return policy / FOLDER
        policy = base_of(policy).folder if is_adapter(policy) else None
    return None


def open_channel(policy: Path | None, device: str | None = None) -> Channel | None:
    """The model that reads back for a policy; None where there is none. Raises ModelError for one that is
    damaged.
    """
    folder = channel_folder(policy)
    return None if folder is None else load_channel(folder, device)


def load_channel(folder: Path, device: str | None = None) -> Channel:
    """The model that lies in a folder of that name. Raises ModelError for one that is damaged."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        exponents, measured = Exponents(**facts["exponents"]), dict(facts["measured"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder) from error
    return replace(open_adapter(folder, device), exponents=exponents, measured=measured)


def open_adapter(folder: Path, device: str | None = None) -> Channel:
    """The model of an adapter, without its say in a vote. Raises ModelError."""
    loaded = load_weights(base_of(folder).source, device=device)
    try:
        _add(loaded.model, folder)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder) from error
    return Channel(pack(loaded.model), loaded.tokenizer)


def _add(model: Any, folder: Path) -> None:
    """Add a LoRA adapter to the weights. peft does the same, but takes seconds to import and is not part
    of every installation.
    """
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    tensors = load_file(folder / "adapter_model.safetensors")
    with torch.no_grad():
        for name, down in tensors.items():
            path, _, end = name.partition(".lora_A.")
            if end:
                up = tensors[f"{path}.lora_B.{end}"]
                weight = model.get_submodule(path.removeprefix("base_model.model.")).weight
                summed = weight.float() + scale * (up.float() @ down.float()).to(weight.device)
                weight.copy_(summed.to(weight.dtype))


def _damaged(folder: Path) -> ModelError:
    return ModelError(
        f"the model that reads answers back in '{folder}' is damaged; remove that folder, or copy it "
        "again"
    )


def save_facts(channel: Channel, folder: Path) -> None:
    """Write what the vote needs beside the adapter; last, as it is what makes the folder whole."""
    facts = {"exponents": asdict(channel.exponents), "measured": channel.measured}
    write_atomically(folder / FACTS, json.dumps(facts, indent=1) + "\n")
