"""Passkeys (WebAuthn Level 3): asked for, kept, and answers looked at.

A challenge is sealed with the instant it was made and goes out with the page, so nothing is kept of
visitors who never come back. It counts once: a passkey keeps the instant of the last challenge that it has
answered, and only a later one is taken. The origin is that of the setting `public_url`: an answer that was
made for another site does not fit.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
import webauthn
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from angarium.accounts.store import passkeys as store
from angarium.accounts.store.passkeys import Passkey
from angarium.accounts.store.people import Person
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem, invalid
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened

CHALLENGE_BYTES = 32
LASTS_S = 300.0
CELL = "passkey/challenge"
ANSWER_MAX = 16_384  # characters
NAME_MAX = 60
KEYS_MAX = 20  # of one person
REQUIRED, PREFERRED = UserVerificationRequirement.REQUIRED, UserVerificationRequirement.PREFERRED


class Site(msgspec.Struct, frozen=True):
    """Who asks, as browsers know it."""

    origin: str
    host: str


class Challenge(msgspec.Struct, frozen=True):
    """What is to be signed, for whom (0: for whoever has a key), and when it was made."""

    nonce: bytes
    person_id: int
    at: int


class Asked(msgspec.Struct, frozen=True):
    """What a page hands to the browser, and what it brings back."""

    options: str  # JSON
    challenge: str  # sealed


class Answered(msgspec.Struct, frozen=True):
    """An answer that is good."""

    passkey: Passkey
    verified: bool  # the authenticator has seen who it is: a finger, a face, a PIN
    challenged_at: int
    sign_count: int


def site_of(public_url: str) -> Site | None:
    """The site; None where none is set, or it is an address without a name, which has no passkeys."""
    parts = urlsplit(public_url)
    if not parts.hostname or parts.hostname.replace(".", "").isdigit() or ":" in parts.hostname:
        return None
    return Site(f"{parts.scheme}://{parts.netloc}", parts.hostname)


async def of_person(tx: Transaction, person_id: int) -> list[Passkey]:
    """The passkeys of somebody."""
    return await store.of_person(tx, person_id)


# ── a new one ────────────────────────────────────────────────────────────────────────────────────────


def ask_for_new(ground: Ground, site: Site, person: Person, has: list[Passkey]) -> Asked:
    """Options for a new passkey that works without a name being typed."""
    challenge = _challenge(ground, person.id)
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Angarium",
        user_id=ids.show("person", person.id).encode(),
        user_name=person.email,
        user_display_name=person.name or person.email,
        challenge=challenge.nonce,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=PREFERRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in has],
    )
    return Asked(webauthn.options_to_json(options), _sealed(ground, challenge))


async def keep(
    tx: Transaction, ground: Ground, site: Site, person: Person, answer: str, sealed: str, name: str
) -> Passkey:
    """Look at the answer to `ask_for_new` and keep the key; a Problem when it is not good."""
    challenge = _opened(ground, sealed, person.id)
    try:
        found = webauthn.verify_registration_response(
            credential=_read(answer),
            expected_challenge=challenge.nonce,
            expected_rp_id=site.host,
            expected_origin=site.origin,
        )
    except Exception:  # a parser of bytes that anybody may send: whatever it says, the key is not good
        raise not_good() from None
    if len(await store.of_person(tx, person.id)) >= KEYS_MAX:
        raise invalid("passkey", "is one too many", remedy=f"at most {KEYS_MAX}: take one away first")
    new = Passkey(
        id=ground.ids.mint(),
        person_id=person.id,
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        challenged_at=challenge.at,
        name=name.strip()[:NAME_MAX] or "Passkey",
        created_at=ground.clock.now(),
    )
    await store.add(tx, new)
    return new


# ── an answer ────────────────────────────────────────────────────────────────────────────────────────


def ask(ground: Ground, site: Site, person_id: int, has: list[Passkey]) -> Asked:
    """Options to sign in: with any passkey (person 0), or with one of somebody's as a second factor."""
    challenge = _challenge(ground, person_id)
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge.nonce,
        allow_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in has],
        user_verification=PREFERRED if person_id else REQUIRED,
    )
    return Asked(webauthn.options_to_json(options), _sealed(ground, challenge))


async def look(ground: Ground, site: Site, answer: str, sealed: str, person_id: int) -> Answered:
    """Look at an answer to `ask`; a 401 Problem when it is not good. It is counted by `count`."""
    challenge = _opened(ground, sealed, person_id)
    given = _read(answer)
    try:
        credential_id = webauthn.base64url_to_bytes(str(given["id"]))
        known = await ground.db.read(store.by_credential, credential_id)
    except Exception:
        raise not_good() from None
    if known is None or (person_id and known.person_id != person_id):
        raise not_good()
    try:
        found = webauthn.verify_authentication_response(
            credential=given,
            expected_challenge=challenge.nonce,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=not person_id,
        )
    except Exception:
        raise not_good() from None
    return Answered(known, found.user_verified, challenge.at, found.new_sign_count)


async def count(tx: Transaction, answered: Answered, now: int) -> None:
    """Count an answer; a 401 Problem when it was counted before."""
    key = answered.passkey.id
    if not await store.use(tx, key, answered.challenged_at, answered.sign_count, now):
        raise not_good()


def not_good() -> Problem:
    """The passkey is not ours, or its answer is not to our question."""
    return Problem(
        "passkey-not-good",
        "This passkey does not let you in",
        status=401,
        detail="It is not known here, or it has answered too late or twice. Try again, or enter otherwise.",
    )


def _read(answer: str) -> dict[str, object]:
    if len(answer) > ANSWER_MAX:
        raise not_good()
    try:
        return msgspec.json.decode(answer, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        raise not_good() from None


def _challenge(ground: Ground, person_id: int) -> Challenge:
    return Challenge(ground.chance.secret(CHALLENGE_BYTES), person_id, ground.clock.now())


def _sealed(ground: Ground, challenge: Challenge) -> str:
    return ground.vault.seal(msgspec.json.encode(challenge), CELL)


def _opened(ground: Ground, sealed: str, person_id: int) -> Challenge:
    try:
        found = msgspec.json.decode(ground.vault.open(sealed, CELL), type=Challenge)
    except (NotOpened, msgspec.DecodeError):
        raise not_good() from None
    age = ground.clock.now() - found.at
    if found.person_id != person_id or not 0 <= age <= micros(LASTS_S):
        raise not_good()
    return found
