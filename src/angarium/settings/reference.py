"""The API's own document (OpenAPI 3.1) as pages show it: groups, fields, and examples to copy. Pure."""

from __future__ import annotations

import json
import pprint
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

PLACE = re.compile(r"\{(\w+)\}")
METHODS = ("get", "post", "put", "patch", "delete", "head")
KEY = "$ANGARIUM_API_KEY"
API = "/v1/"


class FieldShown(msgspec.Struct, frozen=True):
    """A field of a body, or a name in an address."""

    name: str
    kind: str
    where: str = ""  # path, query, header; empty in a body
    required: bool = False
    default: str = ""


class OperationShown(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be asked."""

    id: str
    method: str
    path: str
    summary: str
    detail: str
    scope: str
    parameters: tuple[FieldShown, ...]
    fields: tuple[FieldShown, ...]
    statuses: tuple[tuple[str, str], ...]
    answer: str
    curl: str
    python: str


class Group(msgspec.Struct, frozen=True):
    """Everything about one noun."""

    name: str
    operations: tuple[OperationShown, ...]


def groups(document: Mapping[str, Any], base: str) -> tuple[Group, ...]:
    """What a key is for; `base` is how this server is reached. What lies beside the API (callbacks, links in
    messages, health) is called by others."""
    found: dict[str, list[OperationShown]] = {}
    for path, methods in document["paths"].items():
        if not path.startswith(API):
            continue
        for method in METHODS:
            if method in methods:
                told = methods[method]
                shown = _operation(document, base, method.upper(), path, told)
                found.setdefault(told["tags"][0], []).append(shown)
    return tuple(Group(name, tuple(found[name])) for name in sorted(found))


def fitting(all_groups: Sequence[Group], text: str) -> tuple[Group, ...]:
    """The groups with only what has all these words in its address, summary or scope."""
    words = text.casefold().split()

    def fits(one: OperationShown) -> bool:
        told = f"{one.method} {one.path} {one.summary} {one.scope}".casefold()
        return all(word in told for word in words)

    kept = (Group(one.name, tuple(filter(fits, one.operations))) for one in all_groups)
    return tuple(one for one in kept if one.operations)


def _operation(
    document: Mapping[str, Any], base: str, method: str, path: str, told: Mapping[str, Any]
) -> OperationShown:
    good = next(status for status in told["responses"] if status < "400")
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    scopes = [scope for one in told["security"] for scope in one.get("key", [])]
    return OperationShown(
        id=told["operationId"],
        method=method,
        path=path,
        summary=told["summary"],
        detail=told.get("description", ""),
        scope=scopes[0] if scopes else "",
        parameters=tuple(_parameter(one) for one in told["parameters"]),
        fields=_fields(document, body.get("schema", {})),
        statuses=tuple((status, one["description"]) for status, one in told["responses"].items()),
        answer=_example_of(told["responses"][good]),
        curl=_curl(base, method, path, body.get("example"), needs_key=bool(scopes)),
        python=_python(base, method, path, body.get("example"), needs_key=bool(scopes)),
    )


def _parameter(one: Mapping[str, Any]) -> FieldShown:
    default = one["schema"].get("default", "")
    shown = "" if default in ("", None) else json.dumps(default, ensure_ascii=False)
    return FieldShown(one["name"], _kind(one["schema"]), one["in"], one["required"], shown)


def _example_of(response: Mapping[str, Any]) -> str:
    for content in response.get("content", {}).values():
        if "example" in content:
            example = content["example"]
            return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
    return ""


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[FieldShown, ...]:
    """The fields of a body, those of its parts by their path."""
    return tuple(_under(document, schema, "", 0))


def _under(
    document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, depth: int
) -> list[FieldShown]:
    whole = _resolved(document, schema)
    found = []
    for name, one in whole.get("properties", {}).items():
        default = one.get("default")
        shown = "" if default in (None, "", [], {}) else json.dumps(default, ensure_ascii=False)
        required = name in whole.get("required", ())
        found.append(FieldShown(prefix + name, _kind(one), "", required, shown))
        if depth < 2:
            found += _under(document, _inside(one), f"{prefix}{name}.", depth + 1)
    return found


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"].get(name, schema) if name else schema
    return found


def _inside(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands in a list, or is meant besides null."""
    if "items" in schema and isinstance(schema["items"], dict):
        return _inside(schema["items"])
    others = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return _inside(others[0]) if len(others) == 1 else schema


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items') or {})}]"
    return str(schema.get("format") or schema.get("type") or "any")


def _curl(base: str, method: str, path: str, example: Any, *, needs_key: bool) -> str:
    lines = [f"curl -X {method} '{base}{path}'" if method != "GET" else f"curl '{base}{path}'"]
    if needs_key:
        lines.append(f'-H "Authorization: Bearer {KEY}"')
    if example is not None:
        told = json.dumps(example, ensure_ascii=False, indent=2).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{told}'"]
    return " \\\n  ".join(lines)


def _python(base: str, method: str, path: str, example: Any, *, needs_key: bool) -> str:
    headers = ['"Authorization": "Bearer " + os.environ["ANGARIUM_API_KEY"]'] if needs_key else []
    lines = ["import json, os, urllib.request", ""]
    if example is not None:
        headers.append('"Content-Type": "application/json"')
        lines.append(f"body = {pprint.pformat(example, sort_dicts=False)}")
    lines += [
        "request = urllib.request.Request(",
        f'    "{base}{path}",',
        f'    method="{method}",',
        *([f"    headers={{{', '.join(headers)}}},"] if headers else []),
        *(["    data=json.dumps(body).encode(),"] if example is not None else []),
        ")",
        "with urllib.request.urlopen(request) as answer:",
        "    print(answer.status, answer.read().decode())",
    ]
    return "\n".join(lines)
