"""What a set of pairs is worth: hardness spread, skeleton coverage, vocabulary; and how it is stored.

Skeleton coverage is the share of the golds of Spider's training split whose skeleton (shape.skeleton)
occurs among the pairs; shapes seen only once in training count as not covered.

>>> summary(pairs, report)["levels"]  # doctest: +SKIP
{'easy': 0.25, 'medium': 0.36, 'hard': 0.2, 'extra': 0.19}
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from txt2sql.data.synthesis.mining import mined, mined_total
from txt2sql.data.synthesis.produce import Pair, Report, Source
from txt2sql.data.synthesis.shape import skeleton
from txt2sql.errors import DataError
from txt2sql.runs import write_atomically

_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
SPLIT = "train"


def coverage(shapes: Sequence[str]) -> float:
    """The share of Spider's training golds whose skeleton is one of these shapes'."""
    made = {skeleton(shape) for shape in set(shapes)}
    return sum(s.golds for s in mined() if skeleton(s.text) in made) / mined_total()


def summary(pairs: Sequence[Pair], report: Report) -> dict[str, Any]:
    """The statistics of a run, ready for JSON."""
    levels = Counter(pair.level for pair in pairs)
    words = {word for pair in pairs for word in _WORD.findall(pair.question.lower())}
    shapes = [pair.shape for pair in pairs]
    return {
        "pairs": len(pairs),
        "wanted": report.wanted,
        "databases": len({pair.db_id for pair in pairs}),
        "levels": {
            level: levels[level] / max(1, len(pairs))
            for level in ("easy", "medium", "hard", "extra")
        },
        "skeletons": len({skeleton(shape) for shape in shapes}),
        "skeleton_coverage": round(coverage(shapes), 4),
        "question_words": len(words),
        "mean_question_words": round(
            sum(len(p.question.split()) for p in pairs) / max(1, len(pairs)), 2
        ),
        "writers": dict(sorted(Counter(pair.writer for pair in pairs).items())),
        "rejected": dict(sorted(report.rejected.items(), key=lambda item: -item[1])),
        "silent": report.silent,
        "seconds": round(report.seconds, 2),
        "pairs_per_second": round(len(pairs) / max(report.seconds, 1e-9), 1),
    }


def row(pair: Pair) -> dict[str, str]:
    """One pair as Spider's files hold it."""
    return {
        "db_id": pair.db_id,
        "question": pair.question,
        "query": pair.sql,
        "hardness": pair.level,
        "skeleton": skeleton(pair.shape),
        "writer": pair.writer,
    }


def write_pairs(
    pairs: Sequence[Pair],
    output: Path,
    sources: Sequence[Source],
    entry: Callable[[str], Mapping[str, Any] | None] = lambda db_id: None,
) -> None:
    """Store pairs as `output`: JSON lines (.jsonl), or a folder in Spider's layout.

    The folder has train.json, links to the databases, and tables.json with the items that `entry`
    has for them.
    """
    rows = [row(pair) for pair in pairs]
    if output.suffix == ".jsonl":
        lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
        write_atomically(output, "".join(lines))
        return
    try:
        for source in sources:
            _link(output, source)
    except OSError as error:
        raise DataError(f"cannot link databases into '{output}' ({error}); choose another folder") from error  # fmt: skip
    entries = [found for source in sources if (found := entry(source.schema.db_id))]
    if entries:
        write_atomically(output / "tables.json", json.dumps(entries, ensure_ascii=False) + "\n")
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    write_atomically(output / f"{SPLIT}.json", text + "\n")


def _link(output: Path, source: Source) -> None:
    db_id = source.schema.db_id
    link = output / "database" / db_id / f"{db_id}.sqlite"
    target = source.database.path.resolve()
    if link.is_symlink() and link.resolve() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.symlink_to(target)
    part.replace(link)
