"""Messages in the shape in which Twilio shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from angarium.core.clock import to_datetime
from angarium.core.values import MessageClass, amount_text
from angarium.doors.twilio import rules
from angarium.doors.twilio.asking import Search, token_of
from angarium.doors.twilio.rules import API_VERSION
from angarium.doors.twilio.store import Account, Came, Said
from angarium.messaging.case import CODE_MASK, open_wording
from angarium.messaging.states import AttemptState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Message
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]


class Standing(msgspec.Struct, frozen=True):
    """A message with its attempts, and Twilio's words for how it stands."""

    message: Message
    attempts: Sequence[Attempt]
    status: str
    code: int | None


def standing(message: Message, attempts: Sequence[Attempt]) -> Standing:
    """How a message stands."""
    submitting = any(one.state is AttemptState.SUBMITTING for one in attempts)
    was_taken = any(one.accepted_at is not None for one in attempts)
    status = rules.status_of(message.state, submitting=submitting, was_taken=was_taken)
    return Standing(message, attempts, status, rules.code_of(status, message.reason))


async def standings(tx: Transaction, workspace_id: int, message_ids: Sequence[int]) -> dict[int, Standing]:
    """How messages stand, by id."""
    tried: dict[int, list[Attempt]] = {}
    for one in await attempt_store.of_messages(tx, workspace_id, list(message_ids)):
        tried.setdefault(one.message_id, []).append(one)
    found = await message_store.by_ids(tx, workspace_id, message_ids)
    return {one.id: standing(one, tried.get(one.id, [])) for one in found}


def shown(world: World, account: Account, came: Came, one: Standing) -> Document:
    """A message as its resource."""
    message, attempts = one.message, one.attempts
    sid, account_sid = (
        rules.message_sid(account.id, message.id),
        rules.account_sid(account.workspace_id, account.id),
    )
    sent = [attempt.submitted_at for attempt in attempts if attempt.submitted_at is not None]
    latest = [
        at
        for attempt in attempts
        for at in (attempt.submitted_at, attempt.delivered_at, attempt.read_at, attempt.ended_at)
        if at is not None
    ]
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{sid}"
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": body_of(world, message),
        "date_created": _date(message.created_at),
        "date_sent": _date(min(sent)) if sent else None,
        "date_updated": _date(max([message.created_at, *latest])),
        "direction": "outbound-api",
        "error_code": one.code,
        "error_message": rules.SAID.get(one.code, "") if one.code else None,
        "from": came.sender or None,
        "messaging_service_sid": came.service_sid or None,
        "num_media": "1" if picture_of(world, message) else "0",
        "num_segments": str(max([attempt.parts for attempt in attempts], default=1)),
        "price": f"-{amount_text(message.cost_micros)}" if message.cost_micros else None,
        "price_unit": message.currency or None,
        "sid": sid,
        "status": one.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to_address.removeprefix("phone:"),
        "uri": f"{uri}.json",
    }


def body_of(world: World, message: Message) -> str:
    """What a message says; a code is never shown."""
    if message.message_class is MessageClass.OTP:
        return CODE_MASK
    variants = open_wording(world, message).variants
    return variants[0].content.text if variants else ""


def picture_of(world: World, message: Message) -> str:
    """The address of the file that goes with a message; empty when there is none."""
    variants = open_wording(world, message).variants
    return variants[0].content.picture if variants else ""


def kind_of(url: str) -> str:
    """The type of a file as its name tells it: nobody has fetched it."""
    return guess_type(urlsplit(url).path)[0] or "application/octet-stream"


class File(msgspec.Struct, frozen=True):
    """The one file of a message."""

    url: str
    at: int


def shown_media(account: Account, name: str, file: File) -> Document:
    """A file as its resource (twilio.com/docs/messaging/api/media-resource)."""
    account_sid, sid = rules.account_sid(account.workspace_id, account.id), rules.media_sid(name)
    return {
        "account_sid": account_sid,
        "content_type": kind_of(file.url),
        "date_created": _date(file.at),
        "date_updated": _date(file.at),
        "parent_sid": name,
        "sid": sid,
        "uri": f"/{API_VERSION}/Accounts/{account_sid}/Messages/{name}/Media/{sid}.json",
    }


def listed_media(account: Account, name: str, file: File | None) -> Document:
    """The files of a message, all of them on one page."""
    account_sid = rules.account_sid(account.workspace_id, account.id)
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{name}/Media.json"
    found = [shown_media(account, name, file)] if file is not None else []
    first = f"{uri}?PageSize=50&Page=0"
    return {
        "media_list": found,
        "first_page_uri": first,
        "next_page_uri": None,
        "previous_page_uri": None,
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": max(0, len(found) - 1),
        "uri": first,
    }


def shown_inbound(account: Account, inbound_id: int, said: Said) -> Document:
    """What a customer sent, as its resource."""
    account_sid = rules.account_sid(account.workspace_id, account.id)
    sid = rules.message_sid(account.id, inbound_id)
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{sid}"
    at = _date(said.received_at)
    return {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": said.text,
        "date_created": at,
        "date_sent": at,
        "date_updated": at,
        "direction": "inbound",
        "error_code": None,
        "error_message": None,
        "from": said.sender,
        "messaging_service_sid": None,
        "num_media": "1" if said.media_url else "0",
        "num_segments": "1",
        "price": None,
        "price_unit": None,
        "sid": sid,
        "status": "received",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": said.recipient,
        "uri": f"{uri}.json",
    }


def listed(
    account: Account, messages: Sequence[Document], query: Mapping[str, str], wanted: Search
) -> Document:
    """A page of a list. One message more than it has room for says that it goes on."""
    base = f"/{API_VERSION}/Accounts/{rules.account_sid(account.workspace_id, account.id)}/Messages.json"
    kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
    kept["PageSize"] = str(wanted.page_size)
    shown_, more = messages[: wanted.page_size], len(messages) > wanted.page_size
    start = wanted.page * wanted.page_size
    following = None
    if more:
        found = rules.read_message_sid(shown_[-1]["sid"])
        assert found is not None
        following = {**kept, "Page": str(wanted.page + 1), "PageToken": token_of(found[1])}
    own = {**kept, "Page": str(wanted.page)}
    return {
        "messages": list(shown_),
        "page": wanted.page,
        "page_size": wanted.page_size,
        "start": start,
        "end": start + max(0, len(shown_) - 1),
        "first_page_uri": f"{base}?{urlencode({**kept, 'Page': '0'})}",
        "next_page_uri": f"{base}?{urlencode(following)}" if following else None,
        "previous_page_uri": None,
        "uri": f"{base}?{urlencode(own)}",
    }


def _date(at: int) -> str:
    """RFC 2822, as Twilio writes times."""
    return format_datetime(to_datetime(at).replace(microsecond=0))
