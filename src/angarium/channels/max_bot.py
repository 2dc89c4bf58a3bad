"""MAX, by a bot: to people who have begun a dialog with it.

Sources: dev.max.ru/docs-api as an OpenAPI document (snapshot of 1 July 2026, version 0.0.32, kept by
max-messenger-bot/max-bot-api-schemas); max-messenger/max-bot-api-client-ts (21 August 2026: the address of
the API, the token's header, how a file that is not ready is waited for); issues of that repository and
programs of others (words of errors, which are not documented).

Quirks:
- A bot cannot begin: a person presses Start first. What stands behind the link (`max.ru/bot?start=word`)
  comes with `bot_started`, which is how a person finds their contact.
- The address is the person's number (`user_id`), not that of the dialog.
- No receipt of any kind: what was accepted is all that is ever known.
- A picture goes by its address; other files have to be put up first, and may not be ready at once.
- Updates are posted to us (`attach`), or asked for (`receive`: polling), never both. MAX itself says that
  asking is for trying out: without a marker only the last update is told.
- A group is not a person: what is said in one is parked.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import file_kit, kit, lint_kit
from angarium.core.ports import (
    LINKS,
    Accepted,
    Allowance,
    Capabilities,
    Carries,
    Channel,
    Event,
    Inbound,
    Outcome,
    Profile,
    Raw,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    WITHOUT_URL,
    AddressKind,
    Button,
    ButtonKind,
    Content,
    Measure,
    MediaKind,
    MessageClass,
    Reason,
)
from angarium.protocols import max_bots
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

TEXT_MAX, LABEL_MAX, URL_MAX = 4_000, 128, 2_048  # characters
BUTTONS_MAX = 30  # rows of a keyboard
FILE_MAX_BYTES = 50_000_000  # of ours; MAX takes more
MILLIS = 1_000  # microseconds in a millisecond
POLL_S = 25
NOT_READY = "attachment.not.ready"
READY_AFTER_S = (1.0, 2.0, 4.0)  # pauses, as the vendor's library makes them
PHONE = re.compile(r"^TEL[^:\r\n]*:\+?([0-9]{5,15})\s*$", re.MULTILINE)  # of a card, RFC 6350
UPDATES = ("message_created", "message_callback", "bot_started", "bot_stopped")

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bot."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="Token",
            description="In the cabinet at business.max.ru: Chat bots, Integration.",
            pattern=r"^[!-~]{1,300}$",
        ),
    ]
    webhook_secret: Annotated[
        kit.Secret,
        Meta(
            title="Secret of updates",
            description="Any word of your own, 5 to 256 of A-Z, a-z, 0-9, _ and -. MAX repeats it with each"
            " update.",
            pattern=r"^[A-Za-z0-9_-]{5,256}$",
        ),
    ]
    receive: Annotated[
        Literal["webhook", "polling"],
        Meta(
            title="How updates come",
            description="webhook: MAX posts them, to a public HTTPS address. polling: we ask; to try it out.",
        ),
    ] = "webhook"
    markup: Annotated[
        Literal["plain", "markdown", "html"],
        Meta(
            title="Marks in the text",
            description="plain: shown as they stand. markdown or html: MAX makes them bold, slanted, a link.",
        ),
    ] = "plain"
    silent: Annotated[
        bool, Meta(title="Without a sound", description="Promotional messages make no sound on the phone.")
    ] = True
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://platform-api2.max.ru"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

# By the status, and what stands in the code or the message, in lower case.
ERRORS: tuple[tuple[int, str, Reason], ...] = (
    (404, "dialog.not.found", Reason.NOT_A_USER),  # this person has not begun
    (404, "chat.not.found", Reason.NOT_A_USER),
    (404, "user.not.found", Reason.BAD_ADDRESS),
    (400, "unknown recipient", Reason.BAD_ADDRESS),
    (403, "dialog.suspended", Reason.BLOCKED_BY_USER),  # they stopped the bot
    (403, "chat.denied", Reason.BLOCKED_BY_USER),
    (400, NOT_READY, Reason.TEMPORARY),
    (400, "attachment", Reason.MEDIA_INVALID),
    (400, "file extension", Reason.MEDIA_INVALID),
    (401, "", Reason.AUTH),
    (403, "deprecated.token", Reason.CONFIG),
    (405, "", Reason.CONFIG),
    (429, "", Reason.THROTTLED),
)


def reason_of(status: int, code: str, message: str) -> Reason:
    """What a refusal comes to."""
    said = f"{code} {message}".lower()
    return next((why for number, word, why in ERRORS if number == status and word in said), Reason.REJECTED)


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────

UPLOADS = {MediaKind.AUDIO: "audio", MediaKind.VIDEO: "video", MediaKind.DOCUMENT: "file"}


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `/messages`, after the file beside the words was put up; again when MAX is not yet done
    with that file, for it says so before it sends anything."""
    token = await _put_up(tools, settings, submission.content)
    if isinstance(token, Refused):
        return token
    url = kit.with_query(f"{settings.base_url}/messages", user_id=submission.address)
    document = request(settings, submission, token)
    for pause_s in (*READY_AFTER_S, 0.0):
        outcome = await kit.exchange(tools, url, document, _headers(settings), judge)
        if not (pause_s and isinstance(outcome, Refused) and outcome.code == NOT_READY):
            break
        await tools.clock.sleep(pause_s)
    return outcome


def request(settings: Settings, submission: Submission, token: str = "") -> dict[str, Any]:
    """The body of a submission; `token` is that of a file that was put up."""
    content = submission.content
    attached = [*_file(content, token)]
    if content.buttons:
        keys = [[_key(one)] for one in content.buttons]
        attached.append({"type": "inline_keyboard", "payload": {"buttons": keys}})
    document: dict[str, Any] = {"text": content.text or None, "attachments": attached, "link": None}
    if settings.markup != "plain":
        document["format"] = settings.markup
    if settings.silent and submission.message_class is MessageClass.PROMOTIONAL:
        document["notify"] = False
    return document


def _file(content: Content, token: str) -> list[dict[str, Any]]:
    if content.picture:
        return [{"type": "image", "payload": {"url": content.picture}}]
    if content.media is None:
        return []
    return [{"type": UPLOADS[content.media.kind], "payload": {"token": token}}]


def _key(button: Button) -> dict[str, str]:
    if button.kind is ButtonKind.REPLY:
        return {"type": "callback", "text": button.label, "payload": button.label}
    if button.kind is ButtonKind.CONTACT:
        return {"type": "request_contact", "text": button.label}
    return {"type": "link", "text": button.label, "url": button.url}


async def _put_up(tools: Tools, settings: Settings, content: Content) -> str | Refused:
    """The token of the file beside the words; "" where there is none, or it goes by its address."""
    if content.media is None or content.picture:
        return ""
    file = await file_kit.read(tools, content, FILE_MAX_BYTES)
    if isinstance(file, Refused):
        return file
    http: Client = tools.http
    where = kit.with_query(f"{settings.base_url}/uploads", type=UPLOADS[content.media.kind])
    try:
        answer = await http.request("POST", where, headers=_headers(settings))
    except (NotSent, NoAnswer) as failure:
        return Refused(Reason.TEMPORARY, "upload", f"MAX was not asked where to put the file: {failure}")
    place = kit.read_json(answer.body, max_bots.Place)
    if place is None or answer.status != 200:
        told = judge(answer) or kit.by_status(answer)
        if isinstance(told, Refused):
            return told
        return Refused(Reason.TEMPORARY, "upload", "MAX did not say where to put the file")
    taken = await file_kit.put(tools, place.url, "data", file)
    if isinstance(taken, Refused):
        return taken
    if place.token:  # of a film or a sound it is known before, and the answer says nothing
        return place.token
    token = kit.read_json(taken.body, max_bots.Token)
    return token.token if token else Refused(Reason.TEMPORARY, "upload", "MAX gave the file no token")


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": settings.token}


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing certain."""
    if answer.status >= 500:
        return None
    taken = kit.read_json(answer.body, max_bots.Taken)
    if answer.status == 200:
        mid = taken.message.body.mid if taken else ""
        return Accepted((kit.clean(mid),)) if mid else None
    error = kit.read_json(answer.body, max_bots.Error)
    if error is None:
        return None
    reason = reason_of(answer.status, error.code, error.message)
    return Refused(reason, error.code, error.message or f"MAX refused it with {error.code}")


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4000 characters; thirty buttons of 128, none beside a sound or a paper; no templates by name."""
    found = kit.beyond(CAPABILITIES, content)
    found += lint_kit.wordless(content)
    found += lint_kit.misshapen_labels(content.buttons, LABEL_MAX)
    found += [
        kit.too_long(f"buttons.{place}.url", one.url, URL_MAX)
        for place, one in enumerate(content.buttons)
        if len(one.url) > URL_MAX
    ]
    alone = content.media is not None and content.media.kind in (MediaKind.AUDIO, MediaKind.DOCUMENT)
    if alone and content.buttons:
        remedy = "send them as a message of their own"
        found.append(FieldProblem("buttons", "no buttons beside such a file", remedy))
    return (*found, *lint_kit.no_names(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the update comes with our word; never where we ask for updates ourselves."""
    given = raw.headers.get("x-max-bot-api-secret", "").encode(errors="replace")
    return settings.receive == "webhook" and hmac.compare_digest(given, settings.webhook_secret.encode())


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One update: a message, a pressed button, or a person who began or stopped."""
    update = kit.read_json(raw.body, max_bots.Update)
    if update is None:
        return [kit.unreadable("not an update of MAX", raw.body)]
    at = update.timestamp * MILLIS if update.timestamp > 0 else None
    match update.update_type:
        case "message_created" if update.message is not None:
            return [_message(update.message, at, raw)]
        case "message_callback" if update.callback is not None:
            return [_pressed(update.callback, update.message, at)]
        case "bot_started" | "bot_stopped" if update.user is not None:
            return _switched(update, update.user, at)
        case _:
            return [kit.unreadable(f"an update {update.update_type!r} that nobody asked for", raw.body)]


def _message(told: max_bots.Message, at: int | None, raw: Raw) -> Event:
    kind, sender, body = told.recipient.chat_type, told.sender, told.body
    if kind != "dialog":
        return kit.unreadable(f"a message in a {kind or 'chat'}", raw.body)
    if sender is None or sender.is_bot:
        return kit.unreadable("a message of no person", raw.body)
    if body is None:
        return kit.unreadable("a message without a body", raw.body)
    first = body.attachments[0] if body.attachments else {}
    text, payload = said(body.text or "", first, sender.user_id)
    replied = told.link.message if told.link and told.link.type == "reply" else None
    address = kit.told(first, "payload", "url")
    is_file = kit.told(first, "type") in ("image", "video", "audio", "file")
    return Inbound(
        ref=kit.clean(body.mid),
        sender=str(sender.user_id),
        recipient="",
        text=kit.clean(text),
        at=at,
        context_ref=kit.clean(replied.mid) if replied else "",
        media_url=kit.clean(address) if is_file and address.startswith(("http://", "https://")) else "",
        payload=kit.clean(payload),
        name=kit.clean(sender.name),
    )


def said(text: str, attachment: dict[str, Any], sender_id: int) -> tuple[str, str]:
    """The words of a message, else in brackets what it is instead; and the person's phone, where it is
    theirs."""
    kind = kit.told(attachment, "type")
    if kind == "contact":
        card = PHONE.search(kit.told(attachment, "payload", "vcf_info"))
        phone = f"+{card[1]}" if card else ""
        own = kit.told(attachment, "payload", "max_info", "user_id") == str(sender_id)
        return text or f"[contact] {phone}".strip(), phone if own else ""
    if text:
        return text, ""
    if kind == "location":
        place = [kit.told(attachment, name) for name in ("latitude", "longitude")]
        return " ".join(["[location]", *filter(None, place)]), ""
    named = kit.told(attachment, "filename")
    return " ".join(filter(None, (f"[{kind or 'message'}]", named))), ""


def _pressed(told: max_bots.Press, message: max_bots.Message | None, at: int | None) -> Inbound:
    body = message.body if message else None
    return Inbound(
        ref=kit.clean(f"press/{told.callback_id}/{told.timestamp}"),
        sender=str(told.user.user_id),
        recipient="",
        text=kit.clean(told.payload or "[press]"),
        at=at,
        context_ref=kit.clean(body.mid) if body else "",
        payload=kit.clean(told.payload or ""),
        name=kit.clean(told.user.name),
    )


def _switched(update: max_bots.Update, user: max_bots.User, at: int | None) -> list[Event]:
    """That somebody stopped the bot, or began; who comes by a link says which."""
    began, who = update.update_type == "bot_started", str(user.user_id)
    ref = f"{update.update_type}/{who}/{update.timestamp}"
    found: list[Event] = [Allowance(who, began, ref, at=at)]
    if began:
        word, name = kit.clean(update.payload or ""), kit.clean(user.name)
        found.append(Inbound(f"{ref}/word", who, "", "[start]", at=at, payload=word, name=name))
    return found


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


class _Told(msgspec.Struct, frozen=True):
    updates: list[msgspec.Raw]
    marker: int | None = None


async def listen(tools: Tools, settings: Settings, hear: Callable[[Raw], Awaitable[None]]) -> None:
    """Ask for updates; those before the marker that we name are done with."""
    marker: int | None = None
    http: Client = tools.http
    while settings.receive == "polling":
        asked = {"timeout": str(POLL_S), "types": ",".join(UPDATES)}
        if marker is not None:
            asked["marker"] = str(marker)
        url = kit.with_query(f"{settings.base_url}/updates", **asked)
        answer = await http.request("GET", url, headers=_headers(settings), timeout_s=POLL_S + 10)
        told = kit.read_json(answer.body, _Told)
        if told is None:
            error = kit.read_json(answer.body, max_bots.Error)
            raise ConnectionError(error.message if error else f"HTTP {answer.status} that says nothing")
        for piece in told.updates:
            await hear(Raw(bytes(piece)))
        marker = told.marker if told.marker is not None else marker


async def attach(tools: Tools, settings: Settings, url: str) -> Refused | Unknown | None:
    """Have updates posted to the line's address."""
    if settings.receive != "webhook":
        return Refused(
            Reason.CONFIG, detail="this line asks for updates itself; set receive to webhook first"
        )
    asked = {"url": url, "update_types": UPDATES, "secret": settings.webhook_secret}
    where = f"{settings.base_url}/subscriptions"
    outcome = await kit.exchange(tools, where, asked, _headers(settings), _agreed)
    return None if isinstance(outcome, Accepted) else outcome


def _agreed(answer: Answer) -> Outcome | None:
    told = kit.read_json(answer.body, max_bots.Done)
    if told is None or answer.status != 200:
        return judge(answer)
    return Accepted() if told.success else Refused(Reason.CONFIG, detail=told.message or "MAX does not agree")


async def ask_profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """The bot as people see it."""
    answer = await kit.asked(tools, f"{settings.base_url}/me", _headers(settings))
    if isinstance(answer, Unknown):
        return answer
    me = kit.read_json(answer.body, max_bots.User)
    if me is None:
        return Unknown("MAX's answer is of another shape")
    return Profile(me.name, details={"username": f"@{me.username}"} if me.username else {})


CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=LINKS | WITHOUT_URL,
    images=True,
    media=(
        Carries(frozenset({"image/jpeg", "image/png", "image/gif"}), FILE_MAX_BYTES),
        Carries(frozenset({"audio/mpeg", "audio/mp4", "video/mp4"}), FILE_MAX_BYTES),
        Carries(frozenset({"application/pdf"}), FILE_MAX_BYTES),
    ),
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="max_bot",
    title="MAX (bot)",
    known_as="МАКС",
    address_kind=AddressKind.MAX,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    profile=ask_profile,
    attach=attach,
    listen=listen,
)
