"""Download WikiSQL into data/raw/wikisql, or from --source URL|zip|tar|folder; see --help.

python data/scripts/download_wikisql.py
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["data", "download", "wikisql", *sys.argv[1:]])
