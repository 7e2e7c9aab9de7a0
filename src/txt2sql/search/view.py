"""A searched tree as one HTML file: no server, no network, read with mouse, keys or screen reader.

Takes the JSON of `trajectory.as_json`; the page draws it itself with tree.js and tree.css, which the web
page of the service loads too, so the file also carries the data.
Arrow keys walk the tree, Enter shows a step's details, `c` the chosen path; light and dark follow the
system.

>>> "<title>How many shops?" in as_html({"question": "How many shops?", "nodes": [], "path": []})
True
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any


def as_html(tree: Mapping[str, Any]) -> str:
    """The page of one tree. What a model or a database wrote is text on it, never markup."""
    room = resources.files("txt2sql.search")
    parts = {
        "title": html.escape(str(tree["question"])),
        "style": room.joinpath("tree.css").read_text(encoding="utf-8"),
        "script": room.joinpath("tree.js").read_text(encoding="utf-8"),
        "data": json.dumps(tree).replace("<", "\\u003c"),
    }
    page = room.joinpath("tree.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)
