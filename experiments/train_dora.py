"""Fine-tune a model for text-to-SQL with DoRA: what `txt2sql train dora` does; see --help.

python experiments/train_dora.py --model phi-2 --epochs 3
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["train", "dora", *sys.argv[1:]])
