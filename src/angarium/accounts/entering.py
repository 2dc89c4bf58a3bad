"""How a person gets in: password, second factor, a link that sets a password, an invitation.

What is told to somebody who is not let in is the same, and takes as long, whether there is such a person or
not (OWASP ASVS 5.0, 6.3.8). Tries are counted before they are made, by address and by account; and a
browser in which somebody has signed in before has a count of its own, so that nobody is locked out by the
tries of others (OWASP, "Slow down online guessing attacks with device cookies"): while the tries of
strangers are used up, the person gets in with a browser they have used, a passkey, or a link that sets the
password.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from angarium.accounts import audit, factors, passkeys, passwords, sessions
from angarium.accounts.limits import Limit
from angarium.accounts.passkeys import Answered, Site
from angarium.accounts.passwords import Passwords
from angarium.accounts.people import accept, address_of, new_person, note_everywhere, reset_link
from angarium.accounts.session import Stage
from angarium.accounts.sessions import Signed, SignIn
from angarium.accounts.store import people as store
from angarium.accounts.store import sessions as session_store
from angarium.accounts.store.people import Invitation, Member, Person
from angarium.accounts.store.sessions import Session
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened

log = structlog.get_logger()

WINDOW_S = 900.0
TRIES = 10  # of one account by browsers that are not known, and as many by each that is
TRIES_OF_ADDRESS = 100
CODES = 6  # one-time codes of one person
LETTERS = 3  # to one address
DEVICE_CELL = "device"


class Visit(msgspec.Struct, frozen=True):
    """A browser that stands at the door."""

    address: str
    device: str  # what it says of itself
    known: str = ""  # the cookie of a browser in which somebody has signed in


class Entered(msgspec.Struct, frozen=True):
    """A session that was begun, or has come further: its new token, and what the browser keeps."""

    session: Session
    token: str
    known: str = ""


class Letter(msgspec.Struct, frozen=True):
    """A link that is to be sent to somebody over a line of a workspace."""

    workspace_id: int
    line: str  # its name
    email: str
    kind: str  # reset, invitation
    token: str


class Device(msgspec.Struct, frozen=True):
    """Who has signed in with a browser, and with which password."""

    person_id: int
    password_at: int | None


Post = Callable[[Letter], Awaitable[None]]


class Reception:
    """Lets people in. It counts tries, in this process."""

    def __init__(self, ground: Ground, post: Post | None = None, hashes: Passwords | None = None) -> None:
        self.ground = ground
        self.post = post
        self.passwords = hashes or Passwords()
        self._supervisor = Supervisor(ground.clock)
        clock = ground.clock
        self._strangers = Limit(clock, "sign-in", TRIES, WINDOW_S)
        self._known = Limit(clock, "sign-in", TRIES, WINDOW_S)
        self._addresses = Limit(clock, "sign-in", TRIES_OF_ADDRESS, WINDOW_S)
        self._codes = Limit(clock, "codes", CODES, WINDOW_S)
        self._letters = Limit(clock, "letters", LETTERS, WINDOW_S)

    # ── the first factor ─────────────────────────────────────────────────────────────────────────────

    async def with_password(self, email: str, password: str, visit: Visit) -> Entered:
        """In, or on to the second factor; a 401 Problem that does not say what was wrong, or 429."""
        ground, name = self.ground, address_of(email)
        person = await ground.db.read(store.by_email, name)
        known = person is not None and self._is_known(visit.known, person)
        self._addresses.take(visit.address)
        (self._known if known else self._strangers).take(f"{name} {visit.known}" if known else name)
        may = person is not None and person.disabled_at is None
        fits = await self.passwords.fits(person.password_hash if person and may else None, password)
        if person is None or not fits:
            log.warning("a sign-in failed", address=visit.address)
            raise not_in()
        kept, anew = person.password_hash, ""
        if kept and self.passwords.is_outdated(kept):
            anew = await self.passwords.hashed(passwords.plain(password))
        return await ground.db.run(self._with_password, person, anew, visit)

    async def _with_password(self, tx: Transaction, found: Person, anew: str, visit: Visit) -> Entered:
        person = await store.by_id(tx, found.id)
        if person is None or person.password_hash != found.password_hash:
            raise not_in()  # it was changed while it was compared
        if anew:
            person = msgspec.structs.replace(person, password_hash=anew)
            await store.save(tx, person)
        return await self.begin(tx, person, "password", 1, visit)

    async def with_passkey(self, site: Site, answer: str, sealed: str, visit: Visit) -> Entered:
        """In with a passkey that knows whose it is; a 401 Problem when it is not good."""
        self._addresses.take(visit.address)
        answered = await passkeys.look(self.ground, site, answer, sealed, 0)
        return await self.ground.db.run(self._with_passkey, answered, visit)

    async def _with_passkey(self, tx: Transaction, answered: Answered, visit: Visit) -> Entered:
        await passkeys.count(tx, answered, self.ground.clock.now())
        person = await store.by_id(tx, answered.passkey.person_id)
        if person is None:
            raise passkeys.not_good()
        return await self.begin(tx, person, "passkey", 2, visit)

    async def begin(
        self, tx: Transaction, person: Person, method: str, shown: int, visit: Visit, place_id: int = 0
    ) -> Entered:
        """A session of somebody who has shown so many factors, in the workspace that is named if one is."""
        if person.disabled_at is not None:
            raise not_in()
        ground, now = self.ground, self.ground.clock.now()
        started = sessions.made(ground, person, Stage.IN, method, shown, visit.device, visit.address)
        place = await self._place(tx, person, started, place_id)
        started = await self.moved(tx, person, started, place)
        started, token = await sessions.begin(tx, ground, person, started, now)
        if started.stage == Stage.IN:
            await self._note(tx, started, now)
        return Entered(started, token, self._device(person) if started.stage == Stage.IN else "")

    async def _place(self, tx: Transaction, person: Person, session: Session, place_id: int) -> Member | None:
        """The workspace to enter: the one that is named, the one looked at last, or the first."""
        places = [one for one in await store.places(tx, person.id) if may_enter(session, one, place_id)]
        last = [one.place_id for one in await session_store.of_person(tx, person.id)]
        for wanted in (place_id, *reversed(last)):
            for one in places:
                if one.workspace_id == wanted:
                    return one
        for one in places:
            if session.method != "password" or (await sessions.rules_of(tx, one.workspace_id)).passwords:
                return one
        return places[0] if places else None

    async def moved(self, tx: Transaction, person: Person, session: Session, place: Member | None) -> Session:
        """A session that moves into a workspace, as far as its rules let it."""
        rules = await sessions.rules_of(tx, place.workspace_id) if place else SignIn()
        if place and session.method == "password" and not rules.passwords:
            raise Problem(
                "sign-in-elsewhere",
                "This workspace lets nobody in with a password",
                status=403,
                detail="Sign in by the provider of the workspace.",
            )
        second = await has_second(tx, person)
        now = self.ground.clock.now()
        return sessions.placed(session, place, rules, has_second=second, now=now)

    async def _note(self, tx: Transaction, session: Session, now: int) -> None:
        if session.place_id:
            told = {"method": session.method, "factors": session.factors, "address": session.address}
            who = ids.show("person", session.person_id)
            await audit.note(tx, session.place_id, who, "session.began", who, told, now)

    # ── the second factor, and proof that it is still the person ─────────────────────────────────────

    async def with_code(self, signed: Signed, code: str) -> Entered:
        """Further with a one-time code or a recovery code; a 401 Problem when it is not good."""
        self._codes.take(signed.person.id)
        done = await self.ground.db.run(self._code, signed, code)
        if done is None:
            raise code_not_good()
        return done

    async def with_second_passkey(self, signed: Signed, site: Site, answer: str, sealed: str) -> Entered:
        """Further with a passkey as the second factor, or as proof that it is still the person."""
        self._codes.take(signed.person.id)
        answered = await passkeys.look(self.ground, site, answer, sealed, signed.person.id)
        return await self.ground.db.run(self._second_passkey, signed, answered)

    async def _second_passkey(self, tx: Transaction, signed: Signed, answered: Answered) -> Entered:
        await passkeys.count(tx, answered, self.ground.clock.now())
        return await self.further(tx, signed, signed.person)

    async def _code(self, tx: Transaction, signed: Signed, code: str) -> Entered | None:
        person = await store.by_id(tx, signed.person.id)
        now = self.ground.clock.now()
        if person is None or not await factors.fits(tx, self.ground, person, code, now):
            return None
        return await self.further(tx, signed, person)

    async def further(self, tx: Transaction, signed: Signed, person: Person) -> Entered:
        """A session whose second factor was shown just now: in, and under another token."""
        now, before = self.ground.clock.now(), signed.session
        session = msgspec.structs.replace(before, factors=2, fresh_at=now, challenge=None)
        session = await self.moved(tx, person, session, signed.member)
        token = await sessions.renew(tx, self.ground, session)
        if before.stage != Stage.IN and session.stage == Stage.IN:
            await self._note(tx, session, now)
        return Entered(session, token, self._device(person))

    async def again(self, signed: Signed, password: str, code: str) -> Entered:
        """Proof that it is still the person: a code if they have an app, else the password; 401 Problem."""
        person, ground = signed.person, self.ground
        if person.totp is not None:
            return await self.with_code(signed, code)
        self._codes.take(person.id)
        if not await self.passwords.fits(person.password_hash, password):
            raise not_in()
        return await ground.db.run(self._fresh, signed)

    async def _fresh(self, tx: Transaction, signed: Signed) -> Entered:
        session = msgspec.structs.replace(signed.session, fresh_at=self.ground.clock.now())
        return Entered(session, await sessions.renew(tx, self.ground, session))

    def count_code(self, person: Person) -> None:
        """Count a try at a code; a 429 Problem when it is one too many."""
        self._codes.take(person.id)

    # ── an invitation, a link ────────────────────────────────────────────────────────────────────────

    async def with_invitation(self, found: Invitation, token: str, password: str, visit: Visit) -> Entered:
        """Somebody who is known takes their place with the password they have."""
        entered = await self.with_password(found.email, password, visit)
        return await self.ground.db.run(self._accepted, entered, found, token)

    async def _accepted(self, tx: Transaction, entered: Entered, found: Invitation, token: str) -> Entered:
        person = await store.by_id(tx, entered.session.person_id)
        assert person is not None
        place = await accept(tx, self.ground, token, person)
        session = await self.moved(tx, person, entered.session, place)
        return Entered(session, await sessions.renew(tx, self.ground, session), entered.known)

    async def newcomer(self, token: str, found: Invitation, name: str, hashed: str, visit: Visit) -> Entered:
        """Somebody new takes their place; Conflict when they came twice at the same moment."""
        person = new_person(self.ground, found.email, name, hashed)
        return await self.ground.db.run(self._newcomer, person, token, visit)

    async def _newcomer(self, tx: Transaction, person: Person, token: str, visit: Visit) -> Entered:
        await store.add_person(tx, person)
        place = await accept(tx, self.ground, token, person)
        return await self.begin(tx, person, "password", 1, visit, place.workspace_id)

    async def send_link(self, email: str, visit: Visit) -> None:
        """A link that sets the password, to whoever is known, where letters can be sent; nobody is told."""
        self._addresses.take(visit.address)
        name = address_of(email)
        self._letters.take(name)
        self._supervisor.run("letter", partial(self._send, name))  # so that it takes as long for strangers

    async def _send(self, email: str) -> None:
        try:
            letter = await self.ground.db.run(self._letter, email)
            if letter is not None and self.post is not None:
                await self.post(letter)
        except Problem as problem:
            log.warning("a letter was not sent", why=str(problem))

    async def _letter(self, tx: Transaction, email: str) -> Letter | None:
        person = await store.by_email(tx, email)
        if person is None or person.disabled_at is not None or self.post is None:
            return None
        for place in await store.places(tx, person.id):
            line = (await sessions.rules_of(tx, place.workspace_id)).letters_line
            if line:
                token = await reset_link(tx, self.ground, person)
                return Letter(place.workspace_id, line, person.email, "reset", token)
        return None

    # ── which browsers are known ─────────────────────────────────────────────────────────────────────

    def _device(self, person: Person) -> str:
        told = msgspec.json.encode(Device(person.id, person.password_at))
        return self.ground.vault.seal(told, DEVICE_CELL)

    def _is_known(self, text: str, person: Person) -> bool:
        try:
            found = msgspec.json.decode(self.ground.vault.open(text, DEVICE_CELL), type=Device)
        except (NotOpened, msgspec.DecodeError):
            return False
        return found == Device(person.id, person.password_at)

    # ── a password ───────────────────────────────────────────────────────────────────────────────────

    async def change_password(self, signed: Signed, old: str, new: str) -> Entered:
        """Another password: the other sessions end, this one gets another token."""
        person = signed.person
        plain = passwords.check(new, "new", person.email, person.name)
        self._codes.take(person.id)
        if person.password_hash and not await self.passwords.fits(person.password_hash, old):
            raise not_in()
        hashed = await self.passwords.hashed(plain)
        return await self.ground.db.run(self._changed, signed, hashed)

    async def _changed(self, tx: Transaction, signed: Signed, hashed: str) -> Entered:
        now = self.ground.clock.now()
        person = await self.set_password(tx, signed.person.id, hashed)
        await session_store.drop_others(tx, person.id, signed.session.id)
        session = msgspec.structs.replace(signed.session, fresh_at=now)
        token = await sessions.renew(tx, self.ground, session)
        await note_everywhere(tx, person, "person.password_changed", now)
        return Entered(session, token, self._device(person))

    async def set_password(self, tx: Transaction, person_id: int, hashed: str) -> Person:
        """Write the hash of a password; links that could set another are good no more."""
        person = await store.by_id(tx, person_id)
        assert person is not None
        changed = msgspec.structs.replace(person, password_hash=hashed, password_at=self.ground.clock.now())
        await store.save(tx, changed)
        await store.drop_links(tx, person_id)
        return changed


# ── what holds for all ways ──────────────────────────────────────────────────────────────────────────


def may_enter(session: Session, place: Member, through: int = 0) -> bool:
    """Whether a session may look at a workspace: one of a provider, at the workspace of that alone.

    Else whoever runs a provider for one workspace could walk into others as anybody who is a member there.
    """
    if not session.method.startswith(sessions.BY_PROVIDER):
        return True
    return place.workspace_id == (through or session.place_id)


async def has_second(tx: Transaction, person: Person) -> bool:
    """Whether somebody has a second factor."""
    return person.totp is not None or bool(await passkeys.of_person(tx, person.id))


def not_in() -> Problem:
    """Not let in; it is not told why."""
    return Problem(
        "sign-in-not-good",
        "This does not let you in",
        status=401,
        detail="The e-mail address and the password do not fit one another.",
    )


def code_not_good() -> Problem:
    """The code is wrong, late, or was used."""
    return Problem(
        "code-not-good",
        "This code is not good",
        status=401,
        detail="It is mistyped, too old, or was used already. Each code counts once.",
    )
