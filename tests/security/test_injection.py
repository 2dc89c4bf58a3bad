"""S19: no line end and no NUL of a caller's comes out on a wire, whichever field it was put into.

It goes in by the API and is looked for where operators are: in the bytes they were sent.
"""

from __future__ import annotations

import email
import email.policy
from typing import Any

import msgspec
import pytest

from angarium import channels
from angarium.channels import kit, mail_kit, smpp, smtp
from angarium.core.clock import SystemClock
from angarium.core.ports import Refused
from angarium.core.problems import Problem
from angarium.core.values import Button, Content
from angarium.protocols import smpp_pdu
from angarium.protocols.answers import NotSent
from angarium.protocols.mime import MimeError
from angarium.protocols.smpp_numbers import Command
from angarium.protocols.smpp_pdu import Frame, Message, pack
from security.test_callbacks import KINDS
from support.http_line import provider, submission, tools
from support.smpp_line import SETTINGS as SMPP
from support.tcp_server import answering, client, serving

BREAKS = ["\r\n", "\n", "\r", "\0", "\r\n\r\n", "\x0b", "\x85", "\u2028", "\u2029", "\x1b"]
SMUGGLED = "Bcc: evil@example.org"
MAIL = {"host": "smtp.example.com", "sender_address": "shop@example.com"}

every_break = pytest.mark.parametrize("end", BREAKS, ids=ascii)


def mail_settings(**changes: Any) -> Any:
    return kit.decode_settings(smtp.CHANNEL, {**MAIL, **changes})


def letter(content: Content, address: str = "anna@example.org", **settings: Any) -> bytes:
    """The mail as it would go over the wire; MimeError or a lint's words when it does not."""
    given = mail_settings(**settings)
    findings = mail_kit.lint(given, content)
    if findings:
        raise MimeError(findings[0].field, findings[0].problem)
    return smtp.envelope(given, submission(address=address, content=content), 0).mail


def heads(mail: bytes) -> list[str]:
    """The names of its fields, as a strict reader finds them."""
    return [name.lower() for name in email.message_from_bytes(mail, policy=email.policy.default)]


USUAL = heads(letter(Content(text="Hello", subject="Order")))
PLAIN = Content(text="Hello", subject="Order")
FIELDS = {
    "subject": lambda word: letter(Content(text="Hello", subject=word)),
    "recipient": lambda word: letter(PLAIN, f"anna{word}@example.org"),
    "recipient's domain": lambda word: letter(
        Content(text="Hello", subject="Order"), f"anna@example{word}.org"
    ),
    "sender's name": lambda word: letter(PLAIN, sender_name=word),
    "sender": lambda word: letter(
        Content(text="Hello", subject="Order"), sender_address=f"a{word}@example.com"
    ),
    "bounce domain": lambda word: letter(
        Content(text="Hello", subject="Order"), bounce_domain=f"b.example{word}"
    ),
    "unsubscribe": lambda word: letter(
        Content(text="Hello", subject="Order", params={"unsubscribe_url": f"https://x.example/{word}"})
    ),
}


@every_break
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_of_a_mail_makes_another(field: str, end: str) -> None:
    for word in (f"x{end}{SMUGGLED}", f"{end}{SMUGGLED}", f"x{end}", f"x{end} {SMUGGLED}"):
        with pytest.raises((MimeError, Problem)):
            FIELDS[field](word)


@every_break
def test_words_of_a_mail_stay_words(end: str) -> None:
    """The text may hold anything; it is the body, however it looks."""
    words = f"Hello{end}{SMUGGLED}{end}.{end}QUIT"
    content = Content(
        text=words, subject="Order", html=f"<p>{words}</p>", buttons=(Button(words, "https://a.example/"),)
    )
    mail = letter(content)
    assert [name for name in heads(mail) if name not in USUAL] == []
    assert SMUGGLED.encode() not in mail.partition(b"\r\n\r\n")[0]
    lines = mail.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines), "a bare line end"


@every_break
def test_no_setting_of_an_smpp_line_carries_one(end: str) -> None:
    for name in ("source", "service_type"):
        with pytest.raises(Problem):
            kit.decode_settings(smpp.CHANNEL, {**SMPP, name: f"S{end}x"})


@every_break
def test_a_short_message_keeps_its_fields(end: str) -> None:
    settings = kit.decode_settings(smpp.CHANNEL, SMPP)
    refused = smpp.Composer(settings, SystemClock()).compose(submission(address=f"+4477{end}00900100"), 1)
    assert isinstance(refused, Refused)
    bodies = smpp.Composer(settings, SystemClock()).compose(submission(content=Content(text=f"a{end}b")), 1)
    assert isinstance(bodies, list)
    (body,) = bodies
    read = smpp_pdu.decode(Frame(Command.SUBMIT_SM, 0, 1, pack(Command.SUBMIT_SM, 1, body)))
    assert isinstance(read, Message)
    assert (read.dest, read.source, read.tlvs) == ("447700900100", "Shop", ())


@every_break
@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_posted_to_a_provider_is_one_document(kind: str, end: str) -> None:
    """A text comes out of the JSON as it went in, and none of it among the headers."""
    content = Content(text=f"a{end}{SMUGGLED}{end}b")
    async with provider(200, KINDS[kind].taken, {}) as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(channels.load()[kind], {**KINDS[kind].settings, "base_url": url})
        await kit.deliver(given, channels.load()[kind], settings, submission(content=content))
    (request,) = asked
    assert content.text in _texts(request.document)
    assert "bcc" not in request.headers
    assert not any(end in value for value in request.headers.values())


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0"], ids=ascii)
async def test_no_secret_of_a_line_makes_a_header(end: str) -> None:
    """A key with a line end in it is refused where it would be sent, and the server hears nothing."""
    async with serving(answering(b"{}")) as server, client("127.0.0.1") as http:
        url = f"http://127.0.0.1:{server.port}/"
        for headers in ({"Authorization": f"Key x{end}X-Evil: 1"}, {f"X{end}Evil": "1"}):
            with pytest.raises(NotSent):
                await http.request("POST", url, headers=headers)
        with pytest.raises(NotSent):
            await http.request("GET", f"{url}{end}HTTP/1.1")
    assert server.requests == []


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0"], ids=ascii)
async def test_a_keyed_line_is_refused_not_smuggled(end: str) -> None:
    """By a line's own settings: the access token of WhatsApp and the key of VK stand in a header."""
    for kind, name in (("whatsapp_cloud", "access_token"), ("vk_notify", "api_key")):
        async with serving(answering(b"{}")) as server, tools("127.0.0.1") as given:
            channel = channels.load()[kind]
            changes = {name: f"t{end}X-Evil: 1", "base_url": f"http://127.0.0.1:{server.port}"}
            settings = kit.decode_settings(channel, {**KINDS[kind].settings, **changes})
            outcome = await kit.deliver(given, channel, settings, submission())
        assert isinstance(outcome, Refused)
        assert server.requests == []


def test_the_breaks_are_what_the_api_lets_through() -> None:
    """They are legal in JSON, so each field must look to itself."""
    assert [msgspec.json.decode(msgspec.json.encode(end)) for end in BREAKS] == BREAKS
