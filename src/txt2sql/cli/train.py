"""`txt2sql train lora|dora|qlora|rslora|full|grpo|rstar`: fine-tune a model on questions with SQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from txt2sql.cli.options import JsonOption, SetOption, flag, grouped, option, overrides

CONFIG = Path("config") / "training_config.yaml"
MODELS = Path("config") / "model_config.yaml"
RSTAR = Path("config") / "rstar_config.yaml"

app = typer.Typer(
    help="Fine-tune a model on questions with SQL, on what its answers return, or by rounds of search.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True)
class RunOptions:
    model: str | None = option(
        "Name or folder  [default: bundled]", setting="model", metavar="NAME"
    )
    data: Path | None = option(
        "Root that holds spider/ and wikisql/.", setting="data", metavar="DIR"
    )
    output: Path | None = option(
        "The run's folder  [default: one in results/]",
        "--output", "--output_dir", setting="output", metavar="FOLDER",
    )  # fmt: skip
    epochs: float | None = option("Passes over the data.", setting="epochs")
    learning_rate: float | None = option("The highest of the schedule.", setting="learning_rate")
    seed: int | None = option("Of adapters, order and sampling.", setting="seed")
    use_wandb: bool = flag(
        "Log to Weights & Biases, too; offline if need be.", "--use_wandb", "use_wandb"
    )
    json: JsonOption = False
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML  [default: that of the method in config/]"),
    ] = None
    settings: SetOption = None


@dataclass(frozen=True)
class TrainingOptions:
    """What all methods but rStar-SQL take besides."""

    dataset: list[str] | None = option(
        "Name or folder; repeatable.", "--dataset", setting="datasets", metavar="NAME"
    )
    max_steps: int | None = option("Stop after so many steps.", setting="max_steps")
    limit: int | None = option("At most so many examples of each data set.", setting="limit")
    push_to_hub: str | None = option("Upload it.", setting="push_to_hub", metavar="OWNER/NAME")
    resume: bool = flag("Go on, and fail where there is no run to.", "--resume")
    dry_run: bool = option(
        "Print what would be done, and stop.", "--dry-run", "--dry_run", default=False
    )


@dataclass(frozen=True)
class TuningOptions:
    batch_tokens: int | None = option("Tokens a device reads at once.", setting="batch_tokens")
    accumulate: int | None = option("Batches of one step.", setting="accumulate")
    measure_split: str | None = option(
        "Measure on a split instead of held-out databases.",
        setting="measure_split",
        metavar="SPLIT",
    )


@dataclass(frozen=True)
class GRPOOptions:
    """What GRPO takes besides; a fine-tuned --model is learnt on top of."""

    preset: Literal["mission", "recommended"] = option(
        "mission: KL 0.1; recommended: as the literature has it.", default="mission"
    )
    rewards: Literal["mission", "sparse", "dense"] | None = option(
        "The rewards of an answer  [default: the preset's]"
    )
    group: int | None = option("Answers to a question.", setting="group")
    prompts: int | None = option("Questions of a step.", setting="prompts")
    kl: float | None = option("Weight of KL to the reference.", setting="kl")
    dora: bool = flag("A DoRA adapter instead of LoRA.", "--dora", "adapter.dora")


@dataclass(frozen=True)
class RStarOptions:
    dataset: str | None = option(
        "Name or folder  [default: spider]", setting="dataset", metavar="NAME"
    )
    num_rounds: int | None = option("Rounds.", setting="evolution.num_rounds")
    mcts_simulations: int | None = option(
        "Simulations of a question.", "--mcts_simulations", setting="mcts.num_simulations"
    )
    cot_examples: int | None = option(
        "Traces of a round, at most.", "--cot_examples", setting="evolution.cot_examples_per_round"
    )


_OF_RSTAR = {
    "output": "output_dir",
    "epochs": "policy_training.epochs",
    "learning_rate": "policy_training.learning_rate",
}
"""Settings of every run -> what they are called in the configuration of rStar-SQL."""

_report = partial(typer.echo, err=True)


def _there(file: Path) -> Path | None:
    return file if file.is_file() else None  # an installed txt2sql has its own defaults


def _show(planned: Any, as_json: bool) -> None:
    typer.echo(json.dumps(planned.as_mapping(), indent=2) if as_json else str(planned))


def _finish(folder: Path | None, as_json: bool) -> None:
    """Print where the model lies; None: the run was stopped and has said so, which is no success."""
    if folder is None:
        raise typer.Exit(1)
    typer.echo(json.dumps({"model": str(folder)}) if as_json else folder)


METHODS = {
    "lora": ("LoRA", "small matrices beside frozen weights"),
    "dora": ("DoRA", "LoRA that also learns the length of each weight vector"),
    "qlora": ("QLoRA", "LoRA beside weights in 4 bits"),
    "rslora": ("rsLoRA", "LoRA scaled for high ranks"),
    "full": ("full fine-tuning", "every weight"),
}

_HELP = """Fine-tune with {1}: {2}; type the same command again to go on with a run that was stopped.

    The finished model lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql train {0} --model phi-2 --epochs 3
      txt2sql train {0} --model phi-2 --dry-run
      txt2sql train {0} --dataset my_data --measure_split dev --output results/mine
    """


def _tuning(section: str) -> Callable[..., None]:
    def train(run: RunOptions, training: TrainingOptions, tuning: TuningOptions) -> None:
        from txt2sql.cli.progress import steps
        from txt2sql.training.settings import load_sft

        changes = overrides(run, training, tuning, assignments=run.settings)
        settings = load_sft(section, run.config or _there(CONFIG), _there(MODELS), changes)
        if training.dry_run:
            from txt2sql.training.plan import plan

            _show(plan(settings, steps), run.json)
            return
        from txt2sql.training.sft import train

        _finish(train(settings, _report, steps, resume=training.resume), run.json)

    train.__doc__ = _HELP.format(section, *METHODS[section])
    return grouped(train)


for _section in METHODS:
    app.command(_section)(_tuning(_section))


@app.command()
@grouped
def grpo(run: RunOptions, training: TrainingOptions, options: GRPOOptions) -> None:
    """Train with GRPO: answers are sampled, executed, and the better ones made likelier; type the same
    command again to go on with a run that was stopped.

    Where --model is a fine-tuned adapter, a new one is trained on top of it. The finished adapter lies in OUTPUT/model; `txt2sql ask --model OUTPUT/model` asks it.

    \b
    Examples:
      txt2sql train grpo --model mistral-7b --epochs 5
      txt2sql train grpo --model results/lora-phi-2/model --preset recommended
      txt2sql train grpo --dora --set temperature=0.8 --set trl.loss_type=dapo
    """
    from txt2sql.cli.progress import steps
    from txt2sql.training.grpo import plan, train
    from txt2sql.training.rewards import PRESETS
    from txt2sql.training.settings import GRPO_SECTIONS, load_grpo

    changes = overrides(run, training, options)
    if options.rewards:
        changes.append(f"rewards={json.dumps(dict(PRESETS[options.rewards]))}")
    settings = load_grpo(
        GRPO_SECTIONS[options.preset],
        run.config or _there(CONFIG),
        _there(MODELS),
        [*changes, *(run.settings or ())],
    )
    if training.dry_run:
        _show(plan(settings), run.json)
        return
    _finish(train(settings, _report, steps, resume=training.resume), run.json)


@app.command()
@grouped
def rstar(run: RunOptions, options: RStarOptions) -> None:
    """Let a model teach itself by search: search, keep what is right, learn from it, search better; type
    the same command again to go on with a run that was stopped.

    Each round is a whole model with a preference model beside it: `txt2sql ask --search 100 --model
    OUTPUT/round_2`. Only training questions are ever opened, and some databases of theirs only measure.

    \b
    Examples:
      txt2sql train rstar --model phi-2 --num_rounds 5 --mcts_simulations 100
      txt2sql train rstar --set ppm.shuffled=true --output results/rstar-shuffled
    """
    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.settings import RStarConfig

    given = (change.partition("=") for change in overrides(run, options))
    changes = [f"{_OF_RSTAR.get(key, key)}={value}" for key, _, value in given]
    settings = load(RStarConfig, run.config or _there(RSTAR), [*changes, *(run.settings or ())])

    from txt2sql.training.self_evolution import evolve

    _finish(evolve(settings, _report, steps), run.json)
