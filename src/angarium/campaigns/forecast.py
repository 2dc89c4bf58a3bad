"""What a campaign would come to if it started now: how many, by which step, at what cost, in which words.

A sample of its audience is considered exactly as each member will be when it is launched, by the same rules,
and nothing is written. Of an audience that is no larger than the sample it is no estimate.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from angarium.campaigns import confirmation, flows, obstacles, schedule
from angarium.campaigns import people as whom
from angarium.campaigns.build import CONTROL_GROUP
from angarium.campaigns.experiment import CONTROL, arm_of
from angarium.campaigns.obstacles import ByLine, Place
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.wanted import CampaignInput, Frozen, telling_of, templates_of
from angarium.content import flows as templates
from angarium.content import proof
from angarium.content.proof import Readers
from angarium.content.store import versions
from angarium.content.surroundings import Look
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import Content, amount_text
from angarium.messaging import telling
from angarium.messaging.cascade import Send
from angarium.messaging.case import Case
from angarium.messaging.gate.verdicts import Hold, Refuse
from angarium.messaging.telling import Gone, NotTold, Person, Telling
from angarium.messaging.way import Way, find_way
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]

SAMPLE = 1_000  # members that are considered
AT_ONCE = 250  # in one transaction
KEPT = ("at", "members", "goes", "estimated", "left_out", "parts", "cost")  # beside the report
SHOWN = 5  # messages that are shown whole; of several wordings some of each
SCATTER, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1  # Fibonacci hashing: Knuth, TAOCP 3, section 6.4


class Considered(msgspec.Struct):
    """What became of a sample."""

    members: int  # of the whole audience
    sample: int
    refused: Counter[str]
    first: Counter[int]  # step by which a message would begin
    able: Counter[int]  # step by which it could go at all
    parts: list[int]
    least: Counter[Place]  # micro-units: the first way of each alone
    most: Counter[Place]  # every step of each, one after another
    each: dict[int, Counter[str]]  # by step: what it would cost, were all sent by it
    shown: dict[int, list[Document]]  # by arm
    locales: Counter[str]  # of those who were considered


async def forecast(world: World, look: Look, workspace_id: int, campaign_id: int) -> Document:
    """The forecast of a campaign; a Problem names what is in the way of its start."""
    ground = world.ground
    one = await ground.db.read(flows.existing, workspace_id, campaign_id)
    given, now = flows.wanted(one), ground.clock.now()
    kept = await ground.db.run(flows.freeze, world, workspace_id, given, now)
    chosen, members = await _chosen(world, workspace_id, kept)
    found = Considered(
        members, len(chosen), Counter(), Counter(), Counter(), [], Counter(), Counter(), {}, {}, Counter()
    )
    for start in range(0, len(chosen), AT_ONCE):
        some = chosen[start : start + AT_ONCE]
        arms = _by_arm(given, campaign_id, some)
        found.refused[CONTROL_GROUP] += len(some) - sum(map(len, arms.values()))
        for arm, people in arms.items():
            what = telling_of(given, kept, arm)
            await ground.db.read(_consider, world, workspace_id, what, people, found, now, arm)
    readers = found.locales, found.sample if found.sample < members else 0
    findings = await ground.db.read(_findings, look, workspace_id, given, kept, readers)
    told = {"at": iso(now), "hash": confirmation.hash_of(one, kept), **_told(world, kept, found)}
    told["messages"] = _whole(given, found)
    begins = max(now, schedule.earliest(given.schedule))
    told["lines_away"] = obstacles.lines_away(world, workspace_id, kept, now)
    told["budgets_short"] = await ground.db.read(
        obstacles.budgets_short, world, workspace_id, kept.message_class, _scaled(found), begins
    )
    await ground.db.run(_keep, workspace_id, campaign_id, one.version, told)
    return told | {"findings": findings}


async def _keep(tx: Transaction, workspace_id: int, campaign_id: int, version: int, told: Document) -> None:
    """Keep what was foretold, so that it stands beside what then comes; not of words changed meanwhile."""
    one = await store.hold(tx, workspace_id, campaign_id)
    if one is not None and one.version == version and one.started_at is None:
        kept = {name: told[name] for name in KEPT}
        one.forecast = msgspec.json.encode(kept).decode()
        await store.save(tx, one)


def _by_arm(given: CampaignInput, campaign_id: int, people: Sequence[Person]) -> dict[int, list[Person]]:
    """Who gets which wording; the control group gets none, and is not told of here."""
    if given.experiment is None:
        return {0: list(people)}
    arms: dict[int, list[Person]] = {}
    for one in people:
        arms.setdefault(arm_of(given.experiment, campaign_id, one.contact_id), []).append(one)
    return {arm: arms[arm] for arm in sorted(arms) if arm != CONTROL}


async def _findings(
    tx: Transaction, look: Look, workspace_id: int, given: CampaignInput, kept: Frozen, readers: Readers
) -> list[Document]:
    """What an author should know of the words that would be said to these readers. A sample does not tell
    that nobody else has another locale of the workspace."""
    there = {one.name: one.id for one in await versions.all_of(tx, workspace_id)}
    found: list[Document] = []
    version_ids = kept.arms or (kept.template_version_id,)
    for name, version_id in zip(templates_of(given).values(), version_ids, strict=True):
        whole = await templates.whole(tx, workspace_id, there[name])
        version = next(one for one in whole.versions if one.id == version_id)
        findings = await proof.findings(tx, look, whole, version, readers)
        found += [{"template": name, **msgspec.to_builtins(one)} for one in findings]
    return found


async def _chosen(world: World, workspace_id: int, kept: Frozen) -> tuple[list[Person], int]:
    """A sample in the order of ids, and how many there are in all.

    Those whose scattered ids are the least (bottom-k sampling): each as likely as any other, and the same
    ones whenever it is asked.
    """
    least: list[tuple[int, int, str]] = []
    count, after, done = 0, 0, False
    while not done:
        found = await world.ground.db.read(whom.window, workspace_id, kept.people, after)
        count += len(found.ids)
        own = found.variables
        scattered = ((one * SCATTER & MASK, one, own.get(one, "")) for one in found.ids)
        least = heapq.nsmallest(SAMPLE, (*least, *scattered))
        after, done = found.after, found.done
    least.sort(key=lambda one: one[1])
    return [whom.person(contact_id, variables) for _, contact_id, variables in least], count


async def _consider(
    tx: Transaction,
    world: World,
    workspace_id: int,
    what: Telling,
    people: Sequence[Person],
    found: Considered,
    now: int,
    arm: int,
) -> None:
    for case in await telling.consider(tx, world, workspace_id, what, people, now, within_budgets=False):
        if isinstance(case, Gone):
            found.refused["gone"] += 1
            continue
        found.locales[case.message.locale] += 1
        answer = telling.answer(case)
        if isinstance(answer, NotTold):
            found.refused[answer.reason] += 1
        else:
            _add(world, case, found, now, arm)


def _add(world: World, case: Case, found: Considered, now: int, arm: int) -> None:
    """A message that would go: by which steps, in how many parts, at what cost."""
    begins = next((attempt.step for attempt in case.attempts), 0)
    found.first[begins] += 1
    case.attempts.clear()
    ways = {index: find_way(world, case, Send(index, "forecast"), now) for index in range(len(case.steps))}
    for index, way in ways.items():
        if isinstance(way, Hold | Refuse):
            continue
        found.able[index] += 1
        found.each.setdefault(index, Counter())[way.quote.currency] += way.quote.micros
        found.most[way.line.name, way.quote.currency] += way.quote.micros
        if index == begins:
            found.least[way.line.name, way.quote.currency] += way.quote.micros
            found.parts.append(way.parts)
            if len(of_arm := found.shown.setdefault(arm, [])) < SHOWN:
                of_arm.append(_shown(case, way))


def _shown(case: Case, way: Way) -> Document:
    content: Content = way.content
    return {
        "contact": ids.show("contact", case.message.contact_id),
        "locale": case.message.locale,
        "channel": way.line.channel,
        "line": way.line.name,
        "content": msgspec.to_builtins(content),
        "parts": way.parts,
        "price": amount_text(way.quote.micros),
        "currency": way.quote.currency,
    }


def _whole(given: CampaignInput, found: Considered) -> list[Document]:
    """The messages that are shown; some of every arm, since who approves it approves all of its wordings."""
    if given.experiment is None:
        return found.shown.get(0, [])
    each = -(-SHOWN // len(given.experiment.arms))
    return [
        message | {"variant": arm.name}
        for place, arm in enumerate(given.experiment.arms)
        for message in found.shown.get(place, [])[:each]
    ]


def _told(world: World, kept: Frozen, found: Considered) -> Document:
    scale = found.members / found.sample if found.sample else 0.0

    def many(count: int) -> int:
        return round(count * scale)

    def money(sums: Counter[str]) -> list[Document]:
        return [
            {"amount": amount_text(many(micros)), "currency": currency}
            for currency, micros in sorted(sums.items())
        ]

    steps = world.versions.steps[kept.cascade_version_id]
    return {
        "members": found.members,
        "sample": found.sample,
        "estimated": found.sample < found.members,
        "class": kept.message_class.value,
        "goes": many(sum(found.first.values())),
        "left_out": {reason: many(count) for reason, count in found.refused.most_common() if count},
        "steps": [
            {
                "step": index + 1,
                "channel": step.channel,
                "line": step.line,
                "begin": many(found.first[index]),
                "able": many(found.able[index]),
                "cost": money(found.each.get(index, Counter())),
            }
            for index, step in enumerate(steps)
        ],
        "parts": {
            "least": min(found.parts, default=0),
            "mean": round(sum(found.parts) / len(found.parts), 2) if found.parts else 0,
            "most": max(found.parts, default=0),
        },
        # Each by its first step alone at the least, by all of its steps at the most.
        "cost": {"least": money(_by_currency(found.least)), "most": money(_by_currency(found.most))},
    }


def _scaled(found: Considered) -> ByLine:
    scale = found.members / found.sample if found.sample else 0.0
    return {place: round(micros * scale) for place, micros in found.most.items()}


def _by_currency(sums: Counter[Place]) -> Counter[str]:
    found = Counter[str]()
    for (_, currency), micros in sums.items():
        found[currency] += micros
    return found
