"""The suppression list at work: write, look up, take off; import a list of a million, export it.

Addresses are looked up by a keyed hash, in the form in which contacts keep them; of a mail address also the
letters before the @ are taken in lower case, because no mailbox tells them apart.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from angarium.contacts import store
from angarium.contacts.rules import BadAddress, clean_address
from angarium.contacts.store import Contact, suppressions
from angarium.contacts.store.suppressions import Entry
from angarium.contacts.suppression import WANTS_A_WORD, Suppressed, Why
from angarium.core import ids
from angarium.core.problems import FieldProblem, invalid
from angarium.core.values import AddressKind
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault

Place = tuple[AddressKind, str]  # an address in the form in which contacts keep it

BLACKLISTED = Suppressed(Why.OPERATOR_BLACKLIST)  # on every line, for good: what the flag of an address shows
HASH_BYTES = 16
HASH_PURPOSE = "suppression"
SOURCE_MAX, DETAIL_MAX, BECAUSE_MAX = 80, 300, 300  # characters
LIFTED = "contact.suppression_lifted"  # the fact by which a contact remembers that its address was taken off
NOT_IN_A_WORD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class New(msgspec.Struct, frozen=True, kw_only=True):
    """An address that is to be on the list, in its kept form."""

    kind: AddressKind
    value: str
    why: Why
    source: str
    line_id: int = 0
    detail: str = ""
    expires_at: int = 0


def address_hash(vault: Vault, workspace_id: int, place: Place) -> str:
    """By which an address is known; the same address of another workspace is known by another one."""
    kind, value = place
    if kind is AddressKind.EMAIL:
        value = value.lower()
    digest = vault.keyed_hash(f"{workspace_id}/{kind.value}/{value}".encode(), HASH_PURPOSE)
    return urlsafe_b64encode(digest[:HASH_BYTES]).decode().rstrip("=")


async def look_up(
    tx: Transaction, vault: Vault, workspace_id: int, places: Iterable[Place]
) -> Mapping[Place, tuple[Suppressed, ...]]:
    """What is known against writing to these addresses; only of those of which something is."""
    by_hash = {address_hash(vault, workspace_id, place): place for place in set(places)}
    found = await suppressions.of_hashes(tx, workspace_id, by_hash)
    return {by_hash[one]: known for one, known in found.items()}


async def entries_of(
    tx: Transaction, vault: Vault, workspace_id: int, places: Iterable[Place]
) -> dict[Place, list[Entry]]:
    """The entries of these addresses, whole: who put them there, when, and why."""
    by_hash = {address_hash(vault, workspace_id, place): place for place in set(places)}
    found: dict[Place, list[Entry]] = {}
    for one in await suppressions.entries_of(tx, workspace_id, by_hash) if by_hash else []:
        found.setdefault(by_hash[one.hash], []).append(one)
    return found


async def add(
    tx: Transaction, ground: Ground, workspace_id: int, new: Sequence[New], actor: str, batch: int = 0
) -> list[int]:
    """Put addresses on the list, or say anew why they are there; the contacts that have them.

    Whoever calls it in a transaction that can stop messages does so; else `consents.ask_to_look`.
    """
    now = ground.clock.now()
    entries = {
        (one.line_id, one.why, hashed): Entry(
            hash=hashed,
            why=one.why,
            id=ground.ids.mint(),
            kind=one.kind,
            value=one.value,
            line_id=one.line_id,
            source=one.source,
            detail=one.detail,
            actor=actor,
            batch=batch,
            created_at=now,
            expires_at=one.expires_at,
        )
        for one in new
        for hashed in (address_hash(ground.vault, workspace_id, (one.kind, one.value)),)
    }
    await suppressions.put(tx, workspace_id, list(entries.values()))
    await _flag(tx, workspace_id, [one for one in entries.values() if _flags(one)], listed=True)
    if not batch:
        await facts.append(
            tx, [_fact(workspace_id, "suppression.added", one, now) for one in entries.values()]
        )
    return await owners(tx, workspace_id, [(one.kind, one.value) for one in entries.values()])


class Lifted(msgspec.Struct, frozen=True):
    """An entry that was taken off the list by hand, as the contact remembers it; once that is erased, no more
    than its reason."""

    reason: str = ""
    source: str = ""
    because: str = ""
    by: str = ""
    suppression: str = ""  # the id that the entry had
    at: int = 0


async def tell_owners(
    tx: Transaction, workspace_id: int, entry: Entry, because: str, actor: str, now: int
) -> None:
    """Have the contacts that have an address remember that it was taken off the list, why and by whom."""
    told = Lifted(entry.why.value, entry.source, because, actor, ids.show("suppression", entry.id), now)
    body = msgspec.json.encode(told)
    found = await owners(tx, workspace_id, [(entry.kind, entry.value)]) if entry.value else []
    await facts.append(tx, [Fact(workspace_id, LIFTED, contact_id, now, body) for contact_id in found])


async def lifted(tx: Transaction, workspace_id: int, contact_ids: Collection[int]) -> list[Lifted]:
    """What was taken off the list by hand of the addresses that contacts had, the newest first."""
    found = await facts.earlier(tx, workspace_id, list(contact_ids), [LIFTED], facts.END)
    return [msgspec.json.decode(one.body, type=Lifted) for one in sorted(found, key=lambda one: -one.seq)]


async def remove(tx: Transaction, ground: Ground, workspace_id: int, entries: Collection[Entry]) -> None:
    """Take entries off the list."""
    now = ground.clock.now()
    await suppressions.remove(tx, workspace_id, [one.id for one in entries])
    await _flag(tx, workspace_id, [one for one in entries if _flags(one)], listed=False)
    await facts.append(tx, [_fact(workspace_id, "suppression.removed", one, now) for one in entries])


async def drop(tx: Transaction, workspace_id: int, found: Sequence[tuple[int, AddressKind, str]]) -> None:
    """Take entries off the list that a newer list does not name: id, kind and value of each."""
    await suppressions.remove(tx, workspace_id, [entry_id for entry_id, _, _ in found])
    by_kind: dict[AddressKind, list[str]] = {}
    for _, kind, value in found:
        by_kind.setdefault(kind, []).append(value)
    for kind, values in by_kind.items():
        await suppressions.flag(tx, workspace_id, kind, values, listed=False)


async def lift_opt_outs(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    places: Iterable[Place],
    sources: Collection[str] = (),
    line_id: int | None = None,
) -> list[Entry]:
    """Take addresses off the list of those who said no, as far as they were put there by these sources (by
    any when there is none named) and, when a line is named, for every line or for that one."""
    hashes = [address_hash(ground.vault, workspace_id, place) for place in places]
    lifted = [
        one
        for one in await suppressions.entries_of(tx, workspace_id, hashes)
        if one.why is Why.OPT_OUT
        and (not sources or one.source in sources)
        and (line_id is None or one.line_id in (0, line_id))
    ]
    if lifted:
        await remove(tx, ground, workspace_id, lifted)
    return lifted


async def owners(tx: Transaction, workspace_id: int, places: Iterable[Place]) -> list[int]:
    """The contacts that have these addresses."""
    by_kind: dict[AddressKind, list[str]] = {}
    for kind, value in places:
        by_kind.setdefault(kind, []).append(value)
    found: set[int] = set()
    for kind, values in by_kind.items():
        found |= set((await store.ids_by_address(tx, workspace_id, kind, values)).values())
    return sorted(found)


def _flags(one: Entry) -> bool:
    """Whether the addresses of contacts show it: what holds for good, on every line."""
    return one.why is Why.OPERATOR_BLACKLIST and not one.line_id and not one.expires_at and bool(one.value)


async def _flag(tx: Transaction, workspace_id: int, entries: Sequence[Entry], *, listed: bool) -> None:
    by_kind: dict[AddressKind, list[str]] = {}
    for one in entries:
        by_kind.setdefault(one.kind, []).append(one.value)
    for kind, values in by_kind.items():
        await suppressions.flag(tx, workspace_id, kind, values, listed=listed)


def _fact(workspace_id: int, kind: str, one: Entry, now: int) -> Fact:
    body = {"reason": one.why.value, "source": one.source, "line": one.line_id, "kind": one.kind.value}
    return Fact(workspace_id, kind, one.id, now, msgspec.json.encode(body))


async def flagged(
    tx: Transaction, ground: Ground, workspace_id: int, contacts: Sequence[Contact], actor: str
) -> list[Contact]:
    """Contacts that are about to be written, their addresses flagged as the list has it.

    What is flagged and not on the list is put there: the list is the truth, and the flag shows it.
    """
    said = {(a.kind, a.value) for one in contacts for a in one.addresses if a.operator_blacklist}
    known: set[Place] = set()
    if await suppressions.are_there_any(tx, workspace_id):
        places = {(a.kind, a.value) for one in contacts for a in one.addresses}
        found = await look_up(tx, ground.vault, workspace_id, places)
        known = {place for place, several in found.items() if BLACKLISTED in several}
    new = [
        New(kind=kind, value=value, why=Why.OPERATOR_BLACKLIST, source="contact")
        for kind, value in sorted(said - known)
    ]
    if new:
        await add(tx, ground, workspace_id, new, actor)
    return [_with_flags(one, known | said) for one in contacts] if known | said else list(contacts)


def _with_flags(contact: Contact, listed: Collection[Place]) -> Contact:
    addresses = tuple(
        msgspec.structs.replace(one, operator_blacklist=(one.kind, one.value) in listed)
        for one in contact.addresses
    )
    return msgspec.structs.replace(contact, addresses=addresses)


# ── what stays when a person goes ────────────────────────────────────────────────────────────────────


async def outlive(
    tx: Transaction, ground: Ground, workspace_id: int, places: Sequence[Place], *, said_no: bool
) -> None:
    """Keep of a contact that is deleted or erased what must outlive it, by hashes alone.

    That is what was known of its addresses, and that it wanted no advertising.
    """
    hashes = [address_hash(ground.vault, workspace_id, place) for place in places]
    if said_no:
        now = ground.clock.now()
        kept = [
            Entry(
                hash=hashed,
                why=Why.OPT_OUT,
                id=ground.ids.mint(),
                kind=kind,
                value="",
                source="contact_deleted",
                created_at=now,
            )
            for hashed, (kind, _) in zip(hashes, places, strict=True)
        ]
        await suppressions.add(tx, workspace_id, kept)
    await suppressions.forget_values(tx, workspace_id, hashes)


# ── a list of many ───────────────────────────────────────────────────────────────────────────────────


class Wrong(msgspec.Struct, frozen=True):
    """A line of a list that is no address."""

    line: int
    value: str
    problem: str


def read_lines(lines: Iterable[tuple[int, str]], kind: AddressKind) -> tuple[list[str], list[Wrong]]:
    """Addresses of one kind, one a line, in their kept form, each once; and the lines that are none.

    Of a line with columns the first counts; a number without its plus is taken as if it had one.
    """
    good: dict[str, None] = {}
    wrong: list[Wrong] = []
    for number, line in lines:
        text = re.split(r"[,;\t]", line, maxsplit=1)[0].strip().strip('"').strip("\ufeff")
        if not text:
            continue
        if kind is AddressKind.PHONE and text[0].isdigit() and not text.startswith("00"):
            text = "+" + text
        try:
            good[clean_address(kind, text)] = None
        except BadAddress as bad:
            wrong.append(Wrong(number, text[:80], bad.problem))
    return list(good), wrong


def check_because(why: Why, because: str) -> None:
    """A Problem when it is not said, or not in few words, why an entry is taken off the list."""
    if why in WANTS_A_WORD and not because:
        raise invalid("because", "is missing", remedy="say in a few words why, such as who asked for it")
    if len(because) > BECAUSE_MAX or NOT_IN_A_WORD.search(because):
        remedy = f"at most {BECAUSE_MAX} characters in one line"
        raise invalid("because", "is too long or has control characters", value=because, remedy=remedy)


def check_words(source: str, detail: str = "") -> list[FieldProblem]:
    """What is wrong with how an entry is described."""
    wrong = []
    for field, text, most in (("source", source, SOURCE_MAX), ("detail", detail, DETAIL_MAX)):
        if len(text) > most or NOT_IN_A_WORD.search(text):
            remedy = f"at most {most} characters in one line"
            wrong.append(FieldProblem(field, "is too long or has control characters", remedy, text[:80]))
    return wrong
