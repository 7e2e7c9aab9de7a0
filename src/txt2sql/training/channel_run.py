"""A model that reads answers back, made for a policy: `txt2sql train channel`.

    results/channel-bundled/
    ├── config.yaml, run.json
    ├── adapter/            the adapter while it is trained, and its checkpoint
    ├── searched.jsonl      judged trees of training questions, with channel.searched
    ├── held_out.jsonl      judged trees of questions over databases that nobody was trained on
    └── model/              the policy with its channel model: txt2sql ask --model ... --search 100

Training questions come through `cot_synthesis.open_questions`, so none is of dev. A run that was killed
goes on when the same command is given again.

>>> run(RStarConfig(output_dir="results/channel-bundled"), Path("results/rstar"))  # doctest: +SKIP
PosixPath('results/channel-bundled/model')
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from txt2sql.config import as_mapping
from txt2sql.errors import ConfigError
from txt2sql.models import hf
from txt2sql.models.catalog import resolve
from txt2sql.models.channel import FOLDER, Channel, open_adapter
from txt2sql.models.weights import load_weights
from txt2sql.runs import append_row, open_run, read_rows
from txt2sql.training.channel import CHECKPOINT, compared, lessons, train
from txt2sql.training.channel_vote import finish
from txt2sql.training.cot_synthesis import Questions, more_questions, open_questions
from txt2sql.training.folders import replace_folder
from txt2sql.training.ppm_pairs import Grown, from_row, to_row
from txt2sql.training.prepare import Progress, silent
from txt2sql.training.rstar_settings import RStarConfig
from txt2sql.training.searcher import Searcher
from txt2sql.types import Example

_WEIGHTS = "adapter_model.safetensors"


def run(
    config: RStarConfig,
    trees_of: Path | None = None,
    report: Callable[[str], None] = print,
    progress: Progress = silent,
) -> Path:
    """Train, or go on with the run in its folder; `trees_of` is a run of self-evolution, whose trees say
    which answers are to be preferred. The folder of the policy with its channel model.

    Raises a child of Text2SQLError for what a person can mend.
    """
    policy = resolve(config.model).folder
    if policy is None:
        raise ConfigError(
            f"'{config.model}' lies in no folder, beside which its channel model could lie; fine-tune it "
            "first, or give a folder"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    output = Path(config.output_dir).expanduser()
    questions = open_questions(config)
    trees = searched(trees_of, questions) if trees_of else []
    settings = as_mapping(replace(config, output_dir="", data=None, threads=None))
    open_run(output, {**settings, "trees": len(trees)}, config.seed)
    adapter = output / "adapter"
    if not (adapter / _WEIGHTS).is_file():
        known = {tree.question_id for tree in trees}
        new = [example for example in questions.learnt if example.id not in known]
        chance = random.Random(f"{config.seed} searched")
        drawn = chance.sample(new, min(len(new), config.channel.searched))
        trees += _judged(config, questions, drawn, output / "searched.jsonl", progress)
        _train(config, questions, trees, adapter, report, progress)
    channel = open_adapter(adapter)
    asked, file = questions.held_out, output / "held_out.jsonl"
    held_out = _judged(config, questions, asked, file, progress)
    by_id = {example.id: example for example in asked}
    found = finish(channel, held_out, by_id, questions.dataset.schema, config.vote, adapter)
    kept = ", ".join(f"{k} {v:.1%}" for k, v in found.measured.items() if k != "n")
    report(f"{kept} of {found.measured['n']}; {found.exponents}")
    replace_folder(policy, output / "model", without=(FOLDER,))
    halved(adapter, output / "model" / FOLDER)
    return output / "model"


def halved(adapter: Path, folder: Path) -> None:
    """A copy of an adapter to use, in half precision; a kill leaves none or a whole one."""
    whole = load_file(adapter / _WEIGHTS)
    part = folder.with_name(f".{folder.name}.half")
    replace_folder(adapter, part, without=(CHECKPOINT, "README.md", _WEIGHTS))
    save_file({name: tensor.half() for name, tensor in whole.items()}, part / _WEIGHTS)
    replace_folder(part, folder)
    shutil.rmtree(part)


def searched(folder: Path, questions: Questions) -> list[Grown]:
    """The newest tree of each question that a run of self-evolution has searched. Raises ConfigError."""
    known = {example.id for example in questions.learnt}
    newest: dict[str, Grown] = {}
    files = sorted(folder.glob("rounds/*/trees.jsonl"), key=lambda file: int(file.parent.name))
    for file in files:
        newest |= {row["question_id"]: from_row(row) for row in read_rows(file)}
    if not newest:
        raise ConfigError(
            f"'{folder}' holds no searched trees; give the folder of a run of train rstar"
        )
    return [tree for name, tree in newest.items() if name in known]


def _train(
    config: RStarConfig,
    questions: Questions,
    trees: list[Grown],
    folder: Path,
    report: Callable[[str], None],
    progress: Progress,
) -> None:
    schema = questions.dataset.schema
    loaded = load_weights(config.model, dtype="float32")
    reader = Channel(loaded.model, loaded.tokenizer)
    examples = [(example, schema(example.db_id)) for example in questions.learnt]
    rows, more = lessons(reader, examples), lessons(reader, more_questions(config))
    by_id = {example.id: example for example in questions.learnt}
    found = compared(reader, trees, by_id, schema, config.channel.answers)
    report(
        f"{len(rows) + len(more):,} questions to teach, {len(found):,} trees with right and wrong answers"
    )
    train(
        loaded, rows, found, config.channel, folder, more=more, seed=config.seed, progress=progress
    )


def _judged(
    config: RStarConfig,
    questions: Questions,
    asked: Sequence[Example],
    file: Path,
    progress: Progress,
) -> list[Grown]:
    """The judged trees of some questions, searched with the policy; those that a file holds are kept."""
    known = {row["question_id"]: from_row(row) for row in read_rows(file)}
    left = [example for example in asked if example.id not in known]
    if left:
        searcher = Searcher(hf.load(config.model), None, questions, config)
        with progress(f"searching for {file.stem}", len(left)) as advance:
            for start in range(0, len(left), config.evolution.together):
                for tree in searcher.judged(left[start : start + config.evolution.together]):
                    known[tree.question_id] = tree
                    append_row(file, to_row(tree))
                    advance("")
    return [known[example.id] for example in asked]
