"""Keys of hosted models (credentials): where they are found, and that they are never shown.

A key comes from config/api_keys.yaml, else from the provider's usual environment variable. `Keys` has
no readable repr, and takes keys out of any text before it is raised, logged or kept: the very keys in
use, and whatever is shaped like one (a server may quote the header it was sent).

>>> Keys({}).mask("401: bad key sk-proj-0123456789abcdefghij")
'401: bad key [key]'
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from txt2sql.errors import ConfigError

FILE = Path("config") / "api_keys.yaml"

VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "openai": {"api_key": ("OPENAI_API_KEY",)},
    "anthropic": {"api_key": ("ANTHROPIC_API_KEY",)},
    "gemini": {"api_key": ("GEMINI_API_KEY", "GOOGLE_API_KEY")},
    "openrouter": {"api_key": ("OPENROUTER_API_KEY",)},
    "azure": {
        "api_key": ("AZURE_API_KEY",),
        "api_base": ("AZURE_API_BASE",),
        "api_version": ("AZURE_API_VERSION",),
    },
    "bedrock": {
        "aws_access_key_id": ("AWS_ACCESS_KEY_ID",),
        "aws_secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
        "aws_region_name": ("AWS_REGION_NAME", "AWS_REGION"),
    },
    "compatible": {"api_key": ("TXT2SQL_API_KEY",)},
}
"""Provider -> litellm's argument -> environment variables that may hold it. `compatible` is any server
that is named by its address: it must not be handed the key of the provider whose protocol it speaks."""

_KEYLESS = ("hosted_vllm", "ollama", "ollama_chat", "llamafile", "lm_studio")
_NOT_SECRET = ("api_base", "api_version", "aws_region_name")
_SHAPES = re.compile(
    r"""\b(?:sk|pk|rk|gsk|xai|hf|ghp|r8)[-_][A-Za-z0-9_-]{16,}   # OpenAI, Anthropic, OpenRouter, ...
    |\bAIza[A-Za-z0-9_-]{20,}                                    # Google
    |\b(?:AKIA|ASIA)[A-Z0-9]{12,}                                # Amazon
    |(?<=Bearer\ )[A-Za-z0-9._~+/-]{12,}=*
    |(?<=://)[^/\s@]+(?=@)                                       # user:password@host
    |(?<=[?&]key=)[^&\s"']+""",
    re.VERBOSE,
)
_MASK = "[key]"


class Keys:
    """The credentials of one provider; printing them shows only which arguments there are."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self._arguments = dict(arguments)

    def __repr__(self) -> str:
        return f"Keys({', '.join(sorted(self._arguments))})"

    def arguments(self) -> dict[str, str]:
        """The keyword arguments for litellm."""
        return dict(self._arguments)

    def mask(self, text: str, *, shapes: bool = True) -> str:
        """The text with these keys masked, and, with `shapes`, whatever is shaped like a key."""
        secrets = {value for name, value in self._arguments.items() if name not in _NOT_SECRET}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) > 5:  # "none", the key of a server that wants no key, is a word
                text = text.replace(secret, _MASK)
        return _SHAPES.sub(_MASK, text) if shapes else text


def find_keys(provider: str, file: Path = FILE, *, api_base: str = "") -> Keys | None:
    """The keys of a provider from a file, else the environment.

    None where there are none. A server named by its address and local runtimes may need no key.
    """
    import yaml

    provider = "compatible" if api_base else provider
    wanted = VARIABLES.get(provider, {"api_key": (f"{provider.upper()}_API_KEY",)})
    try:
        tree = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the file of keys '{file}': {error}") from None
    except yaml.YAMLError as error:
        # The message of a parser quotes the line it stumbled over, which holds a key.
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
        raise ConfigError(f"the file of keys '{file}' is not valid YAML{where}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"the file of keys '{file}' should hold 'provider: key' lines")
    entry = tree.get(provider) or {}
    entry = {"api_key": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not all(isinstance(v, str | None) for v in entry.values()):
        raise ConfigError(f"the entry '{provider}' of the file of keys should be text in quotes")
    if unknown := set(entry) - set(wanted):
        raise ConfigError(
            f"the entry '{provider}' of the file of keys has {', '.join(sorted(unknown))}; "
            f"it may have {', '.join(wanted)}"
        )
    arguments = {}
    for argument, variables in wanted.items():
        if value := entry.get(argument) or next(filter(None, map(os.environ.get, variables)), ""):
            arguments[argument] = value.strip()
    if provider in ("compatible", *_KEYLESS):
        return Keys({"api_key": "none", **arguments})  # some clients insist on sending one
    return Keys(arguments) if set(wanted) - set(_NOT_SECRET) <= set(arguments) else None


def warning(file: Path = FILE) -> str:
    """A sentence where other users of this machine can read the file of keys, else ""."""
    if os.name == "posix" and file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return f"others can read '{file}'; run: chmod 600 {file}"
    return ""
