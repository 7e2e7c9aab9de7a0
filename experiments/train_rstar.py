"""Let a model teach itself by search (rStar-SQL): what `txt2sql train rstar` does; see --help.

python experiments/train_rstar.py --model phi-2 --num_rounds 5 --mcts_simulations 100
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["train", "rstar", *sys.argv[1:]])
