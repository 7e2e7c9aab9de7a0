"""Self-evolution (rStar-SQL): a policy searches, learns from what it got right, and searches again.

Source: rStar-Math (Guan et al. 2025). Each round: training questions are searched with the best policy
and its preference model so far; verified traces are taken from the trees (`trees`); the policy is
fine-tuned on them, from the base model every time; a preference model is trained on its trunk (`ppm`); and
both are measured on training databases that are held out. A round that is no better is not promoted: the
next one starts from the best. Questions that stay unsolved come first and get more simulations.

    results/rstar/
    ├── config.yaml, run.json, metrics.jsonl, rounds.md     the table of rounds
    ├── round_1/, round_2/, ...     whole: txt2sql ask --model results/rstar/round_2 --search 100
    └── rounds/<k>/                 trees.jsonl, traces/, policy/, held_out.jsonl: where to go on

Every stage leaves a whole file or folder, or rows, so a run that was killed at any moment goes on where
it was when the same command is given again.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from txt2sql.config import as_mapping
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.execute import Limits, execute
from txt2sql.models import torch_engine
from txt2sql.models.adapters import Adapter
from txt2sql.models.catalog import resolve
from txt2sql.models.decoder import Decoder
from txt2sql.models.ppm import FACTS, WEIGHTS, Preference, find, save_preference
from txt2sql.models.predictor import DirectPredictor, PredictorOptions
from txt2sql.models.tree_decoder import TreeDecoder
from txt2sql.models.weights import load_weights
from txt2sql.runs import append_row, open_run, read_rows, write_atomically
from txt2sql.search.predictor import SearchOptions, SearchPredictor
from txt2sql.search.states import Question, State, StateValue
from txt2sql.search.steps import starts_step
from txt2sql.training import loop, ppm, sft
from txt2sql.training.data import matcher
from txt2sql.training.loop import LARGE, Progress, Report, forget_rows, replace_folder, silent
from txt2sql.training.settings import RStarConfig, SFTConfig
from txt2sql.training.trees import (
    JudgedTree,
    Questions,
    Trace,
    bootstrap,
    chosen_traces,
    from_row,
    judged,
    open_questions,
    solved,
    to_row,
    traces,
    write_traces,
)
from txt2sql.types import Example, Prediction, QueryResult

Row = dict[str, Any]
_LIMITS = Limits(
    timeout_s=1.0
)  # an answer to learn from that takes longer mostly joins without end


@dataclass(frozen=True, slots=True)
class Job:
    """Questions, by id, asked together: "grow" trees of so many `simulations`, or "measure" held-out ones."""

    work: Literal["grow", "measure"]
    ids: tuple[str, ...]
    simulations: int = 0


def batched(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(ids[start : start + size]) for start in range(0, len(ids), size)]


class Actor:
    """A policy over the databases of a data set. Whole answers of questions to learn from are worth
    what the one judge says of them; held-out questions are searched without their gold."""

    def __init__(
        self, decoder: Decoder, preference: Preference | None, questions: Questions, config: RStarConfig
    ) -> None:  # fmt: skip
        self.dataset, self.config = questions.dataset, config
        self.train_set = {example.id: example for example in questions.train_set}
        self.held_out = {example.id: example for example in questions.held_out}
        self.judge = ExecutionAccuracy(Judging(both=False))
        self.direct = DirectPredictor(
            decoder, self.dataset.schema, matcher(self.dataset),
            lambda db_id, sql: execute(self.dataset.database(db_id), sql),
            PredictorOptions(second_beams=0),
        )  # fmt: skip
        head = preference.scores if preference else None
        self.engine = TreeDecoder(decoder, starts_step, head=head, decoding=config.steps)
        vote = config.vote
        if preference and not vote.preference:
            vote = replace(vote, preference=preference.vote)
        self.options = SearchOptions(
            config.mcts, config.steps, vote, config.value, together=config.evolution.together
        )

    def rows(self, job: Job) -> list[Row]:
        """A row for each question of a job; only held-out questions are measured, and no others."""
        if job.work == "measure":
            return self.measure([self.held_out[each] for each in job.ids])
        examples = [self.train_set[each] for each in job.ids]
        return [to_row(tree) for tree in self.grow(examples, job.simulations)]

    def right(self, example: Example, sql: str | None) -> bool:
        database = self.dataset.database(example.db_id)
        return self.judge(example, Prediction(example.id, sql), database).correct

    def measure(self, examples: Sequence[Example]) -> list[Row]:
        """Whether the greedy answer, the searched one and any answer of the tree (oracle) are right."""
        predictor = SearchPredictor(
            self.direct, self.engine, self.options, scored=self.engine.head is not None
        )
        rows = []
        searched = predictor.search([Question.of(example) for example in examples])
        for example, each in zip(examples, searched, strict=True):
            marks = {answer.sql: self.right(example, answer.sql) for answer in each.answers}
            greedy = any(marks[answer.sql] for answer in each.answers if answer.own)
            best = marks.get(each.candidates[0].sql, False) if each.candidates else False
            oracle = any(marks.values())
            rows.append({"id": example.id, "greedy": greedy, "search": best, "oracle": oracle})
        return rows

    def grow(self, examples: Sequence[Example], simulations: int) -> list[JudgedTree]:
        """Trees of training questions, with noise at the root."""
        by_id = {example.id: example for example in examples}

        def run(db_id: str, sql: str) -> QueryResult:
            return execute(self.dataset.database(db_id), sql, _LIMITS)

        plain = StateValue(run, self.engine if self.engine.head else None, self.options.value)

        def right(state: State) -> bool:
            result = state.result
            if result is None or not result.ok or result.truncated or state.repaired:
                return False
            example = by_id[state.question.id]
            gold = self.judge.gold.result(self.dataset.database(example.db_id), example.gold_sql)
            # The judge would run it again to say so.
            return len(gold.rows) == len(result.rows) and self.right(example, state.sql)

        def value(states: Sequence[State]) -> list[float]:
            return [
                (1.0 if right(state) else -1.0) if state.ended else estimate
                for state, estimate in zip(states, plain(states), strict=True)
            ]

        settings = replace(
            self.config.mcts, num_simulations=simulations, noise=self.config.evolution.noise,
            seed=random.Random(f"{self.config.seed} {examples[0].id}").randrange(2**31),
        )  # fmt: skip
        searcher = SearchPredictor(self.direct, self.engine, replace(self.options, mcts=settings))
        searcher.run = run
        forest = searcher.forest([Question.of(example) for example in examples], value=value)
        return [judged(tree, right) for tree in forest]


# ---------------------------------------------------------------------------------------------- rounds

_OF_A_ROUND = (FACTS, WEIGHTS, "round.json", "trained.json")  # beside its policy
_CHANGEABLE: Mapping[str, Any] = {
    "output_dir": "", "data": None, "threads": None, "use_wandb": False
}  # fmt: skip


_COLUMNS = {
    "round": "{number}",
    "fine-tuned greedy EX": "{fine_tuned:.1%}",
    "greedy EX": "{greedy:.1%}",
    "search EX": "{search:.1%}",
    "oracle": "{oracle:.1%}",
    "n": "{n}",
    "pairs": "{pairs:,}",
    "PPM accuracy": "{ppm}",
    "coverage": "{coverage:.1%} of {searched:,}",
    "traces": "{traces:,}",
    "promoted": "{yes}",
}
"""Of the table of rounds. Accuracies are of `n` questions on training databases that are held out. `oracle`
is how often any answer of the tree is right, a bound and no result; `fine_tuned` is the greedy one of the
policy that the round has trained: where it is lower than that of the policy before, that one stays.
`coverage` is the share of the `searched` training questions that were ever solved; `ppm_accuracy` that of
pairs put in order, on databases that the preference model was not trained on.
"""


def evolve(config: RStarConfig, report: Report = print, progress: Progress = silent) -> Path | None:
    """Run all rounds, or go on with the run in its folder: the folder of the promoted round, or of
    the last where none was better than the base. None when SIGTERM ended a fine-tuning. Raises a
    Text2SQLError."""
    output = Path(config.output_dir).expanduser()
    loop.prepare(config.threads)
    resolve(config.model)  # what is misspelt is told before anything is written
    run = Evolution(config, output, report, progress)
    settings = as_mapping(replace(config, **_CHANGEABLE))
    del settings["evolution"]["num_rounds"]  # a run may be made longer
    open_run(output, settings, config.seed)
    run.accuracy(0)
    for number in range(1, config.evolution.num_rounds + 1):
        if not (output / f"round_{number}" / "round.json").is_file() and not run.round(number):
            return None
        run.log(number)
    best = promoted(rounds_of(output)) or config.evolution.num_rounds
    return output / f"round_{best}"


class Evolution:
    """What each round does, in its order. All that a round needs to know of those before it is read
    off their files, so a run that goes on does the same."""

    def __init__(
        self, config: RStarConfig, output: Path, report: Report = print, progress: Progress = silent
    ) -> None:
        self.config, self.output = config, output
        self.report, self.progress = report, progress
        self.questions = open_questions(config)
        self.by_id = {example.id: example for example in self.questions.train_set}

    def work(self, number: int) -> Path:
        return self.output / "rounds" / str(number)

    def round(self, number: int) -> bool:
        """All of a round; False when fine-tuning was stopped."""
        work = self.work(number)
        work.mkdir(parents=True, exist_ok=True)
        self.grow(number)
        if not (work / "traces" / "traces.jsonl").is_file():
            self.report(f"round {number}: {self.synthesise(number)}")
        if not self.train_policy(number):
            return False
        checkpoint = work / "checkpoint"
        if not (checkpoint / "trained.json").is_file():
            self.train_preference(number)
        accuracy = self.accuracy(number)
        ever: dict[str, bool] = {}
        for question, was_solved in self._searched(number):
            ever[question] = ever.get(question, False) or was_solved
        before = [row["search"] for row in rounds_of(self.output, number)]
        row = {
            "number": number,
            "promoted": accuracy["search"] > max([self.accuracy(0)["search"], *before]),
            "fine_tuned": self.fine_tuned(number)["greedy"],
            "traces": sum(1 for _ in read_rows(work / "traces" / "traces.jsonl")),
            **accuracy,
            **json.loads((checkpoint / "trained.json").read_text(encoding="utf-8")),
            "searched": len(ever),
            "coverage": sum(ever.values()) / len(ever),
        }
        write_atomically(checkpoint / "round.json", json.dumps(row, indent=1) + "\n")
        replace_folder(checkpoint, self.output / f"round_{number}")
        self.report(
            f"round {number} of {self.config.evolution.num_rounds}: greedy {row['greedy']:.1%}, "
            f"search {row['search']:.1%} of {row['n']}{', promoted' if row['promoted'] else ''}"
        )
        return True

    def policy(self, number: int) -> Path | str:
        """What round `number` searches with: the best round before it, at first the base."""
        best = promoted(rounds_of(self.output, number))
        return self.output / f"round_{best}" if best else self.config.model

    def plan(self, number: int) -> list[tuple[Example, int]]:
        """The questions of a round with their simulations: unsolved ones first, to at most half;
        then those that were never searched; then the others. Always the same for a run."""
        evolution = self.config.evolution
        failures: dict[str, int] = {}  # rounds in a row that a question stayed unsolved
        for question, was_solved in self._searched(number - 1):
            failures[question] = 0 if was_solved else failures.get(question, 0) + 1
        order = list(self.questions.train_set)
        random.Random(f"{self.config.seed} round {number}").shuffle(order)
        count = evolution.questions_per_round or evolution.cot_examples_per_round
        hard = [example for example in order if failures.get(example.id)][: (count + 1) // 2]
        taken = {example.id for example in hard}
        others = sorted((e for e in order if e.id not in taken), key=lambda e: e.id in failures)
        simulations = self.config.mcts.num_simulations
        most = max(evolution.most_simulations, simulations)
        return [
            (each, min(most, round(simulations * evolution.harder ** failures.get(each.id, 0))))
            for each in [*hard, *others][:count]
        ]

    def _searched(self, number: int) -> Iterator[tuple[str, bool]]:
        for k in range(1, number + 1):
            for row in read_rows(self.work(k) / "trees.jsonl"):
                yield row["question_id"], solved(row)

    def trees(self, number: int) -> list[JudgedTree]:
        """Those of all rounds up to this one, the newest of each question."""
        newest: dict[str, JudgedTree] = {}
        for k in range(1, number + 1):
            rows = read_rows(self.work(k) / "trees.jsonl")
            # In an order that does not depend on who was done first.
            for tree in sorted(map(from_row, rows), key=lambda tree: tree.question_id):
                newest[tree.question_id] = tree
        return list(newest.values())

    def grow(self, number: int) -> None:
        planned: dict[int, list[str]] = defaultdict(list)
        for example, simulations in self.plan(number):
            planned[simulations].append(example.id)
        # Questions are always searched beside the same others, so that a run that goes on grows the
        # same trees, down to the last bit of what the model computes.
        jobs = [
            Job("grow", ids, simulations)
            for simulations, questions in sorted(planned.items())
            for ids in batched(questions, self.config.evolution.together)
        ]
        file = self.work(number) / "trees.jsonl"
        self._search(f"round {number}: searching", self.policy(number), jobs, file, "question_id")

    def _search(
        self, label: str, policy: Path | str, jobs: Sequence[Job], file: Path, key: str
    ) -> dict[str, Row]:
        rows = {row[key]: row for row in read_rows(file)}
        jobs = [job for job in jobs if not rows.keys() >= set(job.ids)]
        if not jobs:
            return rows
        decoder = torch_engine.load(policy)
        actor = Actor(decoder, find(decoder.folder), self.questions, self.config)
        left = sum(each not in rows for job in jobs for each in job.ids)
        right = made = 0
        with self.progress(label, left) as advance:
            for row in chain.from_iterable(map(actor.rows, jobs)):
                if row[key] not in rows:
                    rows[row[key]] = row
                    append_row(file, row)
                    right += solved(row) if "nodes" in row else row["search"]
                    made += 1
                    advance(f"{right / made:.0%} solved")
        return rows

    def synthesise(self, number: int) -> str:
        """Write the traces that a round learns from; what they are, in words."""
        evolution, dataset = self.config.evolution, self.questions.dataset
        trees = self.trees(number)
        gold = sum(tree.solved for tree in trees) < evolution.bootstrap_below * len(trees)
        searched: list[Trace] = []
        from_gold: list[Trace | None] = []
        for tree in trees:
            example, schema = self.by_id[tree.question_id], dataset.schema(tree.db_id)
            searched += traces(tree, example, evolution.per_question)
            if gold and not tree.solved:
                run = partial(execute, dataset.database(tree.db_id))
                from_gold.append(bootstrap(example, schema, run))
        candidates = [*searched, *(trace for trace in from_gold if trace)]
        chosen = chosen_traces(
            candidates, evolution.cot_examples_per_round, self.config.seed + number
        )
        write_traces(chosen, dataset, self.work(number) / "traces")
        own = sum(trace.source == "search" for trace in chosen)
        return f"{own} traces from search, {len(chosen) - own} from gold queries"

    def train_policy(self, number: int) -> bool:
        """Fine-tune the base on the traces, or go on with it; False when it was stopped."""
        folder = self.work(number) / "policy"
        if (folder / "finished.json").is_file():
            return True
        training = self.config.policy_training
        whole = training.method == "full"
        if training.method == "auto":
            base = load_weights(self.config.model, dtype="auto").model
            whole = int(base.num_parameters()) < LARGE
        settings = SFTConfig(
            model=self.config.model, output=str(folder), measured=0, seed=self.config.seed,
            datasets=(str(self.work(number) / "traces"),), final="last",
            adapter=None if whole else Adapter(), threads=self.config.threads,
            use_wandb=self.config.use_wandb,
            **{name: value for name, value in vars(training).items() if name != "method"},
        )  # fmt: skip
        return sft.train(settings, self.report, self.progress) is not None

    def train_preference(self, number: int) -> None:
        """A round's policy with a preference model of all trees so far."""
        checkpoint = self.work(number) / "checkpoint"
        # The policy that it searched with, where that one answers more of the held-out questions by
        # itself. A base that lies in no folder is not copied.
        before = resolve(self.policy(number)).folder
        best = promoted(rounds_of(self.output, number))
        worse = self.fine_tuned(number)["greedy"] < self.accuracy(best)["greedy"]
        better = before if before and worse else self.work(number) / "policy" / "model"
        replace_folder(better, checkpoint, without=_OF_A_ROUND)
        policy = torch_engine.load(checkpoint)
        direct = Actor(policy, None, self.questions, self.config).direct
        preference = ppm.train(
            policy, self.trees(number), lambda tree: direct.prompt(self.by_id[tree.question_id]),
            self.config.ppm, self.config.seed, self.progress,
        )  # fmt: skip
        facts: dict[str, Any] = {"pairs": 0, "ppm_accuracy": None, "vote": 0.0}
        if preference is None:
            self.report(f"round {number}: no tree holds a right and a wrong answer; no PPM")
        else:
            save_preference(preference, checkpoint)
            facts |= {"pairs": preference.validation["pairs"], "vote": preference.vote}
            if preference.validation["unseen"]:
                facts["ppm_accuracy"] = preference.validation["pair_accuracy"]
        write_atomically(checkpoint / "trained.json", json.dumps(facts, indent=1) + "\n")

    def accuracy(self, number: int) -> dict[str, Any]:
        """Greedy, searched and any answer (oracle) on held-out questions, of the base (0) or a round."""
        policy = self.work(number) / "checkpoint" if number else self.config.model
        return self._measure(number, policy, "held_out.jsonl")

    def fine_tuned(self, number: int) -> dict[str, Any]:
        return self._measure(number, self.work(number) / "policy" / "model", "fine_tuned.jsonl")

    def _measure(self, number: int, policy: Path | str, name: str) -> dict[str, Any]:
        evolution, work = self.config.evolution, self.work(number)
        work.mkdir(parents=True, exist_ok=True)
        examples = list(self.questions.held_out)
        random.Random(f"{self.config.seed} measured").shuffle(examples)
        ids = [example.id for example in examples[: evolution.measured]]
        jobs = [Job("measure", part) for part in batched(ids, evolution.together)]
        by_id = self._search(f"round {number}: measuring", policy, jobs, work / name, "id")
        rows = [by_id[each] for each in ids]
        kinds = ("greedy", "search", "oracle")
        return {"n": len(rows), **{kind: sum(r[kind] for r in rows) / len(rows) for kind in kinds}}

    def log(self, number: int) -> None:
        rows = rounds_of(self.output, number + 1)
        write_atomically(self.output / "rounds.md", table(rows, self.accuracy(0)))
        forget_rows(self.output / "metrics.jsonl", number - 1)
        numbers = {k: float(v) for k, v in rows[-1].items() if v is not None and k != "number"}
        append_row(self.output / "metrics.jsonl", {"step": number, **numbers})


def rounds_of(output: Path, before: int = 2**31) -> list[dict[str, Any]]:
    """The rounds of a run that are done, in order: what _COLUMNS says."""
    files = sorted(output.glob("round_*/round.json"), key=lambda f: int(f.parent.name[6:]))
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return [row for row in rows if row["number"] < before]


def promoted(rounds: Sequence[Mapping[str, Any]]) -> int:
    """The number of the round to search with: the last that was better than all before it; 0: none."""
    return max((row["number"] for row in rounds if row["promoted"]), default=0)


def table(rounds: Sequence[Mapping[str, Any]], base: Mapping[str, Any]) -> str:
    shares = [f"{base[key]:.1%}" for key in ("greedy", "search", "oracle")]
    lines = [[*_COLUMNS], ["---"] * len(_COLUMNS), ["base", "", *shares, str(base["n"]), *[""] * 5]]
    for row in rounds:
        ppm = "" if row["ppm_accuracy"] is None else f"{row['ppm_accuracy']:.1%}"
        words = {**row, "ppm": ppm, "yes": "yes" if row["promoted"] else ""}
        lines.append([text.format(**words) for text in _COLUMNS.values()])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
