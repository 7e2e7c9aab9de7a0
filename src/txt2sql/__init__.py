"""txt2sql: ask a database questions in plain language with small language models.

The public names are looked up when they are first used, so that `import txt2sql` costs nothing.

>>> import txt2sql
>>> txt2sql.Column("name").type
'text'
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> the module that defines it.
_HOMES = {
    "Column": "types",
    "Completion": "types",
    "ConfigError": "errors",
    "DataError": "errors",
    "DatabaseError": "errors",
    "DownloadError": "errors",
    "Example": "types",
    "ForeignKey": "types",
    "Generator": "types",
    "ModelError": "errors",
    "Outcome": "types",
    "Prediction": "types",
    "Predictor": "types",
    "Prompt": "types",
    "PromptError": "errors",
    "QueryResult": "types",
    "Sampling": "types",
    "Schema": "types",
    "Table": "types",
    "Text2SQLError": "errors",
    "ValueMatch": "types",
    "Verdict": "types",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'txt2sql' has no attribute {name!r}")
    return getattr(importlib.import_module(f"txt2sql.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
