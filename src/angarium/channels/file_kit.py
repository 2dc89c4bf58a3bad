"""Files that a provider wants to be handed themselves, and not their address: read here, and put up there."""

from __future__ import annotations

import msgspec

from angarium.core.ports import Refused, Tools
from angarium.core.values import Content, Reason
from angarium.protocols import files
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

PUT_WITHIN_S = 120.0  # a large file on a slow line
BOUNDARY_BYTES = 16


class File(msgspec.Struct, frozen=True):
    """A file, whole."""

    name: str
    type: str
    body: bytes


async def read(tools: Tools, content: Content, most_bytes: int) -> File | Refused:
    """The file beside the words, of the workspace or from elsewhere; Refused when it cannot be had."""
    media = content.media
    if media is None:
        return await _fetched(tools, content.image_url, most_bytes)
    body = await tools.read(media) if tools.read is not None else None
    if body is None:
        return Refused(
            Reason.MEDIA_INVALID, "file", f"the file {media.name or media.id} is not there any more"
        )
    return File(media.name or media.id, media.type, body)


async def _fetched(tools: Tools, url: str, most_bytes: int) -> File | Refused:
    http: Client = tools.http
    try:
        answer = await http.request("GET", url, answer_max_bytes=most_bytes)
    except (NotSent, NoAnswer) as failure:
        return Refused(Reason.MEDIA_INVALID, "file", f"the picture cannot be fetched: {failure}")
    kind = files.kind_of(answer.body[: files.HEAD_BYTES])
    if answer.status != 200 or not files.TYPES.get(kind, "").startswith("image/"):
        return Refused(Reason.MEDIA_INVALID, "file", f"its address answers HTTP {answer.status}, no picture")
    return File(files.clean_name("picture", kind), files.TYPES[kind], answer.body)


async def put(tools: Tools, url: str, field: str, file: File) -> Answer | Refused:
    """Post a file as the one field of a form (RFC 7578); Refused, and nothing has been sent to a person,
    when it was not taken."""
    http: Client = tools.http
    boundary = tools.chance.secret(BOUNDARY_BYTES).hex()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = multipart(field, file, boundary)
    try:
        answer = await http.request("POST", url, body=body, headers=headers, timeout_s=PUT_WITHIN_S)
    except (NotSent, NoAnswer) as failure:
        return Refused(Reason.TEMPORARY, "upload", f"the file was not put up: {failure}")
    if answer.status != 200:
        why = f"the file was not put up: HTTP {answer.status}"
        return Refused(Reason.TEMPORARY if answer.status >= 500 else Reason.MEDIA_INVALID, "upload", why)
    return answer


def multipart(field: str, file: File, boundary: str) -> bytes:
    """The body of such a form; the name of the file is plain ASCII, which every server reads alike."""
    shown = files.disposition("form-data", file.name).decode().partition("; filename*")[0]
    shown = shown.replace("form-data;", f'form-data; name="{field}";', 1)
    head = f"--{boundary}\r\nContent-Disposition: {shown}\r\nContent-Type: {file.type}\r\n\r\n"
    return head.encode() + file.body + f"\r\n--{boundary}--\r\n".encode()
