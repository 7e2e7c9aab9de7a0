"""Training pairs as tensors: batches of similar length, and logits where the answer stands.

The loss belongs to the answer alone, so the output head runs on answer positions only.

>>> ((inputs, labels),) = batches([Pair("a ?", "b")], tokenizer, 4096, rng)  # doctest: +SKIP
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from txt2sql.training.corpus import Pair

_IGNORED = -100


def batches(
    pairs: Sequence[Pair], tokenizer: Tokenizer, batch_tokens: int, rng: random.Random
) -> list[tuple[Tensor, Tensor]]:
    """(input_ids, labels) of shape (batch, time): similar lengths together, padded on the right.

    Labels are -100 but for the answer and the end token. Pairs beyond the model's context are left
    out.
    """
    prompts = tokenizer([pair.prompt for pair in pairs]).input_ids
    answers = tokenizer([pair.answer for pair in pairs], add_special_tokens=False).input_ids
    rows = [(p, [*a, tokenizer.eos_token_id]) for p, a in zip(prompts, answers)]
    rows = [row for row in rows if len(row[0]) + len(row[1]) <= tokenizer.model_max_length]
    rows.sort(key=lambda row: len(row[0]) + len(row[1]))
    groups: list[list[tuple[list[int], list[int]]]] = [[]]
    for row in rows:
        if groups[-1] and (len(groups[-1]) + 1) * (len(row[0]) + len(row[1])) > batch_tokens:
            groups.append([])
        groups[-1].append(row)
    rng.shuffle(groups)
    return [_padded(group, int(tokenizer.pad_token_id)) for group in groups if group]


def _padded(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(len(p) + len(a) for p, a in rows)
    inputs = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), _IGNORED)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        inputs[i, :end] = torch.tensor(prompt + answer)
        labels[i, len(prompt) : end] = torch.tensor(answer)
    return inputs, labels


def answer_logits(model: PreTrainedModel, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (answer tokens, vocabulary) and targets; the head runs on answer positions alone.

    Rows are padded on the right, so under the causal mask no real token sees a pad and no mask is
    needed.
    """
    hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    chosen = labels[:, 1:] != _IGNORED
    head: Callable[[Tensor], Tensor] = getattr(model, "cls", None) or model.get_output_embeddings()
    return head(hidden[:, :-1][chosen]), labels[:, 1:][chosen]


@torch.no_grad()
def sequence_accuracy(
    model: PreTrainedModel, data: Sequence[tuple[Tensor, Tensor]], bf16: bool
) -> float:
    """Share of answers whose every token is the most likely one, given the tokens before it."""
    model.eval()
    right = total = 0
    for inputs, labels in data:
        device = model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits, targets = answer_logits(model, inputs.to(device), labels.to(device))
        wrong = (logits.argmax(-1) != targets).cpu()
        rows = (labels[:, 1:] != _IGNORED).nonzero()[:, 0]
        right += len(inputs) - len(set(rows[wrong].tolist()))
        total += len(inputs)
    model.train()
    return right / max(1, total)
