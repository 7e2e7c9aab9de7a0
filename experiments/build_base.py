#!/usr/bin/env python
"""Quantise a base for adapters: python experiments/build_base.py SOURCE OUTPUT [--data DIR]

SOURCE is a GGUF file, a folder or a hub id; OUTPUT gets the model as transformers loads it and, under
onnx/, as it answers. Half an hour on two cores for a model of half a billion parameters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from txt2sql.training.base import build


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source")
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--data", type=Path, help="root that holds spider/, wikisql/ and the others"
    )
    given = parser.parse_args()
    print(build(given.source, given.output, data=given.data))


if __name__ == "__main__":
    main()
