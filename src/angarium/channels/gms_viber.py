"""Viber Business Messages through GMS (Hyber), JSON API v2: one request a message, the channel `viber` alone.

Sources: gms-hyber-api.readthedocs.io, chapters 2 (requests and answers) and 8 (parameters, their limits), the
vendor's text; states 1, 2, 3 and 11, 12, 23, 26, 36 as a public adapter that ran against it names them.

Quirks:
- A message may name several channels, and GMS then falls back by itself. We name one: the cascade decides.
- `ttl` is required. `extra_id` is ours and comes back with every report; nothing says that it is noticed
  when it comes twice.
- A wording that fits a registered template goes as that: GMS matches it by itself.
- An error may come with any HTTP status: `error_code` counts. The list of them (chapter 9) was not to be had;
  the one that chapter 2 shows is 36024.
- Callbacks are not signed: they are believed for the secret path, and the provider's addresses if listed.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, viber_kit
from angarium.core.ports import (
    Accepted,
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, Content, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

TTL_S = (40, 86_400)
URL_MAX = 256  # characters of a picture's address and of a button's
CALLBACK_MAX = 256

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Viber service at GMS."""

    client_id: Annotated[
        str,
        Meta(
            title="Client id", description="The number at the end of your address.", pattern="^[0-9]{1,12}$"
        ),
    ]
    login: Annotated[kit.Word, Meta(title="Login", description="From the technical plan of your contract.")]
    password: Annotated[kit.Secret, Meta(title="Password", description="From the same plan.")]
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="Your site's, without the client id.",
        ),
    ] = "https://api-v2.hyber.im"
    sender: Annotated[
        str,
        Meta(
            title="Name of the service",
            description="alpha_name, as GMS has linked it to a Viber service. "
            "Empty: the account's usual one.",
            max_length=64,
        ),
    ] = ""
    phones_only: Annotated[
        bool,
        Meta(title="Phones only", description="Do not deliver to tablets and computers."),
    ] = False
    rich_service: viber_kit.RichService = False
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {36024: Reason.BAD_ADDRESS}

STATUSES: dict[int, tuple[ReceiptStatus, Reason | None]] = {
    1: (ReceiptStatus.ACCEPTED, None),  # under way
    2: (ReceiptStatus.DELIVERED, None),
    3: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
}
TOO_LATE = 26  # the substatus of what was not delivered within its time to live


class _Taken(msgspec.Struct, frozen=True):
    message_id: str


class _Error(msgspec.Struct, frozen=True):
    error_code: int
    error_text: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to the client's address."""
    refused = viber_kit.too_rich(submission, settings.rich_service)
    if refused is not None:
        return refused
    key = b64encode(f"{settings.login}:{settings.password}".encode()).decode()
    headers = {"Authorization": f"Basic {key}", "Accept": "application/json"}
    url = f"{settings.base_url}/{settings.client_id}"
    return await kit.exchange(tools, url, document(settings, submission), headers, judge)


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    content = submission.content
    viber: dict[str, Any] = {"text": content.text, "ttl": submission.ttl_s or TTL_S[1]}
    if settings.sender:
        viber["alpha_name"] = settings.sender
    if settings.phones_only:
        viber["device"] = "phone"
    if content.picture:
        viber["img"] = content.picture
    for button in content.buttons:
        viber |= {"caption": button.label, "action": button.url}
    written: dict[str, Any] = {
        "phone_number": int(kit.digits(submission.address)),
        "extra_id": submission.client_ref,
        "channels": ["viber"],
        "channel_options": {"viber": viber},
    }
    if submission.callback_url and len(submission.callback_url) <= CALLBACK_MAX:
        written["callback_url"] = submission.callback_url
    return written


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing we know, or it is the provider's own trouble."""
    error = kit.read_json(answer.body, _Error)
    if error is not None and answer.status < 500:
        otherwise = {401: Reason.AUTH, 403: Reason.AUTH, 429: Reason.THROTTLED}.get(
            answer.status, Reason.REJECTED
        )
        detail = error.error_text or f"GMS refused it with code {error.error_code}"
        return Refused(ERRORS.get(error.error_code, otherwise), str(error.error_code), detail)
    taken = kit.read_json(answer.body, _Taken)
    return Accepted((taken.message_id,)) if answer.status == 200 and taken and taken.message_id else None


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What Viber takes; addresses of 256 characters."""
    found = list(viber_kit.lint(CAPABILITIES, content))
    addresses = {"image_url": content.picture}
    addresses |= {f"buttons.{place}.url": button.url for place, button in enumerate(content.buttons)}
    found += [
        FieldProblem(field, f"{len(url)} characters, at most {URL_MAX}", "use a shorter address", shown(url))
        for field, url in addresses.items()
        if len(url) > URL_MAX
    ]
    return tuple(found)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Report(msgspec.Struct, frozen=True):
    status: int
    message_id: str = ""
    extra_id: str = ""
    number: int | str = ""
    phone_number: int | str = ""
    substatus: int = 0
    hyber_status: int = 0
    time: int = 0


class _Reply(msgspec.Struct, frozen=True):
    phone: int | str
    text_from_subscriber: str | None = None
    message_id: str = ""
    file_name: str | None = None
    media: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    audio_url: str | None = None
    doc_url: str | None = None
    location: Any = None

    @property
    def file(self) -> str:
        """Where the file beside the words is."""
        files = (self.media, self.image_url, self.video_url, self.audio_url, self.doc_url)
        return next((url for url in files if url), "")

    @property
    def words(self) -> str:
        """The text, or in brackets what came instead."""
        if self.text_from_subscriber or not (self.file or self.location):
            return self.text_from_subscriber or ""
        kind = "file" if self.file else "location"
        return " ".join(filter(None, (f"[{kind}]", self.file_name or "")))


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A report or an answer of a person, or an array of them."""
    return [_event(piece) for piece in kit.pieces(raw.body)]


def _event(piece: bytes) -> Event:
    reply = kit.read_json(piece, _Reply)
    if reply is not None and (reply.words or reply.file):
        return _inbound(reply, piece)
    report = kit.read_json(piece, _Report)
    if report is None:
        return kit.unreadable("neither a report nor an answer", piece)
    known = STATUSES.get(report.status)
    if known is None:
        return kit.unreadable(f"status {report.status} is not in our table", piece)
    if not report.message_id and not report.extra_id:
        return kit.unreadable("a report without message_id and extra_id", piece)
    status, reason = known
    if status is ReceiptStatus.FAILED and report.substatus == TOO_LATE:
        reason = Reason.EXPIRED
    return Receipt(
        status=status,
        ref=kit.clean(report.message_id),
        client_ref=kit.clean(report.extra_id),
        address=kit.clean(kit.e164(str(report.number or report.phone_number))),
        reason=reason,
        code=str(report.hyber_status or report.substatus or report.status),
        at=report.time * 1_000 if 0 < report.time < 10**13 else None,  # milliseconds
    )


def _inbound(reply: _Reply, piece: bytes) -> Event:
    if not reply.phone:
        return kit.unreadable("an answer of nobody", piece)
    return Inbound(
        ref=sha256(piece).hexdigest()[:32],  # it has no id of its own
        sender=kit.clean(kit.e164(str(reply.phone))),
        recipient="",
        text=kit.clean(reply.words),
        context_ref=kit.clean(reply.message_id),
        media_url=kit.clean(reply.file),
    )


CAPABILITIES = viber_kit.capabilities(TTL_S, two_way=True)

CHANNEL = Channel(
    kind="gms_viber",
    title="Viber (GMS)",
    known_as="Вайбер وایبر فايبر ГМС",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=viber_kit.measure,
    send=send,
    lint=lint,
    genuine=genuine,
    pieces=kit.batched,
    sender=lambda settings: settings.sender,
)
