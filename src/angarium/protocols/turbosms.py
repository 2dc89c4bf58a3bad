"""The words of TurboSMS that its SMS and its Viber share: answers, codes, states, the signature of webhooks.

Sources: turbosms.ua/en/api.html and turbosms.ua/en/callback.html, stored pages of 2026 (requests; webhooks:
"the SHA1 hash of a string consisting of the security secret key and id"); daaner/turbosms resources/lang (17
April 2023: every code with its sentence). The names inside `data` of a webhook, and that the order of what is
hashed cannot be told from the page, are of a public adapter that ran against it in August 2026.
"""

from __future__ import annotations

import hmac
from hashlib import sha1
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from angarium.core.ports import Accepted, Outcome, Receipt, Refused, Unknown
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import answers

BASE_URL = "https://api.turbosms.ua"
FIELDS_MAX = 100  # of a webhook that is a form
T = TypeVar("T")

Token = Annotated[
    str,
    Meta(
        min_length=1,
        title="Token",
        description="From the API settings of the cabinet, where the HTTP API is switched on.",
        extra={"secret": True},
    ),
]
WebhookSecret = Annotated[
    str,
    Meta(
        title="Secret of webhooks",
        description="As set beside the address in the cabinet. Empty: webhooks are not checked.",
        extra={"secret": True},
    ),
]

TAKEN = frozenset({0, 800, 801, 802, 803})  # accepted, sent; 802 and 803: but for some of several people
UNCERTAIN = frozenset({500, 501, 503, 504, 999})  # they failed at something after they had begun

ERRORS = {
    103: Reason.AUTH,
    104: Reason.CONFIG,
    105: Reason.AUTH,
    106: Reason.AUTH,  # the account is blocked
    200: Reason.SENDER_INVALID,
    201: Reason.CONTENT_REJECTED,
    202: Reason.BAD_ADDRESS,
    203: Reason.NO_CREDIT,
    204: Reason.CONTENT_REJECTED,
    205: Reason.CONTENT_REJECTED,
    206: Reason.CONTENT_REJECTED,
    300: Reason.CONFIG,
    301: Reason.AUTH,
    302: Reason.SENDER_INVALID,
    303: Reason.CONFIG,
    304: Reason.CONTENT_REJECTED,
    305: Reason.BAD_ADDRESS,
    306: Reason.CONFIG,
    400: Reason.SENDER_INVALID,
    401: Reason.SENDER_INVALID,
    402: Reason.MEDIA_INVALID,
    403: Reason.CONFIG,
    404: Reason.SUPPRESSED,  # the stop list; of Viber: see judge_viber
    405: Reason.CONFIG,
    406: Reason.CONFIG,  # this country is not switched on
    407: Reason.REJECTED,
    408: Reason.TOO_LONG,
    409: Reason.CONFIG,
    410: Reason.UNSUPPORTED,  # a button or a picture in a transactional message
    411: Reason.CONFIG,
    412: Reason.CONTENT_REJECTED,
    413: Reason.TOO_LONG,
    414: Reason.CONFIG,
    415: Reason.SENDER_INVALID,  # transactional, from a sender that several share
    502: Reason.CONFIG,
    505: Reason.MEDIA_INVALID,
}
STATES_MOST = 20  # asked about at once; the page names no most
IGNORED = 404  # on the list of those who ignore this sender on Viber

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "queued": (ReceiptStatus.ACCEPTED, None),
    "in queue": (ReceiptStatus.ACCEPTED, None),
    "in process": (ReceiptStatus.ACCEPTED, None),
    "accepted": (ReceiptStatus.ACCEPTED, None),
    "unknown": (ReceiptStatus.ACCEPTED, None),
    "sent": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "delivrd": (ReceiptStatus.DELIVERED, None),
    "read": (ReceiptStatus.READ, None),
    "expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "undelivered": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "undeliv": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "failed": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "rejected": (ReceiptStatus.FAILED, Reason.REJECTED),
    "rejectd": (ReceiptStatus.FAILED, Reason.REJECTED),
    "cancelled": (ReceiptStatus.FAILED, Reason.REJECTED),
}


class One(msgspec.Struct, frozen=True):
    """What was said of one recipient."""

    response_code: int
    message_id: str | None = None
    response_status: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What every request is answered with, always with HTTP 200."""

    response_code: int
    response_status: str = ""
    response_result: Any = None


def judge(answer: answers.Answer) -> Outcome | None:
    """The outcome for the one recipient; None when the answer says nothing of it."""
    told = _read(answer.body, Answer)
    if told is None or answer.status != 200:
        return None
    if told.response_code not in TAKEN and not isinstance(told.response_result, list):
        return _refused(told.response_code, told.response_status)
    try:
        results = msgspec.convert(told.response_result, list[One])
    except msgspec.ValidationError:
        return None
    if len(results) != 1:
        return None
    (one,) = results
    if one.response_code not in TAKEN:
        return _refused(one.response_code, one.response_status)
    return Accepted((one.message_id,)) if one.message_id else None


def judge_viber(answer: answers.Answer) -> Outcome | None:
    """The same in the words of Viber, whose list is of those who blocked the sender."""
    outcome = judge(answer)
    if isinstance(outcome, Refused) and outcome.code == str(IGNORED):
        return msgspec.structs.replace(outcome, reason=Reason.BLOCKED_BY_USER)
    return outcome


def _refused(code: int, status: str) -> Outcome:
    if code in UNCERTAIN:
        return Unknown(f"{code} {status}: TurboSMS failed at it, and may have sent it before")
    return Refused(ERRORS.get(code, Reason.REJECTED), str(code), status or f"TurboSMS refused it with {code}")


def headers(token: str) -> dict[str, str]:
    """Of every request."""
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────


def receipt(body: bytes) -> Receipt | None:
    """What a webhook says of a message; None for anything else, and for a word not in our table."""
    fields = event(body)
    known = STATUSES.get(fields.get("status", "").strip().lower())
    if known is None or not fields.get("message_id"):
        return None
    status, reason = known
    return Receipt(status=status, ref=fields["message_id"], reason=reason, code=fields["status"])


def states(body: bytes) -> list[Receipt] | None:
    """What `message/status.json` says of messages; None when it says nothing, and without those whose word is
    not in our table."""
    answer = _read(body, Answer)
    if answer is None or answer.response_code not in TAKEN or not isinstance(answer.response_result, list):
        return None
    found = [receipt(msgspec.json.encode({"data": one})) for one in answer.response_result]
    return [one for one in found if one is not None]


def genuine(secret: str, body: bytes) -> bool:
    """Whether a webhook is signed with the secret, in either order; without a secret, any is."""
    if not secret:
        return True
    fields = event(body)
    word = fields.get("signature", "").strip().lower().encode(errors="replace")
    event_id = fields.get("id", "")
    made = [signature(secret, event_id), signature(event_id, secret)]
    verdicts = [hmac.compare_digest(word, each.encode()) for each in made]
    return bool(event_id) and any(verdicts)


def signature(secret: str, event_id: str) -> str:
    """Of a webhook: of the secret and the id of the event, and of nothing else in it."""
    return sha1(f"{secret}{event_id}".encode(errors="replace"), usedforsecurity=False).hexdigest()


def event(body: bytes) -> dict[str, str]:
    """A webhook, JSON or a form, as names and texts; what is inside `data` by its own name."""
    document = _read(body, dict[str, Any])
    if document is None:
        fields = _form(body)
        inside = {name[5:-1]: text for name, text in fields.items() if name.startswith("data[")}
    else:
        fields = {name: str(document.get(name, "")) for name in ("id", "signature", "type")}
        data = document.get("data")
        inside = {name: str(value) for name, value in data.items()} if isinstance(data, dict) else {}
    return {name: text.replace("\x00", "\ufffd") for name, text in {**inside, **fields}.items()}


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=FIELDS_MAX))
    except ValueError:
        return {}


def _read(body: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError):
        return None
