"""A hook of MkDocs: files of the repository that a page links to become pages of the site.

A link such as `[the settings](../config/training_config.yaml)` works on a code host, where the page
lies in docs/. A site holds only what is in docs/, so the file is taken into it: Markdown as a page,
with its own links, anything else as a listing.
https://www.mkdocs.org/user-guide/configuration/#hooks

>>> listing("config/model_config.yaml", "models: {}")
'# config/model_config.yaml\\n\\n```yaml\\nmodels: {}\\n```\\n'
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[1]
TAKEN = "repository/"
"""The folder of the site that such pages are in."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)[^)#\s]+")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "bash", ".json": "json"}


def listing(name: str, text: str) -> str:
    """A page that shows a file."""
    language = LANGUAGES.get(Path(name).suffix, "text")
    return f"# {name}\n\n```{language}\n{text.rstrip()}\n```\n"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for every file outside docs/ that a page links to, and for what that links to."""
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall(files.get_file_from_path(page).content_string):
            name = _target(page, link)
            if name is None or name.startswith("docs/") or files.get_file_from_path(_place(name)):
                continue
            text = (ROOT / name).read_text(encoding="utf-8")
            content = text if name.endswith(".md") else listing(name, text)
            file = File.generated(config, _place(name), content=content)
            file.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(file)
            waiting += [file.src_uri] if name.endswith(".md") else []
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links within the repository into links within the site."""
    source = page.file.src_uri
    if page.is_top_level:
        page.meta["hide"] = ["navigation"]  # a menu of one entry

    def turned(link: re.Match[str]) -> str:
        name = _target(source, link.group())
        if name is None:
            return link.group()
        return os.path.relpath(_place(name), os.path.dirname(source) or ".")

    return LINK.sub(turned, markdown)


def _target(page: str, link: str) -> str | None:
    """The path in the repository of the file that a page of the site links to, or None."""
    home = page.removeprefix(TAKEN) if page.startswith(TAKEN) else f"docs/{page}"
    path = (ROOT / home).parent.joinpath(link).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_file() and ROOT in path.parents else None


def _place(name: str) -> str:
    """Where the site has a file of the repository."""
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"{TAKEN}{name}" if name.endswith(".md") else f"{TAKEN}{name}.md"
