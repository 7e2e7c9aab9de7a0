"""Fine-tuning of an adapter that is active after the schema only: activated LoRA.

The schema part of a prompt is read by the base model without the adapter; question and answer are read
with it (Greenewald et al. 2025, arXiv:2504.12397). So the keys and values of a database's schema are
computed once, by the engine that answers, and serve every step of training, every question and every
adapter. A step costs the tokens of questions and answers alone: with a schema of 600 tokens a tenth of
what whole prompts cost.

    run/config.yaml, run.json, metrics.jsonl
    run/checkpoint/        adapter, optimizer, step: the newest; replaced whole
    run/model/             the adapter, as peft writes it

>>> train(ActivatedConfig(model="base", engine="base-onnx", output="run"))  # doctest: +SKIP
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from peft import (
    LoraConfig,
    get_peft_model,
    get_peft_model_state_dict,
    load_peft_weights,
    set_peft_model_state_dict,
)
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AutoModelForCausalLM, DynamicCache

from txt2sql.config import as_mapping
from txt2sql.data import Dataset, open_dataset
from txt2sql.data.gold import stands_alone, with_gold
from txt2sql.errors import ConfigError, ModelError
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.models import decoder as decoders
from txt2sql.models.cache import PrefixStore
from txt2sql.models.decoder import Decoder
from txt2sql.models.torch_engine import additive_mask
from txt2sql.prompts import render
from txt2sql.prompts.reduce import without_copies
from txt2sql.runs import append_row, open_run, write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.training.selection import is_held_out
from txt2sql.types import Example, Schema, Turn

Array = np.ndarray[Any, Any]
_MULTIPLE = 64
"""Tokens of a group are padded to a multiple of this: oneDNN compiles its kernels for every length anew."""
_SCORES = 1_200_000
"""Attention scores of a head that a step holds for its backward pass, at most."""
_CHUNK = 1024
"""Tokens of a schema part that are read together."""
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class ActivatedConfig:
    """Settings of one run."""

    model: str
    """Folder of the base in full precision: what its quantised levels stand for."""
    engine: str
    """Folder of the same base as it was exported: it computes the schema parts."""
    output: str
    adapter: str | None = None
    """Folder of an adapter of the same rank to start from; None: a new one."""
    datasets: tuple[str, ...] = ("spider", "spider_syn", "cosql", "bird_train", "wikisql")
    shares: tuple[float, ...] = (0.34, 0.14, 0.14, 0.3, 0.08)
    """Of the groups of an epoch, by data set."""
    data: str | None = None
    split: str = "train"
    held_out: float = 0.06
    """Share of the training databases that is never trained on."""
    frozen_layers: int = 0
    """Blocks from the first one on whose adapters stay as they are: nothing is propagated back through
    them, which saves a third of a step where it is half of the blocks."""
    average: float = 1.0
    """Share of the trained weights in the adapter that is saved; the rest is what `adapter` started with
    (WiSE-FT, Wortsman et al. 2022). It may be changed afterwards: the finished run saves again.
    """
    rank: int = 32
    alpha: int = 64
    learning_rate: float = 2e-4
    warmup: int = 20
    """Steps over which the learning rate rises."""
    cooldown: int = 0
    """Steps at the end over which it falls to zero."""
    max_steps: int = 1000
    group: int = 12
    """Examples of one database that are read together."""
    groups: int = 4
    """Groups of one step."""
    max_prefix: int = 4096
    evidence_dropout: float = 0.5
    """How often the evidence of a question that can be answered without it is left out."""
    validated: int = 96
    """Held-out questions whose loss is measured."""
    validate_every: int = 50
    checkpoint_every: int = 10
    bf16: bool = False
    """Compute in bfloat16 (adapter and optimizer stay in float32): eight times as fast on a processor
    with AMX, slower on one with neither AMX nor AVX-512 BF16."""
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.average <= 1:
            raise ValueError("average must be between 0 and 1")
        if len(self.shares) != len(self.datasets) or min(self.shares, default=0) <= 0:
            raise ValueError("shares must have one number above 0 for each of datasets")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question part and its answer as token ids."""

    question: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Questions of one database: `prefix` are the token ids of its schema part."""

    source: str
    prefix: tuple[int, ...]
    pairs: tuple[Pair, ...]


class Source:
    """The questions of one data set, as groups of token ids."""

    def __init__(self, name: str, config: ActivatedConfig, decoder: Decoder) -> None:
        self.config, self.decoder = config, decoder
        root = Path(config.data).expanduser() if config.data else None
        self.dataset: Dataset = open_dataset(name, root)
        self.name = name
        self.by_database: dict[str, list[Example]] = {}
        for example in with_gold(self.dataset, config.split):
            self.by_database.setdefault(example.db_id, []).append(example)
        self._index = lru_cache(maxsize=256)(self._open_index)
        self._pair = lru_cache(maxsize=200_000)(self._make_pair)

    def _open_index(self, db_id: str) -> ValueIndex:
        return open_value_index(self.dataset.database(db_id))

    def chunks(self, epoch: int, held_out: bool) -> list[tuple[str, tuple[Example, ...]]]:
        """(db_id, examples) of every group of an epoch, in random order."""
        size, seed = self.config.group, f"{self.config.seed} {self.name} {epoch}"
        chunks = []
        for db_id, examples in sorted(self.by_database.items()):
            if is_held_out(db_id, self.config.held_out) == held_out:
                order = random.Random(f"{seed} {db_id}").sample(examples, len(examples))
                chunks += [(db_id, tuple(order[i : i + size])) for i in range(0, len(order), size)]
        random.Random(seed).shuffle(chunks)
        return chunks

    def group(self, db_id: str, examples: Sequence[Example]) -> Group | None:
        """Token ids of a chunk; None where the schema is too long to be shown whole."""
        made = [pair for example in examples if (pair := self._pair(example))]
        if not made:
            return None
        prefix = made[0][0]
        pairs = tuple(pair for own, pair in made if own == prefix)
        return Group(self.name, prefix, pairs) if len(prefix) <= self.config.max_prefix else None

    def _make_pair(self, example: Example) -> tuple[tuple[int, ...], Pair] | None:
        config, schema = self.config, self.dataset.schema(example.db_id)
        matches = self._index(example.db_id).match(example.question)
        evidence = example.evidence
        rng = random.Random(f"{config.seed} evidence {example.id}")
        if rng.random() < config.evidence_dropout and stands_alone(example, matches):
            evidence = ""
        prompt = render(
            example.question, schema, matches=matches, evidence=evidence,
            previous=_in_normal_form(example.previous, schema), count=self.decoder.count_tokens,
        )  # fmt: skip
        if len(prompt.dropped) > len(without_copies(example.question, schema)[1]):
            return None  # it was reduced to what this question needs, and shares its schema part with none
        ids, shared = self.decoder.encode(prompt)
        vocabulary = self.decoder.vocabulary
        answer = vocabulary.encode(canonical_sql(example.gold_sql, schema))
        pair = Pair(tuple(ids[shared:]), (*answer, vocabulary.end_ids[0]))
        return (tuple(ids[:shared]), pair) if len(pair.answer) < 256 else None


def _parts(group: Group) -> Iterator[Group]:
    """A group as smaller ones whose scores fit memory: a layer holds one for each of its tokens and slots."""
    lengths = [len(pair.question) + len(pair.answer) for pair in group.pairs]
    count = 1
    while (tokens := sum(lengths) / count) * (len(group.prefix) + tokens) > _SCORES:
        count += 1
    size = -(-len(group.pairs) // count)
    for start in range(0, len(group.pairs), size):
        yield replace(group, pairs=group.pairs[start : start + size])


def _in_normal_form(turn: Turn | None, schema: Schema) -> Turn | None:
    return turn and replace(turn, sql=canonical_sql(turn.sql, schema))


def plan(sources: Sequence[Source], config: ActivatedConfig) -> Iterator[Group]:
    """The groups of all epochs in the order of training: the first data set whole in each epoch, the
    others by their shares. The same for the same seed.
    """
    epoch = 0
    while True:
        chosen = []
        first = len(sources[0].chunks(epoch, False))
        for source, share in zip(sources, config.shares, strict=True):
            chunks = source.chunks(epoch, False)
            # The first data set is read whole in an epoch, so its size is the unit of all shares.
            wanted = max(1, round(first * share / config.shares[0]))
            while len(chunks) < wanted:
                chunks += chunks
            chosen += [(source, *chunk) for chunk in chunks[:wanted]]
        random.Random(f"{config.seed} epoch {epoch}").shuffle(chosen)
        for source, db_id, examples in chosen:
            if (group := source.group(db_id, examples)) is not None:
                yield group
        epoch += 1


def _fused(self: Any, x: Tensor) -> Tensor:
    """peft's forward of a linear layer under LoRA, (..., inputs) -> (..., outputs), in three kernels
    instead of seven: a fifth of a step on a CPU.
    """
    base = self.base_layer
    # (..., outputs); the base is frozen, so its product needs no more than x's gradient.
    product = functional.linear(x, base.weight, base.bias)
    if self.disable_adapters:
        return product
    a = self.lora_A["default"].weight.to(x.dtype)  # (rank, inputs)
    b = (self.lora_B["default"].weight * self.scaling["default"]).to(x.dtype)  # (outputs, rank)
    low = functional.linear(x, a)
    total = torch.addmm(product.flatten(0, -2), low.flatten(0, -2), b.T)
    return total.view(product.shape)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **_: Any
) -> tuple[Tensor, None]:
    """Attention (1, heads, time, size) over (1, kv heads, slots, size), the heads that share keys as one
    matrix. Its backward pass takes a third of what torch's flash attention takes on a CPU.
    """
    heads, time, size = query.shape[1:]
    shared = key.shape[1]
    with torch.autocast("cpu", enabled=False):  # which would hold the shares in float32, too
        # Grouped queries (Ainslie et al. 2023): 7 heads of Qwen2.5-0.5B read the same keys.
        rows = (query * scaling).reshape(shared, -1, size)  # (kv heads, group * time, size)
        scores = torch.bmm(rows, key[0].transpose(1, 2)).view(shared, heads // shared, time, -1)
        shares = torch.softmax(scores + mask[0, 0], -1)
        seen = torch.bmm(shares.view(shared, rows.shape[1], -1), value[0])
    return seen.view(1, heads, time, size).transpose(1, 2), None


_ATTENTION = "txt2sql_grouped"
AttentionInterface.register(_ATTENTION, _attend)


class Run:
    """The model with its adapter, the prefixes of schemas, and the loss of groups."""

    def __init__(self, config: ActivatedConfig) -> None:
        self.config = config
        if config.threads:
            torch.set_num_threads(config.threads)
        self.decoder = decoders.load(Path(config.engine), threads=config.threads)
        made_by = self.decoder.prefixes.model + (" bfloat16" if config.bf16 else "")
        self.decoder.prefixes = PrefixStore(
            self.decoder.prefixes.folder, made_by, max_bytes=20_000_000_000
        )
        precision = torch.bfloat16 if config.bf16 else torch.float32
        base = AutoModelForCausalLM.from_pretrained(config.model, dtype=precision)
        self.precision = precision
        torch.manual_seed(config.seed)
        lora = LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules=list(LINEAR))
        self.model: Any = get_peft_model(base, lora)
        base.config._attn_implementation = _ATTENTION
        for layer in self.model.modules():
            if isinstance(layer, LoraLinear):
                layer.forward = MethodType(_fused, layer)  # type: ignore[method-assign]
        self.model.peft_config["default"].base_model_name_or_path = config.model
        if config.adapter:
            self._load_adapter(Path(config.adapter).expanduser())
        for layer in base.model.layers[: config.frozen_layers]:
            layer.requires_grad_(False)
        self.weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=config.learning_rate, weight_decay=0.0)
        self.step = 0

    def loss(self, group: Group) -> tuple[Tensor, Tensor, int, int]:
        """Summed cross-entropy of a group's answers; which of its answers would be written whole,
        token by token; tokens of the answers, and tokens read.
        """
        rows = [[*pair.question, *pair.answer][:-1] for pair in group.pairs]
        count = len(rows)
        if padding := -sum(map(len, rows)) % _MULTIPLE:
            rows.append([group.pairs[0].answer[-1]] * padding)
        # (time,) flat: rows stand beside each other, and only the last part of a group is padding.
        inputs = torch.tensor([token for row in rows for token in row])
        owners = torch.tensor([i for i, row in enumerate(rows) for _ in row])
        labels = torch.full_like(inputs, -100)
        start = 0
        for row, pair in zip(rows, group.pairs):
            start += len(row)
            # Labels stand one token ahead: the last token of a question predicts the first of its answer.
            labels[start - len(pair.answer) : start] = torch.tensor(pair.answer)
        chosen = labels != -100
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            hidden = self._hidden(group.prefix, inputs, owners)
            # (answer tokens, vocabulary)
            logits = self.model.get_base_model().lm_head(hidden[chosen])
        logits = logits.float()
        total = functional.cross_entropy(logits, labels[chosen], reduction="sum")
        wrong = torch.zeros(count, dtype=torch.bool)
        wrong[owners[chosen][logits.argmax(-1) != labels[chosen]]] = True
        return total, ~wrong, int(chosen.sum()), len(inputs) - padding

    def _hidden(self, prefix: tuple[int, ...], inputs: Tensor, owners: Tensor) -> Tensor:
        """(time, size) of all rows, flat: `owners` (time,) says which row a token belongs to.

        A token sees the prefix, whose keys and values are given, and its own row up to itself. So the
        keys of a prefix stand in memory once, and no row is padded.
        """
        stored = self._prefix_states(prefix)  # (2, layers, kv heads, time, head size)
        states = torch.from_numpy(stored).to(self.precision)
        past = DynamicCache()
        for layer in range(states.shape[1]):
            past.update(states[0, layer][None], states[1, layer][None], layer)
        time = len(inputs)
        steps = torch.arange(time)
        first = torch.searchsorted(owners, owners)  # where the row of each token begins
        # (time, time), block-diagonal and causal; all of the prefix is seen, so it needs no mask of its own.
        own = (owners[:, None] == owners[None]) & (steps[:, None] >= steps[None])
        seen = torch.cat([torch.ones(time, len(prefix), dtype=torch.bool), own], 1)
        output = self.model.get_base_model().model(
            input_ids=inputs[None],
            attention_mask=self._mask(seen),
            past_key_values=past,
            position_ids=(len(prefix) + steps - first)[None],
            use_cache=True,
        )
        return output.last_hidden_state[0]  # type: ignore[no-any-return]

    def _mask(self, seen: Tensor) -> Tensor:
        """(1, 1, time, slots) for scores, from which slots each token sees (time, slots)."""
        return additive_mask(seen, self.precision)[None, None]

    def _prefix_states(self, ids: tuple[int, ...]) -> Array:
        """The base's keys and values of a schema part, as `Decoder.prefix_states` gives them.

        In bfloat16 this model computes them itself, which is ten times as fast as the engine there.
        """
        if not self.config.bf16:
            return self.decoder.prefix_states(ids)
        stored = self.decoder.prefixes.load(ids)
        if stored is None:
            cache = DynamicCache()
            with torch.inference_mode(), self.model.disable_adapter():
                for start in range(0, len(ids), _CHUNK):
                    part = torch.tensor([ids[start : start + _CHUNK]])
                    slots = torch.arange(start + part.shape[1])
                    mask = self._mask(slots[start:, None] >= slots[None])
                    self.model.get_base_model().model(
                        input_ids=part, attention_mask=mask, past_key_values=cache, use_cache=True
                    )
            whole: list[Any] = list(cache.layers)
            layers = [(layer.keys[0], layer.values[0]) for layer in whole]
            states = torch.stack([torch.stack(part) for part in zip(*layers, strict=True)])
            stored = self.decoder.prefixes.save(ids, states.float().numpy())
        return stored

    def update(self, groups: Sequence[Group]) -> dict[str, float]:
        """One step over some groups."""
        config = self.config
        answers = sum(len(pair.answer) for group in groups for pair in group.pairs)
        total = whole = read = 0.0
        for group in (part for each in groups for part in _parts(each)):
            loss, right, _, tokens = self.loss(group)
            # The mean over all answer tokens of the step, as in one batch, whatever groups it is read in.
            (loss / answers).backward()
            total, whole, read = total + loss.item(), whole + int(right.sum()), read + tokens
        norm = torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        left = config.max_steps - self.step
        rate = min(1.0, (self.step + 1) / max(1, config.warmup))
        if config.cooldown:
            rate *= min(1.0, left / config.cooldown)
        for part in self.optimizer.param_groups:
            part["lr"] = config.learning_rate * rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        examples = sum(len(group.pairs) for group in groups)
        return {
            "step": self.step, "loss": total / answers, "accuracy": whole / examples,
            "examples": examples, "tokens": read, "norm": float(norm), "lr": rate * config.learning_rate,
        }  # fmt: skip

    @torch.inference_mode()
    def validate(self, groups: Sequence[Group]) -> dict[str, Any]:
        """By data set: loss of an answer token, and share of answers that are whole under gold's own
        tokens (an upper bound of exact answers).
        """
        sums: dict[str, list[float]] = {}
        for group in groups:
            loss, right, count, _ = self.loss(group)
            each = sums.setdefault(group.source, [0.0, 0.0, 0.0, 0.0])
            for i, value in enumerate((float(loss), count, int(right.sum()), len(group.pairs))):
                each[i] += value
        return {
            name: {"loss": round(loss / count, 4), "accuracy": round(right / n, 3), "n": int(n)}
            for name, (loss, count, right, n) in sums.items()
        }

    def save(self, folder: Path) -> None:
        """The adapter, the optimizer and the step, in place of the checkpoint before."""
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self.model.save_pretrained(str(part), save_embedding_layers=False)
        _note(part)
        torch.save({"optimizer": self.optimizer.state_dict(), "step": self.step}, part / "state.pt")
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        self._load_adapter(folder)
        state = torch.load(folder / "state.pt", weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])

    def _load_adapter(self, folder: Path) -> None:
        try:
            weights = load_peft_weights(str(folder), device="cpu")
            set_peft_model_state_dict(self.model, weights)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"'{folder}' is no adapter of rank {self.config.rank} for this base: {error}"
            ) from error


def train(config: ActivatedConfig, report: Callable[[str], None] = print) -> Path | None:
    """Train, or go on with the run in its folder; the folder of the adapter, or None where SIGTERM
    ended it before. Raises a child of Text2SQLError for what a person can mend.
    """
    output = Path(config.output).expanduser()
    changeable = {
        "max_steps": 0,
        "cooldown": 0,
        "average": 0,
        "threads": None,
        "data": None,
        "checkpoint_every": 0,
    }
    settings = {name: value for name, value in as_mapping(config).items() if name not in changeable}
    open_run(output, settings, config.seed)
    run = Run(config)
    sources = [Source(name, config, run.decoder) for name in config.datasets]
    if not any(source.by_database for source in sources):
        raise ConfigError("the data sets have no training example; check datasets and split")
    held_out = _validation(sources, config)
    checkpoint = output / "checkpoint"
    if checkpoint.is_dir():
        run.load(checkpoint)
        report(f"going on at step {run.step}")
    finished = fit(
        run, plan(sources, config), output, lambda row: report(json.dumps(row)), held_out
    )
    if not finished:
        report(f"stopped at step {run.step} of {config.max_steps}; run it again to go on")
        return None
    if config.adapter and config.average != 1:
        _average(run.model, config.adapter, config.average)
    run.model.save_pretrained(str(output / "model"), save_embedding_layers=False)
    _note(output / "model")
    return output / "model"


def _average(model: Any, adapter: str, share: float) -> None:
    """Move the factors A and B of every layer back to where they started, but for `share` of the way.

    The mean of two products B A is of twice the rank; the product of the means is close to it while the
    factors have moved little, and keeps the rank.
    """
    start = load_peft_weights(adapter, device="cpu")
    trained = get_peft_model_state_dict(model, save_embedding_layers=False)
    mixed = {name: torch.lerp(start[name].float(), trained[name], share) for name in trained}
    set_peft_model_state_dict(model, mixed)


def fit(
    run: Run,
    groups: Iterator[Group],
    output: Path,
    report: Callable[[dict[str, Any]], None],
    held_out: Sequence[Group] = (),
) -> bool:
    """Train from the run's step to the last, with a row in metrics.jsonl for each and a checkpoint every
    few; False where SIGTERM ended it before. `groups` are those of the whole run.
    """
    config, metrics = run.config, output / "metrics.jsonl"
    for _ in range(run.step * config.groups):
        next(groups)
    if metrics.is_file():  # steps that a kill took back are done again
        lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        write_atomically(metrics, "".join(lines[: run.step]))
    stopped: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    try:
        while run.step < config.max_steps and not stopped:
            start = time.perf_counter()
            row: dict[str, Any] = run.update([next(groups) for _ in range(config.groups)])
            row["seconds"] = round(time.perf_counter() - start, 1)
            if held_out and (run.step % config.validate_every == 0 or run.step in (1, config.max_steps)):  # fmt: skip
                row["held_out"] = run.validate(held_out)
            append_row(metrics, row)
            report(row)
            if run.step % config.checkpoint_every == 0:
                run.save(output / "checkpoint")
    finally:
        signal.signal(signal.SIGTERM, before)
    run.save(output / "checkpoint")
    return run.step >= config.max_steps


def _note(folder: Path) -> None:
    """Say beside an adapter how it is to be used."""
    write_atomically(folder / "prompt.json", json.dumps({"activated": True}) + "\n")


def _validation(sources: Sequence[Source], config: ActivatedConfig) -> list[Group]:
    """The first groups of held-out databases, about as many questions of every data set."""
    groups = []
    for source in sources:
        left = config.validated // len(sources)
        for db_id, examples in source.chunks(0, True):
            group = source.group(db_id, examples[: max(0, left)]) if left > 0 else None
            if group is not None:
                groups.append(group)
                left -= len(group.pairs)
    return groups
