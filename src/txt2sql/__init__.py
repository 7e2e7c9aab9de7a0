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

# Module -> the public names it defines.
_HOMES = {
    "data": "open_dataset",
    "errors": "ConfigError DataError DatabaseError DownloadError ModelError PromptError "
    "Text2SQLError",
    "execution.compare": "same_result",
    "execution.database": "Database open_database",
    "execution.execute": "Limits execute",
    "execution.values": "ValueIndex open_value_index",
    "models.predictor": "DirectPredictor",
    "prompts": "render",
    "serving.service": "Answer Service",
    "types": "Column Completion Example Executor ForeignKey Generator Message Outcome Prediction "
    "Predictor Prompt QueryResult Sampling Schema Table ValueMatch Verdict",
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'txt2sql' has no attribute {name!r}")
    return getattr(importlib.import_module(f"txt2sql.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
