"""The policies that the gate reads: their kinds, and those in force at hand without a query.

A kind is a struct whose defaults mean that there is no such rule. A room that adds one adds it to `Policies`
and to `KINDS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
import structlog

from angarium.accounts import audit
from angarium.accounts import policies_store as store
from angarium.accounts import store as accounts
from angarium.accounts.policies_store import Policy
from angarium.accounts.sessions import SignIn
from angarium.contacts.suppression import BadAddresses
from angarium.content.approval import Approvals
from angarium.content.store import versions
from angarium.content.surroundings import WordingPolicy
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.core.values import MONEY, MessageClass
from angarium.messaging.gate.documents import NONE as NO_PEOPLE_POLICIES
from angarium.messaging.gate.documents import (
    Caps,
    ConsentPolicy,
    PeoplePolicies,
    QuietHours,
    Reachability,
)
from angarium.messaging.gate.spending import Budgets
from angarium.messaging.links import LinkPolicy
from angarium.messaging.retention import Retention
from angarium.messaging.routing import Routing
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

log = structlog.get_logger()

Action = Literal["block", "hold", "allow"]  # held: until a person has looked
Entries = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=2, max_length=100)], ...], msgspec.Meta(max_length=500)
]


class ContentControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done with wording that promotes, in a message whose class may not.

    A code is never held: what is only likely to promote goes out, when it is one.
    """

    certain: Action = "block"  # what no doubt is about
    likely: Action = "hold"  # what is advertising rather than not
    also: Entries = ()  # words that promote in this workspace, in the form of the lists
    never: Entries = ()  # words that do not


class CampaignPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked before a campaign starts. A limit that is not set asks for nothing."""

    approve: tuple[MessageClass, ...] = ()  # of these classes somebody else approves it
    confirm_members: Annotated[int, msgspec.Meta(ge=0)] | None = None  # above it, its size is typed
    confirm_cost: dict[
        Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")], Annotated[int, msgspec.Meta(ge=0, extra=MONEY)]
    ] = {}  # by currency, in micro-units: what it may cost at the most before its size is typed


class Policies(msgspec.Struct, frozen=True):
    """What is in force in a workspace."""

    approvals: Approvals = Approvals()
    wording: WordingPolicy = WordingPolicy()
    recalled: frozenset[int] = frozenset()  # versions of templates with which nothing may leave any more
    content_control: ContentControl = ContentControl()
    sign_in: SignIn = SignIn()
    budgets: Budgets = Budgets()
    routing: Routing = Routing()
    links: LinkPolicy = LinkPolicy()
    consent: ConsentPolicy = ConsentPolicy()
    quiet_hours: QuietHours = QuietHours()
    caps: Caps = Caps()
    reachability: Reachability = Reachability()
    campaigns: CampaignPolicy = CampaignPolicy()
    bad_addresses: BadAddresses = BadAddresses()
    retention: Retention = Retention()
    zone: str = "UTC"  # the workspace's
    people: PeoplePolicies = NO_PEOPLE_POLICIES  # what is asked of people, together

    def __post_init__(self) -> None:
        together = PeoplePolicies(self.consent, self.quiet_hours, self.caps, self.reachability, self.zone)
        if together != self.people:
            msgspec.structs.force_setattr(self, "people", together)


KINDS: dict[str, Shape[Any]] = {
    "approvals": Shape(Approvals),
    "sign-in": Shape(SignIn),
    "budgets": Shape(Budgets),
    "content-control": Shape(ContentControl),
    "wording": Shape(WordingPolicy),
    "routing": Shape(Routing),
    "links": Shape(LinkPolicy),
    "consent": Shape(ConsentPolicy),
    "quiet-hours": Shape(QuietHours),
    "caps": Shape(Caps),
    "reachability": Shape(Reachability),
    "campaigns": Shape(CampaignPolicy),
    "bad-addresses": Shape(BadAddresses),
    "retention": Shape(Retention),
}
NONE = Policies()
TOPIC = "lines"  # woken when a policy was changed: the loop that reads lines again reads these too


class AtHand:
    """The policies in force of all workspaces."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._by_workspace: dict[int, Policies] = {}

    def of(self, workspace_id: int) -> Policies:
        """What is in force in a workspace."""
        return self._by_workspace.get(workspace_id, NONE)

    async def reload(self, workspace_ids: Iterable[int]) -> None:
        """Read those of these workspaces again."""
        wanted = list(workspace_ids)
        found = await self._ground.db.read(store.in_force, wanted)
        recalled = await self._ground.db.read(versions.recalled, wanted)
        zones = await self._ground.db.read(accounts.time_zones, wanted)
        by_workspace: dict[int, dict[str, Any]] = {workspace_id: {} for workspace_id in wanted}
        for one in found:
            if one.kind in KINDS:
                name = one.kind.replace("-", "_")
                by_workspace[one.workspace_id][name] = self._read(one, name)
        self._by_workspace |= {
            workspace_id: Policies(
                **documents,
                recalled=recalled.get(workspace_id, frozenset()),
                zone=zones.get(workspace_id, "UTC"),
            )
            for workspace_id, documents in by_workspace.items()
        }

    def _read(self, one: Policy, name: str) -> Any:
        """A document; one that a newer version beside this one has written, and this one cannot read, leaves
        in force what was."""
        try:
            return read(one)
        except Problem as problem:
            log.warning("a policy is not understood by this version", kind=one.kind, why=problem.detail)
            return getattr(self.of(one.workspace_id), name)


def read(one: Policy) -> Any:
    """The document of a policy as the struct of its kind; Problem when it is not one."""
    return KINDS[one.kind].read(one.body.encode())


def default(kind: str) -> Any:
    """The document of a kind of which nothing has been written."""
    return KINDS[kind].type()


async def current(ground: Ground, workspace_id: int) -> dict[str, Policy]:
    """The newest written version of each kind."""
    return {one.kind: one for one in await ground.db.read(store.in_force, [workspace_id])}


async def history(ground: Ground, workspace_id: int, kind: str) -> Sequence[Policy]:
    """Every version of a kind, oldest first."""
    return await ground.db.read(store.history, workspace_id, kind)


async def change(
    ground: Ground, at_hand: AtHand, workspace_id: int, kind: str, document: Any, actor: str
) -> Policy:
    """Put a new version of a policy in force; Conflict when another was written at the same moment."""
    before = (await current(ground, workspace_id)).get(kind)
    new = Policy(
        workspace_id,
        kind,
        before.version + 1 if before else 1,
        msgspec.json.encode(document).decode(),
        actor,
        ground.clock.now(),
    )
    await ground.db.run(_write, new, before)
    await at_hand.reload([workspace_id])
    ground.fabric.wake(TOPIC)
    return new


async def _write(tx: Transaction, new: Policy, before: Policy | None) -> None:
    await store.write(tx, new)
    old, now = (msgspec.json.decode(one.body) if one else {} for one in (before, new))
    details = {"version": new.version, **audit.changed(old, now)}
    await audit.note(
        tx, new.workspace_id, new.changed_by, "policy.changed", new.kind, details, new.changed_at
    )
