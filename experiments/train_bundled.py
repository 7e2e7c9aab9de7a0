#!/usr/bin/env python
"""Train the bundled model's adapter: python experiments/train_bundled.py [CONFIG] [--data DIR] [--set KEY=VALUE]

Run it again to go on with a run that was stopped. What CONFIG names must be there: the base and the
data sets (docs/bundled-model.md).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from txt2sql.config import load
from txt2sql.training.activated import ActivatedConfig, train


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("config", nargs="?", type=Path, default=Path("config/bundled_model.yaml"))
    parser.add_argument("--data", help="root that holds spider/, wikisql/ and the others")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    config = load(ActivatedConfig, given.config, given.set)
    print(train(replace(config, data=given.data) if given.data else config))


if __name__ == "__main__":
    main()
