"""The report of a campaign says what the providers' own books say; its recipients page and come as a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
from python_calamine import CalamineWorkbook

from angarium.campaigns import flows, recipients, report
from angarium.campaigns.recipients import Wanted
from angarium.contacts.exports.writer import Job, write
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import erasing, links, reconcile
from angarium.messaging.robots import Visitor
from angarium.messaging.store import links as link_store
from angarium.messaging.visits import Visits
from support.marketer import PEOPLE, Marketer
from support.relay import NO_ANSWER, Relay, refused
from support.server import everything_in


@pytest.fixture
async def told(relay: Relay) -> tuple[Marketer, int]:
    """A campaign by Viber, then SMS: six read it there, two do not have it and get it by SMS, others not."""
    await relay.line("viber", "viber_business", classes=("promotional",))
    marketer = await Marketer(relay).open()
    for number in (0, 1):
        await relay.contact(external_id=f"c{number}", opted_out=["promotional"])
    await relay.contact(
        external_id="=1+1", name="سارا 王小明", addresses=[{"kind": "email", "value": "a@b.cc"}]
    )
    steps = [{"channel": "viber_business", "success": "delivered"}, {"line": "sms"}]
    await relay.cascade("both", steps)
    campaign_id = await marketer.begin(cascade="both", line="")
    await marketer.run(campaign_id)
    for place, attempt in enumerate(sorted(await relay.claim("viber"), key=lambda one: one.address)):
        if place < 2:
            await relay.answer(attempt, refused(Reason.NOT_A_USER))
            continue
        await relay.answer(attempt, relay.accepted())
        await relay.receipt("viber", ReceiptStatus.DELIVERED)
        if place < 5:
            await relay.receipt("viber", ReceiptStatus.READ)
    first, second = await relay.claim("sms")
    await relay.answer(first, relay.accepted())
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    await relay.answer(second, NO_ANSWER)
    return marketer, campaign_id


async def test_its_numbers_are_those_of_the_providers(told: tuple[Marketer, int]) -> None:
    marketer, campaign_id = told
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    now = marketer.relay.clock.now()
    found = await marketer.db.read(report.count, world, workspace_id, campaign_id, now)
    assert found["members"] == {"total": PEOPLE + 1, "told": PEOPLE - 2, "left_out": 3, "waiting": 0}
    assert found["left_out"] == {"opted_out": 2, "no_address": 1}
    assert found["by_state"] == {"read": 3, "delivered": 6, "unknown": 1}
    assert (found["reached"], found["unknown"]) == (9, 1)
    steps = [(one["step"], one["line"], one["tried"], one["accepted"]) for one in found["steps"]]
    assert steps == [(1, "viber", 10, 8), (2, "sms", 2, 1)]
    assert found["counted"] == {"read": True, "opened": False, "clicked": False}
    assert [one["tells_read"] for one in found["steps"]] == [True, False]
    viber = found["steps"][0]
    assert (viber["delivered"], viber["read"], viber["failed"], viber["fell_back"]) == (8, 3, 2, 2)
    assert sum(one["delivered"] for one in found["hours"]) == 9
    assert sum(one["read"] for one in found["hours"]) == 3


async def test_it_says_how_many_of_those_counted_have_been_erased_since(told: tuple[Marketer, int]) -> None:
    marketer, campaign_id = told
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id

    async def both() -> tuple[dict[str, Any], dict[str, str]]:
        asked = (world, workspace_id, campaign_id)
        found = await marketer.db.read(report.count, *asked, marketer.relay.clock.now())
        listed = await marketer.db.read(recipients.page, *asked, Wanted(), 0, 100)
        return found, {one.contact: one.state for one in listed.recipients}

    before, listed = await both()
    assert (before["erased"], len(listed)) == (0, before["members"]["total"])
    for state in ("read", "left_out"):
        gone = next(contact for contact, each in listed.items() if each == state)
        await erasing.erase(world, workspace_id, ids.read("contact", gone), "key_agent")
    after, listed = await both()
    assert (after["erased"], len(listed)) == (2, after["members"]["total"] - 2)
    same = ("members", "by_state", "reached", "cost", "steps", "hours")  # what was sent stays as it was
    assert [after[name] for name in same] == [before[name] for name in same]


async def test_recipients_are_paged_and_filtered(told: tuple[Marketer, int]) -> None:
    marketer, campaign_id = told
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id

    async def all_of(wanted: Wanted, limit: int) -> list[str]:
        after: int | None = 0
        states = []
        while after is not None:
            piece = await marketer.db.read(
                recipients.page, world, workspace_id, campaign_id, wanted, after, limit
            )
            assert len(piece.recipients) <= limit
            states += [f"{one.external_id} {one.state} {one.channel}".strip() for one in piece.recipients]
            after = piece.after
        return states

    everybody = await all_of(Wanted(), 5)
    assert len(everybody) == len(set(everybody)) == PEOPLE + 1
    assert everybody[0] == "c0 left_out"
    assert await all_of(Wanted(state="read"), 2) == [f"c{n} read viber_business" for n in (4, 5, 6)]
    assert await all_of(Wanted(reason="no_address"), 2) == ["=1+1 left_out"]
    assert await all_of(Wanted(state="unknown"), 1) == ["c3 unknown smpp"]


async def test_a_file_of_them_holds_every_script_and_no_formula(told: tuple[Marketer, int]) -> None:
    marketer, campaign_id = told
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    pieces = [piece async for piece in recipients.as_csv(world, workspace_id, campaign_id, Wanted())]
    rows = list(csv.DictReader(io.StringIO("".join(pieces).removeprefix("\ufeff"))))
    assert len(rows) == PEOPLE + 1
    assert (rows[-1]["name"], rows[-1]["external_id"]) == ("سارا 王小明", "'=1+1")
    assert {row["address"] for row in rows if row["state"] == "delivered"} <= {
        f"+38050{number:07}" for number in range(PEOPLE)
    }


async def test_arms_are_told_apart_and_compared_once_all_is_known(relay: Relay) -> None:
    marketer = await Marketer(relay).open(people=40)
    await relay.template("other", "Other words for {{ contact.name }}", "promotional")
    arms = [{"name": "A", "template": "sale"}, {"name": "B", "template": "other"}]
    given = {"arms": arms, "control_percent": 20, "goal": "delivered"}
    campaign_id = await marketer.begin(template="", experiment=given)
    await marketer.run(campaign_id)
    one = await marketer.look(campaign_id)
    left_out = await marketer.reasons(campaign_id)
    assert (one.members, left_out) == (40, {"control": one.left_out})
    assert 2 <= one.left_out <= 16
    attempts = await relay.claim("sms")
    assert len(attempts) == one.told
    sent = {"A": 0, "B": 0}
    for attempt in attempts:
        arm = "B" if b"Other words" in attempt.content else "A"
        sent[arm] += 1
        await relay.answer(attempt, relay.accepted())
        early = await marketer.db.read(
            report.count, relay.world, relay.workspace_id, campaign_id, relay.clock.now()
        )
        if arm == "A":
            await relay.receipt("sms", ReceiptStatus.DELIVERED)
    assert (early["experiment"]["conclusive"], early["experiment"]["comparisons"]) == (False, [])
    await relay.wait(86_400)
    now = relay.clock.now()
    found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, now)
    shown = {arm["name"]: (arm["told"], arm["reached"]) for arm in found["experiment"]["arms"]}
    assert shown == {"A": (sent["A"], sent["A"]), "B": (sent["B"], 0)}
    (difference,) = found["experiment"]["comparisons"]
    assert (difference["points"], difference["shown"]) == (100.0, True)
    pieces = [
        piece async for piece in recipients.as_csv(relay.world, relay.workspace_id, campaign_id, Wanted())
    ]
    rows = csv.DictReader(io.StringIO("".join(pieces).removeprefix("\ufeff")))
    assert Counter(row["arm"] for row in rows) == sent | {"": one.left_out}


async def test_those_who_were_not_reached_are_told_by_a_campaign_of_their_own(
    told: tuple[Marketer, int],
) -> None:
    marketer, campaign_id = told
    relay = marketer.relay
    await relay.template("sale-again", "Once more, {{ contact.name }}: {{ what }}", "promotional")

    async def again(*states: str) -> list[str]:
        deed = marketer.deed()
        made = await marketer.db.run(flows.resend, relay.world, relay.workspace_id, campaign_id, states, deed)
        assert made.name.endswith(" (again)")
        await marketer.start(made.id)
        await marketer.run(made.id)
        return [one.address for one in await relay.claim("viber")]

    assert await again("failed", "expired") == []
    assert await again("unknown") == ["+380500000003"]
    assert len(await again("read")) == 3


async def test_the_same_comes_as_a_workbook(told: tuple[Marketer, int], tmp_path: Path) -> None:
    marketer, campaign_id = told
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    about = msgspec.json.encode(recipients.About(campaign_id)).decode()
    frames = [
        msgspec.msgpack.encode(page) async for page in recipients.Files(world).pages(workspace_id, about)
    ]
    path = tmp_path / "who.xlsx"
    job = Job(str(path), "xlsx", recipients.COLUMNS, title=recipients.Files.title, is_table=True)
    job = msgspec.structs.replace(job, right_to_left=True)
    assert write(job, iter(frames)).rows == PEOPLE + 1
    head, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    assert tuple(head) == recipients.COLUMNS
    assert b'rightToLeft="1"' in ZipFile(path).read("xl/worksheets/sheet1.xml")
    by_id = {row[1]: row for row in rows}
    assert by_id["c4"][recipients.COLUMNS.index("state")] == "read"
    assert by_id["=1+1"][2] == "سارا 王小明"


async def test_arms_may_be_compared_by_clicks(relay: Relay) -> None:
    marketer = await Marketer(relay).open(people=30)
    await relay.template("one", "See https://shop.example/one", "promotional")
    await relay.template("two", "See https://shop.example/two", "promotional")
    arms = [{"name": "A", "template": "one"}, {"name": "B", "template": "two"}]
    given = {"template": "", "variables": {}, "experiment": {"arms": arms, "goal": "clicked"}, "track": True}
    with pytest.raises(Problem) as caught:
        await marketer.begin(**given)
    assert [one.field for one in caught.value.fields] == ["track"]  # no address that links can begin with
    await relay.policy("links", base_url="https://go.shop.example")
    campaign_id = await marketer.begin(**given)
    await marketer.run(campaign_id)
    visits, clicked = Visits(relay.world, Counter()), 0
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, relay.accepted())
        links = await marketer.db.read(link_store.of_messages, relay.workspace_id, [attempt.message_id])
        ((url, link_id),) = links[attempt.message_id].items()
        assert url.encode() not in attempt.content
        if url.endswith("two"):
            link = await marketer.db.read(link_store.by_id, link_id)
            assert link is not None
            relay.clock.advance(60)
            visits.add(link, Visitor.PERSON if clicked % 2 else Visitor.SCANNER)
            clicked += 1
    await visits.write(relay.clock.now() + 60_000_000)
    now = relay.clock.now()
    found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, now)
    assert [arm["reached"] for arm in found["experiment"]["arms"]] == [0, clicked // 2]
    assert found["counted"] == {"read": False, "opened": False, "clicked": True}


async def test_that_nobody_has_clicked_is_known_after_the_links_were_let_go_of(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, read = list[bytes](), list[int]()
    looked = links.made_in
    monkeypatch.setattr(links, "made_in", lambda words, *span: sent.append(words) or looked(words, *span))
    marketer = await Marketer(relay).open()
    await relay.template("seen", "See https://shop.example/l/SummerSale1", "promotional")
    await relay.policy("links", base_url="https://go.shop.example", keep_days=30)
    counted = {}
    for track in (True, False):
        campaign_id = await marketer.begin(template="seen", track=track)
        await marketer.run(campaign_id)
        for attempt in await relay.claim("sms"):
            await relay.answer(attempt, relay.accepted())
        counted[campaign_id] = {"read": False, "opened": False, "clicked": track}
    for _ in range(2):
        now = relay.clock.now()
        for campaign_id, known in counted.items():
            found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, now)
            assert (found["counted"], found["clicked"]) == (known, 0)
            read.append(len(sent))
            sent.clear()
        relay.clock.advance(40 * 86_400.0)
        await reconcile.tidy(relay.world, relay.workspace_id)
    assert not (await everything_in(relay.ground.db))["link"]
    assert read == [0, 0, PEOPLE, PEOPLE], "words are read while links are there to tell"


async def test_a_rate_of_what_no_channel_tells_is_not_known(relay: Relay) -> None:
    marketer = await Marketer(relay).open()
    arms = [{"name": name, "template": "sale"} for name in "AB"]
    campaign_id = await marketer.begin(template="", experiment={"arms": arms, "goal": "read"})
    await marketer.run(campaign_id)
    now = relay.clock.now()
    found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, now)
    told = [(arm["rate"], arm["rate_least"], arm["rate_most"]) for arm in found["experiment"]["arms"]]
    assert told == [(None, None, None)] * 2
