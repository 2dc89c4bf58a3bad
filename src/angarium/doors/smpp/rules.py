"""What an account of the SMPP door must be. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

import msgspec

from angarium.contacts.phones import regions
from angarium.core.problems import FieldProblem, shown
from angarium.doors.routes import Route, wrong_routes
from angarium.protocols.smpp_fields import is_printable
from angarium.protocols.smpp_text import Alphabet, Way

NAME_MAX = 100  # characters
# SMPP 3.4 §4.1.1 has room for 15 and 8 characters; clients that keep to it take no longer ones.
SYSTEM_ID = re.compile(r"[A-Za-z0-9_.-]{3,15}")
PASSWORD_MIN, PASSWORD_MAX = 8, 64  # characters; a client that keeps to the standard sends 8
LINES_MAX, NETWORKS_MAX = 50, 50
WINDOW_MAX, SPEED_MAX_PER_S, BINDS_MAX = 10_000, 100_000, 50

Kind = Literal["transmitter", "receiver", "transceiver"]
KINDS: tuple[Kind, ...] = ("transmitter", "receiver", "transceiver")


class AccountSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an account may do, and how its client speaks."""

    routes: tuple[Route, ...] = ()  # the first that is for a sender counts; a sender without one is refused
    inbound_lines: tuple[str, ...] = ()  # what customers send on these lines is told to this account
    binds: tuple[Kind, ...] = KINDS
    binds_max: int = 4
    window: int = 100  # submissions of a bind, and deliveries to it, without an answer at the same time
    speed_per_s: int = 0  # submissions a second over all its binds; 0: without limit
    networks: tuple[str, ...] = ()  # addresses or networks it may come from; empty: from anywhere
    alphabet: Alphabet = "gsm7"  # what data_coding 0 is to its client
    region: str = ""  # ISO 3166: numbers without a country code are of this country
    long_inbound: Way = "udh"  # how a long text of a customer is told


class SmppAccountInput(AccountSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account as a person or a system describes it."""

    name: str
    system_id: str = ""  # empty: one is made, and stays
    password: str = ""  # empty: one is made for a new account, and that of another stays
    enabled: bool = True


def networks(settings: AccountSettings) -> list[IPv4Network | IPv6Network]:
    """Where an account may come from; ValueError when one is none."""
    return [ip_network(one, strict=False) for one in settings.networks]


def may_come_from(settings: AccountSettings, address: str) -> bool:
    """Whether a client at this address may bind."""
    known = networks(settings)
    return not known or any(ip_address(address) in one for one in known)


def check(given: SmppAccountInput) -> tuple[FieldProblem, ...]:
    """What is wrong with a description, each with its remedy."""
    return tuple(_wrong(given))


def _wrong(given: SmppAccountInput) -> Iterator[FieldProblem]:
    if not 1 <= len(given.name.strip()) <= NAME_MAX:
        yield _flaw("name", "is empty or too long", given.name, f"1 to {NAME_MAX} characters")
    if given.system_id and not SYSTEM_ID.fullmatch(given.system_id):
        remedy = "3 to 15 letters, digits, dots, dashes or underscores"
        yield _flaw("system_id", "is not one", given.system_id, remedy)
    if given.password and not PASSWORD_MIN <= len(given.password) <= PASSWORD_MAX:
        yield _flaw(
            "password", "is too short or too long", "", f"{PASSWORD_MIN} to {PASSWORD_MAX} characters"
        )
    elif not is_printable(given.password):
        yield _flaw(
            "password", "has characters that SMPP cannot carry", "", "letters, digits and signs of ASCII"
        )
    yield from wrong_routes(given.routes)
    for field, value, most in (
        ("binds_max", given.binds_max, BINDS_MAX),
        ("window", given.window, WINDOW_MAX),
    ):
        if not 1 <= value <= most:
            yield _flaw(field, "is out of range", value, f"1 to {most}")
    if not 0 <= given.speed_per_s <= SPEED_MAX_PER_S:
        yield _flaw("speed_per_s", "is out of range", given.speed_per_s, f"0 (no limit) to {SPEED_MAX_PER_S}")
    if not given.binds:
        yield _flaw("binds", "are none", "", "some of " + ", ".join(KINDS))
    if len(given.inbound_lines) > LINES_MAX:
        yield _flaw("inbound_lines", "are too many", len(given.inbound_lines), f"at most {LINES_MAX}")
    yield from _wrong_networks(given)
    if given.region and given.region not in regions():
        yield _flaw("region", "is no country", given.region, "two letters of ISO 3166, such as IR")


def _wrong_networks(given: SmppAccountInput) -> Iterator[FieldProblem]:
    if len(given.networks) > NETWORKS_MAX:
        yield _flaw("networks", "are too many", len(given.networks), f"at most {NETWORKS_MAX}")
    for place, one in enumerate(given.networks[:NETWORKS_MAX]):
        try:
            ip_network(one, strict=False)
        except ValueError:
            yield _flaw(f"networks[{place}]", "is no network", one, "such as 192.0.2.7 or 192.0.2.0/24")


def _flaw(field: str, problem: str, value: object, remedy: str) -> FieldProblem:
    return FieldProblem(field, problem, remedy, shown(str(value)))
