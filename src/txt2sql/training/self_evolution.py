"""Self-evolution (rStar-SQL): a policy searches, learns from what it found right, and searches again.

Source: rStar-Math (Guan et al. 2025). Each round: training questions are searched with the best policy
and its preference model so far; verified traces are kept (`cot_synthesis`); the policy is fine-tuned on
them, from the base model every time; a preference model is trained on its trunk (`ppm`); and both are
measured on training databases that are held out. A round that is no better is kept, not promoted: the
next one starts from the best. Questions that stay unsolved come first and get more simulations.

    results/rstar/
    ├── config.yaml, run.json, metrics.jsonl, rounds.md     the table of rounds
    ├── round_1/, round_2/, ...     whole: txt2sql ask --model results/rstar/round_2 --search 100
    └── rounds/<k>/                 trees.jsonl, traces/, policy/, held_out.jsonl: where to go on

Every stage leaves a whole file or folder, or rows, so a run that was killed at any moment goes on where
it was when the same command is given again.

>>> evolve(RStarConfig(evolution=EvolutionSettings(num_rounds=2)))  # doctest: +SKIP
PosixPath('results/rstar/round_2')
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from txt2sql.config import as_mapping
from txt2sql.data import DATASETS
from txt2sql.models import torch_engine
from txt2sql.models.catalog import resolve
from txt2sql.models.ppm import FACTS, WEIGHTS, save_preference
from txt2sql.models.weights import load_weights
from txt2sql.runs import append_row, open_run, read_rows, write_atomically
from txt2sql.training import ppm, sft
from txt2sql.training.cot_synthesis import (
    Trace,
    bootstrap,
    hardness_of,
    stratified,
    traces,
    write_traces,
)
from txt2sql.training.folders import replace_folder
from txt2sql.training.ppm_pairs import Grown, solved
from txt2sql.training.rollouts import Job, Row, batched, rollouts
from txt2sql.training.rstar_settings import RolloutSettings, RStarConfig
from txt2sql.training.searcher import Searcher, open_searcher
from txt2sql.training.self_evolution_plan import Planned
from txt2sql.training.self_evolution_rounds import Round, promoted, rounds_of, table, told
from txt2sql.training.sft_model import LARGE
from txt2sql.training.sft_settings import Adapter, SFTConfig
from txt2sql.training.tracking import Progress, Tracker, silent
from txt2sql.types import Prompt

_TOGETHER = 32
"""Questions that get a greedy answer at a time."""
_OF_A_ROUND = (FACTS, WEIGHTS, "round.json", "trained.json")
"""What lies in a round's folder beside its policy."""
_CHANGEABLE: Mapping[str, Any] = {
    "output_dir": "",
    "data": None,
    "threads": None,
    "use_wandb": False,
    "rollouts": RolloutSettings(),
}


def evolve(
    config: RStarConfig, report: Callable[[str], None] = print, progress: Progress = silent
) -> Path | None:
    """Run all rounds, or go on with the run in its folder: the folder of the promoted round, or of the
    last where none was better than the base. None when SIGTERM ended a fine-tuning before its end.

    Raises a child of Text2SQLError for what a person can mend.
    """
    output = Path(config.output_dir).expanduser()
    if config.threads:
        torch.set_num_threads(config.threads)
    resolve(config.model)  # what is misspelt is told before anything is written
    run = Evolution(config, output, report, progress)
    open_run(output, _identity(config), config.seed)
    run.measured(0)
    for number in range(1, config.evolution.num_rounds + 1):
        if not (output / f"round_{number}" / "round.json").is_file() and not run.round(number):
            return None
        run.tell(number)
    best = promoted(rounds_of(output)) or config.evolution.num_rounds
    return output / f"round_{best}"


def _identity(config: RStarConfig) -> dict[str, Any]:
    """The settings that decide what comes out; a run may be made longer."""
    settings = as_mapping(replace(config, **_CHANGEABLE))
    del settings["evolution"]["num_rounds"]
    return settings


class Evolution(Planned):
    """One run: what each round does, in its order."""

    def __init__(
        self, config: RStarConfig, output: Path, report: Callable[[str], None], progress: Progress
    ) -> None:
        super().__init__(config, output)
        self.report, self.progress = report, progress
        self.started = time.monotonic()
        self.done = 0

    def round(self, number: int) -> bool:
        """All of a round; False when fine-tuning was stopped."""
        work = self.work(number)
        work.mkdir(parents=True, exist_ok=True)
        self.screen(number)
        self.grow(number)
        if not (work / "traces" / "traces.jsonl").is_file():
            self.report(f"round {number}: {self.synthesise(number)}")
        if not self.train_policy(number):
            return False
        if not (work / "checkpoint" / "trained.json").is_file():
            self.train_preference(number)
        found = self.measured(number)
        before = [each for each in rounds_of(self.output) if each.number < number]
        better = found["search"] > max(
            [self.measured(0)["search"], *(each.search for each in before)]
        )
        noted = json.loads((work / "checkpoint" / "trained.json").read_text(encoding="utf-8"))
        tuned = self.fine_tuned(number)["greedy"]
        row = Round(number=number, promoted=better, fine_tuned=tuned, **found, **noted, **self._coverage(number))  # fmt: skip
        write_atomically(work / "checkpoint" / "round.json", json.dumps(as_mapping(row), indent=1) + "\n")  # fmt: skip
        replace_folder(work / "checkpoint", self.output / f"round_{number}")
        self.done += 1
        self.report(told(row, self.config.evolution.num_rounds, self.started, self.done))
        return True

    def policy(self, number: int) -> Path | str:
        """The folder that round `number` searches with: the best before it, at first the base."""
        best = self._best(number)
        return self.output / f"round_{best}" if best else self.config.model

    def _best(self, number: int) -> int:
        """The promoted round before `number`; 0: the base."""
        return promoted([each for each in rounds_of(self.output) if each.number < number])

    def _rollouts(self, policy: Path | str, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[Row]]]:
        # Others may work in another folder, and have no TXT2SQL_DATA.
        if isinstance(policy, Path) or ("/" in policy and Path(policy).is_dir()):
            policy = Path(policy).resolve()
        config, root = self.config, self.questions.dataset.root.resolve()
        if config.dataset in DATASETS:
            config = replace(config, data=str(root.parent))
        else:
            config = replace(config, dataset=str(root))
        return rollouts(config, policy, jobs, lambda: open_searcher(policy, self.questions, config))

    # -- search on training questions

    def screen(self, number: int) -> None:
        """Find questions that the policy gets wrong, among new ones: trees of these teach the most."""
        file = self.work(number) / "screened.jsonl"
        known = {row["question_id"] for row in read_rows(file)}
        before = {*self.failures(number), *self.screened(number - 1)}
        new = [example.id for example in self.order(number) if example.id not in before]
        chosen = new[: self.config.evolution.screened]
        jobs = [
            Job("screen", ids) for ids in batched(chosen, _TOGETHER) if not known.issuperset(ids)
        ]
        if not jobs:
            return
        right = made = 0
        with self.progress(f"round {number}: screening", sum(len(job.ids) for job in jobs)) as advance:  # fmt: skip
            for _, rows in self._rollouts(self.policy(number), jobs):
                for row in rows:
                    if row["question_id"] not in known:
                        append_row(file, row)
                    right += row["right"]
                    made += 1
                    advance(f"{right / made:.0%} right")

    def grow(self, number: int) -> None:
        """Search what is left to search of a round's questions.

        Questions are always searched beside the same others, so that a run that goes on grows the same
        trees, down to the last bit of what the model computes.
        """
        file = self.work(number) / "trees.jsonl"
        known = {row["question_id"] for row in read_rows(file)}
        planned: dict[int, list[str]] = defaultdict(list)
        for example, simulations in self.plan(number):
            planned[simulations].append(example.id)
        together = self.config.evolution.together
        jobs = [
            Job("grow", ids, simulations)
            for simulations, questions in sorted(planned.items())
            for ids in batched(questions, together)
            if not known.issuperset(ids)
        ]
        count = sum(each not in known for job in jobs for each in job.ids)
        right = made = 0
        with self.progress(f"round {number}: searching", count) as advance:
            for _, rows in self._rollouts(self.policy(number), jobs):
                for row in rows:
                    if row["question_id"] not in known:
                        append_row(file, row)
                        right += solved(row)
                        made += 1
                        advance(f"{right / made:.0%} solved")

    def synthesise(self, number: int) -> str:
        """Write the traces that a round learns from; what they are, in words."""
        config, dataset = self.config, self.questions.dataset
        newest = {tree.question_id: tree for k in range(1, number + 1) for tree in self.trees(k)}
        found: list[Trace] = []
        for tree in newest.values():
            example = self.by_id[tree.question_id]
            level = hardness_of(example, dataset.schema(example.db_id))
            found += traces(tree, example, level, config.evolution.per_question)
        right = sum(tree.solved for tree in newest.values())
        if right < config.evolution.bootstrap_below * len(newest):
            found += self._from_gold(newest)
        kept = stratified(found, config.evolution.cot_examples_per_round, config.seed + number)
        write_traces(kept, dataset, self.work(number) / "traces")
        own = sum(trace.source == "search" for trace in kept)
        return f"{own} traces from search, {len(kept) - own} from gold queries"

    def _from_gold(self, newest: Mapping[str, Grown]) -> Iterator[Trace]:
        from txt2sql.execution.execute import execute

        dataset = self.questions.dataset
        for tree in newest.values():
            if tree.solved:
                continue
            example, database = self.by_id[tree.question_id], dataset.database(tree.db_id)
            schema = dataset.schema(tree.db_id)
            level = hardness_of(example, schema)
            trace = bootstrap(example, schema, lambda sql, at=database: execute(at, sql), level)  # type: ignore[misc]
            if trace is not None:
                yield trace

    # -- policy and preference model

    def train_policy(self, number: int) -> bool:
        """Fine-tune the base on the traces, or go on with it; False when it was stopped."""
        folder = self.work(number) / "policy"
        if (folder / "finished.json").is_file():
            return True
        training = self.config.policy_training
        whole = training.method == "full"
        if training.method == "auto":
            whole = (
                int(load_weights(self.config.model, dtype="auto").model.num_parameters()) < LARGE
            )
        settings = SFTConfig(
            model=self.config.model, output=str(folder), measured=0, seed=self.config.seed,
            datasets=(str(self.work(number) / "traces"),), epochs=training.epochs,
            learning_rate=training.learning_rate, batch_tokens=training.batch_tokens,
            accumulate=training.accumulate, max_length=training.max_length,
            adapter=None if whole else Adapter(), final="last", threads=self.config.threads,
        )  # fmt: skip
        return sft.train(settings, self.report, self.progress) is not None

    def kept(self, number: int) -> Path:
        """The policy of a round: the fine-tuned one, or that it searched with, where that one answers
        more of the held-out questions by itself. A base that lies in no folder is not copied."""
        before = resolve(self.policy(number)).folder
        greedy = self.measured(self._best(number))["greedy"]
        if before and self.fine_tuned(number)["greedy"] < greedy:
            return before
        return self.work(number) / "policy" / "model"

    def train_preference(self, number: int) -> None:
        """A round's policy with a preference model of all trees so far, the newest of each question."""
        work = self.work(number)
        replace_folder(self.kept(number), work / "checkpoint", without=_OF_A_ROUND)
        policy = torch_engine.load(work / "checkpoint")
        searcher = Searcher(policy, None, self.questions, self.config)
        newest = {tree.question_id: tree for k in range(1, number + 1) for tree in self.trees(k)}
        trees, settings = list(newest.values()), self.config.ppm

        def prompts(tree: Grown) -> Prompt:
            return searcher.direct.prompt(self.by_id[tree.question_id])

        preference = ppm.train(policy, trees, prompts, settings, self.config.seed, self.progress)
        if preference is None:
            self.report(f"round {number}: no tree holds a right and a wrong answer; no PPM")
        else:
            save_preference(preference, work / "checkpoint")
        write_atomically(work / "checkpoint" / "trained.json", json.dumps(ppm.facts(preference)) + "\n")  # fmt: skip

    # -- measuring

    def measured(self, number: int) -> dict[str, Any]:
        """Greedy, searched and any answer (oracle) on held-out questions, of the base (0) or a round."""
        policy = self.work(number) / "checkpoint" if number else self.config.model
        return self._measured(number, policy, "held_out.jsonl")

    def fine_tuned(self, number: int) -> dict[str, Any]:
        """The same of the policy that a round has fine-tuned, without a preference model."""
        return self._measured(number, self.work(number) / "policy" / "model", "fine_tuned.jsonl")

    def _measured(self, number: int, policy: Path | str, name: str) -> dict[str, Any]:
        work = self.work(number)
        work.mkdir(parents=True, exist_ok=True)
        file = work / name
        known = {row["id"]: row for row in read_rows(file)}
        asked = list(self.questions.held_out)
        random.Random(f"{self.config.seed} measured").shuffle(asked)
        asked = asked[: self.config.evolution.measured]
        jobs = [
            Job("measure", ids)
            for ids in batched([example.id for example in asked], self.config.evolution.together)
            if not known.keys() >= set(ids)
        ]
        if jobs:
            count = sum(each not in known for job in jobs for each in job.ids)
            with self.progress(f"round {number}: measuring", count) as advance:
                for _, found in self._rollouts(policy, jobs):
                    for row in found:
                        if row["id"] not in known:
                            known[row["id"]] = row
                            append_row(file, row)
                            advance("")
        rows = [known[example.id] for example in asked]
        means = {
            key: sum(r[key] for r in rows) / len(rows) for key in ("greedy", "search", "oracle")
        }
        return {**means, "n": len(rows)}

    def _coverage(self, number: int) -> dict[str, Any]:
        ever: dict[str, bool] = {}
        for k in range(1, number + 1):
            for question, found in self.solved(k).items():
                ever[question] = ever.get(question, False) or found
        kept = sum(1 for _ in read_rows(self.work(number) / "traces" / "traces.jsonl"))
        share = sum(ever.values()) / len(ever)
        return {"searched": len(ever), "coverage": share, "traces": kept}

    def tell(self, number: int) -> None:
        """Bring the table and the logs up to date with a round that is done."""
        rows = [each for each in rounds_of(self.output) if each.number <= number]
        write_atomically(self.output / "rounds.md", table(rows, self.measured(0)))
        tracker = Tracker(self.output, as_mapping(self.config), number - 1, use_wandb=self.config.use_wandb)  # fmt: skip
        numbers = {k: v for k, v in as_mapping(rows[-1]).items() if isinstance(v, (int, float))}
        tracker.log({"step": number, **{k: float(v) for k, v in numbers.items() if k != "number"}})
        tracker.close()
