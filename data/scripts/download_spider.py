"""Download Spider into data/raw/spider, or from --source URL|zip|tar|folder; see --help.

python data/scripts/download_spider.py
"""

import sys

from txt2sql.cli.main import main

if __name__ == "__main__":
    main(["data", "download", "spider", *sys.argv[1:]])
