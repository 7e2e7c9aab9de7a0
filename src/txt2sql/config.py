"""Configuration: a YAML file and `key=value` overrides become one validated, frozen dataclass.

Its field names are the keys, its annotations the types, its defaults the defaults. An unknown key, a
wrong type or a missing value raises ConfigError with the path of the field. A class adds its own rules
by raising ValueError in `__post_init__`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from txt2sql.errors import ConfigError

T = TypeVar("T")

# YAML 1.1 reads 1e-5 as text (it wants 1.0e-5); where a float is due, both are numbers.
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class _MisfitError(Exception):
    pass


class _Text(str):
    """The value of an override: text whose type only the field knows."""


class _Loader(yaml.SafeLoader):
    """SafeLoader, except that a key written twice is an error, not a silent last one wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"the key '{key.value}' on line {line} is there twice")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def load(
    cls: type[T],
    path: str | Path | None = None,
    overrides: Iterable[str] = (),
    *,
    section: str = "",
) -> T:
    """Build the dataclass `cls` from the YAML file `path`, then from `key=value` overrides.
    `section` names the top-level key of the file that holds this class; overrides are relative to
    it. Dots reach into nested dataclasses (`mcts.c_puct=2`). Raises ConfigError."""
    tree: dict[Any, Any] = _read(Path(path)) if path is not None else {}
    if section:
        if path is not None and section not in tree:
            raise ConfigError(f"{path}: no section '{section}'{_nearest(section, tree)}")
        tree = tree.get(section) or {}
    try:
        for override in overrides:
            _apply(tree, override)
        return typing.cast(T, _convert(tree, cls, section))
    except _MisfitError as misfit:
        where, what = misfit.args
        origin = f"{path}: " if path is not None else ""
        raise ConfigError(f"{origin}{where or 'the config'} {what}") from None


def as_mapping(config: Any) -> dict[str, Any]:
    """The dataclass `config` as what YAML can hold; dumped, `load` reads an equal one back."""
    tree: dict[str, Any] = _plain(config)
    return tree


def _read(path: Path) -> dict[Any, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"cannot read the config file '{path}': {reason}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the config file '{path}' is not valid YAML: {reason}") from None
    if tree is not None and not isinstance(tree, dict):
        raise ConfigError(f"the config file '{path}' should hold 'key: value' lines")
    return tree or {}


def _apply(tree: dict[Any, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"the override '{override}' should be written key=value")
    for part in parts[:-1]:
        inner = _parsed(tree.get(part), key)  # an earlier override may have set all of it
        tree[part] = {} if inner is None else inner
        tree = tree[part]
        if not isinstance(tree, dict):
            raise ConfigError(f"the override '{override}' reaches into '{part}', which has no keys")
    tree[parts[-1]] = _Text(value)


def _convert(value: Any, kind: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(_parsed(value, where), typing.cast("type[Any]", kind), where)
    if kind is Any:
        return _parsed(value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):  # with None
        is_null = isinstance(value, _Text) and value.strip().lower() in ("", "~", "null", "none")
        [kind] = (each for each in arguments if each is not type(None))
        return None if value is None or is_null else _convert(value, kind, where)
    if origin is typing.Literal:
        choices = {str(each): each for each in arguments}
        # True and 1 are equal to Python; their texts tell them apart.
        if str(value) in choices:
            return choices[str(value)]
        what = f"should be one of {', '.join(choices)}, not {value!r}{_nearest(value, choices)}"
        raise _MisfitError(where, what)
    if origin is tuple:
        return _tuple(_parsed(value, where), arguments, where)
    if origin in (dict, Mapping):
        value = _parsed(value, where)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise _MisfitError(where, f"should have 'name: value' lines, not {value!r}")
        return {key: _convert(item, arguments[1], _join(where, key)) for key, item in value.items()}
    return _scalar(value, kind, where)


def _build(value: Any, cls: type[Any], where: str) -> Any:
    """The dataclass `cls` from a mapping; an empty YAML section means all defaults."""
    if isinstance(value, cls):
        return value
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise _MisfitError(where, f"should have 'key: value' lines, not {value!r}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in value:
        if key not in fields:
            raise _MisfitError(_join(where, key), f"is not a known key{_nearest(key, fields)}")
    for name, field in fields.items():
        if name not in value and field.default is field.default_factory is dataclasses.MISSING:
            raise _MisfitError(_join(where, name), "is missing; give it a value")
    given = {key: _convert(item, hints[key], _join(where, key)) for key, item in value.items()}
    try:
        return cls(**given)
    except ValueError as error:
        raise _MisfitError(where, f"does not fit: {error}") from None


def _tuple(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _MisfitError(where, f"should be a list, not {value!r}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _MisfitError(where, f"should be a list of {len(kinds)} values, not {len(value)}")
    pairs = enumerate(zip(value, kinds, strict=True))
    return tuple(_convert(item, kind, f"{where}[{i}]") for i, (item, kind) in pairs)


def _scalar(value: Any, kind: Any, where: str) -> Any:
    if kind in (str, Path):
        if isinstance(value, str) or (kind is Path and isinstance(value, Path)):
            return kind(value)
        hint = "" if value is None or isinstance(value, (list, dict)) else "; put it in quotes"
        raise _MisfitError(where, f"should be text, not {value!r}{hint}")
    value = _parsed(value, where)
    is_number = type(value) is int or (isinstance(value, str) and _FLOAT.fullmatch(value))
    if kind is float and is_number:
        return float(value)
    if type(value) is not kind:  # not isinstance: True is an int to Python, not to a reader
        raise _MisfitError(where, f"should be {_KINDS[kind]}, not {value!r}")
    return value


def _parsed(value: Any, where: str) -> Any:
    """An override's text read as YAML; any other value as it is."""
    if not isinstance(value, _Text):
        return value
    try:
        return yaml.load(value, _Loader)
    except yaml.YAMLError:
        raise _MisfitError(where, f"cannot be read as a YAML value: {str(value)!r}") from None


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Only what load() may be given: a field that __init__ does not take is derived.
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _nearest(name: object, names: Iterable[object]) -> str:
    """`; did you mean 'x'?` for the nearest of the names, or the names when none is near."""
    texts = [str(other) for other in names]
    close = difflib.get_close_matches(str(name), texts, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; choose from {', '.join(texts)}" if texts else ""
