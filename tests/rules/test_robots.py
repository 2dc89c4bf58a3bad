"""Who followed a link: by what the request says of itself, and by haste."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import micros
from angarium.messaging import robots
from angarium.messaging.robots import Seen, Visitor, bursts, by_haste, by_headers

CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
P = Visitor.PERSON
AGENTS = [  # User-Agent, of a link, of a picture
    (CHROME, P, P),
    (IPHONE, P, P),
    (f"{IPHONE} [FBAN/FBIOS;FBAV/500.0]", P, P),
    (f"{CHROME} Instagram 300.0 Android", P, P),
    (f"{CHROME} Telegram-Android/11.5 (Cubot Note 50; Android 13)", P, P),
    (f"{CHROME} Viber/24.1", P, P),
    ("Mozilla/5.0 (Linux; Android 13; CUBOT) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36", P, P),
    ("TelegramBot (like TwitterBot)", Visitor.PREVIEW, Visitor.PREVIEW),
    ("WhatsApp/2.23.20.0 A", Visitor.PREVIEW, Visitor.PREVIEW),
    ("Viber/22.0", Visitor.PREVIEW, Visitor.PREVIEW),
    ("Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)", Visitor.PREVIEW, Visitor.PREVIEW),
    (f"{IPHONE} facebookexternalhit/1.1 Facebot Twitterbot/1.0", Visitor.PREVIEW, Visitor.PREVIEW),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", Visitor.PREVIEW, Visitor.PREVIEW),
    ("Barracuda Sentinel (EE)", Visitor.SCANNER, Visitor.SCANNER),
    ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", Visitor.SCANNER, P),  # Outlook shows a mail
    ("Mozilla/5.0 (Windows NT 6.1) AppleWebKit/534+ BingPreview/1.0b", Visitor.SCANNER, Visitor.SCANNER),
    ("Mozilla/5.0 (compatible; Googlebot/2.1)", Visitor.SCANNER, Visitor.SCANNER),
    ("Mozilla/5.0", Visitor.PROGRAM, Visitor.APPLE_PRIVACY),
    ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
     Visitor.GOOGLE_PROXY, Visitor.GOOGLE_PROXY),
    ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
     Visitor.YAHOO_PROXY, Visitor.YAHOO_PROXY),
    ("curl/8.5.0", Visitor.PROGRAM, Visitor.PROGRAM),
    ("Wget/1.21", Visitor.PROGRAM, Visitor.PROGRAM),
    ("python-requests/2.32", Visitor.PROGRAM, Visitor.PROGRAM),
    ("SomeNewBot/1.0", Visitor.PROGRAM, Visitor.PROGRAM),
    ("", Visitor.PROGRAM, Visitor.PROGRAM),
    ("x" * 100_000, P, P),
]  # fmt: skip


@pytest.mark.parametrize(("agent", "link", "picture"), AGENTS)
def test_by_what_it_calls_itself(agent: str, link: Visitor, picture: Visitor) -> None:
    headers = {b"user-agent": agent.encode()}
    assert by_headers("GET", headers, picture=False) is link
    assert by_headers("GET", headers, picture=True) is picture
    assert by_headers("HEAD", headers, picture=False) is Visitor.HEAD


@pytest.mark.parametrize(
    ("name", "value", "by"),
    [
        ("purpose", "prefetch", Visitor.PREFETCH),
        ("sec-purpose", "prefetch;prerender", Visitor.PREFETCH),
        ("sec-purpose", "prefetch;anonymous-client-ip", Visitor.PREFETCH),
        ("x-moz", "prefetch", Visitor.PREFETCH),
        ("x-purpose", "preview", Visitor.PREFETCH),
        ("sec-purpose", "", P),
        ("accept", "prefetch", P),
    ],
)
def test_a_browser_that_fetches_beforehand(name: str, value: str, by: Visitor) -> None:
    headers = {b"user-agent": CHROME.encode(), name.encode(): value.encode()}
    assert by_headers("GET", headers, picture=False) is by


def seen(at_s: float, link_id: int = 1, by: Visitor = P) -> Seen:
    """A visit so many seconds after the message was taken; 0 is the picture."""
    return Seen(link_id, link_id == 0, micros(at_s), by)


HASTE = [  # a visit, when its message was taken, by whom it is
    (seen(60), 0.0, P),
    (seen(0.9), 0.0, Visitor.EARLY),
    (seen(0), 5.0, Visitor.EARLY),  # before the provider's answer was heard
    (seen(1), 0.0, P),
    (seen(0.1), None, P),  # nobody knows when it was taken
    (seen(0.1, by=Visitor.PREVIEW), 0.0, Visitor.PREVIEW),
]


@pytest.mark.parametrize(("visit", "taken_s", "by"), HASTE)
def test_by_haste(visit: Seen, taken_s: float | None, by: Visitor) -> None:
    taken_at = None if taken_s is None else micros(taken_s)
    assert by_haste(visit, taken_at, in_burst=False) is by
    in_burst = by_haste(visit, taken_at, in_burst=True)
    assert in_burst is (Visitor.BURST if by is P else by)


BURSTS: list[tuple[list[Seen], set[int]]] = [
    ([], set()),
    ([seen(60), seen(60), seen(61)], set()),  # the same link again
    ([seen(60), seen(61, 2)], {0, 1}),
    ([seen(60), seen(62, 2), seen(65)], {0, 1}),
    ([seen(60), seen(62.1, 2)], set()),
    ([seen(60), seen(60.5, 0)], set()),  # the picture loads by itself
    ([seen(60, 0), seen(60.5, 1)], set()),
    ([seen(60), seen(60.5, 2, Visitor.PREVIEW)], set()),
    ([seen(60, 2), seen(61), seen(61.5), seen(62), seen(62.1)], {0, 1, 2, 3}),
    ([seen(60), seen(61), seen(62), seen(62.5, 2)], {1, 2, 3}),
]


@pytest.mark.parametrize(("visits", "places"), BURSTS)
def test_several_links_at_once(visits: list[Seen], places: set[int]) -> None:
    assert bursts(visits) == places


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3)), max_size=30))
def test_a_burst_is_another_link_within_two_seconds(told: list[tuple[int, int]]) -> None:
    visits = [seen(at / 10, link_id) for at, link_id in sorted(told)]
    by_definition = {
        place
        for place, one in enumerate(visits)
        if one.link_id
        for other in visits
        if other.link_id not in (0, one.link_id) and abs(other.at - one.at) <= 2_000_000
    }
    assert bursts(visits) == by_definition


def test_every_entry_says_where_it_is_from() -> None:
    text = (Path(robots.__file__).parent / "robots.toml").read_text(encoding="utf-8")
    for one in tomllib.loads(text)["robot"]:
        numbers = one["source"].split()
        assert numbers, one
        assert all(f"# {number} " in text for number in numbers), one
        assert one.get("only", "links") in ("links", "pictures")
