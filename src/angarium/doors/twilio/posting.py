"""Tells clients by their callbacks: posted through the guarded client, signed, until taken or old."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
import structlog

from angarium.core.clock import micros
from angarium.doors.twilio import flows, rules, showing, store
from angarium.doors.twilio.following import RECEIVED
from angarium.doors.twilio.rules import API_VERSION
from angarium.doors.twilio.store import Account, Letter
from angarium.messaging.world import World
from angarium.protocols.answers import NoAnswer, NotSent
from angarium.protocols.signatures import twilio_signature
from angarium.storage.database import Transaction
from angarium.storage.vault import NotOpened

log = structlog.get_logger()

AT_ONCE = 50  # letters of an account
TIMEOUT_S = 15.0  # Twilio's own for a webhook
ANSWER_MAX_BYTES = 65_536
AGAIN_FIRST_S, AGAIN_MAX_S = 5.0, 3_600.0
GIVEN_UP_S = 86_400.0  # after what is to be told


class Call(msgspec.Struct, frozen=True):
    """A letter as a request."""

    letter: Letter
    url: str
    form: dict[str, str]


async def post_due(world: World, account: Account) -> int:
    """Post what is due of one account, each message's oldest alone; how many there were."""
    ground, now = world.ground, world.ground.clock.now()
    calls, gone = await ground.db.read(_prepare, world, account, now)
    taken = await asyncio.gather(*[_post(world, account, one) for one in calls])
    done = [*gone, *[one.letter.id for one, good in zip(calls, taken, strict=True) if good]]
    failed = [one.letter for one, good in zip(calls, taken, strict=True) if not good]
    if done or failed:
        await ground.db.run(_record, account, done, failed, ground.clock.now())
    return len(calls) + len(gone)


async def _prepare(tx: Transaction, world: World, account: Account, now: int) -> tuple[list[Call], list[int]]:
    """Requests to be made, and letters of which nothing is left to be told."""
    workspace_id = account.workspace_id
    oldest: dict[int, Letter] = {}
    for letter in await store.due(tx, workspace_id, account.id, now, AT_ONCE):
        oldest.setdefault(letter.subject_id, letter)
    letters = list(oldest.values())
    about = [one.subject_id for one in letters if one.status != RECEIVED]
    standings = await showing.standings(tx, workspace_id, about) if about else {}
    came = {one.message_id: one for one in await store.of_messages(tx, workspace_id, about)} if about else {}
    said = await store.said(tx, workspace_id, [one.subject_id for one in letters if one.status == RECEIVED])
    calls: list[Call] = []
    for letter in letters:
        if letter.subject_id in said:
            calls.append(_inbound(account, letter, said[letter.subject_id]))
        elif letter.subject_id in came and letter.subject_id in standings:
            one = came[letter.subject_id]
            to = standings[letter.subject_id].message.to_address.removeprefix("phone:")
            calls.append(Call(letter, one.status_callback, _status(account, letter, one, to)))
    told = {one.letter.id for one in calls}
    return calls, [one.id for one in letters if one.id not in told]


def _status(account: Account, letter: Letter, came: store.Came, to: str) -> dict[str, str]:
    """The parameters of a status callback (twilio.com/docs/messaging/guides, "Track the Message Status")."""
    sid = rules.message_sid(account.id, letter.subject_id)
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "MessageStatus": letter.status,
        "SmsStatus": letter.status,
        "AccountSid": rules.account_sid(account.workspace_id, account.id),
        "ApiVersion": API_VERSION,
        "To": to,
        "From": came.sender,
    }
    if came.service_sid:
        form["MessagingServiceSid"] = came.service_sid
    if letter.code:
        form["ErrorCode"] = str(letter.code)
    return form


def _inbound(account: Account, letter: Letter, said: store.Said) -> Call:
    """The parameters of an incoming message (twilio.com/docs/messaging/guides/webhook-request)."""
    sid = rules.message_sid(account.id, letter.subject_id)
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": rules.account_sid(account.workspace_id, account.id),
        "ApiVersion": API_VERSION,
        "SmsStatus": RECEIVED,
        "From": said.sender,
        "To": said.recipient,
        "Body": said.text,
        "NumMedia": "0",
        "NumSegments": "1",
    }
    if said.media_url:
        kind = showing.kind_of(said.media_url)
        form |= {"NumMedia": "1", "MediaUrl0": said.media_url, "MediaContentType0": kind}
    return Call(letter, account.settings.inbound_url, form)


async def _post(world: World, account: Account, call: Call) -> bool:
    """Whether it was taken."""
    try:
        token = flows.opened(world.ground, account)
        signature = twilio_signature(token, call.url, urlencode(call.form).encode())
        answer = await world.tools.http.request(
            "POST",
            call.url,
            form=call.form,
            headers={"X-Twilio-Signature": signature},
            timeout_s=TIMEOUT_S,
            answer_max_bytes=ANSWER_MAX_BYTES,
        )
    except (NotSent, NoAnswer, NotOpened) as error:
        log.info("a callback was not taken", door="twilio", why=type(error).__name__)
        return False
    return bool(200 <= answer.status < 300)


async def _record(
    tx: Transaction, account: Account, done: Sequence[int], failed: Sequence[Letter], now: int
) -> None:
    """Let go of what was taken or is too old; the rest comes again, later each time."""
    old = [one.id for one in failed if now - one.at > micros(GIVEN_UP_S)]
    await store.done(tx, account.workspace_id, account.id, [*done, *old])
    again = [_later(one, now) for one in failed if one.id not in set(old)]
    await store.later(tx, account.workspace_id, again)
    if old:
        log.warning("callbacks were given up", door="twilio", count=len(old))


def _later(letter: Letter, now: int) -> Letter:
    wait_s = min(AGAIN_FIRST_S * 2**letter.tries, AGAIN_MAX_S)
    return msgspec.structs.replace(letter, due_at=now + micros(wait_s), tries=min(letter.tries + 1, 30))
