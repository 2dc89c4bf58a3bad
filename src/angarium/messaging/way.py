"""The way of one step: an address of the contact, wording for the channel and locale, and a line fit for the
class that may send at this hour. What is missing is said as a refusal with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from angarium.contacts.places import DEFAULT_LOCALE
from angarium.contacts.store import Contact
from angarium.content import promotional
from angarium.content import rules as wording_rules
from angarium.content.saying import fit, say
from angarium.core.clock import MICROS
from angarium.core.ports import Channel
from angarium.core.values import Address, AddressKind, Content, Json, MessageClass, Reason, Standing, Window
from angarium.lines import destinations
from angarium.lines.requirements import requirements
from angarium.lines.store import Line
from angarium.messaging.budgets import Purse
from angarium.messaging.cascade import Send, Step
from angarium.messaging.case import Case, Unworded
from angarium.messaging.gate import reachability
from angarium.messaging.gate.approval import Wording, wording
from angarium.messaging.gate.facts import NO_LINE, Facts, LineRules, Promotes, Remembered
from angarium.messaging.gate.judge import judge, judge_person, judge_wording
from angarium.messaging.gate.verdicts import Allow, Defer, Hold, InVain, Refuse, Verdict
from angarium.messaging.links import put_in
from angarium.messaging.pricing import Quote, quote
from angarium.messaging.routing import By, Candidate, LineFacts, Routing, candidates
from angarium.messaging.store.messages import Message
from angarium.messaging.unsubscribe import VARIABLE, in_head
from angarium.messaging.world import World

ORDERS_KEPT = 1_000
WORDINGS_KEPT = 4_096
RULES_OF: dict[int, tuple[Line, LineRules]] = {}  # by identity: a line that is read again is another one
HOLDS_MAX = 32  # one hold after another: by the hours of a week, and by the budgets of its days


class Order(msgspec.Struct, frozen=True, gc=False):
    """The lines of a step, best first."""

    candidates: tuple[Candidate, ...]
    told: tuple[Json, ...]  # the same as people are shown it


class Way(msgspec.Struct, frozen=True, gc=False):
    """How a step can be taken."""

    line: Line
    address: str
    content: Content
    parts: int
    due_at: int
    order: Order
    quote: Quote
    held: str = ""


def find_way(world: World, case: Case, send: Send, now: int) -> Way | Hold | Refuse:
    """The way of a step, or what is in it."""
    message, contact, step = case.message, case.contact, case.steps[send.step]
    if contact is None:
        return Refuse(Reason.NO_ADDRESS, "The contact has been deleted.")
    standing = contact.standing()
    lines = lines_of(world, message.workspace_id, step)
    verdict = judge_person(person_facts(world, case, step.channel, lines), now)
    if isinstance(verdict, Refuse):
        return verdict
    if not lines:
        return Refuse(Reason.NO_LINE, f"There is no line {step.line or 'on the channel ' + step.channel}.")
    channel = world.channels[lines[0].channel]
    address = place_of(contact, channel, message.to_address)
    if address is None:
        gone = place_of(contact, channel) is not None
        has = "no longer the address that was named" if gone else f"no {channel.address_kind.value} address"
        return Refuse(Reason.NO_ADDRESS, f"The contact has {has}.")
    content = word(case, channel, contact, world.public_url)
    if isinstance(content, Unworded):
        return Refuse(Reason.NO_WORDING, content.detail)
    plain = case.unlinked.get(channel.kind, content)
    said = judge_wording(message.message_class, promotes(world, case, plain), now)
    if isinstance(said, Hold | Refuse):
        return said
    return _choose_line(world, case, send, lines, channel, standing, address, content, now)


def place_of(contact: Contact, channel: Channel, named: str = "") -> Address | None:
    """The address of a contact to write to on a channel: the one that was named, else the one that is used
    first, of the first kind that the channel reaches and the contact has."""
    for kind in channel.kinds:
        found = contact.address(kind, named)
        if found is not None:
            return found
    return None


def lines_of(world: World, workspace_id: int, step: Step) -> list[Line]:
    """The lines that a step names."""
    return [
        line
        for line in world.lines.of(workspace_id)
        if (line.name == step.line if step.line else line.channel == step.channel)
    ]


def word(case: Case, channel: Channel, contact: Contact, public_url: str) -> Content | Unworded:
    """The words of a message on a channel, or why there are none; rendered once."""
    if channel.kind not in case.rendered:
        content = _render(case, channel, contact, public_url)
        if isinstance(content, Content):
            message_class = case.message.message_class
            content = in_head(content, message_class, channel.address_kind, case.unsubscribe_url)
            if case.tracking is not None:
                case.unlinked[channel.kind] = content
                content = put_in(content, case.tracking)
        case.rendered[channel.kind] = content
    return case.rendered[channel.kind]


def on_line(world: World, case: Case, line: Line, content: Content) -> Content:
    """The words as they go out on a line. Where its operator registered the very link, it stays as it is."""
    plain = case.unlinked.get(line.channel, content)
    if plain is content:
        return content
    patterns = world.lines.patterns(line, case.message.message_class)
    if patterns is None or patterns.match(content.text) or not patterns.match(plain.text):
        return content
    return plain


def _render(case: Case, channel: Channel, contact: Contact, public_url: str) -> Content | Unworded:
    assert case.wording is not None
    if case.wording.literal:
        return case.variants[0].content
    locale = case.message.locale
    group = channel.address_kind.value
    fallback = DEFAULT_LOCALE if contact.locale_is_guess and locale == contact.locale else ""
    variant = case.picked(channel.kind, locale, group, fallback)
    if variant is None:
        return Unworded(f"There is no wording for {channel.kind} in {locale or 'any locale'}.")
    values = {**case.wording.variables, "contact": contact_values(contact)}
    if case.unsubscribe_url:
        values[VARIABLE] = case.unsubscribe_url
    zone = contact.known_zone or case.permissions.policies.zone
    try:
        return fit(variant, say(variant, values, locale, zone, public_url), channel)
    except wording_rules.NotRendered as error:
        return Unworded(str(error), error.problems)


def promotes(world: World, case: Case, content: Content) -> Promotes | None:
    """What the words of a message promote, and what is done about it; None when nobody has to know."""
    message_class, control = case.message.message_class, world.policies.of(case.message.workspace_id)
    policy = control.content_control
    reviewed = case.wording is not None and case.wording.reviewed_by
    if message_class is MessageClass.PROMOTIONAL or reviewed or policy.certain == policy.likely == "allow":
        return None
    found, words = detected(f"{content.subject}\n{content.text}", policy.also, policy.never)
    if not found.is_likely:
        return None
    action = policy.certain if found.is_certain else policy.likely
    if action == "hold" and message_class is MessageClass.OTP:
        action = policy.certain if found.is_certain and policy.certain != "hold" else "allow"
    return None if action == "allow" else Promotes(action, words)


@lru_cache(maxsize=WORDINGS_KEPT)
def detected(
    text: str, also: tuple[str, ...], never: tuple[str, ...]
) -> tuple[promotional.Detection, tuple[str, ...]]:
    """What a text looks like, and the words by which it is likely to promote; one answer for all told so."""
    found = promotional.detect(text, also, never)
    return found, found.words(text) if found.is_likely else ()


def contact_values(contact: Contact) -> Json:
    """What a template sees of a contact."""
    return {
        **contact.fields,
        "name": contact.name,
        "external_id": contact.external_id or "",
        "locale": contact.locale,
        "tags": list(contact.tags),
    }


def _choose_line(
    world: World,
    case: Case,
    send: Send,
    lines: list[Line],
    channel: Channel,
    standing: Standing,
    place: Address,
    content: Content,
    now: int,
) -> Way | Refuse:
    """The best line that may send now; else the one whose hours open first."""
    message, step, address = case.message, case.steps[send.step], place.value
    findings = channel.lint(world.settings(lines[0]), content)
    if findings:
        detail = "; ".join(f"{f.field} {f.problem}" for f in findings)
        return Refuse(Reason.UNSUPPORTED, f"{channel.title} cannot carry it: {detail}.")
    words = {line.id: on_line(world, case, line, content) for line in lines}
    parts = {line.id: channel.measure(world.settings(line), words[line.id]).parts for line in lines}
    quotes = {
        line.id: quote(world, line, message.message_class, address, parts[line.id], now) for line in lines
    }
    seen = tuple([line_facts(world, line, quotes[line.id].micros, address) for line in lines])
    routing = world.policies.of(message.workspace_id).routing
    asked = (seen, step.channel, step.line, message.message_class, send.avoid, send.exclude)
    order = _order_of(asked, routing, message)
    by_id = {line.id: line for line in lines}
    recalled = recall(case, send, channel, address)
    deferred: tuple[int, Way] | None = None
    refusal: Refuse | None = None
    for candidate in order.candidates:
        if not candidate.fit:
            continue
        line = by_id[candidate.line_id]
        said = words[line.id]
        facts = facts_of(
            world, case, send.step, standing, line, (place.kind, address), said, recalled=recalled
        )
        verdict = _judged(case, facts, line, quotes[line.id], now)
        way = Way(line, address, said, parts[line.id], now, order, quotes[line.id])
        if isinstance(verdict, Refuse):
            refusal = _spared(verdict, channel, quotes[line.id])
        elif isinstance(verdict, Defer):
            later = msgspec.structs.replace(way, due_at=verdict.until, held=verdict.detail)
            deferred = min(
                deferred or (verdict.until, later), (verdict.until, later), key=lambda pair: pair[0]
            )
        else:
            return way
    return deferred[1] if deferred else refusal or Refuse(Reason.NO_LINE, _why_none(order))


def recall(case: Case, send: Send, channel: Channel, address: str) -> Remembered | None:
    """What is remembered against a step that is begun now; None where it must not be passed over, because no
    other one is left."""
    if case.contact is None or send.regardless:
        return None
    known = case.permissions.recall(case.contact.id, channel.kind, address)
    if known is None or any(tried.step == send.step for tried in case.attempts):
        return None
    skipped = {skip.step for skip in case.message.skips}
    if not set(range(send.step + 1, len(case.steps))) - skipped:
        return None
    may_be = reachability.believed(case.steps[send.step], case.message.message_class)
    return Remembered(known, channel.title, may_be)


def _spared(refusal: Refuse, channel: Channel, price: Quote) -> Refuse:
    """A step that is in vain costs what it costs to be taken: where only what is delivered costs, nothing."""
    if not isinstance(refusal, InVain) or channel.capabilities.billed_on != "accepted":
        return refusal
    return msgspec.structs.replace(refusal, spared_micros=price.micros, currency=price.currency)


def _judged(case: Case, facts: Facts, line: Line, price: Quote, now: int) -> Verdict:
    """What the gate says; of what is held until a later day, as the budgets of that day have it."""
    if case.purse is None:
        return judge(facts, now)
    at = now
    held: Defer | None = None
    for _ in range(HOLDS_MAX):
        met = with_budgets(case.purse, facts, line, price, at)
        verdict = judge(met, at)
        if isinstance(verdict, Defer | Refuse) and verdict.rule == "budget":
            case.purse.full(met.budgets, at)
        if not isinstance(verdict, Defer):
            return held if held is not None and isinstance(verdict, Allow) else verdict
        held, at = verdict, verdict.until
    assert held is not None
    return Refuse(held.reason, held.detail, held.rule, held.set_at)


def with_budgets(purse: Purse, facts: Facts, line: Line, price: Quote, at: int) -> Facts:
    """The same facts, with the budgets that the message meets at an instant."""
    found = purse.facts(facts.message_class, line.name, price.micros, price.currency, at)
    return msgspec.structs.replace(facts, budgets=found)


Asked = tuple[tuple[LineFacts, ...], str, str, MessageClass, frozenset[int], frozenset[int]]


def _order_of(asked: Asked, routing: Routing, message: Message) -> Order:
    """The lines, best first; by weight each message draws its own, else most of a batch are alike."""
    by = routing.way(message.message_class)
    if by is By.WEIGHTED and len(asked[0]) > 1:
        return _ordered(*asked, by, (), message.id)
    return _order(*asked, by, routing.order if by is By.FIXED else (), 0)


def _ordered(
    lines: tuple[LineFacts, ...],
    channel: str,
    line: str,
    message_class: MessageClass,
    avoid: frozenset[int],
    exclude: frozenset[int],
    by: By,
    named: tuple[str, ...],
    key: int,
) -> Order:
    step = Step(channel=channel, line=line)
    found = tuple(candidates(lines, step, message_class, avoid, exclude, by, named, key))
    return Order(found, tuple({"line": c.name, "fit": c.fit, "why": c.why} for c in found))


_order = lru_cache(maxsize=ORDERS_KEPT)(_ordered)


def _why_none(order: Order) -> str:
    unfit = [candidate.why for candidate in order.candidates if not candidate.fit]
    return " ".join(unfit) or "No line is left for this step."


def line_rules(line: Line) -> LineRules:
    """A line as the policy sees it; made once for each reading of the line."""
    kept = RULES_OF.get(id(line))
    if kept is None or kept[0] is not line:
        if len(RULES_OF) >= ORDERS_KEPT:
            RULES_OF.clear()
        kept = RULES_OF[id(line)] = (line, _rules_of(line))
    return kept[1]


def _rules_of(line: Line) -> LineRules:
    return LineRules(
        line.name,
        line.classes,
        line.approved,
        line.enabled,
        line.hours,
        line.id,
        line.channel,
        line.registrations,
    )


def facts_of(
    world: World,
    case: Case,
    step: int,
    standing: Standing,
    line: Line,
    place: tuple[AddressKind, str],
    content: Content,
    found: Promotes | None = None,
    recalled: Remembered | None = None,
) -> Facts:
    """A step of a message on a line, to an address, as the gate sees it; `found`: what its words promote,
    `recalled`: what is remembered against it."""
    message, known = case.message, case.permissions
    return Facts(
        message.message_class,
        standing,
        line_rules(line),
        message.expires_at,
        message.contact_id,
        operator_of(line, place[1]),
        content.text,
        world.lines.patterns(line, message.message_class),
        found,
        wording=wording_facts(
            world, message.workspace_id, message.message_class, line.channel, message.template_version_id
        ),
        message_id=message.id,
        suppressed=known.against(*place),
        touches=known.had(message.contact_id),
        policies=known.policies,
        step=step,
        hours=case.steps[step].hours,
        remembered=recalled,
    )


def person_facts(world: World, case: Case, channel_kind: str, lines: Sequence[Line]) -> Facts:
    """A message as the rules about the person see it, before a line is chosen."""
    assert case.contact is not None
    kind = lines[0].channel if lines else channel_kind
    rules = msgspec.structs.replace(NO_LINE, channel=kind)
    channel = world.channels.get(kind)
    address = place_of(case.contact, channel, case.message.to_address) if channel else None
    message, known = case.message, case.permissions
    return Facts(
        message.message_class,
        case.contact.standing(),
        rules,
        message.expires_at,
        message.contact_id,
        message_id=message.id,
        suppressed=known.against(address.kind, address.value) if address else (),
        policies=known.policies,
    )


def wording_facts(
    world: World, workspace_id: int, message_class: MessageClass, channel: str, version_id: int
) -> Wording:
    """The words of a message on a channel as the gate sees them."""
    policies = world.policies.of(workspace_id)
    return wording(policies.approvals, message_class, channel, version_id, policies.recalled)


def write_hours(hours: Window | None) -> str:
    """The hours of a step as an attempt keeps them: whoever claims it does not look for its step."""
    return "" if hours is None else msgspec.json.encode(hours).decode()


@lru_cache(maxsize=ORDERS_KEPT)
def read_hours(text: str) -> Window | None:
    """The hours that an attempt keeps."""
    return msgspec.json.decode(text, type=Window) if text else None


def operator_of(line: Line, address: str) -> str:
    """The operator of a number, where the line's kind is registered at each; "" when it cannot be told."""
    return requirements()[line.requirement].operator_of(address)


def line_facts(world: World, line: Line, price_micros: int, address: str) -> LineFacts:
    """A line as the routing sees it, for a message to an address."""
    healthy = world.is_up(line.id) is not False
    elsewhere = _elsewhere(line, address) if line.only_to or line.never_to else ""
    return LineFacts(
        line.id,
        line.channel,
        line_rules(line),
        healthy,
        price_micros,
        line.weight,
        world.taken.get(line.id),
        elsewhere,
    )


def _elsewhere(line: Line, address: str) -> str:
    """Why a line is not for a destination; empty when it is."""
    if line.only_to and not address.startswith(_prefixes(line.only_to)):
        return f"The line {line.name} is for {', '.join(line.only_to[:5])} only."
    if line.never_to and address.startswith(_prefixes(line.never_to)):
        return f"The line {line.name} is not for {', '.join(line.never_to[:5])}."
    return ""


@lru_cache(maxsize=ORDERS_KEPT)
def _prefixes(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(prefix for destination in named for prefix in destinations.prefixes(destination))


def native_ttl_s(channel: Channel, step: Step, expires_at: int, now: int, last: bool) -> float | None:
    """How long the provider may keep trying: as long as the step waits, so that it cannot come after the
    fallback; the last step has until the message's deadline. None when the provider cannot be told."""
    bounds = channel.capabilities.native_ttl_s
    if bounds is None:
        return None
    left_s = (expires_at - now) / MICROS
    wanted_s = left_s if last else min(step.wait_s, left_s)
    return max(bounds[0], min(bounds[1], wanted_s))
