"""An extension of Griffe: examples in docstrings (`>>> ...`) become blocks of code on the site.

Docstrings are read as Markdown there, in which `>>>` would quote a quotation.
https://mkdocstrings.github.io/griffe/guide/users/extending/

>>> fenced("One.\\n\\n>>> 1 + 1  # doctest: +SKIP\\n2")
'One.\\n\\n```pycon\\n>>> 1 + 1\\n2\\n```'
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)
SHELL = re.compile(r"^\$ .*(?:\n\S.*)*", re.MULTILINE)
FLAG = re.compile(r" *# doctest: .*")


def fenced(text: str) -> str:
    """The docstring with every example, and every `$ command`, in a fenced block."""
    text = EXAMPLE.sub(lambda found: _block("pycon", FLAG.sub("", found.group())), text)
    return SHELL.sub(lambda found: _block("console", found.group()), text)


def _block(language: str, text: str) -> str:
    indent = " " * (len(text) - len(text.lstrip(" ")))
    return f"{indent}```{language}\n{text}\n{indent}```"


class DoctestBlocks(Extension):
    """Rewrites docstrings as they are collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
