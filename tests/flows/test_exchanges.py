"""What was said to providers: what of it is kept, for how long, and that it costs others nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import bindparam, select

from angarium.accounts import flows as accounts
from angarium.accounts.store import audit
from angarium.campaigns.store import tables as _campaigns  # noqa: F401  so that its tables are declared
from angarium.core import ids
from angarium.core.ports import Accepted, Exchange, Outcome, Raw, Said
from angarium.core.problems import Problem
from angarium.core.values import Reason
from angarium.lines import flows as lines
from angarium.messaging import erasing, exchanges, receive, reconcile, send, story
from angarium.messaging.exchanges import Told
from angarium.messaging.masking import MASK, written
from angarium.messaging.recording import WRONG_PER_MINUTE
from angarium.messaging.resealing import CELLS
from angarium.messaging.send import Ended
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.exchanges import exchange
from angarium.messaging.store.tables import journal
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from support.databases import create_schema
from support.relay import NO_ANSWER, Relay, refused
from support.smpp_line import delivered
from support.tripwire import wired

SECRET = "k-very-secret"
WORDS = "Order 7000045 is on its way"
SETTINGS = {"api_key": SECRET, "sender": "Shop"}
NOT_ACCEPTED = refused(Reason.SENDER_INVALID, code="400", detail="no such sender")


class Tape:
    """What a connection remembers; it counts how often somebody asks."""

    def __init__(self, *said: Exchange) -> None:
        self.said = said
        self.asked_for = 0

    def exchanges(self) -> Sequence[Exchange]:
        self.asked_for += 1
        return self.said


def spoken(relay: Relay, words: str = WORDS, answer: bytes = b'{"status":400}') -> Tape:
    """A request with a secret in it, and its answer."""
    asked = Said(
        "POST https://x.example/send",
        (("Authorization", f"Key {SECRET}"),),
        body=msgspec.json.encode({"text": words, "key": SECRET}),
    )
    at = relay.clock.monotonic()
    return Tape(Exchange("http", asked, Said("HTTP 400", (), body=answer), at - 0.25, at))


async def ended(relay: Relay, outcome: Outcome, *tapes: Tape, line: str = "l") -> list[Attempt]:
    """What is due on the line is handed over and ends so, with what was said about each."""
    claimed = await relay.claim(line)
    known = list(tapes) or [spoken(relay)]
    await send.record(
        relay.world, [Ended(one, outcome, 0.0, known[at % len(known)]) for at, one in enumerate(claimed)]
    )
    return claimed


async def told(relay: Relay, message_id: int) -> list[Told]:
    """What is told of a message."""
    found = await relay.ground.db.read(exchanges.look, relay.world, relay.workspace_id, message_id)
    return found.told


async def bodies(relay: Relay) -> list[bytes]:
    """What stands in the table."""
    asked = Statement(select(exchange.c.body).where(exchange.c.workspace_id == bindparam("workspace_id")))

    async def read(tx: Transaction) -> list[bytes]:
        return [row[0] for row in await tx.rows(asked, workspace_id=relay.workspace_id)]

    return await relay.ground.db.read(read)


@pytest.fixture
async def shop(relay: Relay) -> Relay:
    """A shop with one line."""
    await relay.line("l", "viber_business", settings=SETTINGS)
    return relay


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_goes_wrong_is_kept_masked_and_sealed(shop: Relay) -> None:
    message_id = await shop.send(text=WORDS, line="l")
    (attempt,) = await ended(shop, NOT_ACCEPTED)
    (one,) = await told(shop, message_id)
    assert one.attempt_id == attempt.id
    assert one.exchange is not None
    assert (one.exchange.protocol, one.exchange.took_ms, one.exchange.at) == (
        "http",
        250.0,
        shop.clock.now() - 250_000,
    )
    assert one.exchange.answered is not None
    assert written(one.exchange.answered) == 'HTTP 400\n\n{"status":400}'
    assert WORDS in one.exchange.asked.body
    assert f"Authorization: Key {MASK}" in written(one.exchange.asked)
    (kept,) = await bodies(shop)
    assert WORDS.encode() not in kept
    assert SECRET not in written(one.exchange.asked)


@pytest.mark.parametrize("label", ["line-test", "first-message"])
async def test_a_message_that_tries_a_line_is_kept_whole(shop: Relay, label: str) -> None:
    usual = await shop.send(text=WORDS, line="l", label="orders")
    await ended(shop, Accepted(("1",)))
    test = await shop.send(text=WORDS, line="l", label=label)
    await ended(shop, Accepted(("2",)))
    assert [len(await told(shop, one)) for one in (usual, test)] == [0, 1]


async def test_everything_is_kept_while_a_person_has_it_recorded(shop: Relay) -> None:
    (line,) = shop.world.lines.of(shop.workspace_id)
    version = line.version
    await exchanges.record(shop.world, line, 1, "per_1")
    first = await shop.send(text=WORDS, line="l")
    await ended(shop, Accepted(("1",)))
    shop.clock.advance(3_601)
    second = await shop.send(text=WORDS, line="l")
    await ended(shop, Accepted(("2",)))
    assert [len(await told(shop, one)) for one in (first, second)] == [1, 0]
    await exchanges.record(shop.world, line, 24, "per_1")
    await exchanges.record(shop.world, line, 0, "per_2")
    third = await shop.send(text=WORDS, line="l")
    await ended(shop, Accepted(("3",)))
    assert await told(shop, third) == []
    (line,) = shop.world.lines.of(shop.workspace_id)
    assert (line.version, line.recorded_until) == (version, 0)  # its connection goes on
    noted = await shop.ground.db.read(audit.after, shop.workspace_id, 0, 100)
    assert [(one.actor, one.action) for one in noted if "recording" in one.action] == [
        ("per_1", "line.recording_began"),
        ("per_1", "line.recording_began"),
        ("per_2", "line.recording_ended"),
    ]
    with pytest.raises(Problem):
        await exchanges.record(shop.world, line, 2, "per_1")


async def test_a_change_of_the_line_does_not_end_it(shop: Relay) -> None:
    (line,) = shop.world.lines.of(shop.workspace_id)
    recorded = await exchanges.record(shop.world, line, 1, "per_1")
    asked = {
        "name": "l",
        "channel": "viber_business",
        "settings": SETTINGS,
        "classes": ["service"],
        "price": "0.02",
    }
    given = msgspec.convert(asked, lines.LineInput)
    changed = await lines.change(shop.ground, shop.workspace_id, line.id, given)
    assert changed.recorded_until == recorded.recorded_until > 0


async def test_of_an_outage_some_is_kept_each_minute(shop: Relay) -> None:
    for _ in range(WRONG_PER_MINUTE + 5):
        await shop.send(text=WORDS, line="l")
    tape = spoken(shop)
    await ended(shop, NO_ANSWER, tape)
    assert len(await bodies(shop)) == WRONG_PER_MINUTE
    shop.clock.advance(60)
    await shop.send(text=WORDS, line="l")
    await ended(shop, NO_ANSWER)
    assert len(await bodies(shop)) == WRONG_PER_MINUTE + 1


async def test_what_was_said_goes_after_a_week(shop: Relay) -> None:
    message_id = await shop.send(text=WORDS, line="l")
    await ended(shop, NOT_ACCEPTED)
    shop.clock.advance(6.9 * 86_400)
    await reconcile.tidy(shop.world, shop.workspace_id)
    assert len(await told(shop, message_id)) == 1
    shop.clock.advance(0.2 * 86_400)
    await reconcile.tidy(shop.world, shop.workspace_id)
    assert await told(shop, message_id) == []


async def test_of_a_code_no_word_is_kept(shop: Relay) -> None:
    message_id = await shop.send(**{"class": "otp"}, text="Your code is 493 021", line="l")
    echo = b'{"status":400,"text":"Your code is 493 021","code":"493021"}'
    await ended(shop, NOT_ACCEPTED, spoken(shop, "Your code is 493 021", echo))
    (one,) = await told(shop, message_id)
    assert one.exchange is not None
    assert one.exchange.answered is not None
    shown = written(one.exchange.asked) + written(one.exchange.answered)
    assert "493" not in shown
    assert "021" not in shown
    assert '"status":400' in shown
    assert one.exchange.asked.code


async def test_nobody_keeps_what_is_said_on_a_line_that_is_lent(shop: Relay) -> None:
    guest = Relay.__new__(Relay)
    guest.__dict__ |= shop.__dict__ | {
        "workspace_id": (await accounts.create_workspace(shop.ground, "club")).id
    }
    line = shop.lines["l"]
    await lines.lend(shop.ground, shop.workspace_id, line.id, guest.workspace_id)
    await lines.take(shop.ground, guest.workspace_id, line.id)
    await shop.world.lines.reload([shop.workspace_id, guest.workspace_id])
    message_id = await guest.send(text=WORDS, line="shop/l")
    await ended(shop, NOT_ACCEPTED)
    found = await shop.ground.db.read(exchanges.look, shop.world, guest.workspace_id, message_id)
    assert (found.told, len(found.lent)) == ([], 1)


async def test_a_person_who_is_erased_takes_it_along(shop: Relay) -> None:
    message_id = await shop.send(text=WORDS, line="l")
    await ended(shop, NOT_ACCEPTED)
    (contact,) = {ids.read("contact", (await shop.told(message_id))["contact"])}
    await erasing.erase(shop.world, shop.workspace_id, contact, "per_1")
    assert await bodies(shop) == []


async def test_it_is_sealed_with_the_keys_that_are_changed() -> None:
    assert ("exchange", "body") in {one.place for one in CELLS}


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────


async def test_where_nothing_is_kept_it_costs_no_statement_and_no_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with wired(monkeypatch) as run:
        database = open_database(f"sqlite:///{tmp_path}/angarium.db")
        await database.start()
        await create_schema(database)
        relay = await Relay(database).open()
        await relay.line("l", "viber_business", settings=SETTINGS)
        counts = []
        tape = spoken(relay)
        for given in (None, tape):
            for _ in range(5):
                await relay.send(text=WORDS, line="l")
            claimed = await relay.claim("l")
            before = len(run)
            batch = [Ended(one, Accepted((str(one.id),)), 0.0, given) for one in claimed]
            await send.record(relay.world, batch)
            counts.append(run[before:])
        assert counts[0] == counts[1]
        assert not any("exchange" in text for text in counts[1])
        assert tape.asked_for == 0
        for _ in range(3):
            await relay.send(text=WORDS, line="l")
        claimed = await relay.claim("l")
        before = len(run)
        await send.record(relay.world, [Ended(one, NOT_ACCEPTED, 0.0, spoken(relay)) for one in claimed])
        assert any("INTO exchange" in text for text in run[before:])
        assert sum(text.startswith("BEGIN") for text in run[before:]) == 1  # in that of the outcomes
        await database.stop()


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────


async def heard(relay: Relay, raw: Raw, line: str = "l") -> None:
    """A callback comes in, and is worked through."""
    entry = receive.entry(relay.world, relay.lines[line], raw)
    await receive.journal(relay.world, [entry])
    await receive.work_through(relay.world, [entry])


async def test_callbacks_are_those_of_the_message_alone(shop: Relay) -> None:
    messages = []
    for ref in ("4291", "4292"):
        messages.append(await shop.send(text=WORDS, line="l"))
        await shop.take("l", Accepted((ref,)))
    body = [{"message_id": "4291", "status": 1, "note": SECRET}, {"message_id": "4292", "status": 1}]
    await heard(shop, Raw(msgspec.json.encode(body), {"content-type": "application/json", "x-k": SECRET}))
    shown = [f'{{"message_id":"4291","status":1,"note":"{MASK}"}}', '{"message_id":"4292","status":1}']
    for message_id, text in zip(messages, shown, strict=True):
        (found,) = await told(shop, message_id)
        (piece,) = found.pieces
        assert (piece.body, found.others, found.gone) == (text, 1, "")
        assert ("x-k", MASK) in piece.fields
        named = [event.get("callback") for event in (await shop.told(message_id))["timeline"]]
        assert ids.show("journal", found.callback_id) in named


async def test_a_receipt_that_came_before_the_answer_is_found_too(relay: Relay) -> None:
    await relay.line("l", "smpp")
    message_id = await relay.send(text=WORDS, line="l")
    (attempt,) = await relay.claim("l")
    early = delivered(b"id:402 stat:DELIVRD err:000", 9, esm_class=4)
    await heard(relay, Raw(early + delivered(b"id:77 stat:DELIVRD err:000", 10, esm_class=4), {"bind": "1"}))
    await relay.answer(attempt, Accepted(("402",)))
    assert (await relay.state(message_id))[0] == "delivered"
    (found,) = await told(relay, message_id)
    (piece,) = found.pieces
    assert (piece.head, piece.words, piece.body) == (
        "deliver_sm",
        "id:402 stat:DELIVRD err:000",
        early.hex(),
    )
    assert found.others == 1
    shop_forgets = Statement(
        journal.update().where(journal.c.workspace_id == bindparam("workspace_id")).values(body=b"")
    )
    await relay.ground.db.run(lambda tx: tx.execute(shop_forgets, workspace_id=relay.workspace_id))
    (gone,) = await told(relay, message_id)
    assert (gone.pieces, gone.gone) == ((), "kept")


async def test_the_callbacks_of_a_code_are_not_named(shop: Relay) -> None:
    message_id = await shop.send(**{"class": "otp"}, text="Your code is 493021", line="l")
    await ended(shop, Accepted(("9",)))
    await heard(shop, Raw(b'{"message_id":"9","status":1,"text":"493021"}'))
    assert await told(shop, message_id) == []
    whole = await shop.ground.db.read(story.tell, shop.world, shop.workspace_id, message_id)
    assert not any("callback" in event for event in whole["timeline"])
