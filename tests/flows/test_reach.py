"""Keys that are narrowed to classes and lines: sending, deciding, and changing lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.assembly import House
from angarium.core import ids
from support.server import LINE, MESSAGE, TEMPLATE, Client, Heard, furnish, member, whole_house

PROMO: dict[str, Any] = LINE | {"name": "promo", "classes": ["promotional"]}


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API, and a client without a key."""
    async with whole_house(database_url, tmp_path) as made:
        yield made


class Shop:
    """A workspace with a service line and a promotional one, and somebody with every right."""

    def __init__(self, house: House, mine: Client, has: dict[str, str], promo: str) -> None:
        self.house, self.mine, self.has, self.promo = house, mine, has, promo

    async def narrowed(self, **reach: Any) -> Client:
        """A client with every scope, narrowed."""
        scopes = ["messages:write", "messages:read", "messages:decide", "setup:write", "setup:read"]
        made = await self.mine.ask("POST", "/v1/keys", {"name": "narrow", "scopes": scopes} | reach)
        assert made.status == 201, made
        assert {name: made.json[name] for name in reach} == reach
        return self.mine.with_key(made.json["key"], self.mine.workspace_id)


@pytest.fixture
async def shop(house: tuple[House, Client]) -> Shop:
    """The workspace."""
    made, nobody = house
    mine = await member(nobody, made.ground, "shop")
    promo = (await mine.ask("POST", "/v1/lines", PROMO)).json["id"]
    return Shop(made, mine, await furnish(mine, made), promo)


def out_of_reach(answer: Heard) -> bool:
    """Whether it was refused for this reason."""
    return answer.status == 403 and answer.json["type"].endswith("/out-of-reach")


async def test_a_message_is_of_a_class_within_reach(shop: Shop) -> None:
    narrow = await shop.narrowed(classes=["promotional"])
    for path in ("/v1/messages", "/v1/messages/preview"):
        assert out_of_reach(await narrow.ask("POST", path, MESSAGE))
        sent = await narrow.ask("POST", path, MESSAGE | {"class": "promotional"})
        assert sent.status in (200, 202), sent
    both = {"messages": [MESSAGE, MESSAGE | {"class": "promotional"}]}
    batch = (await narrow.ask("POST", "/v1/messages/batch", both)).json
    assert (batch["accepted"], batch["rejected"]) == (1, 1)
    assert batch["results"][0]["problem"]["type"].endswith("/out-of-reach")
    assert out_of_reach(await narrow.ask("POST", f"/v1/messages/{shop.has['message_id']}/cancel"))
    whole = await shop.mine.ask("POST", f"/v1/messages/{shop.has['message_id']}/cancel")
    assert whole.status == 200  # it was not cancelled before


async def test_a_message_goes_on_lines_within_reach(shop: Shop) -> None:
    narrow = await shop.narrowed(lines=[shop.promo])
    promotional = MESSAGE | {"class": "promotional"}
    cases: list[tuple[dict[str, Any], bool]] = [
        (MESSAGE, False),  # by its channel: over the service line
        (promotional, True),  # of the channel only the line within reach carries the class
        (promotional | {"channel": "", "line": "promo"}, True),
        (MESSAGE | {"channel": "", "line": "viber"}, False),
        (promotional | {"channel": "", "steps": [{"line": "promo"}, {"channel": "viber_business"}]}, True),
        (MESSAGE | {"channel": "", "steps": [{"line": "promo"}, {"line": "viber"}]}, False),
        (MESSAGE | {"channel": "", "cascade": "quick"}, False),
    ]
    for body, goes in cases:
        answer = await narrow.ask("POST", "/v1/messages", body)
        assert out_of_reach(answer) is not goes, (body, answer)
        assert (answer.status == 202) is goes, (body, answer)


async def test_a_line_is_changed_within_reach(shop: Shop) -> None:
    lines, classes = await shop.narrowed(lines=[shop.promo]), await shop.narrowed(classes=["promotional"])
    guest = f"/guests/{ids.show('workspace', 7)}"
    for narrow in (lines, classes):
        assert out_of_reach(await narrow.ask("PUT", f"/v1/lines/{shop.has['line_id']}", LINE))
        assert out_of_reach(await narrow.ask("DELETE", f"/v1/lines/{shop.has['line_id']}"))
        for method in ("PUT", "DELETE"):
            assert out_of_reach(await narrow.ask(method, f"/v1/lines/{shop.has['line_id']}{guest}"))
        assert (await narrow.ask("PUT", f"/v1/lines/{shop.promo}", PROMO)).status == 200
        assert (await narrow.ask("DELETE", "/v1/lines/lin_0000000000001")).status == 404
    assert out_of_reach(await classes.ask("PUT", f"/v1/lines/{shop.promo}", PROMO | {"classes": ["service"]}))
    assert out_of_reach(await lines.ask("POST", "/v1/lines", PROMO | {"name": "third"}))
    assert out_of_reach(await classes.ask("POST", "/v1/lines", LINE | {"name": "third"}))
    assert (await classes.ask("POST", "/v1/lines", PROMO | {"name": "third"})).status == 201
    for method in ("PUT", "DELETE"):
        assert out_of_reach(await lines.ask(method, f"/v1/lent-lines/{shop.has['line_id']}"))


async def test_a_template_is_written_and_reviewed_within_reach(shop: Shop) -> None:
    made = await shop.mine.ask(
        "POST",
        "/v1/keys",
        {"name": "n", "scopes": ["templates:write", "templates:decide", "setup:read"]}
        | {"classes": ["promotional"]},
    )
    narrow = shop.mine.with_key(made.json["key"])
    service, path = TEMPLATE, f"/v1/templates/{shop.has['template_id']}"
    promotional = TEMPLATE | {"name": "sale", "class": "promotional"}
    assert out_of_reach(await narrow.ask("POST", "/v1/templates", service | {"name": "other"}))
    assert (await narrow.ask("POST", "/v1/templates", promotional)).status == 201
    assert out_of_reach(await narrow.ask("PUT", path, service))
    for action in ("submit", "roll-back"):
        answer = await narrow.ask("POST", f"{path}/{action}", {"version": 1})
        assert out_of_reach(answer), (action, answer)
    assert out_of_reach(await narrow.ask("DELETE", path))
    listed = (await shop.mine.ask("GET", "/v1/templates")).json["items"]
    assert sorted(one["name"] for one in listed) == ["sale", "shipped"]


async def test_a_key_gives_no_more_than_it_has(shop: Shop) -> None:
    narrow = await shop.narrowed(classes=["promotional"], lines=[shop.promo])
    key = {"name": "k", "scopes": ["messages:write"]}
    for more in ({}, {"classes": ["promotional"]}, {"lines": [shop.promo]}, {"classes": ["otp"]}):
        assert out_of_reach(await narrow.ask("POST", "/v1/keys", key | more)), more
    within = {"classes": ["promotional"], "lines": [shop.promo]}
    assert (await narrow.ask("POST", "/v1/keys", key | within)).status == 201
    whole = (await shop.mine.ask("POST", "/v1/keys", key)).json["id"]
    assert out_of_reach(await narrow.ask("POST", f"/v1/keys/{whole}/rotate", {}))


async def test_a_key_is_replaced_while_both_are_good(shop: Shop) -> None:
    old = await shop.narrowed(classes=["promotional"])
    listed = (await shop.mine.ask("GET", "/v1/keys")).json["items"]
    (one,) = [one for one in listed if one["name"] == "narrow"]
    made = await shop.mine.ask("POST", f"/v1/keys/{one['id']}/rotate", {"overlap_s": 3600})
    assert made.status == 201, made
    same = ("name", "scopes", "classes", "lines", "expires_at")
    assert [made.json[name] for name in same] == [one[name] for name in same]
    for client in (old, old.with_key(made.json["key"])):
        assert (await client.ask("GET", "/v1/lines")).status == 200
    (ends,) = [
        key["expires_at"]
        for key in (await shop.mine.ask("GET", "/v1/keys")).json["items"]
        if key["id"] == one["id"]
    ]
    assert ends is not None
    again = await shop.mine.ask("POST", f"/v1/keys/{made.json['id']}/rotate", {"overlap_s": 0})
    assert again.status == 201
    for gone in (made.json["id"], "key_0000000000001"):
        assert (await shop.mine.ask("POST", f"/v1/keys/{gone}/rotate", {})).status == 404
    told = (await shop.mine.ask("GET", "/v1/audit?action=key.replaced")).json["items"]
    assert [(row["subject"], row["details"]["by"]) for row in told] == [
        (made.json["id"], again.json["id"]),
        (one["id"], made.json["id"]),
    ]
