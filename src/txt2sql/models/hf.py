"""A Generator on transformers: causal language models, batched, with log-probabilities.

Greedy, sampled or beam search; `Prompt.grammar` restricts what comes out (see `constraint`). Each
generated token has the log-probability that the model gives it among the tokens that the grammar
allows there, at temperature 1 and before top-p: the same number in all three ways of decoding.

    generator = load("phi-2")
    generator.generate([render(question, schema)], Sampling(stop=(";",)))[0][0].text
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from txt2sql.errors import ModelError
from txt2sql.models.constraint import GrammarEngine, GrammarMask
from txt2sql.models.decoding import BeamLogProbs, RowLogProbs, StopTexts, finished
from txt2sql.models.weights import LoadedModel, load_weights
from txt2sql.types import Completion, Prompt, Sampling

BATCH_TOKENS = {"cpu": 4096, "mps": 8192, "cuda": 32768}
"""Tokens in flight (rows x longest row) by device."""


def load(
    name: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    bits: int = 16,
    batch_tokens: int | None = None,
) -> HFGenerator:
    """The Generator of a model by short name, hub id or folder; see `weights.load_weights`."""
    loaded = load_weights(name, device=device, dtype=dtype, bits=bits)
    return HFGenerator(loaded, batch_tokens=batch_tokens)


def input_text(tokenizer: Any, prompt: Prompt) -> tuple[str, bool]:
    """What a model reads for a prompt, and whether the tokenizer must add its special tokens.

    The chat template where tokenizer and prompt have one, else the plain text. Training uses this
    same function. A template without a system role gets its text before the user's.
    """
    if not prompt.messages or not getattr(tokenizer, "chat_template", None):
        return prompt.text, True
    from jinja2 import TemplateError

    turns = [{"role": m.role, "content": m.content} for m in prompt.messages]
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template(turns, **options)), False
    except TemplateError:
        merged = "\n\n".join(message.content for message in prompt.messages)
        turns = [{"role": "user", "content": merged}]
        return str(tokenizer.apply_chat_template(turns, **options)), False


class HFGenerator:
    """Completes prompts with a transformers model.

    The same prompts, sampling and seed give the same completions on one machine; a batch gives
    what its prompts give one by one (greedy and beams, up to floating-point ties).
    """

    beam_search = True

    def __init__(self, loaded: LoadedModel, *, batch_tokens: int | None = None) -> None:
        self.card, self.name = loaded.card, loaded.card.name
        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        self.device = next(self.model.parameters()).device
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(self.device.type, 4096)
        self.context = _context(self.model)
        self.end_ids = _end_ids(self.model, self.tokenizer)
        if self.tokenizer.pad_token_id is None:
            self.pad_id = self.end_ids[0] if self.end_ids else 0
        else:
            self.pad_id = int(self.tokenizer.pad_token_id)
        self.model.generation_config = self._clean_config()
        self._engine: GrammarEngine | None = None

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` (or `sampling.beams`) completions for each prompt, likeliest first.

        Beam search returns fewer where the grammar allows fewer. Raises ModelError for a prompt
        longer than the model's context, a grammar that does not parse, or too little memory.
        """
        if sampling.max_new_tokens < 1 or sampling.n < 1 or sampling.beams < 1:
            raise ModelError("max_new_tokens, n and beams must be 1 or more")
        if sampling.beams > 1 and (sampling.temperature > 0 or sampling.n > 1):
            raise ModelError(
                "beam search does not sample; set beams to 1, or temperature 0 and n 1"
            )
        encoded = [self.encode(prompt) for prompt in prompts]
        results: list[list[Completion]] = [[] for _ in prompts]
        with torch.random.fork_rng(enabled=sampling.temperature > 0):
            torch.manual_seed(sampling.seed)
            for rows in self._batches(encoded, sampling):
                batch = [(prompts[i], encoded[i]) for i in rows]
                for i, completions in zip(rows, self._complete(batch, sampling), strict=True):
                    results[i] = completions
        return results

    def encode(self, prompt: Prompt) -> list[int]:
        """The token ids of a prompt. Raises ModelError when they exceed the context."""
        text, special = input_text(self.tokenizer, prompt)
        ids = list(self.tokenizer(text, add_special_tokens=special)["input_ids"])
        if not ids:
            raise ModelError(f"the prompt is empty for the tokenizer of '{self.name}'")
        room = self.context - 1
        if len(ids) > room:
            raise ModelError(
                f"the prompt has {len(ids)} tokens, '{self.name}' reads {room}; "
                "render it with a smaller budget or take a model with a longer context"
            )
        return ids

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has, for the budget of `prompts.render`."""
        return len(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _clean_config(self) -> GenerationConfig:
        """Only token ids: no saved temperature, penalty or length may leak into what is asked."""
        saved = self.model.generation_config
        return GenerationConfig(
            bos_token_id=saved.bos_token_id,
            eos_token_id=self.end_ids or None,
            pad_token_id=self.pad_id,
        )

    def _batches(self, encoded: Sequence[Sequence[int]], sampling: Sampling) -> list[list[int]]:
        """Indices of prompts that run together: similar lengths, longest first."""
        copies = max(sampling.beams, sampling.n if sampling.temperature > 0 else 1)
        batches: list[list[int]] = []
        width = 0
        for i in sorted(range(len(encoded)), key=lambda i: (-len(encoded[i]), i)):
            needed = len(encoded[i]) + sampling.max_new_tokens
            # A prompt whose answer must be cut to fit the context would cut its neighbours' too.
            alone = needed > self.context
            full = batches and (len(batches[-1]) + 1) * width * copies > self.batch_tokens
            if not batches or full or alone or width > self.context:
                batches.append([])
                width = needed
            batches[-1].append(i)
        return batches

    def _complete(
        self, batch: Sequence[tuple[Prompt, list[int]]], sampling: Sampling
    ) -> list[list[Completion]]:
        try:
            return self._run(batch, sampling)
        except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
                raise
            if len(batch) == 1:
                raise ModelError(
                    f"'{self.name}' ran out of memory on one prompt of {len(batch[0][1])} tokens; "
                    "use fewer beams or samples, a smaller budget, or 4-bit weights"
                ) from error
        half = len(batch) // 2
        return self._complete(batch[:half], sampling) + self._complete(batch[half:], sampling)

    @torch.inference_mode()
    def _run(
        self, batch: Sequence[tuple[Prompt, list[int]]], sampling: Sampling
    ) -> list[list[Completion]]:
        inputs = self._padded([ids for _, ids in batch])
        width = inputs["input_ids"].shape[1]
        sampled, beams = sampling.temperature > 0, sampling.beams
        copies = max(beams, sampling.n if sampled else 1)
        most = min(sampling.max_new_tokens, self.context - width)
        mask = self._mask([prompt.grammar for prompt, _ in batch], copies, width)
        kept = max(2, 1 + len(self.end_ids)) * beams
        record = BeamLogProbs(mask, copies, width, kept) if beams > 1 else RowLogProbs(mask, width)
        stops = StopTexts(self.tokenizer, sampling.stop, width)
        warm = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        sequences = self.model.generate(
            **inputs,
            max_new_tokens=most,
            do_sample=sampled,
            num_beams=beams,
            num_return_sequences=copies,
            **(warm if sampled else {}),
            logits_processor=LogitsProcessorList([record]),
            stopping_criteria=StoppingCriteriaList([stops] if sampling.stop else []),
        )
        rows = self._completions(sequences[:, width:].tolist(), record.of(sequences), sampling)
        results = []
        for i, (_, ids) in enumerate(batch):
            own = [replace(c, prompt_tokens=len(ids)) for c in rows[i * copies : (i + 1) * copies]]
            if beams > 1:  # best first already; where the grammar allows few, the search fills up
                own = list(dict.fromkeys(c for c in own if c.logprobs)) or own[:1]
            else:
                own.sort(key=lambda completion: -sum(completion.logprobs))
            results.append(own * (1 if sampled or beams > 1 else sampling.n))
        return results

    def _completions(
        self, rows: list[list[int]], values: list[list[float]], sampling: Sampling
    ) -> list[Completion]:
        completions = []
        for tokens, logprobs in zip(rows, values, strict=True):
            count, text = finished(self.tokenizer, tokens, self.end_ids, sampling.stop)
            count = min(count, len(logprobs))
            completions.append(Completion(text, tuple(logprobs[:count]), 0, count))
        return completions

    def _mask(self, grammars: Sequence[str | None], copies: int, start: int) -> GrammarMask | None:
        if all(grammar is None for grammar in grammars):
            return None
        return GrammarMask(self.grammars(), grammars, copies, start)

    def grammars(self) -> GrammarEngine:
        """What restricts this model's tokens to a grammar."""
        if self._engine is None:
            size = int(self.model.get_output_embeddings().weight.shape[0])
            self._engine = GrammarEngine(self.tokenizer, size, self.end_ids)
        return self._engine

    def _padded(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """(batch, time) token ids and mask, padded on the left."""
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), self.pad_id, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, width - len(row) :] = torch.tensor(row)
            mask[i, width - len(row) :] = 1
        return {"input_ids": ids.to(self.device), "attention_mask": mask.to(self.device)}


def _context(model: Any) -> int:
    """The most tokens that prompt and answer have together; some architectures set no limit."""
    return int(getattr(model.config, "max_position_embeddings", None) or 1_000_000)


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the model's own (chat models have several) and the tokenizer's."""
    ids: list[int] = []
    for found in (
        model.generation_config.eos_token_id,
        model.config.eos_token_id,
        tokenizer.eos_token_id,
    ):
        ids += found if isinstance(found, list) else [found] if isinstance(found, int) else []
    return sorted(set(ids))
