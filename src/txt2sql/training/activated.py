"""Fine-tuning of an adapter that is active after the schema only: activated LoRA.

The schema part of a prompt is read by the base model without the adapter; question and answer are read
with it (Greenewald et al. 2025, arXiv:2504.12397). So the keys and values of a schema are computed once,
and serve every step of training, every question and every adapter. A step costs the tokens of questions
and answers alone: with a schema of 600 tokens a tenth of what whole prompts cost. It runs on the CPU.

>>> train(ActivatedConfig(model="base", engine="base-onnx", output="run"))  # doctest: +SKIP
PosixPath('run/model')
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from math import ceil
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from peft import load_peft_weights, set_peft_model_state_dict
from peft.tuners.lora import Linear as LoraLinear
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import IterableDataset
from transformers import AttentionInterface, AutoModelForCausalLM

from txt2sql.data import open_dataset
from txt2sql.errors import ConfigError, ModelError
from txt2sql.models import decoder as decoders
from txt2sql.models.adapters import Adapter, attach
from txt2sql.models.decoder import Decoder, PrefixStore
from txt2sql.models.onnx_engine import Array
from txt2sql.models.torch_engine import FlatCache, TorchEngine, additive_mask
from txt2sql.prompts.reduce import without_copies
from txt2sql.runs import write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.training import data, sft
from txt2sql.training.data import TokenPair, epochs_of, prompter, split_examples
from txt2sql.training.loop import Progress, Report, Run, half_precision, silent
from txt2sql.training.settings import Final, Schedule, SFTConfig
from txt2sql.types import Example

_MULTIPLE = 64
"""Tokens of a group are padded to a multiple of this: oneDNN compiles its kernels for every length anew."""
_SCORES = 1_200_000  # attention scores of a head that a step holds for its backward pass, at most
_WEIGHTS = "adapter_model.safetensors"
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True)
class ActivatedConfig(SFTConfig):
    """Settings of one run. `model` is the folder of the base in full precision: what its quantised
    levels stand for. `accumulate` counts groups, `max_length` tokens of a schema part."""

    engine: str = ""  # folder of the same base as it was exported: it computes the schema parts
    start: str | None = None  # folder of an adapter of the same rank to start from
    datasets: tuple[str, ...] = ("spider", "spider_syn", "cosql", "bird_train", "wikisql")
    shares: tuple[float, ...] | None = (0.34, 0.14, 0.14, 0.3, 0.08)  # of the groups of an epoch
    held_out: float = 0.06
    measured: int = 16
    adapter: Adapter = field(default_factory=lambda: Adapter(r=32, alpha=64, dropout=0.0))
    frozen_layers: int = 0
    """Blocks from the first one on whose adapters stay as they are: nothing is propagated back through
    them, which saves a third of a step where it is half of the blocks."""
    average: float = 1.0
    """Share of the trained weights in the adapter that is saved; the rest is what `start` had (WiSE-FT,
    Wortsman et al. 2022)."""
    schedule: Schedule = "constant"
    cooldown: float = 0.0  # share of the steps, at the end, with a learning rate that falls to 0
    group: int = 12  # examples of one database that are read together, where they fit memory
    accumulate: int = 4
    max_steps: int | None = 1000
    max_length: int = 4096
    measure_every: int | None = 50
    checkpoint_every: int = 10
    log_every: int = 1
    patience: int | None = None
    final: Final = "last"

    def __post_init__(self) -> None:
        SFTConfig.__post_init__(self)
        if not 0 <= self.average <= 1:
            raise ValueError("average must be between 0 and 1")
        if self.adapter.dora or self.adapter.dropout:
            raise ValueError(
                "an activated adapter is LoRA without dropout; leave dora and dropout out"
            )

    @property
    def kind(self) -> str:
        return "activated"


@dataclass(frozen=True, slots=True)
class Group:
    """Questions of one database of a data set: the first `shared` tokens of their prompts are its
    schema part."""

    source: str
    shared: int
    pairs: list[TokenPair]

    @property
    def tokens(self) -> int:
        return sum(len(prompt) + len(answer) - self.shared for prompt, answer in self.pairs)

    def parts(self) -> Iterator[Group]:
        """Smaller groups whose scores fit memory: a layer holds one for each token and slot."""
        parts = 1
        while self.tokens / parts * (self.shared + self.tokens / parts) > _SCORES:
            parts += 1
        most = -(-len(self.pairs) // parts)
        for start in range(0, len(self.pairs), most):
            yield replace(self, pairs=self.pairs[start : start + most])


class Source:
    def __init__(self, name: str, config: ActivatedConfig, decoder: Decoder, first: bool) -> None:
        self.config, self.decoder = config, decoder
        self.dataset = open_dataset(name, config.data_root)
        self.train_set, self.held_out = split_examples(config, self.dataset, first)
        dropout, seed = config.evidence_dropout, config.seed
        self.prompt = prompter(self.dataset, decoder.count_tokens, dropout, seed)
        # (pass) -> its chunks in random order
        self.order = lru_cache(maxsize=4)(lambda turn: self.chunks(self.train_set, turn))

    def chunks(self, examples: Sequence[Example], turn: int = 0) -> list[tuple[Example, ...]]:
        """Examples of one database each, `group` of them, in an order that differs by `turn`."""
        most, seed = self.config.group, f"{self.config.seed} {self.dataset.name} {turn}"
        by_database: dict[str, list[Example]] = {}
        for example in examples:
            by_database.setdefault(example.db_id, []).append(example)
        chunks: list[tuple[Example, ...]] = []
        for db_id, own in sorted(by_database.items()):
            order = random.Random(f"{seed} {db_id}").sample(own, len(own))
            chunks += [tuple(order[i : i + most]) for i in range(0, len(order), most)]
        random.Random(seed).shuffle(chunks)
        return chunks

    def groups(self, chunk: Sequence[Example]) -> Iterator[Group]:
        """Token ids of a chunk; nothing where the schema is too long to be shown whole."""
        made = [tokens for example in chunk if (tokens := self._read(example))]
        if made and made[0][1] <= self.config.max_length:
            (prompt, _), shared = made[0]
            prefix = prompt[:shared]
            same = [pair for pair, own in made if own == shared and pair[0][:shared] == prefix]
            yield from Group(self.dataset.name, shared, same).parts()

    def _read(self, example: Example) -> tuple[TokenPair, int] | None:
        schema, prompt = self.dataset.schema(example.db_id), self.prompt(example)
        if len(prompt.dropped) > len(without_copies(example.question, schema)[1]):
            return None  # it was reduced to what this question needs, and shares its schema part with none
        ids, shared = self.decoder.encode(prompt)
        vocabulary = self.decoder.vocabulary
        answer = vocabulary.encode(canonical_sql(example.gold_sql, schema))
        return ((ids, [*answer, vocabulary.end_ids[0]]), shared) if len(answer) < 255 else None


def draw(config: ActivatedConfig, sources: Sequence[Source]) -> Iterator[Group]:
    """The groups of all epochs, or of as many as `max_steps` take, in the order of training."""
    most = config.max_steps and config.max_steps * config.accumulate
    made = 0
    for chosen in epochs_of(config, [each.order for each in sources]):
        before = made
        for group in chain.from_iterable(sources[i].groups(chunk) for i, chunk in chosen):
            if made == most:
                return
            made += 1
            yield group
        if made == before:
            break
    if not made:
        raise ConfigError(f"every schema has more than {config.max_length} tokens; set max_length higher")  # fmt: skip


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __init__(self, groups: Callable[[], Iterable[Group]]) -> None:
        self.groups = groups

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups())


def collate(groups: Sequence[Group]) -> dict[str, Any]:
    """A group as `data.collate` has it, its `prefix` (shared,) apart: (1, time) tokens after it,
    which see (1, 1, time, shared + time)."""
    (group,) = groups
    shared = group.shared
    width = shared + -(-group.tokens // _MULTIPLE) * _MULTIPLE
    row = [(*pair, shared if i else 0) for i, pair in enumerate(group.pairs)]
    inputs = data.collate([[row]], width=width)
    return {
        "prefix": inputs["input_ids"][0, :shared],
        "input_ids": inputs["input_ids"][:, shared:],
        "position_ids": inputs["position_ids"][:, shared:],
        "attention_mask": inputs["attention_mask"][:, :, shared:],
        "logits_to_keep": inputs["logits_to_keep"] - shared,
        "labels": inputs["labels"],
    }


def _fused(self: Any, x: Tensor) -> Tensor:
    """peft's forward of a linear layer under LoRA, (..., inputs) -> (..., outputs), in three
    kernels instead of seven: a fifth of a step on a CPU."""
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


class Activated:
    """A base with its adapter, the prefixes of schemas, and the loss of groups. In bfloat16 the
    base computes prefixes itself, ten times as fast as the engine, unless it is `merged` with other
    adapters."""

    def __init__(self, config: ActivatedConfig, merged: bool = False) -> None:
        half = half_precision(config.bf16) == torch.bfloat16
        self.precision = torch.bfloat16 if half else torch.float32
        self.decoder = decoders.load(Path(config.engine).expanduser(), threads=config.threads)
        store = self.decoder.prefixes
        store.max_bytes = 20_000_000_000
        source = str(Path(config.model).expanduser())
        base = AutoModelForCausalLM.from_pretrained(source, dtype=self.precision)
        torch.manual_seed(config.seed)
        targets = config.adapter.targets or LINEAR
        # Adapter and optimizer are in float32 whatever the base is in.
        self.model: Any = attach(base, replace(config.adapter, targets=targets))
        base.config._attn_implementation = _ATTENTION
        for layer in self.model.modules():
            if isinstance(layer, LoraLinear):
                layer.forward = MethodType(_fused, layer)  # type: ignore[method-assign]
        self.model.peft_config["default"].base_model_name_or_path = config.model
        self.prefix_decoder = self.decoder
        if half and not merged:
            store = PrefixStore(store.folder, f"{store.model} bfloat16", store.max_bytes)
            engine, vocabulary = TorchEngine(base, "base"), self.decoder.vocabulary
            self.prefix_decoder = Decoder(engine, vocabulary, "base", prefixes=store)
        if config.start:
            try:
                weights = load_peft_weights(str(Path(config.start).expanduser()), device="cpu")
                set_peft_model_state_dict(self.model, weights)
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(
                    f"'{config.start}' is no adapter of rank {config.adapter.r} for this base: {error}"
                ) from error
        if config.frozen_layers:
            block = base.model.layers[config.frozen_layers - 1]
            block.register_forward_hook(lambda *call: call[-1].detach())

    def loss(self, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Of a collated group, the summed cross-entropy of its answers, and which of their tokens
        (answer tokens,) are the likeliest. A token sees the prefix, whose keys and values are
        given, and its own question."""
        labels = inputs["labels"][0]
        with self.model.disable_adapter():  # (2, layers, kv heads, time, head size)
            prefix = self.prefix_decoder.prefix_states(inputs["prefix"].tolist())
        past = FlatCache(torch.device("cpu"), self.precision)
        past.put(prefix)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == torch.bfloat16):
            hidden = self.model.get_base_model().model(
                input_ids=inputs["input_ids"], position_ids=inputs["position_ids"],
                attention_mask=additive_mask(inputs["attention_mask"], self.precision),
                past_key_values=past, use_cache=True,
            ).last_hidden_state  # fmt: skip
            # (answer tokens, vocabulary)
            logits = self.model.get_base_model().lm_head(hidden[0, inputs["logits_to_keep"]])
        logits = logits.float()
        total = functional.cross_entropy(logits, labels, reduction="sum")
        return total, logits.argmax(-1) == labels

    @torch.no_grad()
    def validate(self, groups: Sequence[Group]) -> dict[str, float]:
        """By data set: loss of an answer token, and share of answers that are whole under gold's
        own tokens (an upper bound of exact answers)."""
        sums: dict[str, Array] = {}
        for group in groups:
            loss, hits = self.loss(collate([group]))
            answers = hits.split([len(answer) for _, answer in group.pairs])
            whole = sum(bool(answer.all()) for answer in answers)
            new = np.array([float(loss), len(hits), whole, len(answers)])
            sums[group.source] = sums.get(group.source, 0) + new
        numbers = {}
        for name, (total, tokens, right, answers) in sums.items():
            numbers[f"held_out_loss/{name}"] = round(total / tokens, 4)
            numbers[f"held_out_accuracy/{name}"] = round(right / answers, 3)
        return numbers


class Trainer(sft.Trainer):
    def __init__(self, activated: Activated, **kwargs: Any) -> None:
        super().__init__(model=activated.model, data_collator=collate, **kwargs)
        self.activated = activated
        # The loss is the mean over all answer tokens of a step, whatever groups it is read in.
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        return self.activated.loss(inputs)[0] / num_items_in_batch  # type: ignore[no-any-return]


def train(
    config: ActivatedConfig, report: Report = print, progress: Progress = silent, *, merged: bool = False
) -> Path | None:  # fmt: skip
    """Train, or go on with the run in its folder: the folder of the adapter, or None where SIGTERM
    or `max_minutes` ended it before. Raises a child of Text2SQLError for what a person can mend."""
    run = Run(config, report, progress, changeable=("max_steps", "cooldown", "average"))
    if run.finished():
        return run.output / "model"
    activated = Activated(config, merged)
    decoder = activated.decoder
    sources = [Source(name, config, decoder, not i) for i, name in enumerate(config.datasets)]
    if not all(source.train_set for source in sources):
        raise ConfigError("a data set has no training example; check datasets and split")
    chunks = ((source, each) for source in sources for each in source.chunks(source.held_out))
    held_out = [group for source, chunk in chunks for group in source.groups(chunk)]
    run.open()
    steps = config.max_steps or ceil(sum(1 for _ in draw(config, sources)) / config.accumulate)
    cooled = {"num_decay_steps": round(config.cooldown * steps), "decay_type": "linear"}
    trainer = Trainer(
        activated,
        args=sft.training_arguments(
            config, run, steps, 0, config.measure_every if held_out else None,
            # The loss has its own autocast.
            use_cpu=True, dataloader_pin_memory=False, bf16=False, fp16=False,
            accelerator_config={"dispatch_batches": False},  # which would cut a group into rows
            **({"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": cooled}
               if config.cooldown else {}),
        ),
        train_dataset=Stream(lambda: draw(config, sources)),
        eval_dataset=[],
        accuracy=lambda: activated.validate(held_out),
    )  # fmt: skip

    def save(folder: Path) -> None:
        activated.model.save_pretrained(str(folder))
        if config.start and config.average != 1:
            # The mean of two products B A is of twice the rank; the product of the means is close to it
            # while the factors have moved little, and keeps the rank.
            start = load_file(Path(config.start).expanduser() / _WEIGHTS)
            trained = load_file(folder / _WEIGHTS)
            mixed = {
                name: torch.lerp(start[name].float(), value.float(), config.average)
                for name, value in trained.items()
            }
            save_file(mixed, folder / _WEIGHTS, metadata={"format": "pt"})
        # How the adapter is to be used.
        write_atomically(folder / "prompt.json", json.dumps({"activated": True}) + "\n")

    return run.train(trainer, save, score="held_out_accuracy/", label="fine-tune")
