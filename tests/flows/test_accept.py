"""Accepting: bad input names its field and stores nothing; the same request twice is one message."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from angarium.core.problems import Problem
from angarium.lines import at_hand
from angarium.messaging.store import messages
from angarium.messaging.store.messages import Filter
from angarium.messaging.world import Versions
from angarium.storage import facts
from support.relay import Relay

GOOD = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", "channel": "smpp"}

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("bad phone", {"to": {"phone": "12"}}, "to.phone"),
    ("nobody", {"to": {}}, "to"),
    ("two ways to name one", {"to": {"phone": "+380501234567", "email": "a@example.com"}}, "to"),
    ("no such contact", {"to": {"external_id": "nobody"}}, "to.external_id"),
    ("nothing to say", {"text": ""}, "text"),
    ("said twice", {"template": "order"}, "text"),
    ("no way", {"channel": ""}, "cascade"),
    ("two ways", {"line": "sms"}, "channel"),
    ("unknown channel", {"channel": "pigeon"}, "channel"),
    ("unknown line", {"channel": "", "line": "nowhere"}, "line"),
    ("unknown cascade", {"channel": "", "cascade": "nothing"}, "cascade"),
    ("unknown template", {"text": "", "template": "nothing"}, "template"),
    ("missing variable", {"text": "", "template": "order"}, "text"),
    ("line not approved", {"channel": "", "line": "draft"}, "line"),
    ("class not approved", {"class": "promotional"}, "channel"),
    ("bad step", {"channel": "", "steps": [{"channel": "smpp", "success": "read"}]}, "steps[0].success"),
    ("deadline", {"deadline_s": 0}, "deadline_s"),
    ("label", {"label": "x" * 65}, "label"),
    ("locale", {"locale": "!"}, "locale"),
    ("control characters", {"text": "a\x00b"}, "text"),
]


async def shop(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.line("draft", "smpp", registration="draft")
    await relay.template("order", "Order {{ number }}")


async def stored(relay: Relay) -> int:
    newest = (1 << 63) - 1
    return len(await relay.ground.db.read(messages.page, relay.workspace_id, Filter(), newest, 1_000))


@pytest.mark.parametrize(("change", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_input_names_the_field_and_stores_nothing(
    relay: Relay, change: dict[str, Any], field: str
) -> None:
    await shop(relay)
    problem = await relay.order({**GOOD, **change}, key="k", body_hash=b"1")
    assert isinstance(problem, Problem), problem
    assert field in [wrong.field for wrong in problem.fields], problem.fields
    assert all(wrong.problem for wrong in problem.fields)
    assert await stored(relay) == 0
    facts_after, _ = await relay.ground.db.read(facts.after, relay.workspace_id, facts.START, 10)
    assert [fact.kind for fact in facts_after if fact.kind.startswith("message.")] == []
    good = await relay.order(GOOD, key="k", body_hash=b"2")  # the key was not burnt
    assert good["state"] == "queued"


@pytest.mark.parametrize("named", [{"channel": "smpp"}, {"line": "sms"}, {"steps": [{"line": "sms"}]}])
async def test_a_line_that_was_made_a_moment_ago_is_found(relay: Relay, named: dict[str, Any]) -> None:
    """Though the word of it has not come here yet."""
    asked = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", **named}
    assert isinstance(await relay.order(asked), Problem)
    await relay.line("sms", "smpp")
    relay.world.lines._by_workspace = {}
    assert isinstance(await relay.order(asked), Problem)  # they were looked for just now
    relay.clock.advance(at_hand.ANEW_S)
    assert not isinstance(await relay.order(asked), Problem)


async def test_a_batch_judges_each_by_itself(relay: Relay) -> None:
    await shop(relay)
    answer = await relay.order(GOOD, {**GOOD, "to": {"phone": "x"}}, GOOD, batch=True)
    assert (answer["accepted"], answer["rejected"]) == (2, 1)
    assert answer["results"][1]["problem"]["errors"][0]["field"] == "to.phone"
    assert await stored(relay) == 2


async def test_the_same_key_and_body_is_the_same_answer(relay: Relay) -> None:
    await shop(relay)
    first = await relay.order(GOOD, key="k", body_hash=b"1")
    again = await asyncio.gather(*(relay.order(GOOD, key="k", body_hash=b"1") for _ in range(10)))
    assert all(answer == first for answer in again)
    other = await relay.order(GOOD, key="k", body_hash=b"2")
    assert isinstance(other, Problem)
    assert other.slug == "idempotency-mismatch"
    assert await stored(relay) == 1


async def test_the_same_key_at_once(relay: Relay) -> None:
    await shop(relay)
    answers = await asyncio.gather(*(relay.order(GOOD, key="k", body_hash=b"1") for _ in range(20)))
    assert len({answer["id"] for answer in answers}) == 1
    assert await stored(relay) == 1


async def test_twins_in_one_batch_of_requests(relay: Relay) -> None:
    await shop(relay)
    from angarium.messaging import accept

    asked = (msgspec.convert(GOOD, accept.MessageInput),)
    orders = [accept.Order(relay.workspace_id, asked, False, "k", b"1") for _ in range(3)]
    answers = await accept.accept(relay.world, [*orders, accept.Order(relay.workspace_id, asked, False)])
    bodies = [answer.body for answer in answers if isinstance(answer, accept.Answer)]
    assert len(bodies) == 4
    assert len(set(bodies)) == 2
    assert await stored(relay) == 2


async def test_one_new_phone_in_many_messages_is_one_contact(relay: Relay) -> None:
    await shop(relay)
    answer = await relay.order(*[GOOD] * 5, batch=True)
    assert len({result["contact"] for result in answer["results"]}) == 1
    later = await relay.order(GOOD)
    assert later["contact"] == answer["results"][0]["contact"]


async def test_the_template_is_rendered_for_the_person(relay: Relay) -> None:
    await shop(relay)
    await relay.template("greeting", "{{ contact.first_name }}, order {{ number }} for {{ contact.name }}")
    await relay.contact(external_id="c1", name="Aziza Karimi", fields={"first_name": "Aziza"})
    message = await relay.send(
        to={"external_id": "c1"}, text="", template="greeting", variables={"number": 7}, channel="smpp"
    )
    assert (await relay.told(message))["attempts"][0]["content"]["text"] == "Aziza, order 7 for Aziza Karimi"


async def test_steps_that_were_rolled_back_are_written_again(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first message with steps of its own is lost with its commit; the second must not lean on them."""
    await shop(relay)

    async def fails(*_: object) -> None:
        raise Problem("storage-unavailable", "The disk is full", status=503)

    with monkeypatch.context() as broken:
        broken.setattr(messages, "insert", fails)
        with pytest.raises(Problem, match="disk is full"):
            await relay.order(GOOD)
    message_id = await relay.send(**GOOD)
    relay.world.versions = Versions()  # a restart: what is known is what is written
    assert (await relay.told(message_id))["steps"][0]["channel"] == "smpp"
