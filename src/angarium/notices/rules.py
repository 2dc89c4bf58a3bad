"""What is worth a notice, who is told, where it leads, and how many things of a day become one. Pure.

A kind of notice is a line of `KINDS`; what is made of a fact, a line of `RULES`. A fact that fits no rule
tells nothing. Some rules settle what was told before: a campaign that goes on needs nobody any more. One
notice stands for all that happened of its kind, to the same thing, on one day of the workspace: it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import msgspec

from angarium.core import ids
from angarium.core.clock import micros

HOUR_S = 3_600.0
TEXT_MAX = 500  # characters of what a notice says in other people's words


class Weight(StrEnum):
    """How much it matters."""

    PERSON = "person"  # somebody has to do something
    KNOW = "know"  # good to know


class Kind(msgspec.Struct, frozen=True):
    """A kind of notice. Its words are `notice.kind.<name>`; whoever lacks the scope is not told.

    `leads` is the address of what it is about, with gaps for what it says. One that is `counted` says how
    many there are now, and calls again no sooner than after `again_s`, however the number grows.
    """

    name: str
    group: str
    weight: Weight
    scope: str
    leads: str
    tone: str = "quiet"
    counted: bool = False
    again_s: float = 0.0
    daily: bool = True  # one a day; else one for as long as it lasts


PERSON, KNOW = Weight.PERSON, Weight.KNOW
REGISTRATION, TEMPLATE = "/lines/{line}/registrations/{subject}", "/templates/{subject}"
CAMPAIGN, IMPORT, LINE = "/campaigns/{subject}", "/imports/{subject}", "/lines/{line}"

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("line_stopped", "lines", PERSON, "setup:read", LINE, "bad"),
        Kind("line_works", "lines", KNOW, "setup:read", LINE, "good"),
        Kind("registration_submitted", "lines", PERSON, "lines:decide", REGISTRATION, "on"),
        Kind("registration_approved", "lines", KNOW, "setup:write", REGISTRATION, "good"),
        Kind("registration_refused", "lines", PERSON, "setup:write", REGISTRATION, "bad"),
        Kind("registration_suspended", "lines", PERSON, "setup:write", REGISTRATION, "bad"),
        Kind("registration_expiring", "lines", PERSON, "setup:write", REGISTRATION, "doubt"),
        Kind("registration_expired", "lines", PERSON, "setup:write", REGISTRATION, "bad"),
        Kind("balance_low", "lines", PERSON, "setup:read", LINE, "doubt"),
        Kind("loan_offered", "lines", PERSON, "setup:write", "/lines", "on"),
        Kind("loan_taken", "lines", KNOW, "setup:write", "/lines/{line}/lending", "good"),
        Kind("template_submitted", "templates", PERSON, "templates:decide", TEMPLATE, "on"),
        Kind("template_emergency", "templates", PERSON, "templates:decide", TEMPLATE, "doubt"),
        Kind("template_approved", "templates", KNOW, "templates:write", TEMPLATE, "good"),
        Kind("template_refused", "templates", PERSON, "templates:write", TEMPLATE, "bad"),
        Kind("template_changes", "templates", PERSON, "templates:write", TEMPLATE, "doubt"),
        Kind("template_provider_approved", "templates", KNOW, "templates:write", TEMPLATE, "good"),
        Kind("template_provider_refused", "templates", PERSON, "templates:write", TEMPLATE, "bad"),
        Kind("campaign_submitted", "campaigns", PERSON, "campaigns:decide", CAMPAIGN, "on"),
        Kind("campaign_approved", "campaigns", KNOW, "messages:write", CAMPAIGN, "good"),
        Kind("campaign_refused", "campaigns", PERSON, "messages:write", CAMPAIGN, "bad"),
        Kind("campaign_paused", "campaigns", PERSON, "messages:write", CAMPAIGN, "doubt"),
        Kind("campaign_done", "campaigns", KNOW, "messages:read", CAMPAIGN, "good"),
        Kind("import_done", "contacts", KNOW, "contacts:write", IMPORT, "good"),
        Kind("import_failed", "contacts", PERSON, "contacts:write", IMPORT, "bad"),
        Kind("import_paused", "contacts", PERSON, "contacts:write", IMPORT, "doubt"),
        Kind("export_asked", "contacts", KNOW, "audit:read", "/exports"),
        Kind("export_ready", "contacts", KNOW, "contacts:read", "/exports", "good"),
        Kind("export_failed", "contacts", PERSON, "contacts:read", "/exports", "bad"),
        Kind(
            "unknown",
            "messages",
            PERSON,
            "messages:decide",
            "/unknowns?line={name}",
            "doubt",
            counted=True,
            again_s=HOUR_S,
        ),
        Kind(
            "wording_held",
            "messages",
            PERSON,
            "templates:decide",
            "/messages?waiting=review",
            "doubt",
            counted=True,
            again_s=HOUR_S,
            daily=False,
        ),
        Kind(
            "restored",
            "messages",
            PERSON,
            "messages:decide",
            "/messages?waiting=release",
            "bad",
            counted=True,
            again_s=HOUR_S,
            daily=False,
        ),
        Kind("budget_warning", "messages", KNOW, "policies:read", "/settings/policies/budgets", "doubt"),
        Kind("budget_spent", "messages", PERSON, "policies:read", "/settings/policies/budgets", "bad"),
    )
}
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS.values()))


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of a kind of fact whose body has these values.

    `noun` is what its subject is; `about`: the field by which the day's things are one, in its place. `by`:
    the field of who did it, who is not told; with `to_them` they are, and nobody else.
    """

    fact: str
    when: Mapping[str, tuple[object, ...]] = {}
    noun: str = ""
    about: str = "subject"
    tells: str = ""
    by: str = ""
    to_them: bool = False
    settles: tuple[str, ...] = ()


def _of_registration(verb: str, tells: str = "", settles: str = "") -> Rule:
    told = "registration_" + tells if tells else ""
    ended = tuple("registration_" + name for name in settles.split())
    rule = Rule(fact="line.registration_changed", when={"verb": (verb,)}, noun="registration")
    return msgspec.structs.replace(rule, tells=told, by="by", settles=ended)


def _of_template(action: str, tells: str = "", settles: str = "", **when: tuple[object, ...]) -> Rule:
    told = "template_" + tells if tells else ""
    ended = tuple("template_" + name for name in settles.split())
    rule = Rule(fact=f"template.{action}", when=when, noun="template", tells=told, by="actor")
    return msgspec.structs.replace(rule, settles=ended)


def _of_campaign(verb: str, tells: str = "", settles: str = "", **when: tuple[object, ...]) -> Rule:
    told = "campaign_" + tells if tells else ""
    ended = tuple("campaign_" + name for name in settles.split())
    rule = Rule(fact=f"campaign.{verb}", when=when, noun="campaign", tells=told, by="by")
    return msgspec.structs.replace(rule, settles=ended)


_IN_FORCE = "refused suspended expiring expired submitted"
_DECIDED = "submitted emergency"

RULES: tuple[Rule, ...] = (
    _of_registration("submit", "submitted", "refused expired"),
    _of_registration("withdraw", settles="submitted"),
    _of_registration("approve", "approved", _IN_FORCE),
    _of_registration("reinstate", "approved", _IN_FORCE),
    _of_registration("declare", settles=_IN_FORCE),
    _of_registration("refuse", "refused", "submitted"),
    _of_registration("suspend", "suspended", "expiring"),
    _of_registration("warn", "expiring"),
    _of_registration("expire", "expired", "expiring suspended"),
    _of_registration("reopen", settles="refused expired"),
    Rule(fact="line.balance_low", noun="line", tells="balance_low"),
    Rule(fact="line.balance_enough", noun="line", settles=("balance_low",)),
    Rule(fact="line.loan_offered", when={"to": ("guest",)}, noun="line", tells="loan_offered"),
    Rule(fact="line.loan_taken", when={"to": ("owner",)}, noun="line", tells="loan_taken"),
    Rule(fact="line.loan_taken", when={"to": ("guest",)}, noun="line", settles=("loan_offered",)),
    Rule(fact="line.loan_ended", noun="line", settles=("loan_offered",)),
    Rule(fact="line.stopped", noun="line", tells="line_stopped"),
    Rule(fact="line.works", noun="line", tells="line_works", settles=("line_stopped",)),
    Rule(fact="line.switched_off", noun="line", settles=("line_stopped",)),
    _of_template("submit", "submitted", "refused changes"),
    _of_template("withdraw", settles="submitted"),
    _of_template("approve", "approved", _DECIDED, state=("approved", "published"), review_owed=(False,)),
    _of_template("refuse", "refused", _DECIDED),
    _of_template("request_changes", "changes", "submitted"),
    _of_template("publish", "emergency", review_owed=(True,)),
    _of_template("publish", settles="refused changes", review_owed=(False,)),
    _of_template("retire", settles="refused changes emergency"),
    _of_template("delete", settles="submitted emergency refused changes provider_refused"),
    _of_template(
        "registration",
        "provider_approved",
        "provider_refused",
        status=("approved",),
        about=(None, "status"),
    ),
    _of_template(
        "registration",
        "provider_refused",
        status=("rejected", "paused", "disabled"),
        about=(None, "status"),
    ),
    _of_campaign("submitted", "submitted", "refused"),
    _of_campaign("approved", "approved", "submitted"),
    _of_campaign("refused", "refused", "submitted", by_author=(False,)),
    _of_campaign("refused", settles="submitted", by_author=(True,)),
    _of_campaign("started", settles="refused"),
    _of_campaign("deleted", settles="refused"),
    _of_campaign("paused", "paused", by=("",)),
    _of_campaign("resumed", settles="paused"),
    _of_campaign("stopped", settles="paused"),
    _of_campaign("done", "done", "paused"),
    Rule(
        fact="contacts.imported",
        when={"state": ("done",)},
        noun="import",
        tells="import_done",
        by="by",
        to_them=True,
        settles=("import_paused",),
    ),
    Rule(
        fact="contacts.imported",
        when={"state": ("failed",)},
        noun="import",
        tells="import_failed",
        settles=("import_paused",),
    ),
    Rule(fact="contacts.import_paused", noun="import", tells="import_paused"),
    Rule(fact="export.asked", when={"source": ("",)}, noun="export", tells="export_asked", by="by"),
    Rule(fact="export.done", noun="export", tells="export_ready", by="by", to_them=True),
    Rule(fact="export.failed", noun="export", tells="export_failed", by="by", to_them=True),
    Rule(fact="budget.warning", about="budget", tells="budget_warning"),
    Rule(fact="budget.spent", about="budget", tells="budget_spent"),
)
_BY_FACT: dict[str, list[Rule]] = {}
for _rule in RULES:
    _BY_FACT.setdefault(_rule.fact, []).append(_rule)

# What of a fact a notice keeps, to say it: names, reasons, numbers.
SAID = {
    *("name", "line", "reason", "why", "note", "by", "actor", "channel", "language", "locale", "version"),
    *("created", "changed", "failed", "rows", "format", "budget", "per_cent", "amount", "currency", "micros"),
}


# ── from facts ───────────────────────────────────────────────────────────────────────────────────────


class Told(msgspec.Struct, frozen=True):
    """Something that is to be told. `count`: of what is counted, how many there are now; else it is one."""

    kind: str
    about: str
    at: int
    says: Mapping[str, Any] = {}
    actor: str = ""  # who did it, and is not told
    recipient: str = ""  # who alone is told; empty: everybody who may see it
    count: int = 1


class Settled(msgspec.Struct, frozen=True):
    """What was told of something needs nobody any more."""

    kinds: tuple[str, ...]
    about: str
    at: int


News = Told | Settled


def news(fact_kind: str, subject_id: int, at: int, fact_body: str | bytes) -> list[News]:
    """What a fact comes to; of most nothing."""
    rules = _BY_FACT.get(fact_kind)
    if not rules:
        return []
    body = msgspec.json.decode(fact_body)
    found: list[News] = []
    for rule in rules:
        if all(body.get(field) in values for field, values in rule.when.items()):
            found += _made(rule, subject_id, at, body)
    return found


def _made(rule: Rule, subject_id: int, at: int, body: Mapping[str, Any]) -> list[News]:
    subject = ids.show(rule.noun, subject_id) if rule.noun else ""
    about = subject if rule.about == "subject" else str(body[rule.about])
    found: list[News] = [Settled(rule.settles, about, at)] if rule.settles else []
    if rule.tells:
        says = {name: _short(value) for name, value in body.items() if name in SAID}
        says |= {"subject": subject}
        if rule.noun == "line":
            says["line"] = subject
        actor = str(body.get(rule.by) or "") if rule.by else ""
        by, only = ("", actor) if rule.to_them else (actor, "")
        found.append(Told(rule.tells, about, at, says, by, only))
    return found


def _short(value: object) -> object:
    return value[:TEXT_MAX] if isinstance(value, str) else value


# ── folding ──────────────────────────────────────────────────────────────────────────────────────────


class Notice(msgspec.Struct, frozen=True):
    """A notice as it is kept. Its id is minted anew whenever it calls again: it is the newest, and unread."""

    kind: str
    about: str
    day: int  # of the workspace, counted from 1 January of the year 1; 0 where it is not one a day
    id: int
    count: int
    first_at: int
    at: int  # when it called last
    actor: str
    recipient: str
    says: Mapping[str, Any]
    settled_at: int | None = None


Key = tuple[str, str, int]


def key_of(one: Notice) -> Key:
    """What there is one notice of."""
    return one.kind, one.about, one.day


def fold(
    known: Iterable[Notice], fresh: Sequence[News], day_of: Callable[[int], int], mint: Callable[[], int]
) -> list[Notice]:
    """The notices that are new or other than before. `known` has all of today, and all that are not settled,
    about whatever the news are about."""
    at_hand = {key_of(one): one for one in known}
    before = dict(at_hand)
    for one in fresh:
        if isinstance(one, Settled):
            _settle(at_hand, one)
        else:
            key = (one.kind, one.about, day_of(one.at) if KINDS[one.kind].daily else 0)
            at_hand[key] = _told(at_hand.get(key), one, key, mint)
    return [one for key, one in at_hand.items() if one is not before.get(key)]


def _settle(at_hand: dict[Key, Notice], settled: Settled) -> None:
    for key, one in at_hand.items():
        if one.kind in settled.kinds and one.about == settled.about and one.settled_at is None:
            at_hand[key] = msgspec.structs.replace(one, settled_at=settled.at)


def _told(before: Notice | None, one: Told, key: Key, mint: Callable[[], int]) -> Notice:
    if before is None:
        return Notice(*key, mint(), one.count, one.at, one.at, one.actor, one.recipient, one.says)
    if KINDS[one.kind].counted:
        return _counted(before, one, mint)
    return msgspec.structs.replace(
        before,
        id=mint(),
        count=before.count + 1,
        at=one.at,
        actor=one.actor if one.actor == before.actor else "",  # by two people: each is told of the other's
        recipient=one.recipient,
        says=one.says,
        settled_at=None,
    )


def _counted(before: Notice, one: Told, mint: Callable[[], int]) -> Notice:
    """What is counted calls again when it has grown and was quiet for a while, or was settled before."""
    if one.count == before.count and before.settled_at is None:
        return before
    quiet = one.at - before.at >= micros(KINDS[one.kind].again_s)
    if before.settled_at is None and not (quiet and one.count > before.count):
        return msgspec.structs.replace(before, count=one.count)
    first_at = before.first_at if before.settled_at is None else one.at
    return Notice(*key_of(before), mint(), one.count, first_at, one.at, one.actor, one.recipient, one.says)


# ── for people ───────────────────────────────────────────────────────────────────────────────────────


def kinds_for(scopes: AbstractSet[str]) -> list[str]:
    """The kinds that somebody with these scopes is told of."""
    return [name for name, kind in KINDS.items() if kind.scope in scopes]


def leads_to(kind: str, says: Mapping[str, Any]) -> str:
    """The address of what a notice is about."""
    gaps = {name: quote(str(value), safe="") for name, value in says.items()}
    try:
        return KINDS[kind].leads.format_map(gaps)
    except KeyError:  # of what was told before it said as much
        return "/notices"


def reference() -> str:
    """The table of docs/reference/notices.md."""
    lines = ["| kind | of facts | scope | weight | leads to |", "|---|---|---|---|---|"]
    for name, kind in KINDS.items():
        facts = dict.fromkeys(f"`{rule.fact}`" for rule in RULES if rule.tells == name)
        told_of = ", ".join(facts) or "what is counted once a minute"
        lines.append(f"| `{name}` | {told_of} | `{kind.scope}` | {kind.weight} | `{kind.leads}` |")
    return "\n".join(lines)
