"""Fine-tune a model for text-to-SQL with LoRA: what `txt2sql train lora` does; see --help.

python experiments/train_lora.py --model phi-2 --epochs 3
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["train", "lora", *sys.argv[1:]])
