"""Train a model for text-to-SQL with GRPO: what `txt2sql train grpo` does; see --help.

python experiments/train_grpo.py --model mistral-7b --epochs 5
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["train", "grpo", *sys.argv[1:]])
