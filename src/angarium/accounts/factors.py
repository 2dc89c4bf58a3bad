"""One-time codes of an app (RFC 6238) and recovery codes: made, confirmed, used once.

The secret is sealed; a code counts once, also when two requests bring it at the same moment, because the step
of the last one is kept and only goes up (RFC 6238 §5.2). Recovery codes have 80 random bits and are kept as
SHA-256: what cannot be guessed needs no slow hash (OWASP ASVS 5.0, 6.5.2).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b32encode

import msgspec
import pyotp

from angarium.accounts.store import people as store
from angarium.accounts.store.people import Person
from angarium.core.clock import MICROS
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault

SECRET_BYTES = 20  # RFC 4226 §4, R6
STEP_S = 30
DRIFT = 1  # steps that a phone's clock may be off
CODES = 10
CODE_BYTES = 10
ISSUER = "Angarium"


def cell(person_id: int) -> str:
    """The only place where a secret opens."""
    return f"person/{person_id}/totp"


def new_secret(ground: Ground) -> str:
    """A secret as apps take it."""
    return b32encode(ground.chance.secret(SECRET_BYTES)).decode()


def link(secret: str, person: Person, issuer: str = ISSUER) -> str:
    """The address that an app reads, mostly from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=issuer)


def step_of(secret: str, code: str, now: int) -> int | None:
    """The step in which a code is good around now; None when in none."""
    given = "".join(code.split())
    generator, at = pyotp.TOTP(secret), now // MICROS // STEP_S
    found = None
    for step in range(at - DRIFT, at + DRIFT + 1):
        if hmac.compare_digest(generator.generate_otp(step).encode(), given.encode()):
            found = step
    return found


async def ask(tx: Transaction, ground: Ground, person: Person) -> str:
    """A new secret that is in force once a code of it was shown."""
    secret = new_secret(ground)
    sealed = ground.vault.seal(secret.encode(), cell(person.id))
    await store.save(tx, msgspec.structs.replace(person, totp_asked=sealed))
    return secret


def asked(ground: Ground, person: Person) -> str | None:
    """The secret that waits for its first code."""
    if person.totp_asked is None:
        return None
    return ground.vault.open(person.totp_asked, cell(person.id)).decode()


async def confirm(tx: Transaction, ground: Ground, person: Person, code: str, now: int) -> list[str] | None:
    """Put the secret that was asked for in force; the recovery codes, or None when the code is not good."""
    secret = asked(ground, person)
    step = None if secret is None else step_of(secret, code, now)
    if step is None or not await store.use_step(tx, person.id, step):
        return None
    await store.save(tx, msgspec.structs.replace(person, totp=person.totp_asked, totp_asked=None))
    return await renew_codes(tx, ground, person)


async def renew_codes(tx: Transaction, ground: Ground, person: Person) -> list[str]:
    """New recovery codes; those of before are good no more."""
    codes = [_shown(ground.chance.secret(CODE_BYTES)) for _ in range(CODES)]
    await store.set_codes(tx, person.id, [_hash(code) for code in codes])
    return codes


async def fits(tx: Transaction, ground: Ground, person: Person, code: str, now: int) -> bool:
    """Whether a code is good, of the app or for recovery; then it is used up."""
    if person.totp is not None:
        secret = ground.vault.open(person.totp, cell(person.id)).decode()
        step = step_of(secret, code, now)
        if step is not None:
            return await store.use_step(tx, person.id, step)
    return await store.use_code(tx, person.id, _hash(code))


async def take_away(tx: Transaction, person: Person) -> None:
    """No codes any more, neither of an app nor for recovery."""
    await store.save(tx, msgspec.structs.replace(person, totp=None, totp_asked=None))
    await store.set_codes(tx, person.id, [])


async def stale(tx: Transaction, vault: Vault) -> list[Person]:
    """Those of whom a secret is sealed with an older key."""
    return [
        one
        for one in await store.with_app(tx)
        if not all(vault.is_newest(sealed) for sealed in (one.totp, one.totp_asked) if sealed is not None)
    ]


async def seal_anew(tx: Transaction, vault: Vault) -> int:
    """Seal all secrets with the newest key; of how many people there were others."""
    found = await stale(tx, vault)
    for one in found:
        totp, asked_for = [
            None if sealed is None else vault.sealed_anew(sealed, cell(one.id))
            for sealed in (one.totp, one.totp_asked)
        ]
        await store.save(tx, msgspec.structs.replace(one, totp=totp, totp_asked=asked_for))
    return len(found)


def _shown(secret: bytes) -> str:
    text = b32encode(secret).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, 16, 4))


def _hash(code: str) -> bytes:
    return hashlib.sha256("".join(code.split()).replace("-", "").lower().encode()).digest()
