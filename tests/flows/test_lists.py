"""An import keeps the list of whom its rows meant; a campaign tells each of them by the row of its own."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from python_calamine import CalamineWorkbook

from angarium.campaigns import flows as campaigns
from angarium.campaigns import forecast, recipients
from angarium.campaigns import people as whom
from angarium.campaigns.store import members as member_store
from angarium.campaigns.wording_pages import brought
from angarium.contacts import flows as contacts
from angarium.contacts.exports.writer import Job, write
from angarium.contacts.imports import flows, store
from angarium.contacts.imports.flows import Imports
from angarium.contacts.imports.mapping import Mapping
from angarium.contacts.imports.runner import Runner
from angarium.contacts.imports.store import lists
from angarium.contacts.store import ids_by_address
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.core.values import AddressKind
from angarium.messaging import claiming, reconcile
from angarium.messaging.surroundings import Outlook
from angarium.storage.shelf import Shelf
from support.file_desk import Desk
from support.marketer import Marketer
from support.relay import Relay
from support.server import LINE, TEMPLATE, member, whole_house

COLUMNS = [
    {"column": "phone", "to": "address", "kind": "phone"},
    {"column": "who", "to": "variable", "name": "name"},
    {"column": "due", "to": "variable", "name": "amount"},
]
DEBTORS = "phone,who,due\n+380500000001,Олена,120.50\n+380500000002,سارا,7\n+380500000003,王小明,\n"


class Clerk(Marketer):
    """A marketer who imports files."""

    def __init__(self, relay: Relay, folder: Path) -> None:
        super().__init__(relay)
        self.imports = Imports(relay.ground, Shelf(folder, 1 << 20), campaigns.needing_list)
        self.importer = Runner(self.imports, self._workspaces)

    async def bring(self, text: str, **said: Any) -> str:
        """Send a file and say what it is."""
        workspace_id = self.relay.workspace_id
        one = await flows.bring(self.imports, workspace_id, "key_clerk", "list.csv", _pieces(text), "")
        await self.db.run(store.insert, workspace_id, one)
        mapping = msgspec.convert({"columns": COLUMNS, **said}, Mapping)
        await flows.say(self.imports, workspace_id, one.id, mapping)
        return ids.show("import", one.id)

    async def start_import(self, shown: str) -> str:
        """Write its rows, to the end; the state that it has then."""
        await flows.start(self.imports, *self.one(shown, "key_clerk"))
        await self.importer.work()
        return (await flows.get(self.imports, *self.one(shown))).state

    def one(self, shown: str, *between: str) -> tuple[Any, ...]:
        """What a flow wants to know of an import."""
        return self.relay.workspace_id, *between, ids.read("import", shown)

    async def listed(self, shown: str) -> list[Any]:
        """The variables on its list, in the order of contacts."""
        found = await self.db.read(lists.page, *self.one(shown), 0, 10_000)
        return [lists.variables(one.variables) for one in found]

    async def by_phone(self, phone: str) -> int:
        """The contact whose phone it is."""
        asked = (self.relay.workspace_id, AddressKind.PHONE, [phone])
        return (await self.db.read(ids_by_address, *asked))[phone]

    async def why(self, campaign_id: int, reason: str) -> str:
        """What is said of a member that was left out for a reason."""
        found = await self.db.read(member_store.page, self.relay.workspace_id, campaign_id, 0, 100)
        return next(one.detail for one in found if one.reason == reason)

    async def texts(self) -> dict[str, str]:
        """What is handed over now, by phone."""
        taken = await self.relay.claim("sms")
        for attempt in taken:
            await self.relay.answer(attempt, self.relay.accepted())
        return {one.address: msgspec.json.decode(one.content)["text"] for one in taken}


async def _pieces(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


@pytest.fixture
async def clerk(relay: Relay, tmp_path: Path) -> Clerk:
    """With a line and a template that needs the row."""
    await relay.line("sms", "smpp", classes=("promotional",))
    await relay.template("due", "{{ name }} owes {{ amount }} to {{ shop }}", "promotional")
    return Clerk(relay, tmp_path / "imports")


def of(shown: str) -> dict[str, Any]:
    """A campaign of an import."""
    variables = {"shop": "Shop", "name": "everybody"}
    return {"audience": None, "of_import": {"import": shown}, "template": "due", "variables": variables}


async def test_each_is_told_by_the_row_of_its_own(clerk: Clerk) -> None:
    there = await clerk.relay.contact(addresses=[{"kind": "phone", "value": "+380500000001"}])
    shown = await clerk.bring(DEBTORS + "+380500000004,Gone,1\n", duplicates="skip")
    assert await clerk.start_import(shown) == "done"
    world, workspace_id = clerk.relay.world, clerk.relay.workspace_id
    assert (await contacts.get(clerk.relay.ground, workspace_id, there.id)).updated_at == there.updated_at
    campaign_id = await clerk.write(**of(shown))
    told = await forecast.forecast(world, Outlook(world), workspace_id, campaign_id)
    assert (told["members"], told["goes"], told["left_out"]) == (4, 3, {"no_wording": 1})
    assert told["messages"][0]["content"]["text"] == "Олена owes 120.50 to Shop"
    given = campaigns.wanted(await clerk.look(campaign_id))
    example = await clerk.db.run(whom.example, workspace_id, given.whom, clerk.relay.clock.now())
    assert example == {"name": "Олена", "amount": "120.50"}

    await contacts.delete(clerk.relay.ground, workspace_id, await clerk.by_phone("+380500000004"))
    await clerk.start(campaign_id)
    await clerk.run(campaign_id)
    assert await clerk.reasons(campaign_id) == {"no_wording": 1, "gone": 1}
    assert "amount" in await clerk.why(campaign_id, "no_wording")
    texts = {"+380500000001": "Олена owes 120.50 to Shop", "+380500000002": "سارا owes 7 to Shop"}
    assert await clerk.texts() == texts

    deed = clerk.deed()
    again = await clerk.db.run(campaigns.resend, world, workspace_id, campaign_id, ("sent",), deed)
    await clerk.start(again.id)
    await clerk.run(again.id)
    assert await clerk.texts() == texts


@pytest.mark.parametrize("duplicates", ["update", "skip"])
async def test_of_many_rows_that_name_one_person_twice_the_last_one_counts(
    clerk: Clerk, duplicates: str
) -> None:
    """In one batch, and over the border of two."""
    rows = [f"+38050{n % 1_000:07},N{n},{n}" for n in range(2_000)]
    rows[1_500:1_500] = ["+380500000001,again,x", "12,no phone,y"]
    rows[10:10] = ["+380500009999,first,z", "+380500009999,last,9999"]
    shown = await clerk.bring("phone,who,due\n" + "\n".join(rows), duplicates=duplicates)
    assert await clerk.start_import(shown) == "done"
    done = await flows.get(clerk.imports, *clerk.one(shown))
    twice = (done.changed, done.skipped) if duplicates == "update" else (done.skipped, done.changed)
    assert (done.created, twice[0] + twice[1], done.failed) == (1_001, 1_002, 1)
    amounts = sorted(int(one["amount"]) for one in await clerk.listed(shown) if one["amount"] != "x")
    assert amounts == [*(n for n in range(1_000, 2_000) if n != 1_001), 9999]


@pytest.mark.parametrize("kept", [False, True])
async def test_a_list_changes_nothing_of_what_becomes_of_a_row(clerk: Clerk, kept: bool) -> None:
    """Who has opted out is written in the slow way, and found by the next row before it is committed."""
    columns = [
        COLUMNS[0],
        {"column": "who", "to": "name"},
        {"column": "ads", "to": "opt_out", "message_class": "promotional"},
    ]
    text = "phone,who,ads\n+380500000001,First,yes\n+380500000001,Second,\n"
    shown = await clerk.bring(text, columns=columns, duplicates="skip", list=kept)
    assert await clerk.start_import(shown) == "done"
    done = await flows.get(clerk.imports, *clerk.one(shown))
    assert (done.created, done.changed, done.skipped, done.failed) == (1, 0, 1, 0)
    found = await clerk.by_phone("+380500000001")
    assert (await contacts.get(clerk.relay.ground, clerk.relay.workspace_id, found)).name == "First"
    assert len(await clerk.listed(shown)) == kept


async def test_who_is_listed_without_variables(clerk: Clerk) -> None:
    plain = await clerk.bring("phone\n+380500000001\n", columns=COLUMNS[:1])
    assert await clerk.start_import(plain) == "done"
    assert await clerk.listed(plain) == []
    shown = await clerk.bring("phone\n+380500000001\n+380500000002\n", columns=COLUMNS[:1], list=True)
    assert await clerk.start_import(shown) == "done"
    assert await clerk.listed(shown) == [{}, {}]
    campaign_id = await clerk.begin(**of(shown) | {"variables": {"name": "You", "amount": 1, "shop": "us"}})
    await clerk.run(campaign_id)
    assert set((await clerk.texts()).values()) == {"You owes 1 to us"}


async def test_what_cannot_be_the_people_of_a_campaign(clerk: Clerk) -> None:
    waiting, plain = await clerk.bring(DEBTORS), await clerk.bring(DEBTORS, columns=COLUMNS[:1])
    nobody = await clerk.bring("phone,who,due\n12,No,1\n")
    for shown in (plain, nobody):
        assert await clerk.start_import(shown) == "done"
    problems = {
        waiting: "is uploaded",
        plain: "keeps no list",
        nobody: "has nobody on its list",
        ids.show("import", 7): "no such import",
        "nonsense": "no such import",
    }
    for shown, problem in problems.items():
        with pytest.raises(Problem) as caught:
            await clerk.write(**of(shown))
        (flaw,) = caught.value.fields
        assert (flaw.field, flaw.problem, flaw.value) == ("of_import.import", problem, shown)
        assert flaw.remedy
    with pytest.raises(Problem) as caught:
        await clerk.write(**of(plain) | {"audience": {"everybody": True}})
    assert [one.problem for one in caught.value.fields] == ["name exactly one of the three"]


async def test_who_was_not_reached_keeps_what_the_file_says_of_them(clerk: Clerk) -> None:
    shown = await clerk.bring(DEBTORS)
    await clerk.start_import(shown)
    first = ids.show("campaign", await clerk.begin(**of(shown)))
    again = await clerk.write(audience=None, of_campaign={"campaign": first}, template="due")
    given = campaigns.wanted(await clerk.look(again))
    assert await clerk.db.read(brought, clerk.relay.workspace_id, given) == {"name", "amount"}


async def test_a_list_stays_while_a_campaign_needs_it(clerk: Clerk) -> None:
    shown = await clerk.bring(DEBTORS)
    assert await clerk.start_import(shown) == "done"
    workspace_id, later = clerk.relay.workspace_id, clerk.relay.clock.now() + micros(31 * 86_400)
    campaign_id = await clerk.write(**of(shown))
    deeds = (
        partial(flows.undo, clerk.imports, *clerk.one(shown, "key_clerk")),
        partial(flows.delete, clerk.imports, *clerk.one(shown)),
    )
    for deed in deeds:
        with pytest.raises(Problem) as caught:
            await deed()
        assert (caught.value.slug, caught.value.status) == ("in-use", 409)
        assert campaigns.label(campaign_id) in caught.value.detail
    await clerk.db.run(clerk.importer._expire, workspace_id, later)
    assert len(await clerk.listed(shown)) == 3

    await clerk.start(campaign_id)
    await clerk.run(campaign_id, turns=1)  # its members are written down
    await clerk.db.run(clerk.importer._expire, workspace_id, later)
    assert await clerk.listed(shown) == []
    await clerk.run(campaign_id)
    assert len(await clerk.texts()) == 2


async def test_a_list_goes_with_its_import(clerk: Clerk) -> None:
    undone, deleted = await clerk.bring(DEBTORS), await clerk.bring(DEBTORS)
    for shown in (undone, deleted):
        assert await clerk.start_import(shown) == "done"
    campaign_id = await clerk.write(**of(undone))
    await clerk.db.run(campaigns.delete, clerk.relay.workspace_id, campaign_id, clerk.deed())
    await flows.undo(clerk.imports, *clerk.one(undone, "key_clerk"))
    await clerk.importer.work()
    await flows.delete(clerk.imports, *clerk.one(deleted))
    assert await clerk.listed(undone) == await clerk.listed(deleted) == []


async def test_a_list_over_the_api_and_a_test_in_the_words_of_its_first_row(
    database_url: str, tmp_path: Path
) -> None:
    async with whole_house(database_url, tmp_path) as (house, nobody):
        desk = Desk(house, await member(nobody, house.ground, "shop"))
        for path, body in (("/v1/lines", LINE), ("/v1/templates", TEMPLATE)):
            assert (await desk.mine.ask("POST", path, body)).status == 201
        await house.world.lines.reload([desk.mine.workspace_id])
        one = await desk.send(b"phone,what\n+380441234567,A7\n+380441234568,B8\n")
        what = {"column": "what", "to": "variable", "name": "order"}
        await desk.say(one, columns=[COLUMNS[0], what])
        assert (await desk.do(one, "start"))["state"] == "done"
        path = f"/v1/imports/{one['id']}"
        first = (await desk.mine.ask("GET", f"{path}/members?limit=1")).json
        rest = (await desk.mine.ask("GET", f"{path}/members?cursor={first['next']}")).json
        listed = [row["variables"] for row in (*first["items"], *rest["items"])]
        assert (listed, rest["next"]) == ([{"order": "A7"}, {"order": "B8"}], None)

        asked = {"name": "List", "of_import": {"import": one["id"]}, "template": "shipped", "line": "viber"}
        made = await desk.mine.ask("POST", "/v1/campaigns", asked)
        assert (made.status, made.json["wanted"]["of_import"]) == (201, {"import": one["id"]})
        own = {"to": [{"phone": "+380441234569"}]}
        assert (await desk.mine.ask("POST", f"/v1/campaigns/{made.json['id']}/test", own)).status == 202
        (line,) = house.world.lines.of(desk.mine.workspace_id)
        await reconcile.take_over(house.world, line, 1)
        (attempt,) = (await claiming.claim(house.world, line, 1, 10)).attempts
        assert (attempt.address, b"A7 is on its way" in attempt.content) == ("+380441234569", True)
        assert (await desk.mine.ask("DELETE", path)).json["type"].endswith("in-use")


async def test_the_columns_of_the_file_stand_beside_what_became_of_each(clerk: Clerk, tmp_path: Path) -> None:
    world, workspace_id = clerk.relay.world, clerk.relay.workspace_id
    columns = [*COLUMNS[:2], {**COLUMNS[2], "kind": "number"}]
    rows = "phone,who,due\n+380500000001,=1+1,120.50\n+380500000002,سارا 王小明,7\n"
    shown = await clerk.bring(rows, columns=columns)
    assert await clerk.start_import(shown) == "done"
    campaign_id = await clerk.begin(**of(shown))
    await clerk.run(campaign_id)
    assert len(await clerk.texts()) == 2
    asked = (world, workspace_id, campaign_id, recipients.Wanted())
    found = await clerk.db.read(recipients.page, *asked, 0, 10)
    said = [{"name": "=1+1", "amount": 120.5}, {"name": "سارا 王小明", "amount": 7}]
    assert [one.variables for one in found.recipients] == said
    told = {"campaign": ids.show("campaign", campaign_id), "states": ["sent"]}
    again = await clerk.begin(**of(shown) | {"of_import": None, "of_campaign": told})
    await clerk.run(again)
    for one in (campaign_id, again):
        pieces = [piece async for piece in recipients.as_csv(world, workspace_id, one, recipients.Wanted())]
        table = list(csv.DictReader(io.StringIO("".join(pieces).removeprefix("\ufeff"))))
        cells = [(row["variables.name"], row["variables.amount"], row["name"]) for row in table]
        assert cells == [("'=1+1", "120.5", ""), ("سارا 王小明", "7", "")]
        about, files = msgspec.json.encode(recipients.About(one)).decode(), recipients.Files(world)
        heads = await files.columns(workspace_id, about)
        assert heads == (*recipients.COLUMNS, "variables.name", "variables.amount")
        frames = [msgspec.msgpack.encode(page) async for page in files.pages(workspace_id, about)]
        job = Job(str(tmp_path / "who.xlsx"), "xlsx", heads, title=files.title, is_table=True)
        assert write(job, iter(frames)).rows == 2
        _, *sheet = CalamineWorkbook.from_path(job.path).get_sheet_by_index(0).to_python()
        assert [row[-2:] for row in sheet] == [["=1+1", 120.5], ["سارا 王小明", 7]]
