"""The engine of a search on vLLM: the same steps as `HFEngine` finds, on servers' GPUs.

vLLM keeps the keys and values of what it has read and finds them again by their tokens (automatic
prefix caching, Kwon et al. 2023), so the branches of a tree share their prefix without a word from
here: to read a token is to ask for one token after its whole path. Tokens are weighed by vLLM among
those that the grammar allows (`allowed_token_ids` and `logprobs_mode="processed_logprobs"`).

vLLM gives no hidden states, so there is no value head; the policy's own probability guides the search.

    engine = open_vllm("phi-2", starts_step, max_model_len=2048)
    predictor = DirectPredictor(engine, schemas, matches, executor)     # for its prompts
    SearchPredictor(predictor, engine).predict(examples)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from transformers import GenerationConfig

from txt2sql.errors import ModelError
from txt2sql.models.catalog import is_adapter, resolve
from txt2sql.models.constraint import GrammarEngine
from txt2sql.models.hf import input_text
from txt2sql.models.step_beam import Beam, Decoding, Open, Place, StepBeam, Token, TokenTree
from txt2sql.models.weights import load_tokenizer
from txt2sql.types import Completion, Prompt, Sampling

_DECODING = Decoding()


def open_vllm(
    name: str,
    starts: Callable[[str, str], bool],
    *,
    decoding: Decoding = _DECODING,
    **options: Any,
) -> VLLMEngine:
    """The engine of a model by short name, hub id or folder; `options` are those of `vllm.LLM`.

    Raises ModelError without vLLM, and for a model that vLLM cannot run as it lies there.
    """
    try:
        from vllm import LLM
    except ImportError as error:
        raise ModelError(
            "vLLM is not installed; `pip install 'txt2sql[vllm]'` needs a GPU"
        ) from error
    card = resolve(name)
    if card.prompt_style == "compact":
        raise ModelError(f"'{name}' is of a kind that vLLM does not run; search it on transformers")
    if is_adapter(card.folder):
        raise ModelError(f"'{name}' is an adapter; make it whole with `txt2sql merge` first")
    config, tokenizer = load_tokenizer(name)
    options.setdefault("max_model_len", int(config.max_position_embeddings))
    llm = LLM(
        model=str(card.source),
        enable_prefix_caching=True,
        logprobs_mode="processed_logprobs",
        max_logprobs=decoding.candidates,
        **options,
    )
    ends = {*_listed(config.eos_token_id), *_listed(tokenizer.eos_token_id)}
    with suppress(OSError):  # a base model may have none
        ends |= {*_listed(GenerationConfig.from_pretrained(card.source).eos_token_id)}
    return VLLMEngine(
        llm, tokenizer, starts, name=card.name, style=card.prompt_style, size=config.vocab_size,
        context=options["max_model_len"], end_ids=sorted(ends), decoding=decoding,
    )  # fmt: skip


def _listed(ids: int | Sequence[int] | None) -> Sequence[int]:
    return [] if ids is None else [ids] if isinstance(ids, int) else ids


class VLLMEngine(StepBeam):
    """An Engine on a `vllm.LLM`. It has what a predictor asks of a Generator to make its prompts, but
    does not generate.
    """

    beam_search = False

    def __init__(
        self, llm: Any, tokenizer: Any, starts: Callable[[str, str], bool], *, name: str, style: str,
        size: int, context: int, end_ids: Sequence[int], decoding: Decoding = _DECODING,
    ) -> None:  # fmt: skip
        super().__init__(tokenizer, size, end_ids, style, context, starts, decoding)
        self.llm, self.name, self.prompt_style = llm, name, style
        self._grammars = GrammarEngine(tokenizer, size, end_ids)

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has, for the budget of `prompts.render`."""
        return len(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """Not here. Raises ModelError."""
        raise ModelError("this engine only searches; ask for an answer with 1 or more simulations")

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`. Raises ModelError for a prompt that is longer than the context."""
        roots = []
        for prompt in prompts:
            text, special = input_text(self.tokenizer, prompt)
            ids = list(self.tokenizer(text, add_special_tokens=special)["input_ids"])
            if len(ids) >= self.context:
                raise ModelError(
                    f"the prompt has {len(ids)} tokens, '{self.name}' reads {self.context - 1}; "
                    "render it with a smaller budget or take a model with a longer context"
                )
            grammar = prompt.grammar
            matcher = None if grammar is None else self._grammars.matcher(grammar)
            roots.append((TokenTree(len(ids), ids), Token((), "", matcher, [])))
        self._follow(roots)
        return [self.planted(tree, root) for tree, root in roots]

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`. Raises ModelError: vLLM gives no hidden states."""
        raise ModelError("vLLM gives no hidden states; search with a value head on transformers")

    def read(self, asked: Sequence[tuple[Open, Beam]]) -> list[int]:
        """See `StepBeam.read`: one request for each token, all of them in one call."""
        made = []
        for each, beam in asked:
            tree = self.trees[each.place.tree]
            made.append((tree, self.next(tree.tokens[beam.parent], beam.token)))
        self._follow([(tree, token) for tree, token in made if not token.ended])
        return [self.grown(tree, token) for tree, token in made]

    def _follow(self, tokens: Sequence[tuple[TokenTree, Token]]) -> None:
        """What may follow tokens, and how likely that is."""
        if not tokens:
            return
        from vllm import SamplingParams

        prompts, params = [], []
        for tree, token in tokens:
            allowed = None
            if token.matcher is not None:
                mask = self._grammars.allowed(token.matcher, self.size)
                allowed = np.flatnonzero(mask).tolist()
            prompts.append({"prompt_token_ids": [*tree.home, *token.ids]})
            params.append(
                SamplingParams(
                    max_tokens=1,
                    temperature=0.0,
                    logprobs=self.decoding.candidates,
                    allowed_token_ids=allowed,
                    detokenize=False,
                )
            )
        answers = self.llm.generate(prompts, params, use_tqdm=False)
        for (_, token), answer in zip(tokens, answers, strict=True):
            found = answer.outputs[0].logprobs[0]
            # The token that was chosen may come on top of the number asked for; what is not allowed
            # fills up where too few are.
            likely = [(number, each.logprob) for number, each in found.items()]
            likely = [pair for pair in likely if math.isfinite(pair[1])]
            likely.sort(key=lambda pair: (-pair[1], pair[0]))
            token.following = likely[: self.decoding.candidates]
