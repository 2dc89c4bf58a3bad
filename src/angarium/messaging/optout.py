"""A customer writes STOP, START or HELP: what is written down, what is stopped, and what is answered.

All of it in the transaction that keeps the text. STOP withdraws what the policy `consent` says, as widely as
it says; the address goes on the suppression list too, because an address moves to other contacts and a
customer may be none of ours yet. START takes back what a STOP withdrew and nothing that was said in another
way.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.contacts import consent, consent_ledger, stopwords
from angarium.contacts import suppression_list as suppression
from angarium.contacts.consent import LINK, START_WORD, STOP_WORD, Choices, Scope, State
from angarium.contacts.consent_ledger import ADVERTISING, Said
from angarium.contacts.flows import Recipient
from angarium.contacts.stopwords import Asked, Wish
from angarium.contacts.store import consents
from angarium.contacts.suppression import Why
from angarium.core import ids
from angarium.core.values import MessageClass
from angarium.lines.store import Line
from angarium.messaging import accept, withdrawal
from angarium.messaging.accept import MessageInput
from angarium.messaging.case import Case
from angarium.messaging.gate.documents import Stop
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.inbox import Heard
from angarium.messaging.unsubscribe import Left
from angarium.messaging.world import World
from angarium.storage.database import Transaction

TEXT_KEPT = 200  # characters of the text that are proof
EARLIER_MAX = 100  # withdrawals of a contact that are looked through for those of a STOP


async def heed(
    tx: Transaction, world: World, workspace_id: int, line: Line, heard: Heard, now: int
) -> list[Case]:
    """Do what a text asks for, if it asks for something; the messages that were stopped and that answer."""
    stop = world.policies.of(workspace_id).consent.stop
    found = stopwords.asked(heard.inbound.text, stop.words) if not heard.parts_missing else None
    if found is None:
        return []
    if found.wish is Wish.HELP:
        return await _answer(tx, world, workspace_id, line, heard, stop.help_replies, found, now)
    act = _stop if found.wish is Wish.STOP else _start
    changed, cases = await act(tx, world, workspace_id, line, heard, stop, now)
    if changed:  # who says it twice is not answered twice
        replies = stop.stop_replies if found.wish is Wish.STOP else stop.start_replies
        cases += await _answer(tx, world, workspace_id, line, heard, replies, found, now)
    return cases


async def _stop(
    tx: Transaction, world: World, workspace_id: int, line: Line, heard: Heard, stop: Stop, now: int
) -> tuple[bool, list[Case]]:
    said = await _withdrawn(tx, workspace_id, line, heard, stop)
    actor = ids.show("inbound", heard.id)
    await consent_ledger.record(tx, world.ground, workspace_id, said, actor)
    owners: set[int] = {heard.contact_id} if heard.contact_id else set()
    listed: list[int] | None = None
    if stop.scope != "channel" or not heard.contact_id:
        new = suppression.New(
            kind=world.channels[line.channel].kind_at(heard.inbound.sender),
            value=heard.inbound.sender,
            why=Why.OPT_OUT,
            source=STOP_WORD,
            line_id=0 if stop.scope == "all" else line.id,
            detail=heard.inbound.text[:TEXT_KEPT],
        )
        listed = await list_once(tx, world, workspace_id, new, actor)
    cases = await withdrawal.stop(tx, world, workspace_id, owners | set(listed or ()), now)
    return bool(said) or listed is not None, cases


async def _withdrawn(tx: Transaction, workspace_id: int, line: Line, heard: Heard, stop: Stop) -> list[Said]:
    """What a STOP withdraws that was not withdrawn before."""
    if not heard.contact_id or stop.scope == "line":
        return []
    choices = await consents.hold_choices(tx, workspace_id, [heard.contact_id])
    known = choices.get(heard.contact_id, Choices())
    channel = line.channel if stop.scope == "channel" else ""
    scopes = [Scope(purpose, channel) for purpose in stop.purposes]
    return [
        _said(heard, scope, State.WITHDRAWN, STOP_WORD)
        for scope in scopes
        if consent.apply(known, scope, State.WITHDRAWN) != known
    ]


async def _start(
    tx: Transaction, world: World, workspace_id: int, line: Line, heard: Heard, stop: Stop, _now: int
) -> tuple[bool, list[Case]]:
    place = (world.channels[line.channel].kind_at(heard.inbound.sender), heard.inbound.sender)
    line_id = None if stop.scope == "all" else line.id
    lifted = await suppression.lift_opt_outs(tx, world.ground, workspace_id, [place], (STOP_WORD,), line_id)
    said = await _taken_back(tx, workspace_id, line, heard, stop) if heard.contact_id else []
    await consent_ledger.record(tx, world.ground, workspace_id, said, ids.show("inbound", heard.id))
    return bool(lifted or said), []


async def _taken_back(tx: Transaction, workspace_id: int, line: Line, heard: Heard, stop: Stop) -> list[Said]:
    """What a START grants: what a STOP withdrew and nobody withdrew otherwise.

    When no STOP withdrew anything: what one would withdraw, if nothing was said against it.
    """
    assert heard.contact_id is not None
    choices = await consents.hold_choices(tx, workspace_id, [heard.contact_id])
    known = choices.get(heard.contact_id, Choices())
    latest: dict[str, str] = {}  # scope -> source of its last withdrawal
    for entry in await consents.latest_withdrawals(tx, workspace_id, heard.contact_id, EARLIER_MAX):
        latest.setdefault(str(entry.scope), entry.source)
    channel = line.channel if stop.scope == "channel" else ""
    by_stop = [scope for scope in known.withdrawn if latest.get(scope) == STOP_WORD]
    scopes = [consent.read_scope(scope) for scope in sorted(by_stop)]
    if not by_stop and stop.scope != "line":
        classes = [one for one in stop.purposes if one != consent.ALL] or [ADVERTISING.purpose]
        scopes = [Scope(one, channel) for one in classes if not _said_no(known, one, channel)]
    return [
        _said(heard, scope, State.GRANTED, START_WORD)
        for scope in scopes
        if consent.apply(known, scope, State.GRANTED) != known
    ]


def _said_no(known: Choices, purpose: str, channel: str) -> bool:
    return consent.said(known, MessageClass(purpose), channel) is State.WITHDRAWN


def _said(heard: Heard, scope: Scope, state: State, source: str) -> Said:
    assert heard.contact_id is not None
    proof = {
        "inbound": ids.show("inbound", heard.id),
        "text": heard.inbound.text[:TEXT_KEPT],
        "address": heard.inbound.sender,
        "line": ids.show("line", heard.line_id),
    }
    return Said(contact_id=heard.contact_id, scope=scope, state=state, source=source, proof=proof)


async def _answer(
    tx: Transaction,
    world: World,
    workspace_id: int,
    line: Line,
    heard: Heard,
    replies: Mapping[str, str],
    found: Asked,
    now: int,
) -> list[Case]:
    """The reply that the policy has for the language of the word, as a service message on the same line."""
    text = replies.get(found.locale) or replies.get("")
    if not text or not heard.contact_id:
        return []
    seen = world.lines.seen(workspace_id, line.id) or line
    asked = MessageInput(
        to=Recipient(contact=ids.show("contact", heard.contact_id)),
        message_class=MessageClass.SERVICE,
        text=text,
        line=seen.name,
        label=f"reply-to-{found.wish.value}",
        locale=found.locale,
    )
    return await accept.take(tx, world, workspace_id, [asked], now)


# ── by the link ──────────────────────────────────────────────────────────────────────────────────────


class Leaving(msgspec.Struct, frozen=True):
    """Whom a link is of, as far as its page needs it."""

    contact_id: int
    message_class: MessageClass
    locale: str
    channel: str
    address: str


async def leaving(tx: Transaction, left: Left) -> Leaving | None:
    """Whom a link is of; None when its message is not there any more."""
    found = await message_store.by_ids(tx, left.workspace_id, [left.message_id])
    if not found:
        return None
    message = found[0]
    tried = await attempt_store.of_messages(tx, left.workspace_id, [left.message_id])
    last = tried[-1] if tried else None
    return Leaving(
        message.contact_id,
        message.message_class,
        message.locale,
        last.channel if last else "",
        last.address if last else "",
    )


async def unsubscribe(
    tx: Transaction, world: World, left: Left, proof: Mapping[str, str], now: int
) -> tuple[Leaving | None, list[Case]]:
    """Withdraw what a message was about, once; whom it was of, and the messages that this stopped.

    That is the class of the message; of one that nobody can refuse, advertising.
    """
    found = await leaving(tx, left)
    if found is None:
        return None, []
    workspace_id = left.workspace_id
    scope = _left_scope(world.policies.of(workspace_id).consent.unsubscribe_scope, found)
    known = (await consents.hold_choices(tx, workspace_id, [found.contact_id])).get(found.contact_id)
    actor = ids.show("message", left.message_id)
    if known is not None and consent.apply(known, scope, State.WITHDRAWN) != known:
        told = {**proof, "message": actor, "address": found.address}
        said = Said(contact_id=found.contact_id, scope=scope, state=State.WITHDRAWN, source=LINK, proof=told)
        await consent_ledger.record(tx, world.ground, workspace_id, [said], actor)
    owners = {found.contact_id}
    if scope == ADVERTISING and found.address:
        kind = world.channels[found.channel].kind_at(found.address)
        new = suppression.New(kind=kind, value=found.address, why=Why.OPT_OUT, source=LINK)
        owners |= set(await list_once(tx, world, workspace_id, new, actor) or ())
    return found, await withdrawal.stop(tx, world, workspace_id, owners, now)


def _left_scope(width: str, found: Leaving) -> Scope:
    refusable = found.message_class not in consent.ASKED_FOR
    purpose = found.message_class.value if refusable else ADVERTISING.purpose
    return Scope(purpose, found.channel if width == "channel" else "")


async def list_once(
    tx: Transaction, world: World, workspace_id: int, new: suppression.New, actor: str
) -> list[int] | None:
    """Put an address on the suppression list of those who said no, and return the contacts that have it; None
    when it is there already."""
    place = (new.kind, new.value)
    known = await suppression.look_up(tx, world.ground.vault, workspace_id, [place])
    if any(one.why is new.why and one.line_id in (0, new.line_id) for one in known.get(place, ())):
        return None
    world.suppressing[workspace_id] = True
    return await suppression.add(tx, world.ground, workspace_id, [new], actor)
