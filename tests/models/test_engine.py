"""The engine of a search says what plain forward passes of the same model say."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest
import torch

from txt2sql.errors import ModelError
from txt2sql.models.engine import Decoding, HFEngine, Place, Step
from txt2sql.models.hf import HFGenerator
from txt2sql.models.tree_cache import NewToken, TreeCache
from txt2sql.search.actions import clause, split_steps, starts_step
from txt2sql.types import Prompt, Sampling

TOLERANCE = 2e-5
"""Largest difference of float32 logits to those of a plain forward pass; they reach about 30."""

ARCHITECTURES = ["bert", "phi", "llama", "mistral", "qwen2"]
GRAMMAR = """root ::= "select " name (", " name)* " from " name (" where " name " = " digits)?
name ::= "singer" | "song" | "name" | "age"
digits ::= [0-9]{1,3}
"""


def plain(model: torch.nn.Module, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """(vocabulary,) logits after prompt and answer, without cache, under the mask of training."""
    ids = torch.tensor([[*prompt, *answer]])
    size = ids.shape[1]
    seen = torch.ones(size, size).tril().bool()
    if getattr(model.config, "prefix_lm", False):
        seen[:, : len(prompt) - 1] = True
        seen[: len(prompt) - 1, len(prompt) - 1 :] = False
    mask = torch.zeros(1, 1, size, size).masked_fill(~seen, torch.finfo(torch.float32).min)
    with torch.inference_mode():
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits[0, -1]


@pytest.fixture(params=[*ARCHITECTURES, "prefix"])
def model(request: pytest.FixtureRequest, generator_of: Callable[..., HFGenerator]) -> torch.nn.Module:  # fmt: skip
    found = generator_of("bert" if request.param == "prefix" else request.param).model.float()
    found.config.prefix_lm = request.param == "prefix"
    request.addfinalizer(lambda: setattr(found.config, "prefix_lm", False))
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_tree_has_the_logits_of_plain_forward_passes(
    model: torch.nn.Module, attention: str
) -> None:
    """Three prompts of other lengths, each with a random tree that is read a ragged level at a time."""
    before = model.config._attn_implementation
    model.set_attn_implementation(attention)
    chance = random.Random(3)
    prompts = [[chance.randrange(6, 200) for _ in range(size)] for size in (9, 1, 14)]
    cache = TreeCache(model, prompts)
    for prompt, logits in zip(prompts, cache.logits, strict=True):
        assert torch.allclose(logits, plain(model, prompt, []), atol=TOLERANCE)
    trees: list[list[tuple[tuple[int, ...], tuple[int, ...]]]] = [[((), ())] for _ in prompts]
    worst = 0.0
    for _ in range(5):
        rows: list[list[NewToken]] = []
        grown = []
        for number, tree in enumerate(trees):
            new = []
            for column in range(chance.randrange(4)):
                slots, ids = chance.choice(tree)
                token = chance.randrange(6, 200)
                new.append(NewToken(token, slots))
                slot = cache.used[number] + column
                grown.append((number, column, ((*slots, slot), (*ids, token))))
            rows.append(new)
        if not any(rows):
            continue
        logits, _ = cache.read(rows)
        for number, column, (slots, ids) in grown:
            trees[number].append((slots, ids))
            expected = plain(model, prompts[number], ids)
            worst = max(worst, float((logits[number][column] - expected).abs().max()))
    model.set_attn_implementation(before)
    assert sum(map(len, trees)) > 12
    assert worst < TOLERANCE


def test_a_token_sees_neither_siblings_nor_other_trees(model: torch.nn.Module) -> None:
    cache = TreeCache(model, [[7, 8, 9], [10, 11]])
    alone, _ = TreeCache(model, [[7, 8, 9]]).read([[NewToken(20, ())]])
    crowd = [NewToken(token, ()) for token in (21, 22, 20, 23)]
    among, _ = cache.read([crowd, [NewToken(30, ())]])
    wrong, _ = TreeCache(model, [[7, 8, 9]]).read([[NewToken(21, ())]])
    assert torch.allclose(among[0][2], alone[0][0], atol=TOLERANCE)
    assert not torch.allclose(wrong[0][0], alone[0][0], atol=TOLERANCE)


def test_rows_are_filled_up_no_more_than_a_call_costs(model: torch.nn.Module) -> None:
    """Many tokens in one tree, few in another, none in a third: one call with padding, or two."""
    read: list[torch.Size] = []
    hook = model.register_forward_pre_hook(
        lambda _module, _args, given: read.append(given["input_ids"].shape), with_kwargs=True
    )
    cache = TreeCache(model, [[7, 8, 9], [10, 11], [12]])
    many = [NewToken(token, ()) for token in range(20, 80)]
    logits, _ = cache.read([many, [NewToken(30, ())], []])
    hook.remove()
    assert read[1:] == [(1, 60), (1, 1)]
    assert [len(each) for each in logits] == [60, 1, 0]
    assert torch.allclose(logits[0][59], plain(model, [7, 8, 9], [79]), atol=TOLERANCE)
    assert torch.allclose(logits[1][0], plain(model, [10, 11], [30]), atol=TOLERANCE)
    later, _ = cache.read([[], [NewToken(31, (cache.used[1] - 1,))], [NewToken(32, ())]])
    assert torch.allclose(later[1][0], plain(model, [10, 11], [30, 31]), atol=TOLERANCE)
    assert torch.allclose(later[2][0], plain(model, [12], [32]), atol=TOLERANCE)


def test_a_cache_that_grows_forgets_nothing(model: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("txt2sql.models.tree_cache._SPARE", 2)
    cache = TreeCache(model, [[7, 8, 9]])
    slots: tuple[int, ...] = ()
    ids: list[int] = []
    for token in range(20, 32):
        logits, _ = cache.read([[NewToken(token, slots), NewToken(99, slots)]])
        slots, ids = (*slots, cache.used[0] - 2), [*ids, token]
    assert torch.allclose(logits[0][0], plain(model, [7, 8, 9], ids), atol=TOLERANCE)


def starts(step: str, piece: str) -> bool:
    return bool(step.strip()) and piece.strip() in ("from", "where", "fro", "whe")


def engine_of(generator: HFGenerator, **options: object) -> HFEngine:
    head = options.pop("head", None)
    found = Decoding(**{"max_new_tokens": 24, **options})  # type: ignore[arg-type]
    return HFEngine(generator, starts, decoding=found, head=head)  # type: ignore[arg-type]


def prompts(*texts: str, grammar: str | None = GRAMMAR) -> list[Prompt]:
    return [Prompt(text, "ddl", grammar=grammar) for text in texts]


def ends_of(engine: HFEngine, root: Place, most: int = 200) -> dict[str, Step]:
    """Every whole answer within reach, by text."""
    found: dict[str, Step] = {}
    waiting = [root]
    while waiting and len(found) < most:
        for _, steps, _ in engine.expand(waiting):
            waiting = []
            for step in steps:
                if step.ended:
                    found[step.text] = step
                else:
                    waiting.append(step.place)
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("grammar", [None, GRAMMAR], ids=["free", "grammar"])
def test_the_first_steps_are_the_greedy_answer(
    generator_of: Callable[..., HFGenerator], architecture: str, grammar: str | None
) -> None:
    generator = generator_of(architecture)
    engine = engine_of(generator, width=3)
    for prompt in prompts("how many singers are there ?", "name", grammar=grammar):
        [greedy] = generator.generate([prompt], Sampling(max_new_tokens=24))[0]
        [place] = engine.prefill([prompt])
        total = 0.0
        for _ in range(30):
            [(_, steps, _)] = engine.expand([place])
            place, total = steps[0].place, total + steps[0].logprob
            if steps[0].ended:
                break
        text = greedy.text.split(";")[0]
        assert steps[0].text.split(";")[0] == text
        if ";" not in greedy.text and greedy.completion_tokens < 24:
            assert total >= sum(greedy.logprobs) - 1e-3  # or more, if spelt in two ways


THINKING = r"""root ::= thought{1,2} "select " name " from " name
thought ::= "--" [a-c]{1,3} " from"? "\n"
name ::= "singer" | "song"
"""


@pytest.mark.parametrize("architecture", ["phi", "llama"])
def test_lines_of_reasoning_are_steps_and_clauses_follow(
    generator_of: Callable[..., HFGenerator], architecture: str
) -> None:
    generator = generator_of(architecture)
    engine = HFEngine(generator, starts_step, decoding=Decoding(width=3, max_new_tokens=48))
    [prompt] = prompts("how many singers ?", grammar=THINKING)
    [greedy] = generator.generate([prompt], Sampling(max_new_tokens=48))[0]
    [place] = engine.prefill([prompt])
    texts = [""]
    while True:
        [(_, steps, _)] = engine.expand([place])
        place = steps[0].place
        texts.append(steps[0].text)
        if steps[0].ended:
            break
    assert texts[-1] == greedy.text
    made = [after[len(before) :].strip() for before, after in itertools.pairwise(texts)]
    assert made == split_steps(greedy.text)
    kinds = [clause(step) for step in made]
    assert kinds[0] == "reason" and kinds[-2:] == ["select", "from"]


def test_steps_are_distinct_and_ranked_after_the_first(
    generator_of: Callable[..., HFGenerator],
) -> None:
    engine = engine_of(generator_of("llama"), width=5, least=1e-6, enough=1.0)
    [(_, steps, tokens)] = engine.expand(engine.prefill(prompts("age of a singer")))
    assert len({(step.text, step.ended) for step in steps}) == len(steps) >= 4
    assert all(
        step.text.strip().startswith("select ") and "from" not in step.text for step in steps
    )
    ranks = [step.logprob for step in steps[1:]]
    assert ranks == sorted(ranks, reverse=True)
    assert tokens >= len(steps)


def test_the_probabilities_of_all_answers_sum_to_one(
    generator_of: Callable[..., HFGenerator],
) -> None:
    grammar = 'root ::= "select " name " from " name\nname ::= "singer" | "age"\n'
    engine = engine_of(generator_of("phi"), width=200, least=1e-9, enough=2.0, candidates=60)
    [root] = engine.prefill(prompts("how many", grammar=grammar))
    mass: dict[str, float] = {}
    waiting = [(root, 0.0)]
    while waiting:
        place, before = waiting.pop()
        [(_, steps, _)] = engine.expand([place])
        for step in steps:
            if step.ended:
                text = step.text.strip()
                mass[text] = mass.get(text, 0.0) + math.exp(before + step.logprob)
            else:
                waiting.append((step.place, before + step.logprob))
    nouns = ("singer", "age")
    assert set(mass) == {f"select {one} from {two}" for one in nouns for two in nouns}
    assert 0.9 < sum(mass.values()) <= 1 + 1e-4


def test_questions_together_get_the_steps_they_get_alone(
    generator_of: Callable[..., HFGenerator],
) -> None:
    generator = generator_of("bert")
    texts = ["how many singers", "age", "the name of every singer there is , and the song"]
    together = engine_of(generator)
    found = dict.fromkeys(texts)
    roots = together.prefill(prompts(*texts))
    by_tree = {root.tree: text for root, text in zip(roots, texts, strict=True)}
    waiting: list[Place] = roots
    while not all(found.values()):
        for place, steps, _ in together.expand(waiting):
            found[by_tree[place.tree]] = steps
        waiting = []
    for text, steps in found.items():
        alone = engine_of(generator)
        [(_, expected, _)] = alone.expand(alone.prefill(prompts(text)))
        assert [step.text for step in steps or ()] == [step.text for step in expected]
        for step, other in zip(steps or (), expected, strict=True):
            assert math.isclose(step.logprob, other.logprob, abs_tol=1e-4)


def test_a_place_that_is_freed_does_not_come_back(
    generator_of: Callable[..., HFGenerator],
) -> None:
    engine = engine_of(generator_of("llama"))
    one, two = engine.prefill(prompts("age", "name"))
    assert engine.expand([one, two], until=time.perf_counter() - 1) == []
    engine.free(one)
    assert [place for place, _, _ in engine.expand([])] == [two]
    with pytest.raises(KeyError):
        engine.expand([one])


def test_a_token_that_would_come_too_late_is_not_begun(
    generator_of: Callable[..., HFGenerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token takes 40 ms: with 200 ms five are read, with 190 as well, with 170 but four."""
    engine = engine_of(generator_of("phi"), width=2, max_new_tokens=40)
    now = [100.0]
    monkeypatch.setattr(
        "txt2sql.models.step_beam.time", SimpleNamespace(perf_counter=lambda: now[0])
    )
    read = engine.read

    def slowly(asked: Sequence[object]) -> list[int]:
        now[0] += 0.04
        return read(asked)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "read", slowly)
    [place] = engine.prefill(prompts("how many ?", grammar=LONG))
    engine.expand([place], until=100.05)  # which shows how long a token takes
    for seconds, tokens in ((0.2, 5), (0.19, 5), (0.17, 4)):
        [place] = engine.prefill(prompts("how many ?", grammar=LONG))
        now[0] = 100.0
        engine.free(place._replace(tree=place.tree - 1))
        assert engine.expand([place], until=100.0 + seconds) == []
        assert now[0] - 100.0 == pytest.approx(0.04 * tokens)
        assert abs(now[0] - 100.0 - seconds) <= 0.05


LONG = 'root ::= "select" [a-z]{30,90}\n'


def test_a_head_scores_the_state_of_a_steps_last_token(
    generator_of: Callable[..., HFGenerator],
) -> None:
    generator = generator_of("qwen2")
    generator.model.float()
    weights = torch.randn(generator.model.config.hidden_size)
    engine = engine_of(generator, head=lambda states: states @ weights)
    [prompt] = prompts("age of singers")
    [root] = engine.prefill([prompt])
    [(_, steps, _)] = engine.expand([root])
    tree = engine.trees[root.tree]
    for step, score in zip(steps, engine.score([s.place for s in steps]), strict=True):
        ids = [*generator.encode(prompt), *tree.tokens[step.place.token].ids]
        with torch.inference_mode():
            hidden = generator.model.base_model(torch.tensor([ids])).last_hidden_state[0, -1]
        assert math.isclose(score, float(hidden @ weights), abs_tol=1e-3)
        assert not step.ended or ids[-1] in engine.ends or step.tokens == 24


def test_an_engine_without_a_head_says_so(generator_of: Callable[..., HFGenerator]) -> None:
    engine = engine_of(generator_of("llama"))
    [root] = engine.prefill(prompts("age"))
    with pytest.raises(ModelError, match="no value head"):
        engine.score([root])
