"""`txt2sql train rstar`: rounds of self-evolution by search (rStar-SQL).

$ txt2sql train rstar --model phi-2 --num_rounds 5 --mcts_simulations 100
$ txt2sql train rstar --config config/rstar_config.yaml --output_dir checkpoints/rstar
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from txt2sql.cli.options import DataOption, JsonOption
from txt2sql.cli.train_options import RSTAR, SetOption, WandbOption, existing, finished, overrides


def rstar(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The base: short name, hub id or folder  [default: bundled]"
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="spider or a folder  [default: spider]")
    ] = None,
    data: DataOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "--output_dir",
            metavar="FOLDER",
            help="The run's folder  [default: results/rstar]",
        ),
    ] = None,
    num_rounds: Annotated[int | None, typer.Option("--num_rounds", help="Rounds.")] = None,
    mcts_simulations: Annotated[
        int | None, typer.Option("--mcts_simulations", help="Simulations of a question.")
    ] = None,
    cot_examples: Annotated[
        int | None, typer.Option("--cot_examples", help="Traces of a round, at most.")
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Of the policy, in a round.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning_rate", help="Of the policy.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of questions, search and training.")] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Processes that search; on a Ray cluster, its GPUs or CPUs."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Search on a Ray cluster: an address, auto, or local."
        ),
    ] = None,
    use_wandb: WandbOption = False,
    as_json: JsonOption = False,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YAML  [default: config/rstar_config.yaml]"),
    ] = None,
    settings: SetOption = None,
) -> None:
    """Let a model teach itself by search: search, keep what is right, learn from it, search better; type
    the same command again to go on with a run that was stopped.

    Each round is a whole model with a preference model beside it: `txt2sql ask --search 100 --model
    OUTPUT/round_2`. Only training questions are ever opened, and some databases of theirs only measure.

    \b
    Examples:
      txt2sql train rstar --model phi-2 --num_rounds 5 --mcts_simulations 100
      txt2sql train rstar --cot_examples 200 --set evolution.measured=100
      txt2sql train rstar --set ppm.shuffled=true --output results/rstar-shuffled
      txt2sql train rstar --model phi-2 --ray auto
    """
    given = {
        "model": model, "dataset": dataset, "data": data, "output_dir": output, "seed": seed,
        "evolution.num_rounds": num_rounds, "mcts.num_simulations": mcts_simulations,
        "evolution.cot_examples_per_round": cot_examples, "policy_training.epochs": epochs,
        "policy_training.learning_rate": learning_rate,
        "rollouts.processes": processes, "rollouts.ray": ray,
        "use_wandb": use_wandb,
    }  # fmt: skip

    from txt2sql.cli.progress import steps
    from txt2sql.config import load
    from txt2sql.training.rstar_settings import RStarConfig

    chosen = load(RStarConfig, config or existing(RSTAR), overrides(given, settings))

    from txt2sql.training.self_evolution import evolve

    finished(evolve(chosen, partial(typer.echo, err=True), steps), as_json=as_json)
