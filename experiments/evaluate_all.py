"""Compare every model and strategy in one table: what `txt2sql evaluate-all` does; see --help.

python experiments/evaluate_all.py
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["evaluate-all", *sys.argv[1:]])
