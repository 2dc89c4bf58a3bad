"""The link by which a person leaves: its address names one message and is signed, so that nobody guesses one.

The address holds the workspace, the message and 16 bytes of a keyed hash of both: RFC 8058 §3.1 asks
for what nobody can forge and needs no cookie. Nothing is kept for it, and it opens for ever: the secret of
hashes outlives the keys of the vault.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from angarium.core.values import AddressKind, Content, MessageClass
from angarium.messaging.store.messages import Message
from angarium.messaging.world import World
from angarium.storage.vault import Vault

PATH = "/u"
VARIABLE = "unsubscribe_url"  # in templates, and the parameter of a content that becomes List-Unsubscribe
PURPOSE = "unsubscribe"
ID_BYTES, MAC_BYTES = 8, 16
TOKEN_LENGTH = 43  # characters: base64 of 32 bytes without its padding


class Left(msgspec.Struct, frozen=True):
    """What a link names."""

    workspace_id: int
    message_id: int


def url(world: World, message: Message) -> str:
    """The address for a message; empty when this server has no public one."""
    if not world.public_url:
        return ""
    return f"{world.public_url}{PATH}/{token(world.ground.vault, Left(message.workspace_id, message.id))}"


def token(vault: Vault, left: Left) -> str:
    """The end of the address."""
    named = left.workspace_id.to_bytes(ID_BYTES, "big") + left.message_id.to_bytes(ID_BYTES, "big")
    return urlsafe_b64encode(named + _mac(vault, named)).decode().rstrip("=")


def read(vault: Vault, text: str) -> Left | None:
    """What a link names; None when it is none of ours."""
    if len(text) != TOKEN_LENGTH:
        return None
    try:
        whole = urlsafe_b64decode(text.encode("ascii") + b"=")
    except ValueError:
        return None
    named, mac = whole[: 2 * ID_BYTES], whole[2 * ID_BYTES :]
    if not hmac.compare_digest(mac, _mac(vault, named)):
        return None
    return Left(int.from_bytes(named[:ID_BYTES], "big"), int.from_bytes(named[ID_BYTES:], "big"))


def in_head(content: Content, message_class: MessageClass, kind: AddressKind, link: str) -> Content:
    """Words of advertising by mail carry the link in their head too: mail programs show a button for it."""
    wanted = message_class is MessageClass.PROMOTIONAL and kind is AddressKind.EMAIL and link
    if not wanted or VARIABLE in content.params:
        return content
    return msgspec.structs.replace(content, params={**content.params, VARIABLE: link})


def _mac(vault: Vault, named: bytes) -> bytes:
    return vault.keyed_hash(named, PURPOSE)[:MAC_BYTES]
