#!/usr/bin/env python
"""Build the analysts' data set: python data/scripts/build_analysts.py FOLDER

Questions as people put them about invented databases, to train on: `data/analysts/NAME.sql` makes a
database, `NAME.jsonl` holds its questions. FOLDER gets them in Spider's layout, with the questions of
`unanswerable.json` that are not held out for confidence: their SQL is `SELECT NULL`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from contextlib import closing
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "analysts"


def main() -> None:
    """Parse the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    items = []
    for script in sorted(SOURCES.glob("*.sql")):
        database = folder / "database" / script.stem / f"{script.stem}.sqlite"
        database.parent.mkdir(parents=True, exist_ok=True)
        database.unlink(missing_ok=True)
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(script.read_text(encoding="utf-8"))
        lines = script.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
        items += [{"db_id": script.stem, **json.loads(line)} for line in lines]
    unanswerable = json.loads((SOURCES / "unanswerable.json").read_text(encoding="utf-8"))
    items += [
        {"db_id": each["db_id"], "question": each["question"], "sql": "SELECT NULL"}
        for each in unanswerable
        if not each["held_out"]
    ]
    text = json.dumps(items, ensure_ascii=False, indent=1)
    (folder / "train.json").write_text(text + "\n", encoding="utf-8")
    print(
        f"{len(items):,} questions about {len(list(SOURCES.glob('*.sql')))} databases in {folder}"
    )


if __name__ == "__main__":
    main()
