"""The page at /docs: what /openapi.json says, for people, without any other machine.

FastAPI's own page is Swagger UI, whose script comes from a server elsewhere.
"""

import html
import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

_METHODS = ("get", "post")
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }
code { font: 0.9em ui-monospace, monospace; }
h3 { margin: 2rem 0 0; }
h3 b { color: light-dark(#1d4ed8, #93c5fd); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; }
td { overflow-wrap: anywhere; }
tr { border-top: 1px solid light-dark(#d4d4d8, #3f3f46); }
"""


def add_documentation(app: FastAPI) -> None:
    """Answers at `/docs` with a page that lists all routes of the app's schema."""

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(app.openapi()))


def _page(schema: dict[str, Any]) -> str:
    title = html.escape(schema["info"]["title"])
    groups: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method in _METHODS:
            if operation := operations.get(method):
                part = _operation(path, method, operation)
                groups.setdefault(operation["tags"][0], []).append(part)
    routes = [f"<h2>{_text(tag)}</h2>{''.join(own)}" for tag, own in groups.items()]
    types = [
        f'<h3 id="{name}">{name}</h3>{_described(own)}{_fields(own)}'
        for name, own in schema["components"]["schemas"].items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title} {_text(schema['info']['version'])}</h1>"
        f"{_described(schema['info'])}<p>Mistakes are answered with a status of 400 "
        'and more, and a line of JSON, <code>{"error": "..."}</code>. For programs '
        'this page is <a href="openapi.json">openapi.json</a>.</p>'
        f"{''.join(routes)}<h2>Types</h2>{''.join(types)}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<h3><b>{method.upper()}</b> <code>{_text(path)}</code></h3>",
        _described(operation),
    ]
    if body := operation.get("requestBody"):
        schema = next(iter(body["content"].values()))["schema"]
        kinds = " or ".join(f"<code>{_text(kind)}</code>" for kind in body["content"])
        parts.append(f"<p>Body, {kinds} {_type(schema)}</p>{_fields(schema)}")
    for kind, content in operation["responses"]["200"].get("content", {}).items():
        schema = content.get("schema", {})
        parts.append(f"<p>Answer, <code>{_text(kind)}</code> {_type(schema)}</p>")
        parts.append(_fields(schema))
    return "".join(parts)


def _fields(schema: dict[str, Any]) -> str:
    """A table of the properties of an object, or nothing."""
    required = schema.get("required", ())
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = json.dumps(field["default"]) if "default" in field else ""
        rows.append(
            f"<tr><td><code>{_text(name)}</code><td>{_type(field)}"
            f"<td>{'required' if name in required else _text(default)}"
            f"<td>{_text(field.get('description', ''))}"
        )
    if not rows:
        return ""
    return f"<table><tr><th>Field<th>Type<th>Default<th>{''.join(rows)}</table>"


def _type(schema: dict[str, Any]) -> str:
    """Such as `string or list of string`; nothing where none is stated."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return _text(schema.get("type", ""))


def _described(schema: dict[str, Any]) -> str:
    return f"<p>{_text(schema.get('description', ''))}</p>"


def _text(value: Any) -> str:
    return html.escape(str(value))
