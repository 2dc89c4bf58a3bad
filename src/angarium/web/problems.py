"""Whatever goes wrong as an RFC 9457 problem; what nobody foresaw tells its number and nothing else."""

from __future__ import annotations

from http import HTTPStatus
from traceback import format_exception
from typing import Any, cast

import msgspec
import structlog
from litestar import Request
from litestar.exceptions import HTTPException

from angarium.accounts.edge import JsonAnswer, ground_of
from angarium.core.clock import Chance
from angarium.core.problems import Problem, shown
from angarium.storage.database import Conflict
from angarium.storage.vault import NotOpened
from angarium.web.auth import challenge

log = structlog.get_logger()

PROBLEM_JSON = (b"content-type", b"application/problem+json")
NUMBER_BYTES = 8

# What the framework says by a status alone: slug, title, and what the caller can do.
FRAMEWORK = {
    400: ("bad-request", "The request cannot be read", "Check the address and the headers."),
    404: ("route-not-found", "There is nothing at this address", "GET /openapi.json lists what there is."),
    431: ("head-too-large", "The head is too large", "Address and headers may have 64 KiB together."),
    405: ("method-not-allowed", "This address does not do that", "The Allow header says what it does."),
}


KEY_REMEDY = "Copy the key file from the server on which keys were rotated; it is taken without a restart."
KEY_AGAIN_S = 10
NOT_FOUND = "not-found"
PROBLEM = "angarium.problem"  # in the ASGI scope: the slug of what the caller was told


def of_problem(request: Request[Any, Any, Any], problem: Problem) -> JsonAnswer:
    """What the caller can mend."""
    cast("dict[str, Any]", request.scope)[PROBLEM] = problem.slug
    return _sent(_with_remedy(request, problem) if problem.slug == NOT_FOUND else problem)


def _with_remedy(request: Request[Any, Any, Any], problem: Problem) -> Problem:
    """Where what is not found stands in the address of the API: the list in which it would be, if there is
    one. So no handler has to know by which address its things are listed."""
    if not problem.fields or problem.fields[0].remedy:
        return problem
    wrong, path = problem.fields[0], request.scope["path"].split("/")
    template = request.scope.get("path_template", "").split("/")
    for place, part in enumerate(template[: len(path)]):
        there = request.app.state.openapi["paths"].get("/".join(map(_named, template[:place])), {})
        if part.startswith("{") and shown(path[place]) == wrong.value and "get" in there:
            remedy = f"GET {'/'.join(path[:place])} lists what there is"
            fields = (msgspec.structs.replace(wrong, remedy=remedy), *problem.fields[1:])
            return Problem(problem.slug, problem.title, status=404, detail=problem.detail, fields=fields)
    return problem


def _named(part: str) -> str:
    """A part of a template as OpenAPI writes it: without its type."""
    return part.partition(":")[0] + "}" if part.startswith("{") and ":" in part else part


def of_framework(request: Request[Any, Any, Any], error: HTTPException) -> JsonAnswer:
    """What Litestar refuses before a handler is asked."""
    if error.status_code not in FRAMEWORK:
        return of_anything(request, error)
    allow = (error.headers or {}).get("allow", "")
    headers = ((b"allow", allow.encode()),) if allow else ()
    return _sent(framework_problem(error.status_code), headers)


def framework_problem(status: int) -> Problem:
    """One of those that are told by a status alone."""
    slug, title, detail = FRAMEWORK[status]
    return Problem(slug, title, status=status, detail=detail)


def of_conflict(_request: Request[Any, Any, Any], _error: Conflict) -> JsonAnswer:
    """Two requests wrote the same thing at the same moment; the other one was first."""
    detail = "Another request wrote the same thing at the same moment. Look at what is there, then try again."
    return _sent(Problem("conflict", "Somebody else was first", status=409, detail=detail))


def of_not_opened(request: Request[Any, Any, Any], error: NotOpened) -> JsonAnswer:
    """A secret is sealed with a key that this server has not got: it stays here until the key file is
    copied to it, and nothing of what was asked has been done."""
    log.error("a secret does not open", why=str(error), remedy=KEY_REMEDY)
    title = "The key does not open this database's secrets"
    return _sent(Problem("key-missing", title, status=503, detail=KEY_REMEDY, retry_after_s=KEY_AGAIN_S))


def of_anything(request: Request[Any, Any, Any], error: Exception) -> JsonAnswer:
    """Our fault, in a handler or before it."""
    return unforeseen(ground_of(request).chance, request.scope, error)


def unforeseen(chance: Chance, scope: Any, error: Exception) -> JsonAnswer:
    """Our fault: logged whole under a number, and only the number is told. `scope` is that of ASGI."""
    number = chance.secret(NUMBER_BYTES).hex()
    log.error(
        "a request failed",
        number=number,
        method=scope["method"],
        route=scope.get("path_template", ""),
        # not exc_info: a log may print locals, and with them a key
        stack="".join(format_exception(error)),
    )
    problem = Problem(
        "unexpected",
        "Something went wrong on our side",
        status=500,
        detail="It may or may not have been done: repeat it with the same Idempotency-Key. "
        "The log tells more under this number.",
    )
    return _sent(problem, instance=f"urn:angarium:failure:{number}")


def _sent(problem: Problem, headers: tuple[tuple[bytes, bytes], ...] = (), instance: str = "") -> JsonAnswer:
    document = problem.document()
    if instance:
        document["instance"] = instance
    headers = (PROBLEM_JSON, *headers, *problem.headers, *challenge(problem.status))
    if problem.retry_after_s is not None:
        headers = (*headers, (b"retry-after", b"%d" % problem.retry_after_s))
    if problem.status == HTTPStatus.REQUEST_TIMEOUT:
        headers = (*headers, (b"connection", b"close"))  # the rest of its body would be read as a request
    return JsonAnswer(problem.status, msgspec.json.encode(document), headers)
