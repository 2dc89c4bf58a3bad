"""What would happen to a message: the way of each step, its words, parts and price, and what is forbidden.

Nothing is stored and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from angarium.accounts.reach import WHOLE, Reach
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import Problem
from angarium.core.values import Content, MessageClass, amount_text
from angarium.lines import tariffs_store
from angarium.lines.store import Line
from angarium.lines.tariffs_store import Session
from angarium.messaging import accept
from angarium.messaging.accept import MessageInput
from angarium.messaging.cascade import Send
from angarium.messaging.case import CODE_MASK, Case
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.judge import Finding, explain
from angarium.messaging.gate.verdicts import Allow, Defer, Hold, Refuse
from angarium.messaging.pricing import Quote, price_shown, quote
from angarium.messaging.way import (
    Way,
    facts_of,
    find_way,
    lines_of,
    on_line,
    place_of,
    promotes,
    recall,
    with_budgets,
    word,
)
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]


async def preview(
    tx: Transaction,
    world: World,
    workspace_id: int,
    asked: Sequence[MessageInput],
    now: int,
    reach: Reach = WHOLE,
) -> list[Document | Problem]:
    """What would become of each message if it were sent now; or what is wrong with it."""
    made = await accept.prepare(tx, world, workspace_id, asked, now, None)
    prepared = [accept.bounded(world, reach, one) for one in made]
    cases = [one for one in prepared if isinstance(one, Case)]
    ways = {id(case): _ways(world, case, now) for case in cases}
    open_ = await _open_sessions(tx, [way for found in ways.values() for way in found], now)
    return [
        one
        if isinstance(one, Problem)
        else _shown(world, one, [_in_session(w, open_) for w in ways[id(one)]], now)
        for one in prepared
    ]


def _ways(world: World, case: Case, now: int) -> list[Way | Hold | Refuse]:
    case.attempts.clear()
    return [find_way(world, case, Send(index, "preview"), now) for index in range(len(case.steps))]


def _session(way: Way | Hold | Refuse) -> Session | None:
    """The session that a message would be in, when it is priced by sessions."""
    if not isinstance(way, Way) or way.quote.row is None or way.quote.row.unit != "session":
        return None
    return way.line.id, way.quote.row.message_class or "", way.address


async def _open_sessions(tx: Transaction, ways: Sequence[Way | Hold | Refuse], now: int) -> set[Session]:
    """Those of their sessions that are open, and so paid for."""
    by_owner: dict[int, list[Session]] = {}
    for way in ways:
        if (session := _session(way)) is not None and isinstance(way, Way):
            by_owner.setdefault(way.line.workspace_id, []).append(session)
    async with tx.across_workspaces():  # whoever lends a line counts them
        found = [
            each
            for owner_id, wanted in by_owner.items()
            for each in (await tariffs_store.sessions(tx, owner_id, wanted)).items()
        ]
    return {session for session, until in found if until > now}


def _in_session(way: Way | Hold | Refuse, open_: Collection[Session]) -> Way | Hold | Refuse:
    if not isinstance(way, Way) or _session(way) not in open_:
        return way
    return msgspec.structs.replace(way, quote=msgspec.structs.replace(way.quote, micros=0))


def _shown(world: World, case: Case, ways: Sequence[Way | Hold | Refuse], now: int) -> Document:
    assert case.contact is not None
    message = case.message
    found = [way for way in ways if isinstance(way, Way)]
    quotes = [way.quote for way in found]
    currency = quotes[0].currency if quotes else ""
    others = {one.currency for one in quotes} - {currency}
    known = case.contact.created_at != now
    return {
        "state": message.state.value,
        "reason": message.reason,
        "contact": ids.show("contact", message.contact_id) if known else None,
        "locale": message.locale,
        "expires_at": iso(message.expires_at),
        "steps": [_step(world, case, index, way, now) for index, way in enumerate(ways)],
        # The first step alone at the least, all of them one after the other at the most.
        "cost": {
            "least": amount_text(quotes[0].micros) if quotes else "0",
            "most": _sum(quotes, currency),
            "currency": currency,
            # What the steps on lines of other currencies add, at the most.
            "others": [{"most": _sum(quotes, other), "currency": other} for other in sorted(others)],
        },
        "decisions": case.decisions,
    }


def _sum(quotes: Sequence[Quote], currency: str) -> str:
    return amount_text(sum(one.micros for one in quotes if one.currency == currency))


def _step(world: World, case: Case, index: int, way: Way | Hold | Refuse, now: int) -> Document:
    step = case.steps[index]
    document: Document = {
        "step": index + 1,
        "success": step.success,
        "wait_s": step.wait_s,
        "checks": _checks(world, case, index, now),
    }
    if isinstance(way, Hold | Refuse):
        refusal = {"reason": way.reason.value, "detail": way.detail, "rule": way.rule, "set_at": way.set_at}
        return document | {"goes": False, **refusal}
    channel = world.channels[way.line.channel]
    measure = channel.measure(world.settings(way.line), way.content)
    secret = case.message.message_class is MessageClass.OTP
    return document | {
        "goes": True,
        "channel": way.line.channel,
        "line": way.line.name,
        "lines": way.order.told,
        "address": way.address,
        "due_at": iso(way.due_at),
        "held": way.held,
        "content": {"text": CODE_MASK} if secret else msgspec.to_builtins(way.content),
        "measure": msgspec.to_builtins(measure),
        "price": price_shown(way.quote),
        "pattern": _pattern(world, case, way),
    }


def _pattern(world: World, case: Case, way: Way) -> Document | None:
    """The registered template that the text fits; None where it need not fit one."""
    index = world.lines.patterns(way.line, case.message.message_class)
    found = index.match(way.content.text) if index else None
    return {"name": found.name, "external_id": found.external_id} if found else None


def _checks(world: World, case: Case, index: int, now: int) -> list[Document]:
    """What every rule of the gate says of each line that the step names."""
    return [
        {"line": line.name, **_check(finding)}
        for line in lines_of(world, case.message.workspace_id, case.steps[index])
        for finding in explain(_met(world, case, _facts(world, case, index, line), line, now), now)
    ]


def _facts(world: World, case: Case, step: int, line: Line) -> Facts:
    """A step of a message on a line, whether or not there is an address and wording for it."""
    assert case.contact is not None
    channel = world.channels[line.channel]
    address = place_of(case.contact, channel, case.message.to_address)
    content = word(case, channel, case.contact, world.public_url)
    worded = isinstance(content, Content)
    said = content if isinstance(content, Content) else Content()
    return facts_of(
        world,
        case,
        step,
        case.contact.standing(),
        line,
        (address.kind, address.value) if address else (channel.address_kind, ""),
        on_line(world, case, line, said),
        promotes(world, case, case.unlinked.get(line.channel, said)) if worded else None,
        recall(case, Send(step, "preview"), channel, address.value) if address else None,
    )


def _met(world: World, case: Case, facts: Facts, line: Line, now: int) -> Facts:
    """With the budgets that the message meets on a line, once its words and so its price are known."""
    channel, content = world.channels[line.channel], case.rendered.get(line.channel)
    address = place_of(case.contact, channel) if case.contact else None
    if case.purse is None or address is None or not isinstance(content, Content):
        return facts
    parts = channel.measure(world.settings(line), on_line(world, case, line, content)).parts
    price = quote(world, line, facts.message_class, address.value, parts, now)
    return with_budgets(case.purse, facts, line, price, now)


def _check(finding: Finding) -> Document:
    match finding.verdict:
        case Allow():
            return {"rule": finding.rule, "verdict": "allow"}
        case Defer(until, reason, detail, _, set_at):
            said: Document = {"verdict": "hold", "until": iso(until)}
        case Hold(reason, detail, _, set_at):
            said = {"verdict": "review"}
        case Refuse(reason, detail, _, set_at):
            said = {"verdict": "refuse"}
    return {"rule": finding.rule, **said, "reason": reason.value, "detail": detail, "set_at": set_at}
