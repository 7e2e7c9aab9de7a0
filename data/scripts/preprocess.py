"""Run every gold query and write data/processed/<dataset>/<split>.jsonl; see --help.

python data/scripts/preprocess.py
python data/scripts/preprocess.py --dataset spider --split dev
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["data", "preprocess", *sys.argv[1:]])
