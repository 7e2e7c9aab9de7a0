from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from txt2sql.errors import ModelError
from txt2sql.models.decoder import Decoder, GrammarEngine
from txt2sql.models.grammar import sql_grammar
from txt2sql.models.tokenizer import Vocabulary
from txt2sql.types import Column, Prompt, Sampling, Schema, Table

Loaded = Callable[..., Decoder]
CHOICE = 'start: ("select" | "count") " " name\nname: "singer" | "age" | "a"\n'


def test_a_tokenizer_that_cannot_be_read_says_so() -> None:
    words = Tokenizer(models.WordPiece({"[SEP]": 0, "sing": 1, "##er": 2}))
    with pytest.raises(ModelError, match="ask it without a grammar"):
        GrammarEngine(Vocabulary(words, [0]), 3)


@pytest.mark.parametrize("grammar", ["", "start: other", 'start: "a" |} "b"', 'a: "b"'])
def test_a_grammar_that_is_none_says_so(generator_of: Loaded, grammar: str) -> None:
    generator = generator_of("llama")
    with pytest.raises(ModelError, match="grammar"):
        generator.generate([Prompt("x", grammar=grammar)], Sampling(4))


@pytest.mark.parametrize("kind", ["plain", "metaspace"])
@pytest.mark.parametrize(
    "sampling",
    [Sampling(20), Sampling(20, beams=4), Sampling(20, n=6, temperature=2.0)],
    ids=["greedy", "beams", "samples"],
)
def test_only_the_language_comes_out(generator_of: Loaded, kind: str, sampling: Sampling) -> None:
    generator = generator_of("llama", kind)
    number = 'start: "-"? /[1-9][0-9]?/ " " /[a-c]/'
    prompts = [Prompt("one", grammar=CHOICE), Prompt("two", grammar=number), Prompt("three")]
    first, second, third = generator.generate(prompts, sampling)
    assert first and second and third
    for completion in first:
        assert re.fullmatch("(select|count) (singer|age|a)", completion.text.strip())
    for completion in second:
        assert re.fullmatch("-?[1-9][0-9]? [a-c]", completion.text.strip())
    free = generator.generate([Prompt("three")], sampling)[0]
    if sampling.temperature == 0:
        assert [c.text for c in free] == [c.text for c in third]


def test_beams_find_every_sentence_with_its_probability(generator_of: Loaded) -> None:
    generator = generator_of("qwen2")
    grammar = 'start: "a" | "b" | "c"'
    sampling = Sampling(8, beams=16)
    prompt = Prompt("x", grammar=grammar)
    beams = generator.generate([prompt], sampling)[0]
    assert {c.text.strip() for c in beams} == {"a", "b", "c"}
    total = sum(math.exp(sum(c.logprobs)) for c in beams)
    assert 0.3 < total <= 1 + 1e-3  # of the few ways to write a sentence the likeliest is told
    greedy = generator.generate([prompt], Sampling(8))[0][0]
    same = [beam for beam in beams if beam.text == greedy.text]
    assert greedy.logprobs in [pytest.approx(beam.logprobs, abs=1e-4) for beam in same]


@pytest.mark.parametrize("seed", range(3))
def test_forced_tokens_are_those_that_single_steps_choose(generator_of: Loaded, seed: int) -> None:
    """Greedy decoding under the same scores: token by token, and with forced tokens fed at once."""
    vocabulary = generator_of("llama").vocabulary
    size, [end] = len(vocabulary.tokenizer), vocabulary.end_ids
    engine = GrammarEngine(vocabulary, size)
    columns = tuple(map(Column, ("singer_id", "singer_name", "Year of Birth", "größe")))
    tables = Table("singer", columns), Table("concert_stage", columns)
    grammar = sql_grammar(Schema("music", tables))
    scores = np.random.default_rng(seed).normal(size=(60, size))

    def decoded(forcing: bool) -> tuple[list[int], int]:
        matcher, tokens, steps = engine.matcher(grammar), [], 0
        while len(tokens) < len(scores):
            step = matcher.compute_ff_tokens() if forcing else []
            if not step:
                allowed = engine.allowed(matcher)
                step = [int(allowed[scores[len(tokens)][allowed].argmax()])]
                steps += 1
            if step == [end] or not matcher.consume_tokens(step):
                break
            tokens += step
        return tokens[: len(scores)], steps

    single, _ = decoded(forcing=False)
    at_once, steps = decoded(forcing=True)
    assert at_once == single and steps < len(single)
    assert engine.matcher(grammar).consume_tokens(single)
