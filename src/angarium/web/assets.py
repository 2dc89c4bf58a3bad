"""The files that pages load: style, script, icons and fonts, by addresses that change with their content.

Those in `static/build` are made when the package is built (`frontend/build.mjs`), from packages that are not
kept here; a compressed copy stands beside each that gains by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from angarium.accounts.edge import Call, Operation, Sent, route, text_in_path
from angarium.core.problems import not_found

MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
    "woff2": b"font/woff2",
}
CACHED = b"public, max-age=31536000, immutable"  # its address changes with its content


class Asset:
    """A file at hand, and as gzip if there is such a copy; an ASGI application."""

    def __init__(self, name: str, body: bytes, zipped: bytes | None) -> None:
        self.tag = hashlib.sha256(body).hexdigest()[:16]
        self._bodies = {b"": body} if zipped is None else {b"": body, b"gzip": zipped}
        self._headers = [
            (b"content-type", MEDIA_TYPES[name.rpartition(".")[2]]),
            (b"cache-control", CACHED),
            (b"vary", b"accept-encoding"),
        ]

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Send it, in a coding that the browser takes."""
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
        coding = b"gzip" if b"gzip" in self._bodies and b"gzip" in accepted else b""
        body = self._bodies[coding]
        headers = [*self._headers, (b"content-length", b"%d" % len(body))]
        if coding:
            headers.append((b"content-encoding", coding))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _found(folder: Traversable) -> Iterator[tuple[str, Asset]]:
    there = {file.name: file for file in folder.iterdir()} if folder.is_dir() else {}
    for name, file in there.items():
        if name.rpartition(".")[2] in MEDIA_TYPES:
            zipped = there.get(f"{name}.gz")
            yield name, Asset(name, file.read_bytes(), zipped.read_bytes() if zipped else None)


STATIC = files(__package__).joinpath("static")
ASSETS = dict([*_found(STATIC), *_found(STATIC.joinpath("build"))])


def asset_url(name: str) -> str:
    """The address of a file, as it is now."""
    if name not in ASSETS:
        raise LookupError(f"static/build has no {name}: `make setup` builds what pages load")
    return f"/static/{name}?v={ASSETS[name].tag}"


@route("GET /static/{name}", Operation(summary="Style", scope=None, page=True))
async def asset(request: Call) -> Sent:
    """One file."""
    name = text_in_path(request, "name")
    if name not in ASSETS:
        raise not_found("file", name)
    return ASSETS[name]
