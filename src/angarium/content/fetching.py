"""Where a file is fetched: an address that names it and that nobody can guess. Pure.

The end of the address holds the workspace, the file and 16 bytes of chance that were drawn for it: whoever
knows such an address has the file. It is kept as it is, because it goes to phones and providers anyway. It is
not made from a key, so it opens for as long as the file is there, whatever becomes of the keys.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from angarium.content.rules import NotRendered
from angarium.core.problems import FieldProblem
from angarium.core.values import Content, Media

PATH = "/m"
ID_BYTES, SECRET_BYTES = 8, 16
TOKEN_LENGTH = 43  # characters: base64 of 32 bytes without its padding


class Named(msgspec.Struct, frozen=True):
    """What an address names."""

    workspace_id: int
    media_id: int


def token(named: Named, secret: bytes) -> str:
    """The end of the address of a file; `secret` is SECRET_BYTES of chance."""
    ids = named.workspace_id.to_bytes(ID_BYTES, "big") + named.media_id.to_bytes(ID_BYTES, "big")
    return urlsafe_b64encode(ids + secret).decode().rstrip("=")


def read(text: str) -> Named | None:
    """What the end of an address names; None when it can be none. Whether it is right, the row tells."""
    if len(text) != TOKEN_LENGTH:
        return None
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=")
    except ValueError:
        return None
    workspace_id, media_id = whole[:ID_BYTES], whole[ID_BYTES : 2 * ID_BYTES]
    if whole[0] > 127 or whole[ID_BYTES] > 127:  # ids have 63 bits
        return None
    return Named(int.from_bytes(workspace_id, "big"), int.from_bytes(media_id, "big"))


def url(public_url: str, end: str) -> str:
    """The address of a file; without a public one, the path on this server."""
    return f"{public_url}{PATH}/{end}"


def located(content: Content, media: Media, public_url: str) -> Content:
    """A rendered content with its file at its address. Raises NotRendered when nobody could fetch it."""
    if not media.token:
        problem, remedy = "is not known here", "bring it with POST /v1/media"
        raise NotRendered((FieldProblem("media", problem, remedy, media.id),))
    if not public_url:
        problem, remedy = "cannot be fetched: this server has no public address", "set `public_url`"
        raise NotRendered((FieldProblem("media", problem, remedy, media.id),))
    placed = msgspec.structs.replace(media, token="", url=url(public_url, media.token))
    return msgspec.structs.replace(content, media=placed)
