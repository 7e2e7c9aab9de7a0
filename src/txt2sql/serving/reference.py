"""The API described as one page, from its OpenAPI document: no script, nothing from elsewhere.

>>> "GET" in as_html({"info": {"title": "x", "version": "1"}, "paths": {"/a": {"get": {"summary": "A"}}}})
True
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_METHODS = ("get", "post", "put", "delete")


def as_html(document: Mapping[str, Any]) -> str:
    """The page. `/docs.css`, if there is one, styles it."""
    info = document["info"]
    title = f"{info['title']} {info['version']}"
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}: API</title><link rel=stylesheet href="/docs.css"></head><body><main>'
        f"<h1>{escape(title)}: API</h1><p>{escape(info.get('description', ''))}</p>"
        '<p>As a document for programs: <a href="/openapi.json">openapi.json</a></p>'
        + "".join(_operations(document))
        + "</main></body></html>"
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield _operation(path, method, methods[method], document)


def _operation(
    path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> str:
    parts = [f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"]
    parts.append(f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>")
    for parameter in operation.get("parameters", ()):
        kind = _kind(parameter.get("schema", {}))
        parts.append(
            f"<p><code>{escape(parameter['name'])}</code> in {escape(parameter['in'])}: {escape(kind)}</p>"
        )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        parts.append(f"<h3>Body</h3><pre>{escape(_shape(body['schema'], document))}</pre>")
    rows = (
        f"<tr><td>{escape(status)}</td><td>{escape(response.get('description', ''))}</td></tr>"
        for status, response in operation.get("responses", {}).items()
    )
    parts.append(f"<table><tr><th>status</th><th></th></tr>{''.join(rows)}</table></section>")
    return "".join(parts)


def _kind(schema: Mapping[str, Any]) -> str:
    known = [schema.get("type"), schema.get("format")]
    return " ".join(str(part) for part in known if part) or "any"


def _shape(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The properties of a body: their kinds, and which may be left out."""
    name = schema.get("$ref", "").rpartition("/")[2]
    found = document.get("components", {}).get("schemas", {}).get(name, schema)
    wanted = found.get("required", ())
    shape = {
        key: " or ".join(_kind(each) for each in value.get("anyOf", [value]))
        + ("" if key in wanted else ", may be left out")
        for key, value in found.get("properties", {}).items()
    }
    return json.dumps(shape, indent=2)
