"""The OpenAPI 3.1 document, made of what the routes say of themselves.

Schemas are msgspec's: what is decoded is what is described. OpenAPI 3.1 takes JSON Schema 2020-12 as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from angarium import __version__
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.accounts.rules import SCOPES
from angarium.core.problems import FieldProblem

PLACE = re.compile(r"\{(\w+):\w+\}")  # a name in a path, as Litestar writes it
REF = "#/components/schemas/{name}"
JSON, PROBLEM_JSON, TEXT = "application/json", "application/problem+json", "text/plain"

DESCRIPTION = (
    "Customer communications of one company, from its own server. Every error is an RFC 9457 problem that "
    "names the field, the value and the remedy. A POST with an `Idempotency-Key` is done once, however often "
    "it comes."
)
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body gets the same answer, for at least 24 hours; the work is "
    "done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong, and what to do (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    errors: list[FieldProblem] = []


PUBLISHED = Operation(
    summary="This document", scope=None, gives=dict[str, Any], detail="OpenAPI 3.1.", answer_example={}
)


def publish(text: dict[str, Any]) -> HTTPRouteHandler:
    """The route that shows the document; it is encoded once."""
    body = msgspec.json.encode(text)

    @route("GET /openapi.json", PUBLISHED)
    async def openapi(request: Call) -> JsonAnswer:
        return JsonAnswer(200, body)

    made: HTTPRouteHandler = openapi
    return made


def document(operations: Sequence[tuple[str, str, Operation]]) -> dict[str, Any]:
    """The whole document. `operations`: method, path and operation of each route."""
    operations = [*operations, ("GET", "/openapi.json", PUBLISHED)]
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template=REF)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for method, path, operation in sorted(operations, key=lambda one: (one[1], one[0])):
        shown = PLACE.sub(r"{\1}", path)
        paths.setdefault(shown, {})[method.lower()] = _operation(method, path, operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Angarium", "version": __version__, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "ang_…",
                    "description": "An API key of a workspace. Its scopes: "
                    + "; ".join(f"`{scope}`: {words}" for scope, words in SCOPES.items()),
                }
            },
        },
    }


def _types(operations: Sequence[tuple[str, str, Operation]]) -> list[Any]:
    """Every type that is sent or answered, each once."""
    found: list[Any] = [ProblemDocument]
    for _, _, operation in operations:
        found += [operation.takes.type] if operation.takes else []
        found += [operation.gives] if operation.gives else []
    return list({repr(kind): kind for kind in found}.values())


def _operation(
    method: str, path: str, operation: Operation, schema_of: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": _name(method, path),
        "tags": [_tag(path)],
        "summary": operation.summary,
        "parameters": _parameters(path, operation),
        "responses": _responses(operation, schema_of),
        "security": [{"key": [operation.scope]}] if operation.scope else [],
    }
    if operation.detail:
        told["description"] = operation.detail
    if operation.takes:
        content = {"schema": schema_of[repr(operation.takes.type)]} | _example(operation.example)
        told["requestBody"] = {"required": True, "content": {JSON: content}}
    return told


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in PLACE.findall(path)
    ]
    if operation.asks:
        for field in msgspec.structs.fields(operation.asks.type):
            schema = _whole(msgspec.json.schema(field.type))
            if not field.required:
                schema["default"] = field.default
            name = field.encode_name
            found.append({"name": name, "in": "query", "required": field.required, "schema": schema})
    if operation.once:
        found.append(KEY_HEADER)
    return found


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to in its place: a parameter has no definitions beside it."""
    named = schema.pop("$defs", {})

    def put_in(value: Any) -> Any:
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix("#/$defs/")
            return put_in(named[name]) if name in named else {key: put_in(v) for key, v in value.items()}
        return [put_in(one) for one in value] if isinstance(value, list) else value

    whole: dict[str, Any] = put_in(schema)
    return whole


def _responses(operation: Operation, schema_of: dict[str, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.gives:
        kind = TEXT if operation.gives is str else JSON
        content = {"schema": schema_of[repr(operation.gives)]} | _example(operation.answer_example)
        good["content"] = {kind: content}
    usual = {500, 503}
    usual |= {401, 403, 422, 429} if operation.scope else set()  # 422: also of a query that nobody asks for
    usual |= {422} if operation.asks or operation.takes or operation.once else set()
    usual |= {400, 408, 413, 415} if operation.takes else set()
    problem = {PROBLEM_JSON: {"schema": schema_of[repr(ProblemDocument)]}}
    bad = {
        str(status): {"description": HTTPStatus(status).phrase, "content": problem}
        for status in sorted(usual | set(operation.problems))
    }
    for status in operation.gives_also:
        bad[str(status)]["content"] = problem | good["content"]
    return {str(operation.status): good, **bad}


def _example(value: Any) -> dict[str, Any]:
    return {} if value is None else {"example": msgspec.to_builtins(value)}


def _name(method: str, path: str) -> str:
    words = [word for word in PLACE.sub(r"\1", path).strip("/").split("/") if word != "v1"]
    return "_".join([method.lower(), *words]).replace(".", "_")


def _tag(path: str) -> str:
    words = [word for word in path.strip("/").split("/") if word != "v1"]
    return words[0].removesuffix(".json")
