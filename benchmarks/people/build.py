"""Lays the people's test sets out as one folder in Spider's layout, databases built anew.

`dev` holds all questions; each set is a split of its own name, too. A set NAME is `NAME.json` (its
questions) beside `NAME.py` (which builds its database); bookshops is the sample that txt2sql brings.

    $ python benchmarks/people/build.py people
    $ txt2sql evaluate --dataset people --split dev
    $ txt2sql evaluate --dataset people --split crm

The 60 follow-up questions of `benchmarks/followups.json` are the split `followups`, and the same questions
put without the turn before are `followups_alone`.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

from txt2sql import sample

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # as for a script of that folder, wherever this one is run from
SETS = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
Items = list[dict[str, Any]]


def questions(name: str) -> Items:
    """The items of one set; those that the sample database comes with are among bookshops'."""
    files = [FOLDER / f"{name}.json"]
    files += [sample.folder() / "dev.json"] if name == sample.DB_ID else []
    return [item for file in files for item in json.loads(file.read_text(encoding="utf-8"))]


def database(name: str, path: Path) -> None:
    """Build the database of one set, in place of what lies there."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    if name == sample.DB_ID:
        shutil.copyfile(sample.path(), part)
    else:
        runpy.run_path(str(FOLDER / f"{name}.py"))["build"](part)
    part.replace(path)


def build(out: Path) -> int:
    """Write the folder; how many questions it holds."""
    everything: Items = []
    for name in SETS:
        (out / "database" / name).mkdir(parents=True, exist_ok=True)
        database(name, out / "database" / name / f"{name}.sqlite")
        items = questions(name)
        write(out / f"{name}.json", items)
        everything += items
    write(out / "dev.json", everything)
    turns: Items = json.loads((FOLDER.parent / "followups.json").read_text(encoding="utf-8"))
    alone = [{**item, "question": item["alone"], "previous": None} for item in turns]
    write(out / "followups.json", turns)
    write(out / "followups_alone.json", alone)
    return len(everything)


def write(path: Path, items: Items) -> None:
    """A split's file."""
    path.write_text(json.dumps(items, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/people/build.py FOLDER")
    target = Path(sys.argv[1])
    print(f"{build(target)} questions of {len(SETS)} databases in {target}")
