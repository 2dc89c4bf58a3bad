"""Which of several lines a message takes: by its destination, by the policy of the workspace, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from support.relay import NO_ANSWER, Relay

IRAN, KYIV = {"phone": "+989121234567"}, {"phone": "+380501234567"}


async def taken(relay: Relay, **given: Any) -> tuple[str, str]:
    """The line that a message takes, and why."""
    message_id = await relay.send(channel="smpp", **given)
    [event] = (await relay.told(message_id))["timeline"]
    [sent] = [one for one in event["decisions"] if one["do"] == "send"]
    return sent["line"], sent["lines"][0]["why"]


async def test_by_destination(relay: Relay) -> None:
    await relay.line("iran", "smpp", price="0.01", only_to=["Iran"])
    await relay.line("abroad", "smpp", price="0.02", never_to=["IR", "+38067"])
    assert (await taken(relay, to=IRAN))[0] == "iran"
    assert (await taken(relay, to=KYIV))[0] == "abroad"
    message_id = await relay.send(channel="smpp", to={"phone": "+380671234567"})
    assert await relay.state(message_id) == ("failed", "no_line", True)
    [event] = (await relay.told(message_id))["timeline"]
    [skip] = [one for one in event["decisions"] if one["do"] == "skip"]
    assert skip["detail"] == "The line iran is for Iran only. The line abroad is not for IR, +38067."


async def test_the_cheapest_by_the_price_of_this_destination(relay: Relay) -> None:
    await relay.tariff("one", [{"price": "0.05"}, {"price": "0.01", "destination": "IR"}])
    await relay.tariff("two", [{"price": "0.03"}])
    await relay.line("one", "smpp", tariff="one")
    await relay.line("two", "smpp", tariff="two")
    assert await taken(relay, to=IRAN) == ("one", "Connected; the cheapest of 2: 0.01 against 0.03.")
    assert await taken(relay, to=KYIV) == ("two", "Connected; the cheapest of 2: 0.03 against 0.05.")


async def test_in_the_order_of_the_policy_and_a_class_by_its_own(relay: Relay) -> None:
    await relay.line("cheap", "smpp", price="0.01")
    await relay.line("dear", "smpp", price="0.05")
    await relay.policy("routing", by="fixed", order=["dear", "cheap"], of_class={"otp": "cheapest"})
    line, why = await taken(relay, to=KYIV)
    assert (line, why) == ("dear", "Connected; the first of 2 in the order of the policy, 0.05 a message.")
    assert (await taken(relay, to=KYIV, **{"class": "otp"}))[0] == "cheap"


async def test_by_weight_each_message_draws_and_draws_the_same_again(relay: Relay) -> None:
    for name, weight in (("three", 3), ("one", 1), ("spare", 0)):
        await relay.line(name, "smpp", weight=weight)
    await relay.policy("routing", by="weighted")
    drawn = Counter([(await taken(relay, to=KYIV))[0] for _ in range(60)])
    assert set(drawn) == {"three", "one"}
    assert drawn["three"] > drawn["one"]
    relay.world.connected |= {relay.lines["three"].id: False, relay.lines["one"].id: False}
    assert (await taken(relay, to=KYIV))[0] == "spare"


async def test_by_health(relay: Relay) -> None:
    await relay.line("cheap", "smpp", price="0.01")
    await relay.line("well", "smpp", price="0.05")
    await relay.policy("routing", by="healthiest")
    assert (await taken(relay, to=KYIV))[0] == "cheap"
    relay.world.taken |= {relay.lines["cheap"].id: 902, relay.lines["well"].id: 992}
    line, why = await taken(relay, to=KYIV)
    assert (line, why) == (
        "well",
        "Connected; the healthiest of 2, 0.05 a message; 99.2 % of the last hour taken.",
    )


async def test_a_code_is_sent_again_by_another_line_whatever_the_policy(relay: Relay) -> None:
    await relay.line("first", "smpp", price="0.01")
    await relay.line("second", "smpp", price="0.05")
    for document in ({"by": "cheapest"}, {"by": "fixed", "order": ["first"]}):
        await relay.policy("routing", **document)
        message_id = await relay.send(channel="smpp", text="Code 4321", **{"class": "otp"})
        await relay.take("first", NO_ANSWER)
        await relay.wait(9.0)
        assert await relay.attempts(message_id) == [("first", "unknown"), ("second", "queued")]
        await relay.take("second")
