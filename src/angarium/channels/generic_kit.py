"""What describes a provider that is reached by HTTP: the settings of a line, its tables, and their checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit
from angarium.core.problems import FieldProblem, all_invalid, shown
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import mapping

TEXT_MAX = 10_000  # characters, whatever the settings say
NAMES = {
    *("to", "to_digits", "text", "sender", "ref", "class", "ttl_s", "callback_url", "template"),
    *("template_language", "pattern", "secret_1", "secret_2", "basic"),
}
NOT_IN_HEADERS = {"text", "template", "template_language", "pattern"}  # headers are ASCII
ADDRESSED = {"to", "to_digits"}

Path = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x20]*$")]
Long = Annotated[str, Meta(max_length=20_000)]
NameOfHeader = Annotated[str, Meta(max_length=100, pattern=r"^[A-Za-z0-9-]*$")]

# ── words of the provider ────────────────────────────────────────────────────────────────────────────

OURS = Reason.NO_ADDRESS  # from here on they are our own rules, which no provider says
REASONS = {one.value: one for one in list(Reason)[: list(Reason).index(OURS)]}
STATUSES = {one.value: one for one in ReceiptStatus}


@lru_cache(maxsize=256)
def reasons_of(table: str) -> Mapping[str, Reason]:
    """The table of errors; Misshapen names a line that is none, or a reason there is not."""
    found = {}
    for code, word in mapping.lines_of(table, "="):
        if word not in REASONS:
            raise mapping.Misshapen(f"{code}: {word[:40]!r} is no reason; one of {', '.join(REASONS)}")
        found[code] = REASONS[word]
    return found


@lru_cache(maxsize=256)
def meanings_of(table: str) -> Mapping[str, tuple[ReceiptStatus, Reason | None]]:
    """The table of statuses: what a word says, and why it failed where the word tells that."""
    found: dict[str, tuple[ReceiptStatus, Reason | None]] = {}
    for word, meaning in mapping.lines_of(table, "="):
        if meaning in STATUSES:
            found[word] = (STATUSES[meaning], None)
        elif meaning in REASONS:
            found[word] = (ReceiptStatus.FAILED, REASONS[meaning])
        else:
            known = ", ".join([*STATUSES, *REASONS])
            raise mapping.Misshapen(f"{word}: {meaning[:40]!r} is no status and no reason; one of {known}")
    return found


# ── checks ────────────────────────────────────────────────────────────────────────────────────────────


def _faults(settings: Settings, field: str, check: Callable[[Settings], object]) -> list[FieldProblem]:
    try:
        check(settings)
    except mapping.Misshapen as error:
        return [FieldProblem(field, str(error), value=shown(getattr(settings, field)))]
    return []


def _check_names(template: str, *, forbidden: frozenset[str] = frozenset()) -> None:
    for name in sorted(mapping.names_in(template)):
        if (name not in NAMES and not name.startswith("params.")) or name in forbidden:
            raise mapping.Misshapen(f"{{{name}}} does not stand for anything here")


def _check_headers(settings: Settings) -> None:
    for name, value in mapping.lines_of(settings.headers, ":"):
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise mapping.Misshapen(f"{name[:40]!r} is no name of a header")
        if not value.isascii() or "{params." in value:
            raise mapping.Misshapen(f"the value of {name} must be ASCII")
        _check_names(value, forbidden=frozenset(NOT_IN_HEADERS))


def _check_body(settings: Settings) -> None:
    _check_names(settings.body)
    if settings.body_kind == "json":
        mapping.json_template(settings.body)
    if settings.body_kind == "form":
        list(mapping.lines_of(settings.body, "="))
    if settings.body_kind == "none" and settings.body.strip():
        raise mapping.Misshapen("there is one, and the request has none")
    if settings.body_kind != "none" and settings.method == "GET":
        raise mapping.Misshapen("a GET has none")
    named = mapping.names_in(settings.path, settings.body)
    if not named & ADDRESSED:
        raise mapping.Misshapen("neither it nor the path names {to} or {to_digits}")
    if not named & {"text", "template", "pattern"}:
        raise mapping.Misshapen("neither it nor the path names {text} or {template}")


def _check_statuses(settings: Settings) -> None:
    if not all(200 <= least <= most <= 299 for least, most in mapping.numbers_of(settings.success_statuses)):
        raise mapping.Misshapen("success is a status from 200 to 299")


def _check_words(settings: Settings) -> None:
    if settings.success_words.strip() and not settings.success_path:
        raise mapping.Misshapen("nothing says where they stand")


def _check_secret(settings: Settings) -> None:
    if settings.callback_check != "none" and not (settings.callback_secret and settings.callback_header):
        raise mapping.Misshapen("needs the name of a header and a secret")


def _check_inbound(settings: Settings) -> None:
    if settings.inbound_text and not settings.inbound_from:
        raise mapping.Misshapen("is needed beside the text")


CHECKS: tuple[tuple[str, Callable[[Settings], object]], ...] = (
    ("path", lambda settings: _check_names(settings.path)),
    ("headers", _check_headers),
    ("body", _check_body),
    ("success_statuses", _check_statuses),
    ("success_words", _check_words),
    ("errors", lambda settings: reasons_of(settings.errors)),
    ("statuses", lambda settings: meanings_of(settings.statuses)),
    ("inbound_from", _check_inbound),
    ("callback_check", _check_secret),
)

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider, described."""

    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the provider",
            description="https://api.example.com, without a slash at its end.",
        ),
    ]
    path: Annotated[
        str,
        Meta(
            title="Path and query",
            description="What follows the address: /send?to={to_digits}&text={text}. Values are encoded.",
            max_length=4_000,
            pattern=r"^(/[^\x00-\x20#]*)?$",
        ),
    ] = ""
    method: Annotated[
        Literal["POST", "GET", "PUT", "PATCH"], Meta(title="Method", description="Of the request.")
    ] = "POST"
    headers: Annotated[
        Long,
        Meta(
            title="Headers",
            description="One a line: Authorization: Bearer {secret_1}. {basic}: both secrets as "
            "name and password.",
            extra={"lines": 3},
        ),
    ] = ""
    body_kind: Annotated[
        Literal["json", "form", "none"], Meta(title="Body", description="How it is written.")
    ] = "json"
    body: Annotated[
        Long,
        Meta(
            title="Template of the body",
            description='JSON: {"to": "{to}", "text": "{text}", "ttl": "{ttl_s:number?}"}. '
            "Form: to={to}, one field a line. Names: to, to_digits, text, sender, ref, class, ttl_s, "
            "callback_url, template, template_language, pattern, params.NAME, secret_1, secret_2, basic. "
            "With ? it is left out when empty.",
            extra={"lines": 10},
        ),
    ] = ""
    secret_1: Annotated[
        kit.Secret, Meta(title="Secret 1", description="{secret_1} in templates; never shown.")
    ] = ""
    secret_2: Annotated[
        kit.Secret, Meta(title="Secret 2", description="{secret_2} in templates; never shown.")
    ] = ""
    sender: Annotated[str, Meta(title="Sender", description="{sender} in templates.", max_length=100)] = ""
    text_max: Annotated[
        int, Meta(title="Longest text", description="Characters; a longer one is refused.", ge=1, le=TEXT_MAX)
    ] = 1_000
    counted_as: Annotated[
        Literal["sms", "characters"],
        Meta(title="Counted as", description="sms: in parts. characters: as one."),
    ] = "sms"
    success_statuses: Annotated[
        str, Meta(title="Statuses of success", description="Of HTTP: 200-202, 204.", max_length=200)
    ] = "200-299"
    success_path: Annotated[
        Path,
        Meta(
            title="Word of success stands at",
            description="Such as data.status. Empty: the HTTP status says it.",
        ),
    ] = ""
    success_words: Annotated[
        str,
        Meta(
            title="Words of success",
            description="With commas: ok, 0, true. Another word is an error's code.",
            max_length=1_000,
        ),
    ] = ""
    id_path: Annotated[
        Path,
        Meta(title="Reference stands at", description="The provider's id of the message: messages[0].id."),
    ] = ""
    error_path: Annotated[
        Path,
        Meta(
            title="Code of an error stands at", description="Such as error.code. Empty: the word of success."
        ),
    ] = ""
    detail_path: Annotated[
        Path, Meta(title="Words of an error stand at", description="A sentence for people: error.message.")
    ] = ""
    errors: Annotated[
        Long,
        Meta(
            title="What codes mean",
            description="One a line: 105 = bad_address. The reason decides what is done next; a code that "
            "is not here is rejected.",
            extra={"lines": 6},
        ),
    ] = ""
    callback_events: Annotated[
        Path, Meta(title="Callbacks: list of events", description="Where it stands, if there is one: events.")
    ] = ""
    receipt_ref: Annotated[
        Path, Meta(title="Receipts: our reference", description="What {ref} was: a path, or a field's name.")
    ] = ""
    receipt_id: Annotated[
        Path, Meta(title="Receipts: their reference", description="The provider's id of the message.")
    ] = ""
    receipt_to: Annotated[
        Path, Meta(title="Receipts: the recipient", description="Helps where no reference is.")
    ] = ""
    receipt_status: Annotated[
        Path,
        Meta(
            title="Receipts: the status", description="Where its word stands. Empty: there are no receipts."
        ),
    ] = ""
    receipt_error: Annotated[
        Path, Meta(title="Receipts: the error", description="A code of the table of errors.")
    ] = ""
    statuses: Annotated[
        Long,
        Meta(
            title="What statuses mean",
            description="One a line: DELIVRD = delivered. Of accepted, sent, delivered, read, failed, or the "
            "reason of a failure: EXPIRED = expired.",
            extra={"lines": 6},
        ),
    ] = ""
    inbound_text: Annotated[
        Path, Meta(title="Answers: the text", description="What a person wrote. Empty: nobody can answer.")
    ] = ""
    inbound_from: Annotated[Path, Meta(title="Answers: the person", description="Who wrote it: a phone.")] = (
        ""
    )
    inbound_to: Annotated[Path, Meta(title="Answers: to whom", description="The number they wrote to.")] = ""
    inbound_id: Annotated[
        Path,
        Meta(
            title="Answers: the reference", description="Its id. Empty: the same bytes are the same answer."
        ),
    ] = ""
    callback_check: Annotated[
        Literal["none", "word", "signature"],
        Meta(
            title="Callbacks are known by",
            description="none: their secret path. word: a header that is the secret. "
            "signature: HMAC of the body.",
        ),
    ] = "none"
    callback_header: Annotated[
        NameOfHeader, Meta(title="Header of the check", description="Such as X-Signature.")
    ] = ""
    callback_secret: Annotated[
        kit.Secret, Meta(title="Secret of callbacks", description="The word itself, or what signs the body.")
    ] = ""
    signature_algorithm: Annotated[
        Literal["sha256", "sha1"], Meta(title="Algorithm", description="Of the HMAC.")
    ] = "sha256"
    signature_encoding: Annotated[
        Literal["hex", "base64"], Meta(title="Written as", description="How the signature is written.")
    ] = "hex"
    signature_prefix: Annotated[
        str, Meta(title="Before the signature", description="What stands before it: sha256=.", max_length=40)
    ] = ""
    callback_reply: Annotated[
        str,
        Meta(
            title="Answer to callbacks",
            description="The words the provider wants to hear: OK.",
            max_length=200,
        ),
    ] = ""
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        wrong = tuple(one for field, check in CHECKS for one in _faults(self, field, check))
        if wrong:
            raise all_invalid("The description of the provider is not valid", wrong)
        kit.check_networks("callback_networks", self.callback_networks)
