"""Lending a line over the API: two workspaces agree, and the guest sees nothing of how it is connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from angarium.core import ids
from angarium.lines.api import HANDLERS
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import Client, ground_on, key_for, member, serving

SECRET = "hunter2-marker"
LINE: dict[str, Any] = {
    "name": "viber-main",
    "channel": "viber_business",
    "settings": {"api_key": SECRET, "sender": "Sender-marker"},
    "classes": ["service", "otp"],
    "registration": "approved",
    "price": "0.0385",
}


@pytest.fixture
async def both(database: Database) -> AsyncIterator[tuple[Ground, Client, Client, str]]:
    """An owner with a line, a guest, and the line's id."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        owner, guest = await member(nobody, ground, "holding"), await member(nobody, ground, "club")
        line = (await owner.ask("POST", "/v1/lines", LINE)).json["id"]
        yield ground, owner, guest, line


def guest_path(line: str, guest: Client) -> str:
    """Where the owner says whom it lends the line to."""
    return f"/v1/lines/{line}/guests/{ids.show('workspace', guest.workspace_id)}"


async def test_lent_taken_and_taken_back(both: tuple[Ground, Client, Client, str]) -> None:
    _, owner, guest, line = both
    offered = await owner.ask("PUT", guest_path(line, guest))
    assert (offered.status, offered.json["state"]) == (200, "offered")
    (seen,) = (await guest.ask("GET", "/v1/lent-lines")).json["items"]
    assert (seen["id"], seen["name"], seen["state"]) == (line, "holding/viber-main", "offered")
    taken = await guest.ask("PUT", f"/v1/lent-lines/{line}")
    assert (taken.status, taken.json["state"], taken.json["sends"]) == (200, "taken", True)
    again = await owner.ask("PUT", guest_path(line, guest))
    assert again.json["state"] == "taken"
    (known,) = (await owner.ask("GET", f"/v1/lines/{line}/guests")).json["items"]
    assert known["workspace"] == ids.show("workspace", guest.workspace_id)
    assert (await owner.ask("DELETE", guest_path(line, guest))).status == 204
    assert (await owner.ask("DELETE", guest_path(line, guest))).status == 404
    assert (await guest.ask("GET", "/v1/lent-lines")).json["items"] == []
    assert (await owner.ask("GET", f"/v1/lines/{line}/guests")).json["items"] == []


async def test_an_offer_can_be_refused_and_a_line_given_back(
    both: tuple[Ground, Client, Client, str],
) -> None:
    _, owner, guest, line = both
    for take in (False, True):
        await owner.ask("PUT", guest_path(line, guest))
        if take:
            await guest.ask("PUT", f"/v1/lent-lines/{line}")
        assert (await guest.ask("DELETE", f"/v1/lent-lines/{line}")).status == 204
        assert (await guest.ask("DELETE", f"/v1/lent-lines/{line}")).status == 404
        assert (await guest.ask("PUT", f"/v1/lent-lines/{line}")).status == 404


async def test_a_guest_sees_no_more_than_it_needs(both: tuple[Ground, Client, Client, str]) -> None:
    _, owner, guest, line = both
    token = (await owner.ask("GET", f"/v1/lines/{line}")).json["callback_path"].rpartition("/")[2]
    await owner.ask("PUT", guest_path(line, guest))
    await guest.ask("PUT", f"/v1/lent-lines/{line}")
    guest.heard.clear()
    paths = ("/v1/lent-lines", "/v1/lines", f"/v1/lines/{line}", f"/v1/lines/{line}/guests")
    answers = [await guest.ask("GET", path) for path in paths]
    changes = [
        await guest.ask("PUT", f"/v1/lines/{line}", LINE),
        await guest.ask("DELETE", f"/v1/lines/{line}"),
        await guest.ask("PUT", guest_path(line, guest)),
        await guest.ask("DELETE", guest_path(line, guest)),
    ]
    assert [answer.status for answer in answers] == [200, 200, 404, 404]
    assert {answer.status for answer in changes} == {404}
    text = b"".join(answer.body for answer in guest.heard).decode()
    assert not [word for word in (SECRET, "Sender-marker", token) if word in text]


async def test_whether_a_workspace_exists_is_not_told(both: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, guest, line = both
    nobody = guest.with_key("", ground.ids.mint())
    answers = [await owner.ask("PUT", guest_path(line, one)) for one in (guest, nobody)]
    assert [(answer.status, answer.json["state"]) for answer in answers] == [(200, "offered")] * 2
    itself = await owner.ask("PUT", guest_path(line, owner))
    assert (itself.status, itself.fields["workspace_id"]["problem"]) == (422, "is the owner")


async def test_lending_takes_the_right_to_set_up(both: tuple[Ground, Client, Client, str]) -> None:
    ground, owner, guest, line = both
    reads = owner.with_key(await key_for(ground, owner.workspace_id, "setup:read"), owner.workspace_id)
    assert (await reads.ask("PUT", guest_path(line, guest))).status == 403
    assert (await reads.ask("DELETE", guest_path(line, guest))).status == 403
    assert (await reads.ask("GET", f"/v1/lines/{line}/guests")).status == 200
