"""The commands that ask a running server, as a person types them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from angarium.assembly import House
from angarium.core.ports import Unknown
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.send import Ended
from support import nursery, together
from support.server import LINE, Client, member, whole_house

MESSAGE = {"to": {"phone": "+380441234567"}, "class": "service", "text": "Hello", "line": "viber"}


async def typed(client: Client, *arguments: str) -> tuple[int, str]:
    """The status of `angarium …` with this server, and all it printed."""
    environment = {"COLUMNS": "200", "ANGARIUM_URL": client.url, "ANGARIUM_API_KEY": client.key}
    return await nursery.typed(arguments, Path.cwd(), environment)


async def shop(house: House, nobody: Client) -> tuple[Client, str]:
    """A client with a line, and a message that waits on it, because nothing sends here."""
    mine = await member(nobody, house.ground, "shop")
    assert (await mine.ask("POST", "/v1/lines", LINE)).status == 201
    await house.world.lines.reload([mine.workspace_id])
    sent = await mine.ask("POST", "/v1/messages", MESSAGE)
    assert sent.status == 202, sent.body
    return mine, sent.json["id"]


async def test_a_message_is_shown_with_why_it_waits(tmp_path: Path) -> None:
    async with together.database_in(tmp_path) as url, whole_house(url, tmp_path) as (house, nobody):
        mine, message = await shop(house, nobody)
        status, printed = await typed(mine, "messages", "show", message)
        assert status == 0, printed
        assert "It waits for its turn on the line viber." in printed
        status, printed = await typed(mine, "messages", "show", message, "--json")
        assert msgspec.json.decode(printed)["waiting"]["for"] == "turn"
        status, printed = await typed(mine, "messages", "list", "--waiting", "turn")
        assert (status, message in printed) == (0, True)
        status, printed = await typed(mine, "messages", "list", "--waiting", "answer", "--json")
        assert msgspec.json.decode(printed)["items"] == []
        status, printed = await typed(mine, "messages", "list", "--waiting", "godot")
        assert status == 1
        assert "one of hour, hours, retry" in " ".join(printed.split())


async def test_what_nobody_knows_is_listed_and_decided(tmp_path: Path) -> None:
    async with together.database_in(tmp_path) as url, whole_house(url, tmp_path) as (house, nobody):
        mine, message = await shop(house, nobody)
        status, printed = await typed(mine, "unknowns", "list")
        assert (status, "0 are unknown" in printed) == (0, True)
        line = next(iter(house.world.lines.of(mine.workspace_id)))
        await reconcile.take_over(house.world, line, 1)
        claimed = (await claiming.claim(house.world, line, 1, 10)).attempts
        await send.record(house.world, [Ended(one, Unknown("no answer"), 0.0) for one in claimed])
        status, printed = await typed(mine, "unknowns", "list", "--line", "viber", "--json")
        assert msgspec.json.decode(printed)["items"][0]["id"] == message
        status, printed = await typed(mine, "unknowns", "list")
        assert "1 are unknown; 0 wait for a person." in " ".join(printed.split())
        status, printed = await typed(mine, "unknowns", "show", message)
        assert msgspec.json.decode(printed)["attempts"][0]["line"] == "viber"
        decide = ("unknowns", "decide", "--decision", "sent", "--reason", "asked them", "--by", "Maryam")
        status, printed = await typed(mine, *decide, message)
        assert (status, "Aborted" in printed) == (1, True)
        status, printed = await typed(mine, *decide)
        assert status == 2
        status, printed = await typed(mine, *decide, "--all", "--class", "service", "--yes")
        assert (status, printed) == (0, f"{message}  sent\n")
        status, printed = await typed(mine, *decide, "--yes", "--json", message)
        assert msgspec.json.decode(printed)["results"][0]["again"] is True
        again = ("unknowns", "decide", "--decision", "resend", "--reason", "x", "--yes")
        status, printed = await typed(mine, *again, message)
        assert (status, printed) == (1, f"{message}  Nothing is to be decided: The message is sent.\n")


async def test_an_account_of_the_smpp_door_is_made_listed_and_deleted(tmp_path: Path) -> None:
    async with together.database_in(tmp_path) as url, whole_house(url, tmp_path) as (house, nobody):
        mine, _ = await shop(house, nobody)
        make = ("smpp-accounts", "create", "billing", "--line", "viber", "--inbound", "viber")
        status, printed = await typed(mine, *make)
        account_id, _, system_id, _, password = printed.split()
        assert (status, len(password)) == (0, 8)
        status, printed = await typed(mine, "smpp-accounts", "list", "--json")
        [listed] = msgspec.json.decode(printed)["items"]
        assert (listed["id"], listed["system_id"], listed["bound"]) == (account_id, system_id, [])
        status, printed = await typed(mine, "smpp-accounts", "create", "x", "--line", "nowhere")
        assert (status, "no such line" in printed) == (1, True)
        assert (await typed(mine, "smpp-accounts", "delete", account_id)) == (0, "Deleted.\n")
        assert (await typed(mine, "smpp-accounts", "delete", account_id))[0] == 1
