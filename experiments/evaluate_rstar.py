"""Measure a round of self-evolution with search: what `txt2sql evaluate --search N` does; see --help.

python experiments/evaluate_rstar.py --model checkpoints/rstar/round_5 --dataset spider \
    --mcts_simulations 100 --save_predictions

--save_predictions names the folder of predictions.jsonl, trees.jsonl and the report:
results/rstar-<round>/<data set>-<simulations>; without it the name is made up of what is run.
"""

import argparse
from pathlib import Path

from txt2sql.cli.main import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Other options go to `txt2sql evaluate`.", allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", default="spider")
    parser.add_argument("--mcts_simulations", type=int, default=100)
    parser.add_argument("--save_predictions", action="store_true")
    asked, rest = parser.parse_known_args()
    command = ["evaluate", "--model", asked.model, "--dataset", asked.dataset]
    command += ["--search", str(asked.mcts_simulations), *rest]
    if asked.save_predictions:
        name = f"{Path(asked.dataset).name}-{asked.mcts_simulations}"
        home = Path("results") / f"rstar-{Path(asked.model).name}"
        command += ["--output", str(home / name)]
    main(command)
