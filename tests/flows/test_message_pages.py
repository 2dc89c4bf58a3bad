"""The pages of messages: what they tell, to whom, and that nothing in a message can tell them what to do."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from angarium.accounts import flows
from angarium.core import ids
from angarium.core.ports import Accepted
from angarium.core.values import Price, Reason
from support.browsing import PERSIAN, Browser, Page, lines, story
from support.relay import NO_ANSWER, Relay, refused


def page_of(message_id: int) -> str:
    """The address of a message's page."""
    return f"/messages/{ids.show('message', message_id)}"


# ── one message ──────────────────────────────────────────────────────────────────────────────────────


async def test_the_page_of_a_message_tells_its_story(relay: Relay, inside: Browser) -> None:
    page = await inside.get(page_of(await story(relay)))
    assert page.status == 200
    for words in (
        "نرگس محمدی delivered",
        "Delivered by SMS at 16:05:08, 5 min 8 sec after it was asked for.",
        "It arrived by more than one channel",
        "Label order-shipped",
        "Reference R-1",
        "Cost €0.02",
        "VK not a user of this channel to be read within 15 sec",
        "Viber accepted 16:00:01, not delivered by 16:05:01; delivered late, 16:06:08",
        "SMS delivered 16:05:08",
        "VK did not take it: not a user of this channel. Code 1005 Detail No such user.",
        "+5 min 1 sec 16:05:01 Time was up: not delivered within 300 s.",
        "Next: step 3, SMS on the line sms",
        "The end: delivered",
        "Viber reports: delivered. The next step had gone out already. late Reference viber+1&a=b",
        PERSIAN,
        "+380501234567",
    ):
        assert page.says(words), words
    assert "2025-11-24T16:00:00.000Z" in page.values("datetime")
    assert "rtl" not in page.values("dir")  # the text says its direction itself
    assert page.text.count('<p class="words" dir="auto">') == 3


async def unanswered(relay: Relay, message_class: str, waits_s: float) -> int:
    """Handed over, and never answered."""
    await relay.line("l", "viber_business", classes=(message_class,))
    message_id = await relay.send(**{"class": message_class}, line="l")
    await relay.take("l", NO_ANSWER)
    await relay.wait(waits_s)
    return message_id


@pytest.mark.parametrize(
    ("message_class", "waits_s", "words"),
    [
        ("service", 1, "Evidence is awaited until 16:01:00"),
        ("service", 61, "It is being sent once more."),
        ("promotional", 91, "somebody has to decide."),
    ],
)
async def test_unknown_is_explained(
    relay: Relay, inside: Browser, message_class: str, waits_s: float, words: str
) -> None:
    message_id = await unanswered(relay, message_class, waits_s)
    assert words in (await inside.get(page_of(message_id))).words


async def test_a_bill_is_shown_though_nobody_says_as_what(relay: Relay, inside: Browser) -> None:
    await lines(relay)
    message_id = await relay.send(line="sms")
    await relay.take("sms", Accepted(("a",), Price(41_000, "EUR")))
    page = await inside.get(page_of(message_id))
    assert (page.status, "0.041" in page.words) == (200, True), page.words


async def test_it_leads_to_the_version_whose_words_it_has(relay: Relay, inside: Browser) -> None:
    await lines(relay)
    await relay.template("tea", "Tea for half")
    message_id = await relay.send(template="tea", text="", line="sms")
    page = await inside.get(page_of(message_id))
    (of_template,) = [one for one in page.values("href") if one.startswith("/templates/tpl_")]
    assert of_template.endswith("?version=1")
    assert page.says("Template tea · 1")


async def test_the_text_of_a_code_is_never_shown(relay: Relay, inside: Browser) -> None:
    await lines(relay)
    for outcome in (None, NO_ANSWER):
        message_id = await relay.send(**{"class": "otp"}, text="Your code is 493021", line="sms")
        waiting = await inside.get(page_of(message_id))
        await relay.take("sms", outcome)
        sent = await inside.get(page_of(message_id))
        for page in (waiting, sent, await inside.get("/messages")):
            assert "493021" not in page.text
            assert "••••••" in page.words


async def test_a_message_of_another_workspace_is_not_there(relay: Relay, inside: Browser) -> None:
    message_id = await story(relay)
    stranger = await flows.create_workspace(relay.ground, "other")
    inside.cookie = f"angarium_session={flows.ticket(relay.ground, stranger.id)}"
    for path in (page_of(message_id), "/find?ref=7c1e0a"):
        page = await inside.get(path)
        assert page.status == 404
        assert "order-shipped" not in page.text
    listed = await inside.get("/messages")
    assert "No messages yet" in listed.words
    assert "نرگس" not in listed.text
    for sought in ("+380501234567", "7"):
        assert "No message fits" in (await inside.get(f"/messages?contact={quote(sought)}")).words


async def test_what_names_no_message_is_not_found(inside: Browser) -> None:
    for name in ("msg_x", "con_0000000000001", "1", "msg_zzzzzzzzzzzzz", "..%2F..%2Fenter", "%00"):
        page = await inside.get(f"/messages/{name}")
        assert page.status == 404, name
        assert page.headers["content-type"] == "text/html; charset=utf-8"


# ── from a reference ─────────────────────────────────────────────────────────────────────────────────


async def test_a_providers_reference_leads_to_its_message(relay: Relay, inside: Browser) -> None:
    message_id = await story(relay)
    # a plus is a plus: the reference has gone through the address of another page
    for query in ("ref=7c1e0a", "ref=viber%2B1%26a%3Db", "ref=viber+1%26a%3Db"):
        page = await inside.get(f"/find?{query}")
        assert (page.status, page.location) == (303, page_of(message_id)), query


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("ref=7C1E0A", 404),
        ("ref=7c1e0", 404),
        ("ref=%25", 404),
        ("ref=%3Cb%3E", 404),
        ("ref=%00", 422),
        ("ref=", 422),
        ("", 422),
        ("reference=7c1e0a", 422),
    ],
)
async def test_what_nobody_calls_a_message(inside: Browser, query: str, status: int) -> None:
    page = await inside.get(f"/find?{query}")
    assert page.status == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>" not in page.text.partition("<main")[2].partition("<ul")[0]


# ── hostile words ────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)' x='",
    "</title></textarea></style></script><script>alert(1)</script>",
    "</time></bdi></dd></p></li><h1>owned</h1>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "&lt;script&gt;alert(1)&lt;/script&gt;&amp;#60;",
    "javascript:alert(1)",
    "<!--<script>-->",
    "\u202e\u2066txt.exe",
    "{line} {reason} {channel}",
]


async def test_words_are_shown_as_they_are(relay: Relay, inside: Browser) -> None:
    """Wherever somebody else may put words, they change neither elements nor attributes of a page."""
    await relay.line("l", "viber_business")
    tame = await pages_with(relay, inside, 0, "x" * 20)
    for number, words in enumerate(HOSTILE, 1):
        wild = await pages_with(relay, inside, number, words)
        for harmless, page in zip(tame, wild, strict=True):
            assert page.seen.tags == harmless.seen.tags, words
            assert words in "".join(page.seen.pieces)
            carrying = {(tag, name) for tag, name, value in page.seen.attributes if words in value}
            assert carrying <= {("input", "value")}, words  # a filter holds what was typed


async def pages_with(relay: Relay, inside: Browser, number: int, words: str) -> list[Page]:
    """The page of a message that has these words in every place, and the list of it alone."""
    who = f"who-{number}"
    phone = {"kind": "phone", "value": f"+38050{1_000_000 + number}"}
    await relay.contact(name=words, external_id=who, addresses=[phone])
    label = words[:64]
    message_id = await relay.send(to={"external_id": who}, text=words, line="l", label=label, reference=words)
    await relay.take("l", refused(Reason.REJECTED, code=words, detail=words))
    listed = await inside.get(f"/messages?label={quote(label, safe='')}")
    assert listed.values("href").count(page_of(message_id)) == 1
    return [await inside.get(page_of(message_id)), listed]


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_empty_list_says_what_to_do(relay: Relay, inside: Browser) -> None:
    page = await inside.get("/messages")
    for words in ("No messages yet", "First connect a line", "/v1/lines", "angarium send --url", "curl"):
        assert words in page.words
    assert inside.url in page.text
    await relay.line("sms-a", "smpp")
    page = await inside.get("/messages")
    assert "First connect a line" not in page.words
    assert "--line sms-a" in page.words


def listed(page: Page) -> list[str]:
    """The messages on a page of the list, in order."""
    return [
        link.removeprefix("/messages/") for link in page.values("href") if link.startswith("/messages/msg_")
    ]


async def test_the_list_has_pages(relay: Relay, inside: Browser) -> None:
    await relay.line("l", "viber_business")
    sent = []
    for _ in range(103):
        sent.append(ids.show("message", await relay.send(line="l", label="a b&c")))
        relay.clock.advance(0.01)
    page = await inside.get("/messages?label=a+b%26c")
    found, sizes = listed(page), [len(listed(page))]
    while older := [link for link in page.values("href") if "cursor=" in link]:
        page = await inside.get(older[-1])
        found += listed(page)
        sizes.append(len(listed(page)))
        assert "/messages?label=a+b%26c" in page.values("href")  # back to the newest
    assert found == sent[::-1]
    assert sizes == [50, 50, 3]


NARROWED = [
    ("", ["sale", "late", "plain"]),
    ("state=delivered", ["late"]),
    ("state=queued", ["sale", "plain"]),
    ("state=read", []),
    ("class=promotional", ["sale"]),
    ("label=winter-sale", ["sale"]),
    ("label=WINTER-SALE", []),
    ("contact=%2B380501234567", ["late"]),
    ("contact=%2B380+50+123-45-67+", ["late"]),  # as people write it
    ("contact=380+(50)+1234567", ["late"]),
    ("contact=anna%40example.com", ["sale", "plain"]),
    ("contact=7", ["late"]),
    ("contact=anna-1&class=service", ["plain"]),
    ("contact=+380509999999", []),
    ("contact=%D8%B9%D9%84%DB%8C", []),
    ("contact=con_0000000000001", []),
]


async def test_the_list_can_be_narrowed(relay: Relay, inside: Browser) -> None:
    anna = {"to": {"external_id": "anna-1"}, "line": "l"}
    addresses = [
        {"kind": "email", "value": "anna@example.com"},
        {"kind": "phone", "value": "+4915112345678"},
    ]
    await relay.contact(name="Anna", external_id="anna-1", addresses=addresses)
    await relay.line("l", "viber_business", classes=("service", "promotional"))
    made = {"plain": await relay.send(**anna)}
    await relay.change_line("l", classes=("service", "promotional"), registration="draft")
    made["late"] = await story(relay)
    await relay.change_line("l", classes=("service", "promotional"), registration="approved")
    made["sale"] = await relay.send(**anna, **{"class": "promotional"}, label="winter-sale")
    for query, found in NARROWED:
        page = await inside.get(f"/messages?{query}")
        assert page.status == 200
        assert listed(page) == [ids.show("message", made[name]) for name in found], query


OF_DAYS = [
    ("", ["night", "evening"]),
    ("since=2025-11-25", ["night"]),
    ("since=2025-11-25&until=2025-11-25", ["night"]),
    ("until=2025-11-24", ["evening"]),
    ("since=%DB%B1%DB%B4%DB%B0%DB%B4%2F%DB%B0%DB%B9%2F%DB%B0%DB%B4", ["night"]),  # ۱۴۰۴/۰۹/۰۴
    ("since=2025-11-26", []),
    ("until=2025-11-23", []),
    ("since=0002-01-01&until=9999-12-31", ["night", "evening"]),
    ("since=9999-12-31", []),
]


async def test_days_are_those_of_the_workspace(relay: Relay, inside: Browser) -> None:
    await flows.change_workspace(relay.ground, relay.workspace_id, "Asia/Tehran", "test")
    await relay.line("l", "viber_business")
    made = {"evening": await relay.send(line="l")}  # half past seven there
    relay.clock.advance(5 * 3_600)
    made["night"] = await relay.send(line="l")  # it is the next day there, and not yet in Greenwich
    for query, found in OF_DAYS:
        page = await inside.get(f"/messages?{query}")
        assert listed(page) == [ids.show("message", made[name]) for name in found], query


async def test_the_id_of_a_message_leads_to_it(relay: Relay, inside: Browser) -> None:
    message = ids.show("message", await story(relay))
    page = await inside.get(f"/messages?contact={message}")
    assert (page.status, page.location) == (303, f"/messages/{message}")


async def test_the_list_shows_the_way_of_each_message(relay: Relay, inside: Browser) -> None:
    await story(relay)
    page = await inside.get("/messages")
    assert page.says("VK refused Viber delivered SMS delivered")
    assert page.says("نرگس محمدی +380501234567 " + PERSIAN)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=sent_", "state: is not a state"),
        ("class=marketing", "class: is not a class"),
        ("since=yesterday", "since: is not a day"),
        ("cursor=zzz", "cursor: is not a cursor"),
        ("page=2", "page: is not a field"),
        ("label=" + "x" * 400, "label:"),
    ],
)
async def test_what_is_not_understood_is_said(inside: Browser, query: str, words: str) -> None:
    page = await inside.get(f"/messages?{query}")
    assert page.status == 422
    assert words in page.words
