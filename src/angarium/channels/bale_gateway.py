"""Bale's gateway for codes (Safir OTP): to a phone in Iran whose owner is in Bale, in Bale's own words.

Sources: docs.bale.ai/gateway (addresses, the token); the numbers of errors as the WordPress plug-in
jay-login-register has them, the answer with `balance` as it and Daradege/bale-otp read it.

Quirks:
- Requests carry a token that two secrets are exchanged for; it is kept for as long as it lives.
- The code is a number in the request: one that begins with 0 would lose it, and is refused before.
- No reference and no receipt: what was accepted is all that is ever known.
- The answer tells what is left of the subscription, in no unit that is named: it is not kept.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import code_kit, kit
from angarium.core.memory import Lent
from angarium.core.ports import (
    Accepted,
    Capabilities,
    Channel,
    Event,
    Outcome,
    Raw,
    Refused,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

DIGITS = (3, 8)  # of a code
TEXT_MAX = 1_000  # characters of ours, which nobody sees
COUNTRY = "+98"
EARLY_S = 60.0  # a token is not used in its last minute
LIFE_MAX_S = 86_400.0

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One subscription."""

    client_id: Annotated[
        kit.Word, Meta(title="User name", description="From the panel of Bale's gateway (client_id).")
    ]
    client_secret: Annotated[
        kit.Secret, Meta(title="Password", description="Beside it in the panel (client_secret).")
    ]
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://safir.bale.ai/api/v2"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {
    2: Reason.TEMPORARY,  # an error inside Bale
    8: Reason.BAD_ADDRESS,
    17: Reason.NOT_A_USER,
    18: Reason.THROTTLED,  # too many for this phone
    20: Reason.NO_CREDIT,
}


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 0.0  # seconds


class _Taken(msgspec.Struct, frozen=True):
    balance: float


class _Refusal(msgspec.Struct, frozen=True):
    code: int
    message: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `send_otp`, after one to `auth/token` when no token is at hand."""
    if not submission.address.startswith(COUNTRY):
        return Refused(Reason.BAD_ADDRESS, detail="Bale's gateway reaches phones of Iran only")
    now = tools.clock.monotonic()
    token = await tools.memory.recall(settings, now, partial(_token, tools, settings))
    if isinstance(token, Refused):
        return token
    url, headers = f"{settings.base_url}/send_otp", {"Authorization": f"Bearer {token}"}
    outcome = await kit.exchange(tools, url, request(submission), headers, judge)
    if isinstance(outcome, Refused) and outcome.reason is Reason.AUTH:
        tools.memory.forget(settings)  # whatever is tried next asks for a new one
        return msgspec.structs.replace(outcome, reason=Reason.TEMPORARY)
    return outcome


def request(submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    code = code_kit.code_of(submission.content, *DIGITS)
    return {"phone": kit.digits(submission.address), "otp": int(code)}


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing certain."""
    if answer.status >= 500:
        return None
    if answer.status == 200 and kit.read_json(answer.body, _Taken) is not None:
        return Accepted()
    refusal = kit.read_json(answer.body, _Refusal)
    if refusal is None or not refusal.code or answer.status in (401, 403):
        return None
    detail = refusal.message or f"Bale refused it with {refusal.code}"
    return Refused(ERRORS.get(refusal.code, Reason.REJECTED), str(refusal.code), detail)


async def _token(tools: Tools, settings: Settings) -> Lent[str | Refused]:
    """A token for the line. No code has left when there is none: that is a refusal, never unknown."""
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": "read",
    }
    http: Client = tools.http
    try:
        answer = await http.request("POST", f"{settings.base_url}/auth/token", form=form)
    except NotSent as failure:
        reason = Reason.CONFIG if failure.forbidden else Reason.TEMPORARY
        return Lent(Refused(reason, detail=str(failure)))
    except NoAnswer as failure:
        return Lent(Refused(Reason.TEMPORARY, detail=str(failure)))
    told = kit.read_json(answer.body, _Token) if answer.status == 200 else None
    if told is None or not told.access_token.isascii() or not told.access_token.isprintable():
        credentials = answer.status in (400, 401, 403)
        detail = f"Bale gave no token (HTTP {answer.status})"
        reason = Reason.AUTH if credentials else Reason.TEMPORARY
        return Lent(Refused(reason, str(answer.status), detail))
    return Lent(told.access_token, min(told.expires_in, LIFE_MAX_S) - EARLY_S)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """One code of 3 to 8 digits that does not begin with 0, and nothing beside it."""
    found = [*kit.beyond(CAPABILITIES, content), *code_kit.missing(content, *DIGITS)]
    if code_kit.code_of(content, *DIGITS).startswith("0"):
        field = "params.code" if "code" in content.params else "text"
        found.append(
            FieldProblem(field, "has a code that begins with 0", "make codes that begin with 1 to 9")
        )
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters of our text."""
    return kit.characters(content, TEXT_MAX)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Bale posts nothing; what comes nevertheless is kept."""
    return [kit.unreadable("Bale's gateway posts nothing that is documented", raw.body)]


CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset({MessageClass.OTP}),
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="bale_gateway",
    title="Bale gateway (codes)",
    known_as="بله رمز",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=lambda _settings, _raw: False,
)
