"""Files put up at VK for one message: a picture among the photos of messages, a paper among the documents.

Sources: VKCOM/vk-api-schema (version 5.199, 21 January 2025): photos.getMessagesUploadServer,
photos.saveMessagesPhoto, docs.getMessagesUploadServer, docs.save, and how `messages.send` names what is
attached; dev.vk.com/api/upload (the names of the fields in which a file is put, what comes back, 50 and 200
MB).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import msgspec

from angarium.channels import file_kit, kit
from angarium.core.ports import Refused, Tools
from angarium.core.values import Content, MediaKind, Reason

PICTURE_MAX_BYTES, PAPER_MAX_BYTES = 50_000_000, 200_000_000
NOTHING = ("", "[]")  # what VK says in the place of a picture that it could not read


class Ask(Protocol):
    """Asks a method of VK; its `response`, or why there is none."""

    def __call__(self, name: str, **given: str) -> Awaitable[msgspec.Raw | Refused]:
        """Ask it."""


class _Place(msgspec.Struct, frozen=True):
    upload_url: str


class _Picture(msgspec.Struct, frozen=True):
    server: int = 0
    photo: str = ""
    hash: str = ""


class _Paper(msgspec.Struct, frozen=True):
    file: str = ""


class _Saved(msgspec.Struct, frozen=True):
    id: int
    owner_id: int
    access_key: str = ""


class _SavedPaper(msgspec.Struct, frozen=True):
    doc: _Saved


async def attachment(tools: Tools, ask: Ask, peer: str, content: Content) -> str | Refused:
    """What `messages.send` calls the file beside the words; "" where there is none.

    Refused, and nothing has been sent, when the file cannot be had or VK does not take it.
    """
    if not content.image_url and content.media is None:
        return ""
    is_picture = content.media is None or content.media.kind is MediaKind.IMAGE
    file = await file_kit.read(tools, content, PICTURE_MAX_BYTES if is_picture else PAPER_MAX_BYTES)
    if isinstance(file, Refused):
        return file
    put = _picture if is_picture else _paper
    return await put(tools, ask, peer, file)


async def _picture(tools: Tools, ask: Ask, peer: str, file: file_kit.File) -> str | Refused:
    told = await _put(tools, await ask("photos.getMessagesUploadServer", peer_id=peer), "photo", file)
    if isinstance(told, Refused):
        return told
    taken = kit.read_json(told, _Picture) or _Picture()
    if taken.photo in NOTHING:
        return Refused(Reason.MEDIA_INVALID, "upload", "VK cannot read the picture")
    given = {"server": str(taken.server), "photo": taken.photo, "hash": taken.hash}
    answer = await ask("photos.saveMessagesPhoto", **given)
    if isinstance(answer, Refused):
        return answer
    saved = kit.read_json(answer, list[_Saved])
    return named("photo", saved[0]) if saved else _nameless()


async def _paper(tools: Tools, ask: Ask, peer: str, file: file_kit.File) -> str | Refused:
    place = await ask("docs.getMessagesUploadServer", peer_id=peer, type="doc")
    told = await _put(tools, place, "file", file)
    if isinstance(told, Refused):
        return told
    taken = kit.read_json(told, _Paper) or _Paper()
    if not taken.file:
        return Refused(Reason.MEDIA_INVALID, "upload", "VK does not take the file")
    answer = await ask("docs.save", file=taken.file, title=file.name)
    if isinstance(answer, Refused):
        return answer
    saved = kit.read_json(answer, _SavedPaper)
    return named("doc", saved.doc) if saved else _nameless()


async def _put(
    tools: Tools, place: msgspec.Raw | Refused, field: str, file: file_kit.File
) -> bytes | Refused:
    if isinstance(place, Refused):
        return place
    found = kit.read_json(place, _Place)
    if found is None:
        return Refused(Reason.TEMPORARY, "upload", "VK did not say where to put the file")
    answer = await file_kit.put(tools, found.upload_url, field, file)
    return answer if isinstance(answer, Refused) else answer.body


def named(kind: str, saved: _Saved) -> str:
    """A file that was put up, as a message names it."""
    return f"{kind}{saved.owner_id}_{saved.id}" + (f"_{saved.access_key}" if saved.access_key else "")


def _nameless() -> Refused:
    return Refused(Reason.TEMPORARY, "upload", "VK gave the file no name")
