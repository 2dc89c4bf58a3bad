"""What operators make of SMPP, as data: one file each in `smpp_profiles/`, found by scanning.

A profile says what differs from the standard, and where that is written: `sources` names the pages, each
with the day on which it was seen. `standard.toml` is SMPP 3.4 itself, and what every other profile builds
upon. A line chooses one by its name; whatever the line sets by itself wins over it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from angarium.core.clock import is_zone
from angarium.core.problems import invalid
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import smpp_text
from angarium.protocols.smpp_fields import is_printable, sender_kind
from angarium.protocols.smpp_numbers import (
    NPI_ISDN,
    NPI_UNKNOWN,
    STATUS_NAMES,
    TON_ABBREVIATED,
    TON_ALPHANUMERIC,
    TON_INTERNATIONAL,
    Status,
)
from angarium.protocols.smpp_receipt import Dialect, Verdict

STANDARD = "standard"
Octet = Annotated[int, Meta(ge=0, le=255)]
Pair = tuple[Octet, Octet]  # type of number, numbering plan
Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=1, le=65_535)]
Parts = Annotated[int, Meta(ge=1, le=255)]
Wanted = Annotated[int, Meta(ge=0, le=31)]  # bits of registered_delivery
Bind = Literal["transceiver", "pair"]
Bits = Literal[8, 16]
Validity = Literal["relative", "absolute", "none"]
IdBase = Literal["same", "hex_to_dec", "dec_to_hex"]
SaysSystemError = Literal["refused", "unknown"]

# A word of a receipt may be a status or, when it failed, a reason.
VERDICTS: dict[str, Verdict] = {reason.value: (ReceiptStatus.FAILED, reason) for reason in Reason} | {
    status.value: (status, None) for status in ReceiptStatus if status is not ReceiptStatus.FAILED
}
RECEIPT_FIELDS = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text")  # appendix B


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something of a profile is written, and when it was seen there."""

    url: Annotated[str, Meta(min_length=8)]
    seen: Annotated[str, Meta(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """How one operator speaks SMPP. What it leaves out is as the standard has it.

    `statuses`, `receipt_words`, `receipt_errors` and `network_errors` lead to a reason (of words also to a
    status). `statuses` are named as the standard does, or by number in hexadecimal: "0x40b". `window` is the
    most that may be without an answer, `per_s` how many messages a second are taken: None where it is agreed.
    """

    title: Annotated[str, Meta(min_length=1)]
    sources: tuple[Source, ...] = ()
    notes: str = ""
    # the connection
    port: Port = 2775
    tls_port: Port | None = None  # told; the line says where it connects
    system_type: Annotated[str, Meta(max_length=12)] = ""
    bind_mode: Bind = "transceiver"
    window: Annotated[int, Meta(ge=1)] | None = None
    per_s: Annotated[float, Meta(gt=0)] | None = None  # told; the line's own speed is set beside it
    enquire_link_s: Seconds = 30
    response_timeout_s: Seconds = 60
    reconnect_s: Seconds = 10
    # what is sent
    alphabet: smpp_text.Alphabet = "gsm7"
    data_coding: Octet = 0
    ucs2_coding: Octet = 8
    long_messages: smpp_text.Way = "udh"
    reference_bits: Bits = 8
    parts_max: Parts = 10
    name: Pair = (TON_ALPHANUMERIC, NPI_UNKNOWN)  # of a sender of letters
    short: Pair = (TON_ABBREVIATED, NPI_UNKNOWN)  # of a short code
    number: Pair = (TON_INTERNATIONAL, NPI_ISDN)  # of a whole number
    source_ton: Octet | None = None  # of any sender; None: by what it is
    source_npi: Octet | None = None
    dest_ton: Octet = TON_INTERNATIONAL
    dest_npi: Octet = NPI_ISDN
    service_type: Annotated[str, Meta(max_length=5)] = ""
    registered_delivery: Wanted = 1
    validity: Validity = "relative"
    # what is answered
    statuses: dict[str, Reason] = {}
    system_error: SaysSystemError = "refused"
    # what comes
    receipt_id_base: IdBase = "same"
    receipt_fields: dict[str, str] = {}  # its own names, to those of the standard
    receipt_dates: tuple[str, ...] = ()  # forms as strptime has them
    receipt_zone: str = ""
    receipt_words: dict[str, str] = {}
    receipt_errors: dict[str, Reason] = {}
    network_errors: dict[str, Reason] = {}  # by the number in network_error_code
    receipt_classes: tuple[Octet, ...] = ()  # values of esm_class that mark receipts, beside the standard's
    receipts_unmarked: bool = False

    def __post_init__(self) -> None:
        checks = {
            "service_type": is_printable(self.service_type),
            "system_type": is_printable(self.system_type),
            "statuses": all(status_number(status) is not None for status in self.statuses),
            "receipt_words": all(word in VERDICTS for word in self.receipt_words.values()),
            "receipt_fields": all(name in RECEIPT_FIELDS for name in self.receipt_fields.values()),
            "receipt_dates": all(_is_form(form) for form in self.receipt_dates),
            "receipt_zone": not self.receipt_zone or is_zone(self.receipt_zone),
            "network_errors": all(number.isdigit() for number in self.network_errors),
        }
        for name, good in checks.items():
            if not good:
                raise invalid(name, "is not as its help says", value=getattr(self, name))

    def sender(self, source: str) -> Pair:
        """Type of number and numbering plan of a sender."""
        ton, npi = {
            TON_ALPHANUMERIC: self.name,
            TON_ABBREVIATED: self.short,
            TON_INTERNATIONAL: self.number,
        }.get(sender_kind(source)[0], (0, 0))
        return (
            ton if self.source_ton is None else self.source_ton,
            npi if self.source_npi is None else self.source_npi,
        )

    @cached_property
    def reasons(self) -> Mapping[int, Reason]:
        """Of statuses, by their number."""
        return {status_number(status) or 0: reason for status, reason in self.statuses.items()}

    @cached_property
    def dialect(self) -> Dialect:
        """How its receipts are read."""
        return Dialect(
            words={word.upper(): VERDICTS[meaning] for word, meaning in self.receipt_words.items()},
            errors={error.upper().lstrip("0"): why for error, why in self.receipt_errors.items()},
            network={int(number): reason for number, reason in self.network_errors.items()},
            names={name.lower(): meant for name, meant in self.receipt_fields.items()},
            dates=self.receipt_dates,
            marks=frozenset(self.receipt_classes),
            zone=ZoneInfo(self.receipt_zone) if self.receipt_zone else None,
            unmarked=self.receipts_unmarked,
        )


def status_number(status: str) -> int | None:
    """Of a status by its name in the standard, or in hexadecimal."""
    if status in Status.__members__:
        return int(Status[status])
    try:
        number = int(status, 16)
    except ValueError:
        return None
    return number if 0 <= number <= 0xFFFF_FFFF else None


def reason_of(profile: Profile, status: int) -> Reason:
    """What a status in the answer to a message means; one of the standard's says that we spoke wrongly."""
    return profile.reasons.get(status) or (Reason.CONFIG if status in STATUS_NAMES else Reason.REJECTED)


def _is_form(form: str) -> bool:
    """Whether a moment is written in it and read again."""
    moment = datetime(2031, 12, 28, 23, 58)  # noqa: DTZ001 - the zone is the line's
    try:
        return datetime.strptime(moment.strftime(form), form) == moment  # noqa: DTZ007 - the same
    except ValueError:
        return False


# ── the files ────────────────────────────────────────────────────────────────────────────────────────


@cache
def profiles() -> Mapping[str, Profile]:
    """Every profile by its name: the standard first, then by the alphabet."""
    folder = resources.files("angarium.channels").joinpath("smpp_profiles")
    files = {file.name.removesuffix(".toml"): file for file in folder.iterdir()}
    names = sorted(files, key=lambda name: (name != STANDARD, name))
    return {name: read(files[name].read_text("utf-8"), files[STANDARD].read_text("utf-8")) for name in names}


def read(text: str, standard: str) -> Profile:
    """A profile out of its file, upon that of the standard; ValidationError or Problem when it is none."""
    own, base = tomllib.loads(text), tomllib.loads(standard)
    tables = {"statuses": {**base.get("statuses", {}), **own.get("statuses", {})}}
    return msgspec.convert({**own, **tables}, Profile)


def profile(name: str) -> Profile:
    """A profile by its name; Problem when there is none."""
    found = profiles().get(name)
    if found is None:
        raise invalid("profile", "there is no such profile", value=name, remedy=", ".join(profiles()))
    return found


def settled(name: str, own: Mapping[str, Any]) -> Profile:
    """A profile with what a line sets by itself: whatever it says wins, and tables are laid over tables.

    A line that leaves a switch off says nothing by it.
    """
    chosen = profile(name)
    changes = {
        field: {**getattr(chosen, field), **value} if isinstance(value, dict) else value
        for field, value in own.items()
        if value is not None and value is not False and value != ""
    }
    return msgspec.structs.replace(chosen, **changes)


def in_words() -> dict[str, str]:
    """What each profile sets, by its name."""
    return {name: f"{one.title}: {told(one)}" for name, one in profiles().items()}


def told(chosen: Profile) -> str:
    """What a profile sets otherwise than the standard, in a line for people."""
    usual = profiles()[STANDARD]
    silent = ("title", "sources", "notes")
    found = []
    for field in Profile.__struct_fields__:
        value = getattr(chosen, field)
        if field in silent or value == getattr(usual, field):
            continue
        if isinstance(value, dict):
            news = {word: what for word, what in value.items() if getattr(usual, field).get(word) != what}
            found.append(f"{field}: " + ", ".join(f"{word} {what}" for word, what in news.items()))
        else:
            shown = "/".join(map(str, value)) if isinstance(value, tuple) else value
            found.append(f"{field} {shown:g}" if isinstance(shown, float) else f"{field} {shown}")
    return "; ".join([*found, *([chosen.notes] if chosen.notes else [])]) or "as the standard has it"
