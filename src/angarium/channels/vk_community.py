"""VK, by the messages of a community: to people who have allowed it to write.

Sources: VKCOM/vk-api-schema, messages/methods.json, errors.json and callback/objects.json (version 5.199, 21
January 2025); nyaruka/courier handlers/vk (the callback's confirmation, its secret and its answer).

Quirks:
- The person begins, or presses Allow on a widget (`message_allow`); else 901. They may deny it again.
- `random_id` makes a message that is sent twice within an hour one: a retry cannot double.
- Errors come with HTTP 200.
- No receipt says that a message was delivered. `message_read` names the last message that was read.
- Every callback wants the answer `ok`, and the first one the community's confirmation.
- A picture or a paper has to be put up at VK first (`vk_kit`): three requests before the one that sends.
- Events come by callback, or are asked for (`receive`: long_poll), which works behind any wall.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit, vk_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
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
    Receipt,
    Refused,
    Reply,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    AddressKind,
    Button,
    ButtonKind,
    Content,
    Measure,
    MessageClass,
    Reason,
    ReceiptStatus,
)
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

VERSION = "5.199"
TEXT_MAX = 4_096  # characters
BUTTONS_MAX, LABEL_MAX, PAYLOAD_MAX = 10, 40, 255  # of an inline keyboard
CHATS_FROM = 2_000_000_000  # a peer from here on is a chat of several
POLL_S = 25

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One community."""

    group_id: Annotated[str, Meta(title="Community ID", description="Digits only.", pattern=r"^[0-9]{1,20}$")]
    access_token: Annotated[
        kit.Secret, Meta(title="Access token", description="Of the community, with the right to messages.")
    ]
    callback_secret: Annotated[
        kit.Secret,
        Meta(title="Secret key", description="Any word of your own; the same as at Callback API."),
    ]
    confirmation: Annotated[
        str,
        Meta(
            title="Confirmation",
            description="What the server has to answer, from Callback API; empty with long polling.",
            max_length=100,
        ),
    ] = ""
    receive: Annotated[
        Literal["callback", "long_poll"],
        Meta(
            title="How events come",
            description="callback: VK posts them, to a public address. long_poll: we ask; works anywhere.",
        ),
    ] = "callback"
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://api.vk.com"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

REASONS: dict[Reason, tuple[int, ...]] = {
    Reason.NOT_A_USER: (901, 936),  # has not allowed the community to write; no such contact
    Reason.BLOCKED_BY_USER: (900, 902),  # blacklisted by the person; their privacy settings
    Reason.BAD_ADDRESS: (18, 113),  # deleted or banned; no such user
    Reason.THROTTLED: (6, 9, 940, 944),
    Reason.TEMPORARY: (1, 10, 950),
    Reason.AUTH: (5, 7, 14, 15, 27),  # 14 asks for a captcha: the token is suspected
    Reason.TOO_LONG: (914,),
    Reason.CONTENT_REJECTED: (911, 925),
    Reason.SENDER_INVALID: (203, 912, 943, 945, 946, 1012),
    Reason.CONFIG: (3, 8, 100),
    Reason.MEDIA_INVALID: (22, 105, 118, 121, 129),  # of what is put up: not taken, not saved, not its own
}
ERRORS = {code: reason for reason, codes in REASONS.items() for code in codes}
UNCERTAIN = frozenset({1, 10, 950})  # "unknown error", "internal server error", "reply timed out"


class _Error(msgspec.Struct, frozen=True):
    error_code: int
    error_msg: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error


class _Taken(msgspec.Struct, frozen=True):
    response: int


class _Response(msgspec.Struct, frozen=True):
    response: msgspec.Raw


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `messages.send`, after the file beside the words was put up."""

    async def ask(name: str, **given: str) -> msgspec.Raw | Refused:
        return await _ask(tools, settings, name, given)

    attached = await vk_kit.attachment(tools, ask, submission.address, submission.content)
    if isinstance(attached, Refused):
        return attached
    given = form(settings, submission, attached)
    return await kit.exchange(tools, _method(settings, "messages.send"), None, {}, judge, form=given)


async def _ask(tools: Tools, settings: Settings, name: str, given: dict[str, str]) -> msgspec.Raw | Refused:
    """What a method answers that sends nothing; Refused when it does not, or says that it cannot."""
    http: Client = tools.http
    try:
        answer = await http.request("POST", _method(settings, name), form=_known(settings, **given))
    except (NotSent, NoAnswer) as failure:
        return Refused(Reason.TEMPORARY, "upload", f"VK does not answer {name}: {failure}")
    told = kit.read_json(answer.body, _Response)
    if told is not None and answer.status == 200:
        return told.response
    refusal = judge(answer) or kit.by_status(answer)
    if isinstance(refusal, Refused):
        return refusal
    return Refused(Reason.TEMPORARY, "upload", f"VK says nothing certain to {name}")


def form(settings: Settings, submission: Submission, attachment: str = "") -> dict[str, str]:
    """The body of a submission; `attachment` is what VK calls the file beside the words."""
    content = submission.content
    given = _known(
        settings,
        peer_id=submission.address,
        random_id=str(submission.attempt_id & 0x7FFF_FFFF),
        message=content.text,
        **({"attachment": attachment} if attachment else {}),
    )
    if content.buttons:
        keyboard = {"inline": True, "buttons": [[_key(one)] for one in content.buttons]}
        given["keyboard"] = msgspec.json.encode(keyboard).decode()
    return given


def _key(one: Button) -> dict[str, Any]:
    if one.kind is ButtonKind.REPLY:
        return {"action": {"type": "text", "label": one.label, "payload": _payload(one.label)}}
    return {"action": {"type": "open_link", "label": one.label, "link": one.url}}


def _payload(label: str) -> str:
    return msgspec.json.encode({"press": label}).decode()


def _method(settings: Settings, name: str) -> str:
    return f"{settings.base_url}/method/{name}"


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body, whatever the HTTP status; None when it says nothing certain."""
    taken = kit.read_json(answer.body, _Taken)
    if answer.status == 200 and taken is not None and taken.response:
        return Accepted((str(taken.response),))
    refusal = kit.read_json(answer.body, _Refusal)
    if refusal is None or answer.status >= 500:
        return None
    error = refusal.error
    if error.error_code in UNCERTAIN:
        return Unknown(f"{error.error_code}: {error.error_msg} (it may have been taken before it failed)")
    return Refused(ERRORS.get(error.error_code, Reason.REJECTED), str(error.error_code), error.error_msg)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters; ten buttons of 40; no templates by name."""
    found = kit.beyond(CAPABILITIES, content)
    found += lint_kit.wordless(content)
    found += lint_kit.long_labels(content.buttons, LABEL_MAX)
    return (*found, *lint_kit.no_names(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Named(msgspec.Struct, frozen=True):
    id: int = 0
    conversation_message_id: int = 0


class _Message(msgspec.Struct, frozen=True):
    id: int
    peer_id: int
    from_id: int = 0
    conversation_message_id: int = 0
    date: int = 0
    text: str = ""
    payload: str = ""
    ref: str = ""
    reply_message: _Named = _Named()
    attachments: list[dict[str, Any]] = []


class _Said(msgspec.Struct, frozen=True):
    message: _Message | None = None
    user_id: int = 0
    from_id: int = 0
    read_message_id: int = 0


class _Callback(msgspec.Struct, frozen=True):
    type: str
    group_id: int = 0
    event_id: str = ""
    secret: str = ""
    object: _Said = _Said()


class _Press(msgspec.Struct, frozen=True):
    press: str = ""


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the body names our secret; never where we ask for events ourselves."""
    told = kit.read_json(raw.body, _Callback)
    given = (told.secret if told else "").encode(errors="replace")
    return settings.receive == "callback" and hmac.compare_digest(given, settings.callback_secret.encode())


def challenge(settings: Settings, raw: Raw) -> Reply | None:
    """What VK wants to hear before it posts anything: the community's confirmation."""
    told = kit.read_json(raw.body, _Callback)
    if told is None or told.type != "confirmation" or not settings.confirmation:
        return None
    if str(told.group_id) != settings.group_id:
        return Reply(403, "another community")
    return Reply(200, settings.confirmation)


def reply(_settings: Settings, _raw: Raw) -> Reply:
    """The only answer that VK takes for one."""
    return Reply(200, "ok")


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """One event of the community."""
    told = kit.read_json(raw.body, _Callback)
    if told is None:
        return [kit.unreadable("not an event of VK", raw.body)]
    if str(told.group_id) != settings.group_id:
        return [kit.unreadable(f"for the community {told.group_id}, not this line's", raw.body)]
    event = _event(settings, told)
    return [event or kit.unreadable(f"an event {told.type!r} that is not heard", raw.body)]


def _event(settings: Settings, told: _Callback) -> Event | None:
    said = told.object
    if told.type in ("message_allow", "message_deny") and said.user_id > 0:
        allowed = told.type == "message_allow"
        return Allowance(str(said.user_id), allowed, kit.clean(told.event_id or told.type))
    if told.type == "message_read" and said.read_message_id > 0:
        reader = str(said.from_id) if said.from_id > 0 else ""
        return Receipt(ReceiptStatus.READ, ref=str(said.read_message_id), address=reader, code="message_read")
    if told.type == "message_new" and said.message is not None and 0 < said.message.peer_id < CHATS_FROM:
        return _inbound(settings, said.message)
    return None


def _inbound(settings: Settings, heard: _Message) -> Inbound:
    kinds = " ".join(f"[{one.get('type', 'attachment')}]" for one in heard.attachments)
    pressed = kit.read_json(heard.payload.encode(), _Press) if heard.payload else None
    number = heard.id or heard.conversation_message_id
    replied = heard.reply_message.id or heard.reply_message.conversation_message_id
    return Inbound(
        ref=f"{heard.peer_id}/{number}",
        sender=str(heard.peer_id),
        recipient=settings.group_id,
        text=kit.clean(heard.text or kinds or "[message]"),
        at=heard.date * MICROS if heard.date > 0 else None,
        context_ref=str(replied) if replied else "",
        payload=kit.clean((pressed.press if pressed else "") or heard.ref or heard.payload),
    )


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


class _Server(msgspec.Struct, frozen=True):
    server: str
    key: str
    ts: str | int


class _Offered(msgspec.Struct, frozen=True):
    response: _Server


class _Polled(msgspec.Struct, frozen=True):
    ts: str | int = ""
    updates: list[msgspec.Raw] = []
    failed: int = 0


async def listen(tools: Tools, settings: Settings, hear: Callable[[Raw], Awaitable[None]]) -> None:
    """Ask the community's own server for events, from now on."""
    if settings.receive != "long_poll":
        return
    server = await _offered(tools, settings)
    ts = str(server.ts)
    http: Client = tools.http
    while True:
        asked = kit.with_query(server.server, act="a_check", key=server.key, ts=ts, wait=str(POLL_S))
        answer = await http.request("GET", asked, timeout_s=POLL_S + 10)
        told = kit.read_json(answer.body, _Polled)
        if told is None:
            raise ConnectionError(f"HTTP {answer.status} that says nothing")
        for piece in told.updates:
            await hear(Raw(bytes(piece)))
        if told.failed in (2, 3):  # the key has run out, or what came is forgotten
            server = await _offered(tools, settings)
            ts = str(server.ts)
        else:
            ts = str(told.ts)


async def _offered(tools: Tools, settings: Settings) -> _Server:
    http: Client = tools.http
    given = _known(settings, group_id=settings.group_id)
    answer = await http.request("POST", _method(settings, "groups.getLongPollServer"), form=given)
    told = kit.read_json(answer.body, _Offered)
    if told is None:
        refusal = kit.read_json(answer.body, _Refusal)
        raise ConnectionError(refusal.error.error_msg if refusal else "VK says nothing")
    return told.response


def _known(settings: Settings, **given: str) -> dict[str, str]:
    return {"access_token": settings.access_token, "v": VERSION, **given}


class _Group(msgspec.Struct, frozen=True):
    name: str = ""
    screen_name: str = ""


class _Groups(msgspec.Struct, frozen=True):
    groups: list[_Group] = []


class _Known(msgspec.Struct, frozen=True):
    response: _Groups


async def ask_profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """The community as people see it."""
    given = _known(settings, group_id=settings.group_id)
    answer = await kit.asked(tools, _method(settings, "groups.getById"), {}, form=given)
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _Known)
    if told is None or not told.response.groups:
        return Unknown("VK tells nothing of this community")
    group = told.response.groups[0]
    return Profile(group.name, details={"screen_name": group.screen_name} if group.screen_name else {})


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),  # what is read has been delivered
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=frozenset({ButtonKind.LINK, ButtonKind.REPLY}),
    images=True,
    media=(
        Carries(frozenset({"image/jpeg", "image/png", "image/gif"}), vk_kit.PICTURE_MAX_BYTES),
        Carries(frozenset({"application/pdf"}), vk_kit.PAPER_MAX_BYTES),
    ),
    text_max=TEXT_MAX,
    idempotent=True,
)

CHANNEL = Channel(
    kind="vk_community",
    title="VK (community)",
    known_as="ВК ВКонтакте",
    address_kind=AddressKind.VK,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    challenge=challenge,
    reply=reply,
    profile=ask_profile,
    listen=listen,
)
