"""Whom a campaign is for: an audience of contacts, those of another campaign who were not reached, or
whom the rows of an imported file meant, each with the variables of its row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from angarium.campaigns.states import MemberState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store import recipients
from angarium.campaigns.store.recipients import Glance
from angarium.contacts import audience
from angarium.contacts.audience import Audience, Settled
from angarium.contacts.imports.mapping import keeps_list
from angarium.contacts.imports.store import lists
from angarium.core import ids
from angarium.core.problems import FieldProblem, all_invalid, shown
from angarium.core.values import Json
from angarium.messaging.telling import Person
from angarium.storage.database import Transaction

WINDOW = 5_000  # members or contacts that are looked at in one transaction

STOPPED = "stopped"  # why members are left out who still waited when their campaign was stopped
Outcome = Literal[
    "failed", "expired", "refused", "cancelled", "unknown", "sent", "delivered", "read", "stopped"
]
NOT_REACHED: tuple[Outcome, ...] = ("failed", "expired", "cancelled")


class OfCampaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members of another campaign by what became of their messages. Without a word: those not reached.

    `unknown` may have got it, and `sent` probably has: they are meant only when they are named, and so are
    the `stopped`, who have no message because the campaign was stopped before.
    """

    campaign: str
    states: tuple[Outcome, ...] = NOT_REACHED


class OfImport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"file": "import"}):
    """Whom the rows of an imported file meant, each with the variables of its row."""

    file: str


Asked = Audience | OfCampaign | OfImport


class SettledMembers(msgspec.Struct, frozen=True, tag="members"):
    """Members of another campaign, as a run keeps them."""

    campaign_id: int
    states: tuple[str, ...]
    columns: tuple[str, ...] = ()  # of variables that members may have of their own, as their file has them


class SettledAudience(msgspec.Struct, frozen=True, tag="audience"):
    """An audience, as a run keeps it."""

    audience: Settled


class SettledList(msgspec.Struct, frozen=True, tag="list"):
    """The list of an import, as a run keeps it."""

    import_id: int
    columns: tuple[str, ...] = ()  # the same


People = SettledAudience | SettledMembers | SettledList


class _Kept(msgspec.Struct, frozen=True):
    """As much of what a run keeps as is needed here."""

    people: People


class Window(msgspec.Struct, frozen=True):
    """Some of them, in the order of their contacts."""

    ids: list[int]  # may be none: the next window may have some
    after: int  # where the next one begins; what is kept to go on from
    done: bool  # there is no next one
    variables: Mapping[int, str] = {}  # of contacts that have any of their own: JSON


async def settle(tx: Transaction, workspace_id: int, asked: Asked, now: int) -> People:
    """Whom a campaign is for, settled; a Problem when it cannot be. The import that it names is held."""
    match asked:
        case OfCampaign():
            return await _settle_members(tx, workspace_id, asked)
        case OfImport():
            return await _settle_list(tx, workspace_id, asked)
        case _:
            return SettledAudience(await audience.settle(tx, workspace_id, asked, now))


async def _settle_members(tx: Transaction, workspace_id: int, of: OfCampaign) -> People:
    campaign_id = _named("campaign", of.campaign)
    found = await store.by_id(tx, workspace_id, campaign_id)
    if found is None:
        remedy = "GET /v1/campaigns lists them"
        wrong = FieldProblem("of_campaign.campaign", "no such campaign", remedy, shown(of.campaign))
        raise all_invalid("The campaign is not valid", (wrong,))
    return SettledMembers(campaign_id, of.states, columns_of(found.frozen))


async def _settle_list(tx: Transaction, workspace_id: int, of: OfImport) -> People:
    import_id = _named("import", of.file)
    found = await lists.hold(tx, workspace_id, import_id)
    if found is None:
        problem, remedy = "no such import", "GET /v1/imports lists them"
    elif found[0] != "done":
        problem, remedy = f"is {found[0]}", "an import whose state is done"
    elif not keeps_list(found[1]):
        remedy = 'import the file with a column that is a `variable`, or with `"list": true`'
        problem = "keeps no list"
    elif not await lists.page(tx, workspace_id, import_id, 0, 1):
        problem, remedy = "has nobody on its list", "import it again; a list is kept for 30 days"
    else:
        named = [one.name for one in found[1].columns if one.to == "variable"]
        return SettledList(import_id, tuple(dict.fromkeys(named)))
    wrong = FieldProblem("of_import.import", problem, remedy, shown(of.file))
    raise all_invalid("The campaign is not valid", (wrong,))


def _named(kind: str, text: str) -> int:
    """The id that is written so; 0, which nothing has, when it is none."""
    try:
        return ids.read(kind, text)
    except ValueError:
        return 0


def columns_of(frozen: str) -> tuple[str, ...]:
    """The variables that members may have of their own, by what a run keeps; none before it has begun."""
    people = msgspec.json.decode(frozen, type=_Kept).people if frozen else None
    return people.columns if isinstance(people, SettledList | SettledMembers) else ()


async def window(tx: Transaction, workspace_id: int, people: People, after: int) -> Window:
    """The next of them, among so many contacts or members above an id."""
    match people:
        case SettledList():
            listed = await lists.page(tx, workspace_id, people.import_id, after, WINDOW)
            there = [one.contact_id for one in listed]
            own = {one.contact_id: one.variables for one in listed if one.variables}
            return Window(there, there[-1] if there else after, len(listed) < WINDOW, own)
        case SettledMembers():
            seen = await recipients.glances(tx, workspace_id, people.campaign_id, after, WINDOW)
            there = [one.contact_id for one in seen if _is_meant(one, people.states)]
            own = await member_store.variables(tx, workspace_id, people.campaign_id, there)
            return Window(there, seen[-1].contact_id if seen else after, len(seen) < WINDOW, own)
        case SettledAudience():
            found = await audience.window(tx, workspace_id, people.audience, after, WINDOW)
            return Window(found.ids, found.after, found.done)


def _is_meant(one: Glance, states: tuple[str, ...]) -> bool:
    is_stopped = one.state == MemberState.LEFT_OUT and one.reason == STOPPED
    return one.state in states or (is_stopped and STOPPED in states)


async def count(tx: Transaction, workspace_id: int, people: People) -> int:
    """How many they are now."""
    match people:
        case SettledList():
            return await lists.count(tx, workspace_id, people.import_id)
        case SettledMembers():
            by_arm = await recipients.by_arm(tx, workspace_id, people.campaign_id)
            told = sum(number for _, state, number in by_arm if state in people.states)
            if STOPPED not in people.states:
                return told
            shares = await member_store.reasons(tx, workspace_id, people.campaign_id)
            return told + sum(number for *why, number in shares if why == [MemberState.LEFT_OUT, STOPPED])
        case SettledAudience():
            return await audience.count(tx, workspace_id, people.audience)


async def example(tx: Transaction, workspace_id: int, asked: Asked, now: int) -> Json:
    """The variables of the first of them who has any of its own."""
    if isinstance(asked, Audience):
        return {}
    people = await settle(tx, workspace_id, asked, now)
    found = await window(tx, workspace_id, people, 0)
    return lists.variables(next(iter(found.variables.values()), ""))


def person(contact_id: int, variables: str) -> Person:
    """One of them as somebody to be told."""
    return Person(contact_id, lists.variables(variables))
