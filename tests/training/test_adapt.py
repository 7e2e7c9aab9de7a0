"""Adaptation: nothing that measures was trained on, nothing worse is used, and a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.training.methods import quiet

from txt2sql.errors import DataError
from txt2sql.evaluation.comparison import Comparison, compare
from txt2sql.execution.database import Database, open_database
from txt2sql.models import adapters
from txt2sql.models import decoder as decoders
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import resolve
from txt2sql.models.decoder import answers_without_torch
from txt2sql.models.export import export_onnx
from txt2sql.serving.service import Service, build_predictor
from txt2sql.training.adapt import (
    AdaptConfig,
    Pair,
    adapt,
    examples,
    make_split,
    read_given,
    statement,
    verdict,
)
from txt2sql.types import Example, Prediction, Predictor

TINY = AdaptConfig(count=60, held_out=10, steps=2, batch_tokens=512,
                   adapter=Adapter(r=2, alpha=4, dropout=0.0))  # fmt: skip


@pytest.fixture
def tiny_model(tiny_lm: Callable[..., Path], tmp_path: Path) -> Path:
    """A decoder of two layers that answers with whatever the grammar allows."""
    return Path(shutil.copytree(tiny_lm(), tmp_path / "plain"))


class Knowing:
    """A predictor that knows the SQL of some questions, and counts what it is asked."""

    name = "knowing"

    def __init__(self, known: Callable[[], dict[str, str]]) -> None:
        self.known, self.asked = known, 0

    def predict(self, asked: Sequence[Example]) -> Iterator[Prediction]:
        known = self.known()
        for example in asked:
            self.asked += 1
            yield Prediction(example.id, known.get(example.question))


def golds(output: Path) -> dict[str, str]:
    """What every measured question's SQL is."""
    parts = (examples(output / "data", part, "") for part in ("synthetic", "given"))
    return {each.question: each.gold_sql for part in parts for each in part}


def answering_for(output: Path, model: Path | str) -> Callable[[str | Path], Predictor]:
    """The plain model knows nothing, the adapted one everything."""
    return lambda name: Knowing(lambda: {} if str(name) == str(model) else golds(output))


@pytest.mark.parametrize("seed", range(3))
def test_no_statement_that_measures_is_trained_on(shops: Database, seed: int) -> None:
    schema = shops.schema()
    given = [Pair(f"Shop {i}?", f"SELECT name FROM shop WHERE id = {i}") for i in range(30)]
    given += [
        Pair(f"Over {i}?", f"SELECT town.name FROM town WHERE people > {i}") for i in range(30)
    ]
    config = AdaptConfig(count=150, held_out=30, seed=seed)
    split = make_split(shops, schema, given, config)
    taught = {statement(pair.sql, schema) for pair in split.train}
    asked = {pair.question.lower() for pair in split.train}
    measured = [*split.synthetic, *split.given]
    assert len(split.synthetic) >= 30
    assert not taught & {statement(pair.sql, schema) for pair in measured}
    assert not asked & {pair.question.lower() for pair in measured}
    assert len({*split.train} & {*given}) + len(split.given) == 60
    few = make_split(shops, schema, given[:19], config)  # of which none trains
    assert few.given == tuple(given[:19]) and not {*few.train} & {*given}


def test_given_pairs_that_fail_are_named_by_line(shops: Database, tmp_path: Path) -> None:
    lines = tmp_path / "pairs.tsv"
    lines.write_text(
        "How many?\tSELECT count(*) FROM shop\n\nWhich?\tSELECT colour FROM shop\nno tab\n"
        "Drop it?\tDROP TABLE shop\n"
    )
    told: list[str] = []
    pairs, wrong = read_given(lines, shops, told.append)
    assert pairs == [Pair("How many?", "SELECT count(*) FROM shop")]
    assert [sentence.split(":")[0] for sentence in wrong] == ["line 3", "line 4", "line 5"]
    assert len(told) == 3
    assert "no such column: colour" in wrong[0]
    items = [
        {"db_id": "shops", "question": "How many?", "query": "SELECT count(*) FROM shop"},
        {"db_id": "other", "question": "How many?", "query": "SELECT count(*) FROM shop"},
        {"question": "How many?"},
        7,
    ]
    lines.write_text(json.dumps(items))
    pairs, wrong = read_given(lines, shops, told.append)
    assert len(pairs) == 1
    assert [sentence.split(":")[0] for sentence in wrong] == ["item 2", "item 3", "item 4"]
    for text in ("", "no tab", "[]", "[1", '[{"question": "a", "query": "SELECT x"}]'):
        lines.write_text(text)
        with pytest.raises(DataError, match="pairs\\.tsv"):
            read_given(lines, shops, quiet)
    with pytest.raises(DataError, match="cannot read"):
        read_given(tmp_path / "none", shops, quiet)


def compared(only_before: int, only_after: int, both: int = 20, neither: int = 20) -> Comparison:
    scores = [(0, 1)] * only_after + [(1, 0)] * only_before + [(1, 1)] * both + [(0, 0)] * neither

    def rows(side: int) -> list[dict[str, Any]]:
        return [
            {"example_id": str(i), "scores": {"execution_accuracy": pair[side]}}
            for i, pair in enumerate(scores)
        ]

    return compare(rows(0), rows(1))


@pytest.mark.parametrize(
    ("made", "given", "used"),
    [
        ((20, 5), None, False), ((5, 5), None, False), ((3, 6), None, False), ((5, 20), (4, 3), False),
        ((5, 20), None, True), ((5, 20), (3, 3), True), ((5, 20), (3, 9), True), ((6, 6), (3, 9), False),
    ],
)  # fmt: skip
def test_only_what_is_surely_better_is_used(
    made: tuple[int, int], given: tuple[int, int] | None, used: bool
) -> None:
    found = {"synthetic": compared(*made)} | ({"given": compared(*given)} if given else {})
    better, why = verdict(found)
    assert better is used, why


def state_of(database: Database) -> tuple[str, list[str]]:
    content = hashlib.sha256(database.path.read_bytes()).hexdigest()
    return content, sorted(p.name for p in database.path.parent.glob("shops*"))


def test_a_better_adapter_answers_from_then_on(
    shops: Database, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, output = state_of(shops), tmp_path / "run"
    given = tmp_path / "pairs.tsv"
    given.write_text("Any shop?\tSELECT name FROM shop LIMIT 1\nWhich?\tSELECT x FROM shop\n")
    model = str(tiny_model)
    found = adapt(shops, TINY, output, answering_for(output, model), model=model, given=given,
                  report=quiet)  # fmt: skip
    assert found is not None
    assert found["used"] is True
    assert found["left_out"] == ["line 2: its SQL fails: no such column: x"]
    assert found["measured"]["given"]["after"]["n"] == 1
    assert found == json.loads((output / "report.json").read_text())
    assert "now right" in (output / "report.md").read_text()
    assert state_of(shops) == before

    service = Service(shops)
    assert service.model == service.ask("How many shops are there?").model == "plain+shops"
    assert service.notice == ""
    assert Service(shops, tiny_model).model == "plain"
    moved = tmp_path / "moved.sqlite"
    moved.write_bytes(shops.path.read_bytes())
    assert Service(moved).model == "plain+shops"
    (adapters.find(shops.schema(), shops.path)[0].folder / "adapter_model.safetensors").write_bytes(
        b""
    )  # type: ignore[union-attr]
    damaged = Service(shops)
    assert damaged.model == "bundled"
    assert "the plain model answers" in damaged.notice
    adapters.forget(shops.schema())


def test_an_adapter_that_is_no_better_is_kept_but_not_used(
    shops: Database, tiny_model: Path, tmp_path: Path
) -> None:
    output, model = tmp_path / "run", str(tiny_model)

    def nothing(name: str | Path) -> Predictor:
        return Knowing(dict)

    found = adapt(shops, TINY, output, nothing, model=model, report=quiet)
    assert found is not None
    assert found["used"] is False
    assert "no more of the made questions" in found["why"]
    assert (output / "sft" / "model" / "adapter_config.json").is_file()
    assert adapters.find(shops.schema(), shops.path) == (None, "")
    again = adapt(shops, TINY, output, nothing, model=model, force=True, report=quiet)
    assert again is not None
    assert again["used"] is True
    assert adapters.forget(shops.schema())


class _Killed(Exception):
    """Ends a run as a kill would: nothing is caught, nothing is tidied."""


def test_a_run_goes_on_after_a_stop_in_any_stage(
    shops: Database, tiny_model: Path, tmp_path: Path
) -> None:
    output, model = tmp_path / "run", str(tiny_model)
    known = Knowing(lambda: golds(output))
    reached: list[str] = []

    @contextmanager
    def stopping(label: str, total: int) -> Iterator[Callable[[str], None]]:
        at = 0

        def advance(note: str) -> None:
            nonlocal at
            at += 1
            if at == max(1, total // 2) and label not in reached:
                reached.append(label)
                raise _Killed

        yield advance

    found = None
    while found is None:
        with suppress(_Killed):
            found = adapt(shops, TINY, output, lambda name: known, model=model, report=quiet,
                          progress=stopping)  # fmt: skip
    assert {"making questions", "asking before", "fine-tune", "asking after"} <= set(reached)
    measured = len(golds(output))
    assert measured <= known.asked <= 2 * measured + 4  # what was answered is not asked again


def test_an_exported_model_is_tuned_after_its_schema_part(
    shops: Database, tiny_lm: Callable[..., Path], tmp_path: Path
) -> None:
    engine = export_onnx(tiny_lm("qwen2", chat=True), tmp_path / "engine", bits=32)
    config = replace(TINY, steps=4, strength=1.0)
    output = tmp_path / "run"
    known = answering_for(output, engine)
    report = adapt(shops, config, output, known, model=str(engine), report=quiet)
    assert report is not None
    adapter = Path(report["adapter"])
    assert json.loads((adapter / "prompt.json").read_text()) == {"activated": True}
    noted = json.loads((adapter / "adapter_config.json").read_text())
    assert noted["base_model_name_or_path"] == str(engine.resolve())
    assert answers_without_torch(resolve(adapter))
    decoder = decoders.load(adapter)
    plain = decoders.load(engine)
    assert decoder.engine.identity == plain.engine.identity  # type: ignore[attr-defined]
    assert not (output / "sft" / "weights").exists()
    adapters.forget(shops.schema())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bundled_model_is_adapted_and_answers_without_torch(tmp_path: Path) -> None:
    from txt2sql import sample

    database = open_database(sample.path())
    schema = database.schema()
    config = AdaptConfig(count=30, held_out=8, steps=2)
    found = adapt(
        database, config, tmp_path / "run",
        lambda name: build_predictor(name, lambda _: schema, lambda _: database), report=quiet,
    )  # fmt: skip
    assert found is not None
    assert answers_without_torch(resolve(found["adapter"]))
    before, after = (found["measured"]["synthetic"][when] for when in ("before", "after"))
    assert before["n"] == after["n"] >= 8
    assert 0 < after["mean"] >= before["mean"] - 0.25
