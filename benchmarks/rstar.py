"""Self-evolution in one table and one figure: do more simulations help, and who chooses well?

Questions of Spider dev are answered by one round's policy in these ways, each at every number of
simulations: greedy; self-consistency with as many tokens as the search decoded (samples at temperature
1, vote of results); search without a preference model; with it; and with a shuffled one, which was
trained on the same pairs with the better of each drawn at random and has the same say in the vote; the
three searches again, with a channel model in the vote; and, as a control, the first with a channel model
that is given another question over the same database. `oracle`, how often any answer of a
tree is right, is a bound and no result.

Differences are paired, with 95% intervals: against greedy, and against another model (--peer, such as
the same base fine-tuned with LoRA). Answers are kept, so that the same command goes on after a kill.

    python benchmarks/rstar.py --run results/rstar [--data data/raw/spider] [--round 2] [-n 1034]
        [--simulations 1 10 30 100 300] [--ways channel PPM shuffled self-consistency]
        [--peer results/lora-bundled/model] [--quick]
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from txt2sql.config import load
from txt2sql.data import Dataset, open_dataset
from txt2sql.evaluation.figures import save, styled
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.statistics import paired_difference, wilson
from txt2sql.models.catalog import resolve
from txt2sql.models.channel import Channel, open_channel
from txt2sql.models.engine import HFEngine
from txt2sql.models.ppm import Preference, find, save_preference
from txt2sql.models.predictor import DirectPredictor
from txt2sql.runs import append_row, hardware, read_rows, versions
from txt2sql.search.actions import starts_step
from txt2sql.search.mcts import Settings
from txt2sql.search.predictor import Searched, SearchOptions, SearchPredictor, with_judge
from txt2sql.search.state import Question
from txt2sql.search.vote import Ballot, Weights, choose, result_key
from txt2sql.serving.service import build_predictor
from txt2sql.sql.decode import decode
from txt2sql.sql.text import extract_sql
from txt2sql.training import ppm
from txt2sql.training.cot_synthesis import open_questions
from txt2sql.training.ppm_pairs import from_row
from txt2sql.training.rstar_settings import RStarConfig
from txt2sql.training.self_evolution_rounds import promoted, rounds_of
from txt2sql.types import Example, Prediction, QueryResult, Sampling

TOGETHER = 8
WAYS = ("self-consistency", "channel", "PPM", "shuffled")
"""What a plain search is compared with; --ways takes some of them."""
SEARCHES = ("search", "search + PPM", "search + shuffled PPM")
Row = dict[str, Any]


def main() -> None:
    """Print the tables, draw the figures, and one JSON object last."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--round", type=int)
    parser.add_argument("--peer")
    parser.add_argument("-n", type=int)
    parser.add_argument("--simulations", type=int, nargs="+", default=[1, 10, 30, 100, 300])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    print((asked.run / "rounds.md").read_text(encoding="utf-8"))
    number = asked.round or promoted(rounds_of(asked.run)) or len(rounds_of(asked.run))
    folder = asked.run / f"round_{number}"
    dataset = open_dataset("spider", asked.data)
    examples = list(dataset.examples("dev"))
    random.Random(asked.seed).shuffle(examples)
    examples = examples[: asked.n or (8 if asked.quick else len(examples))]
    simulations = asked.simulations[:2] if asked.quick else asked.simulations
    answers = Answers(asked.run / f"dev-{number}.jsonl", dataset, examples)
    direct = predictor(str(folder), dataset)
    answers.greedy("greedy", direct)
    if asked.peer:
        answers.greedy("peer", predictor(asked.peer, dataset))
    origin = load(RStarConfig, asked.run / "config.yaml").model
    channel = open_channel(folder) or open_channel(resolve(origin).folder)
    preference = find(folder)
    heads: dict[str, Preference | None] = {"search": None}
    if preference is not None and "PPM" in asked.ways:
        heads["search + PPM"] = preference
    if preference is not None and "shuffled" in asked.ways:
        control = shuffled(asked.run, number, dataset.root, direct, preference)
        heads["search + shuffled PPM"] = control
    for count in simulations:
        for way, head in heads.items():
            answers.search(way, direct, head, count)
        if "self-consistency" in asked.ways:
            answers.agreement(direct, count)
        if channel is not None and "channel" in asked.ways:
            for way in heads:
                answers.read_back(way, "channel", channel, count, lambda e: e.question)
            answers.read_back("search", "channel, other question", channel, count, answers.another)
    rows = answers.table(simulations)
    draw(answers, simulations, asked.run / f"simulations-{number}")
    if preference is not None:
        reliability(preference, asked.run / f"reliability-{number}")
    print("\n".join(rows))
    most = max(simulations)
    best = "search + channel" if channel and "channel" in asked.ways else "search"
    ours, base = (answers.mean(way, most) for way in (best, "greedy"))
    print(json.dumps({
        "name": "rstar", "ours": ours, "peer": base, "ratio": ours / base if base else None,
        "simulations": most, "round": number, "n": len(examples), "unit": "execution accuracy",
        "machine": hardware(), "versions": versions(),
    }))  # fmt: skip


def predictor(model: str, dataset: Dataset) -> DirectPredictor:
    """A model that answers once, greedily."""
    found = build_predictor(model, dataset.schema, dataset.database)
    found.options = replace(found.options, second_beams=0)
    return found


def shuffled(
    run: Path, number: int, data: Path, direct: DirectPredictor, preference: Preference
) -> Preference | None:
    """The control: the same training on the same trees, with labels at random; kept beside the run."""
    folder = run / "rounds" / str(number) / "shuffled"
    if found := find(folder):
        return replace(found, vote=preference.vote)
    config = replace(load(RStarConfig, run / "config.yaml"), dataset=str(data.resolve()))
    by_id = {example.id: example for example in open_questions(config).learnt}
    trees = {}
    for k in range(1, number + 1):
        for row in read_rows(run / "rounds" / str(k) / "trees.jsonl"):
            trees[row["question_id"]] = from_row(row)
    made = ppm.train(
        direct.generator, list(trees.values()),  # type: ignore[arg-type]
        lambda tree: direct.prompt(by_id[tree.question_id]), replace(config.ppm, shuffled=True),
        config.seed,
    )  # fmt: skip
    if made is None:
        return None
    save_preference(made, folder)
    return replace(made, vote=preference.vote)


class Answers:
    """What was answered and judged so far: rows of (way, simulations, example)."""

    def __init__(self, file: Path, dataset: Dataset, examples: Sequence[Example]) -> None:
        self.file, self.dataset, self.examples = file, dataset, examples
        self.judge = ExecutionAccuracy(Judging(both=False))
        self.scores: dict[tuple[str, str], dict[str, float]] = {}
        self.rows = {(r["way"], r["simulations"], r["id"]): r for r in read_rows(file)}

    def left(self, way: str, simulations: int) -> Iterator[list[Example]]:
        """Batches of examples that are still to be answered."""
        rest = [e for e in self.examples if (way, simulations, e.id) not in self.rows]
        for start in range(0, len(rest), TOGETHER):
            yield rest[start : start + TOGETHER]

    def right(self, example: Example, sql: str | None) -> bool:
        database = self.dataset.database(example.db_id)
        return self.judge(example, Prediction(example.id, sql), database).correct

    def note(self, way: str, simulations: int, example: Example, **found: Any) -> None:
        row = {"way": way, "simulations": simulations, "id": example.id, **found}
        self.rows[way, simulations, example.id] = row
        append_row(self.file, row)

    def greedy(self, way: str, direct: DirectPredictor) -> None:
        for batch in self.left(way, 0):
            for example, each in zip(batch, direct.predict(batch), strict=True):
                found = self.right(example, each.sql)
                self.note(way, 0, example, right=found, tokens=each.tokens[1], seconds=each.seconds)

    def search(
        self, way: str, direct: DirectPredictor, preference: Preference | None, simulations: int
    ) -> None:
        head = preference.head if preference else None
        options = SearchOptions(
            mcts=Settings(num_simulations=simulations), together=TOGETHER,
            vote=Weights(preference=preference.vote if preference else 0.0),
        )  # fmt: skip
        engine = HFEngine(direct.generator, starts_step, head=head)  # type: ignore[arg-type]
        searching = SearchPredictor(direct, engine, options, scored=head is not None)
        for batch in self.left(way, simulations):
            found = searching.search([Question.of(example) for example in batch])
            for example, each in zip(batch, found, strict=True):
                best = each.candidates[0].sql if each.candidates else None
                ballots = self.judged(example, each)
                self.note(
                    way, simulations, example, right=self.right(example, best),
                    oracle=any(ballot["right"] for ballot in ballots), ballots=ballots,
                    tokens=each.tree.tokens, seconds=each.seconds,
                )  # fmt: skip

    def judged(self, example: Example, found: Searched) -> list[Row]:
        """The answers of a tree, with what a vote needs to know of them, and whether they are right."""
        results: dict[object, int] = {}
        return [
            {
                "sql": b.sql, "probability": b.probability, "own": b.own,
                "result": results.setdefault(result_key(b.result), len(results)) if b.result.ok else None,
                "says": b.result.says_something, "right": self.right(example, b.sql),
            }
            for b in found.ballots
        ]  # fmt: skip

    def read_back(
        self,
        trees: str,
        vote: str,
        channel: Channel,
        simulations: int,
        asked: Callable[[Example], str],
    ) -> None:
        """Another vote over the answers of a search."""
        way, weights = f"{trees} + {vote}", with_judge(Weights(), 0.0, channel)
        for batch in self.left(way, simulations):
            for example in batch:
                found = self.rows[trees, simulations, example.id]["ballots"]
                known = self.scores.setdefault((vote, example.id), {})
                new = [b["sql"] for b in found if b["result"] is not None and b["sql"] not in known]
                schema = self.dataset.schema(example.db_id)
                known |= dict(zip(new, channel.scores(asked(example), new, schema), strict=True))
                votes = [ballot(row, known.get(row["sql"], 0.0)) for row in found]
                chosen = choose(votes, weights)
                right = {row["sql"]: row["right"] for row in found}
                self.note(way, simulations, example, right=bool(chosen) and right[chosen[0].sql])

    def another(self, example: Example) -> str:
        """Another question over the same database, drawn at random."""
        others = [e.question for e in self.examples if e.db_id == example.db_id and e != example]
        return random.Random(example.id).choice(others or [example.question])

    def agreement(self, direct: DirectPredictor, simulations: int) -> None:
        """Self-consistency: as many samples as the tokens of the search pay for."""
        way, run = "self-consistency", direct.executor
        assert run is not None
        for batch in self.left(way, simulations):
            for example in batch:
                paid = self.rows["search", simulations, example.id]["tokens"]
                once = max(1, self.rows["greedy", 0, example.id]["tokens"])
                prompt = direct.prompt(example)
                sampling = Sampling(96 if prompt.links else 256, max(1, paid // once), 1.0)
                texts = [c.text for c in direct.generator.generate([prompt], sampling)[0]]
                schema = direct.schemas(example.db_id)
                sqls = [
                    decode(text, schema, prompt.links) if prompt.links else extract_sql(text)
                    for text in texts
                ]
                counts = {sql: sqls.count(sql) / len(sqls) for sql in sqls if sql}
                votes = [Ballot(s, p, 1, 0.0, run(example.db_id, s)) for s, p in counts.items()]
                candidates = choose(votes)
                best = candidates[0].sql if candidates else None
                self.note(way, simulations, example, right=self.right(example, best), tokens=paid)

    def marks(self, way: str, simulations: int, key: str = "right") -> list[bool]:
        return [bool(self.rows[way, simulations, e.id].get(key)) for e in self.examples]

    def mean(self, way: str, simulations: int) -> float:
        found = self.marks(way, 0 if way in ("greedy", "peer") else simulations)
        return sum(found) / len(found)

    def whole(self, way: str, simulations: Sequence[int]) -> list[int]:
        """Those numbers of simulations at which every question has been answered this way."""
        return [s for s in simulations if all((way, s, e.id) in self.rows for e in self.examples)]

    def ways(self) -> list[str]:
        return list(dict.fromkeys(way for way, _, _ in self.rows))

    def table(self, simulations: Sequence[int]) -> list[str]:
        """Markdown lines: accuracy, its bound, and paired differences in points."""
        bases = [way for way in ("greedy", "peer") if way in self.ways()]
        head = ["way", "simulations", "EX", "oracle", *(f"against {base}" for base in bases)]
        lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
        for way in self.ways():
            for count in [0] if way in bases else self.whole(way, simulations):
                marks = self.marks(way, count)
                found = wilson(sum(marks), len(marks))
                bound = self.marks(way, count, "oracle") if way in SEARCHES else []
                cells = [
                    way,
                    str(count or ""),
                    f"{found.mean:.1%} [{found.low:.1%}, {found.high:.1%}]",
                ]
                cells.append(f"{sum(bound) / len(bound):.1%}" if bound else "")
                cells += [difference(self.marks(base, 0), marks) for base in bases]
                lines.append(f"| {' | '.join(cells)} |")
        return lines


def ballot(row: Row, score: float) -> Ballot:
    """What a vote needs of a kept answer; results are told apart by their numbers."""
    if row["result"] is None:
        result = QueryResult(error="failed")
    else:
        result = QueryResult(("n",), ((row["result"],),)) if row["says"] else QueryResult()
    return Ballot(row["sql"], row["probability"], 1, 0.0, result, row["own"], score)


def difference(before: Iterable[bool], after: Iterable[bool]) -> str:
    """Points with their interval, of the same questions."""
    pairs = list(zip(before, after, strict=True))
    counts = (pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False)))  # fmt: skip
    found = paired_difference(*counts)
    return f"{found.mean * 100:+.1f} [{found.low * 100:+.1f}, {found.high * 100:+.1f}]"


def draw(answers: Answers, simulations: Sequence[int], path: Path) -> None:
    """Execution accuracy over simulations, a line for each way."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    with styled():
        figure = Figure(figsize=(6.4, 4.6), layout="constrained")
        axes = figure.subplots()
        for way, marker in zip(answers.ways(), cycle("osD^vPX")):
            if way in ("greedy", "peer"):
                style = {"linestyle": "--" if way == "greedy" else ":", "color": "#777777"}
                axes.axhline(answers.mean(way, 0), linewidth=1, label=way, **style)
                continue
            there = answers.whole(way, simulations)
            found = [wilson(sum(m), len(m)) for m in (answers.marks(way, s) for s in there)]
            errors = [[e.mean - e.low for e in found], [e.high - e.mean for e in found]]
            axes.errorbar(
                there, [e.mean for e in found], errors, label=way, marker=marker, capsize=2
            )
        axes.set_xscale("log")
        axes.set_xticks(list(simulations), [str(s) for s in simulations])
        axes.set_xlabel("simulations")
        axes.set_ylabel(f"execution accuracy (n = {len(answers.examples)})")
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        save(figure, path)


def reliability(preference: Preference, path: Path) -> None:
    """Expected against observed: answers of databases that the head was not trained on."""
    from matplotlib.figure import Figure

    rows = preference.measured["reliability"]
    with styled():
        figure = Figure(figsize=(3.6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color="#888888")
        found = [wilson(right * count, int(count)) for _, right, count in rows]
        errors = [[e.mean - e.low for e in found], [e.high - e.mean for e in found]]
        axes.errorbar([row[0] for row in rows], [e.mean for e in found], errors, marker="o", capsize=2)  # fmt: skip
        axes.set_xlabel("probability of a right answer, by the PPM")
        axes.set_ylabel(f"share that is right (n = {sum(int(row[2]) for row in rows):,})")
        save(figure, path)


if __name__ == "__main__":
    main()
