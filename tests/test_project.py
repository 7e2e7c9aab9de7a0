"""The project keeps its promises: lean imports, documented commands, files where they are said to be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import txt2sql

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "txt2sql"
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "transformers", "onnxruntime", "tokenizers", "sqlglot", "numpy", "rich")
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    "code",
    [
        "import txt2sql",
        "import txt2sql; [getattr(txt2sql, name) for name in ('Schema', 'Text2SQLError')]",
        "from txt2sql.cli.main import main; main(['--help'])",
        "from txt2sql.cli.main import main; main(['ask', '--help'])",
        "from txt2sql.cli.main import main; main(['ask', '--no-such-option'])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    report = (
        f"print('loaded:', *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = run("-c", f"import atexit, sys; atexit.register(lambda: {report})\n{code}")
    assert done.stderr.splitlines()[-1].split() == ["loaded:"], done.stderr


def test_public_names_are_sorted_and_exist() -> None:
    assert list(txt2sql.__all__) == sorted(set(txt2sql.__all__))
    for name in txt2sql.__all__:
        assert getattr(txt2sql, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        txt2sql.nothing  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring is not None
    assert len(docstring) > 30


def test_no_variable_has_a_name_that_says_nothing() -> None:
    vague = {"found", "told", "said", "asked", "kept", "worth"}
    classes = {"Lessons", "Measured", "HeldOut", "Watch", "Ruling", "Grown", "Ballot", "Room"}
    places = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""
            name = node.arg if isinstance(node, ast.arg) else name
            if name in vague or (isinstance(node, ast.ClassDef) and node.name in classes):
                places.append(f"{relative(path)}:{node.lineno}")  # type: ignore[attr-defined]
    assert places == []


def test_the_page_of_commands_is_up_to_date() -> None:
    done = run("docs/generate_cli.py", "--check")
    assert done.returncode == 0, done.stderr


def test_requirements_are_pinned_and_the_core_installs_no_torch() -> None:
    pin = re.compile(r"[A-Za-z0-9-]+(\[\w+\])?==[0-9.]+(; python_version (<|>=) \"3\.11\")?")
    for name in ("requirements-core.txt", "requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        wanted = [line for line in lines if line and not line.startswith(("#", "-r "))]
        assert [line for line in wanted if not pin.fullmatch(line)] == []
        if name == "requirements-core.txt":
            assert not {line.split("==")[0] for line in wanted} & {"torch", "transformers", "peft"}


def imported() -> set[str]:
    """The top-level packages that the source imports, the standard library left out."""
    nodes = [
        node
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names} - {*sys.stdlib_module_names, "txt2sql", ""}


def test_dependencies_are_what_is_imported_pinned_and_explained() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    extras = re.search(
        r"^\[project.optional-dependencies\](.*?)^\[", text, re.MULTILINE | re.DOTALL
    )
    assert listed is not None and extras is not None
    direct = set(re.findall(r'"([A-Za-z0-9-]+)', listed.group(1)))
    optional = {name.lower() for name in re.findall(r'"([A-Za-z0-9-]+)', extras.group(1))}
    used = {{"yaml": "pyyaml"}.get(name, name.replace("_", "-")) for name in imported()}
    assert direct - used == set(), "declared, but not imported"
    assert used - direct - optional == set(), "imported, but not declared"
    pinned = (ROOT / "requirements-core.txt").read_text(encoding="utf-8").lower()
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in direct:
        assert f"\n{name}==" in pinned, f"{name} is not pinned in requirements-core.txt"
        assert f"`{name}`" in explained, f"{name} is not explained in docs/dependencies.md"


def shell_lines(text: str) -> list[str]:
    """The commands of a Markdown text: ```bash blocks, and `$ ` lines of ```console transcripts."""
    text = text.replace("\\\n", " ")
    bash = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    console = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    typed = [line for line in "\n".join(bash).splitlines() if line.strip()]
    shown = [line[2:] for line in "\n".join(console).splitlines() if line.startswith("$ ")]
    return [line.strip() for line in typed + shown]


def test_every_command_of_the_readme_exists() -> None:
    targets = re.findall(
        r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    pages = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    seen = []
    for line in shell_lines(README):
        words = line.split(" #")[0].split()
        if words[:1] == ["make"]:
            assert words[1] in targets, line
        elif words[:1] == ["txt2sql"]:
            names = [" ".join(words[:depth]) for depth in (3, 2)]
            found = [pages[name] for name in names if name in pages]
            assert found, line
            for option in re.findall(r"(?<!\S)--[a-z-]+", line):
                assert option in found[0], line
        elif words[:1] in (["python"], ["bash"]) and not words[1].startswith("-"):
            assert (ROOT / words[1]).is_file(), line
        else:
            continue
        seen.append(words[0])
    assert {"make", "txt2sql"} <= set(seen)


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{relative(page)} links to {link}"


def test_the_make_targets_say_why_when_python_is_too_old(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "needs Python 3.10 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()
