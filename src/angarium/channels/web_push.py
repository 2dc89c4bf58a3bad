"""Web push: notices to browsers that have subscribed on a site.

Sources: RFC 8030 (requests, TTL, urgency, topics, answers), RFC 8291 (encryption), RFC 8292 (VAPID).

Quirks:
- An address is a subscription: where its push service listens, and the browser's keys. It is good for one
  browser, and for the site's key with which it was made: a line with another key is refused (403).
- Accepted is all that is ever known: a receipt of RFC 8030 §5.1 is offered by no service of a browser.
- A subscription that is gone (404, 410) never comes back.
- What is pushed is JSON: the site's service worker shows it.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Capabilities,
    Channel,
    Event,
    Outcome,
    Profile,
    Raw,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, invalid
from angarium.core.values import AddressKind, ButtonKind, Content, Measure, MessageClass, Reason
from angarium.protocols import webpush
from angarium.protocols.answers import Answer

TEXT_MAX = 3_000  # characters; the whole is bounded in octets besides
TTL_S = (1, 2_419_200)  # four weeks: no service keeps longer
VALID_S = 12 * 3_600  # of a VAPID token; a day at most (RFC 8292 §2)
URGENCY = {
    MessageClass.OTP: "high",
    MessageClass.TRANSACTIONAL: "high",
    MessageClass.SERVICE: "normal",
    MessageClass.PROMOTIONAL: "low",
}

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site."""

    vapid_private_key: Annotated[
        kit.Secret,
        Meta(
            title="Private key",
            description="Of the site (VAPID): 32 octets in base64url. Its public half is shown by the line.",
            max_length=64,
        ),
    ]
    contact: Annotated[
        str,
        Meta(
            title="Contact",
            description="Whom a push service may ask: mailto:ops@example.com or an https address.",
            pattern=r"^(mailto:[^\s@]+@[^\s@]+|https://\S+)$",
            max_length=200,
        ),
    ]
    title: Annotated[
        str, Meta(title="Title", description="Of notices without a subject: your name.", max_length=100)
    ] = ""
    topic: Annotated[
        str,
        Meta(
            title="Topic",
            description="Up to 32 of A-Z, a-z, 0-9, - and _: a notice takes the place of one that waits.",
            pattern=r"^[A-Za-z0-9_-]{0,32}$",
        ),
    ] = ""
    base_url: Annotated[
        str,
        Meta(
            title="Address of the service",
            description="Empty: that of each subscription. Otherwise all goes there, such as a proxy.",
            pattern=r"^(https?://[^\s?#]*[^\s?#/])?$",
        ),
    ] = ""

    def __post_init__(self) -> None:
        try:
            webpush.private_key(self.vapid_private_key)
        except ValueError:
            raise invalid("vapid_private_key", "is no private key", remedy="32 octets in base64url") from None


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


class Notice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the service worker of the site is given."""

    title: str
    body: str
    url: str = ""
    icon: str = ""


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to the push service of a browser."""
    one = webpush.subscription(submission.address)
    if one is None:
        return Refused(Reason.BAD_ADDRESS, detail="the address is no subscription of a browser")
    key = webpush.private_key(settings.vapid_private_key)
    expires_s = tools.clock.now() // MICROS + VALID_S
    headers = {
        "Authorization": webpush.vapid(key, one.endpoint, settings.contact, expires_s),
        "Content-Encoding": "aes128gcm",
        "TTL": str(TTL_S[1] if submission.ttl_s is None else min(submission.ttl_s, TTL_S[1])),
        "Urgency": URGENCY[submission.message_class],
        **({"Topic": settings.topic} if settings.topic else {}),
    }
    body = webpush.encrypted(payload(settings, submission.content), one, tools.chance.secret(webpush.SALT))
    return await kit.exchange(tools, _url(settings, one.endpoint), None, headers, judge, body=body)


def payload(settings: Settings, content: Content) -> bytes:
    """The notice as JSON."""
    url = content.buttons[0].url if content.buttons else ""
    return msgspec.json.encode(Notice(content.subject or settings.title, content.text, url, content.picture))


def _url(settings: Settings, endpoint: str) -> str:
    if not settings.base_url:
        return endpoint
    where = urlsplit(endpoint)
    return settings.base_url + where.path + (f"?{where.query}" if where.query else "")


def judge(answer: Answer) -> Outcome | None:
    """What a push service says by its status: RFC 8030 §5, §7.2, §7.3."""
    code = str(answer.status)
    if answer.status in (200, 201, 202, 204):
        ref = kit.clean(answer.headers.get("location", ""))[:256]
        return Accepted((ref,) if ref else ())
    if answer.status in (404, 410):
        return Refused(Reason.BAD_ADDRESS, code, "the subscription is gone")
    if answer.status == 413:
        return Refused(Reason.TOO_LONG, code, "the push service takes no message of this size")
    return None


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What fits into one record, with a title, and no template by name."""
    found = [one for one in kit.beyond(CAPABILITIES, content) if one.field != "subject"]
    size = len(payload(settings, content))
    if size > webpush.PLAIN_MAX and not any(one.field == "text" for one in found):
        problem, over = f"{size} bytes, at most {webpush.PLAIN_MAX}", size - webpush.PLAIN_MAX
        found.append(FieldProblem("text", problem, f"shorten it by {over}"))
    if not content.text and not content.subject:
        found.append(FieldProblem("text", "is empty", "write a text"))
    return (*found, *lint_kit.no_names(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Nobody posts anything here."""
    return [kit.unreadable("push services tell nothing", raw.body)]


async def ask_profile(_tools: Tools, settings: Settings) -> Profile | Unknown:
    """The public key with which the site subscribes browsers (`applicationServerKey`)."""
    key = webpush.private_key(settings.vapid_private_key)
    public = webpush.packed(webpush.public_octets(key))
    return Profile(settings.title, details={"applicationServerKey": public})


CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset(MessageClass),
    native_ttl_s=TTL_S,
    buttons_max=1,
    buttons=frozenset({ButtonKind.LINK}),
    images=True,
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="web_push",
    title="Web push",
    address_kind=AddressKind.WEB_PUSH,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    profile=ask_profile,
)
