"""What a browser carries, where it may be led on to, and which forms are believed: tables."""

from __future__ import annotations

import pytest

from angarium.accounts import session
from angarium.accounts.session import Viewer


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/messages",
        "/messages?state=sent&label=a%20b",
        "/find?ref=wamid.HBgL+/==",
        "/messages/msg_0000000000001#timeline",
        "/%2F%2Fevil.example",  # stays a path: it is not decoded before it is followed
        "/@evil.example",
        "/.//evil.example",
    ],
)
def test_a_path_of_this_host_is_followed(path: str) -> None:
    assert session.local_path(path) == path


@pytest.mark.parametrize(
    "elsewhere",
    [
        "",
        "messages",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/messages\\..\\evil",
        "https://evil.example",
        "https:evil.example",
        "HTTPS://evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/ /evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/x\r\n\r\n<script>",
        "/x\x00",
        "/\u2028/evil.example",
        "/سلام",  # in an address it would have been percent-encoded
        "/" + "x" * 2_001,
    ],
)
def test_nobody_is_led_elsewhere(elsewhere: str) -> None:
    assert session.local_path(elsewhere) == "/"


@pytest.mark.parametrize(
    ("headers", "believed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),  # another port of this host
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://a.example", "host": "a.example"}, False),
        ({"origin": "http://a.example:8080", "host": "a.example:8080"}, True),
        ({"origin": "http://a.example:8081", "host": "a.example:8080"}, False),
        ({"origin": "http://evil.example", "host": "a.example"}, False),
        ({"origin": "null", "host": "a.example"}, False),
        ({"origin": "null", "host": ""}, False),
        ({"origin": "http://[", "host": "a.example"}, False),
        ({"host": "a.example"}, False),
        ({}, False),
    ],
)
def test_which_forms_are_believed(headers: dict[str, str], believed: bool) -> None:
    given = {name.encode(): value.encode() for name, value in headers.items()}
    assert session.comes_from_us(given) is believed


@pytest.mark.parametrize(
    ("scheme", "ticket", "lasts_s", "header"),
    [
        ("http", "t.1", 60, b"angarium_session=t.1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
        (
            "https",
            "t.1",
            60,
            b"__Host-angarium_session=t.1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
        ),
        ("http", "", 0, b"angarium_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
        ("http", "t.1", -5, b"angarium_session=t.1; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    ],
)
def test_what_the_cookie_says(scheme: str, ticket: str, lasts_s: int, header: bytes) -> None:
    assert session.cookie(scheme, ticket, lasts_s) == (b"set-cookie", header)


def test_a_token_belongs_to_its_session() -> None:
    viewer = Viewer(1, "shop", session.form_token("v1.one"))
    assert session.is_token(viewer, session.form_token("v1.one"))
    assert not session.is_token(viewer, session.form_token("v1.two"))
    assert not session.is_token(viewer, "")
    assert not session.is_token(viewer, "رمز")
    assert "v1.one" not in viewer.form_token


CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0"


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {CHROMIUM} Safari/537.36 Edg/149.0.0.0", "Edge · Windows"),
        (f"Mozilla/5.0 (Linux; Android 15) {CHROMIUM} Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1", "Safari · iOS"),
        ("A phone <b>of mine</b>", "A phone <b>of mine</b>"),
        ("curl/8.14.1", "curl/8.14.1"),
        ("", ""),
    ],
)
def test_a_browser_as_people_know_it(agent: str, shown: str) -> None:
    assert session.device_name(agent) == shown
