"""Create tariffs, put price lists in force, and keep what is in force at hand.

A price list is read, checked and shown with its difference before it is put in force; from then on it never
changes. One that has not begun can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.clock import is_zone, iso
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.lines import tariffs, tariffs_csv
from angarium.lines import tariffs_store as store
from angarium.lines.rules import CURRENCY, NAME
from angarium.lines.store import Line
from angarium.lines.tariffs import Book, Changed, Row
from angarium.lines.tariffs_store import ListState, PriceList, Tariff
from angarium.storage import facts
from angarium.storage.database import Conflict, Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

LISTS_MAX = 1_000  # of one tariff
COUNTS = ("line", "tariff")
TOPIC = "lines"  # woken when prices changed: the lines in force are read again, and these with them


class TariffInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tariff as a person or a system describes it."""

    name: str
    currency: str = "EUR"
    zone: str = "UTC"  # where its months and its instants are counted
    counts: str = "line"  # the month's volume: of each line, or of the tariff as a whole


class ListInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A price list: rows, or a CSV file with the same columns; and from when to when it holds."""

    rows: tuple[Row, ...] = ()
    csv: str = ""
    valid_from: str = ""  # empty: at once; without an offset: as the clocks of the tariff's zone show it
    valid_until: str = ""


class Looked(msgspec.Struct, frozen=True):
    """A price list with its rows, and what it changes of the one that holds when it begins."""

    tariff: Tariff
    price_list: PriceList
    rows: tuple[Row, ...]
    changes: list[Changed]


# ── tariffs ──────────────────────────────────────────────────────────────────────────────────────────


async def new_tariff(
    tx: Transaction, ground: Ground, workspace_id: int, given: TariffInput, by: str
) -> Tariff:
    """A new tariff within a transaction. Its Conflict means `taken`."""
    _check(given)
    now = ground.clock.now()
    new = Tariff(ground.ids.mint(), given.name, given.currency, given.zone, given.counts, now, now)
    await store.save(tx, workspace_id, new)
    await _note(tx, workspace_id, new.id, "tariff.created", msgspec.to_builtins(given), by, now)
    return new


async def change(ground: Ground, workspace_id: int, tariff_id: int, given: TariffInput, by: str) -> Tariff:
    """A tariff as it is described now; lines that name it go on naming it. Its currency and zone stay."""
    try:
        changed = await ground.db.run(_changed, workspace_id, tariff_id, given, by, ground.clock.now())
    except Conflict:
        raise taken(given.name) from None
    ground.fabric.wake(TOPIC)
    return changed


async def _changed(
    tx: Transaction, workspace_id: int, tariff_id: int, given: TariffInput, by: str, now: int
) -> Tariff:
    _check(given)
    before = await held(tx, workspace_id, tariff_id)
    for name in ("currency", "zone", "counts"):
        if getattr(given, name) != getattr(before, name):
            value = getattr(given, name)
            raise invalid(name, "cannot be changed", value=value, remedy="create another tariff")
    after = msgspec.structs.replace(before, name=given.name, updated_at=now)
    await store.save(tx, workspace_id, after)
    await store.rename_in_lines(tx, workspace_id, before.name, after.name)
    named = {"name": [before.name, after.name]}
    await _note(tx, workspace_id, tariff_id, "tariff.changed", named, by, now)
    return after


def _check(given: TariffInput) -> None:
    wrong = []
    if not NAME.fullmatch(given.name):
        remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
        wrong.append(FieldProblem("name", "is not a name", remedy, shown(given.name)))
    if not CURRENCY.fullmatch(given.currency):
        remedy = "three letters of ISO 4217, such as EUR"
        wrong.append(FieldProblem("currency", "is not a currency", remedy, shown(given.currency)))
    if not is_zone(given.zone):
        wrong.append(FieldProblem("zone", "is not a time zone", "such as Asia/Tehran", shown(given.zone)))
    if given.counts not in COUNTS:
        wrong.append(
            FieldProblem("counts", "is not understood", "one of " + ", ".join(COUNTS), shown(given.counts))
        )
    if wrong:
        raise all_invalid("The tariff is not valid", tuple(wrong))


def taken(name: str) -> Problem:
    """Another tariff has this name."""
    return invalid("name", "a tariff of this name exists", value=name, remedy="choose another name")


async def everything(tx: Transaction, workspace_id: int) -> list[Tariff]:
    """The tariffs of a workspace, oldest first."""
    return await store.all_of(tx, workspace_id)


async def get(tx: Transaction, workspace_id: int, tariff_id: int) -> Tariff:
    """One tariff; a Problem when there is none."""
    return _there(await store.by_id(tx, workspace_id, tariff_id), tariff_id)


async def held(tx: Transaction, workspace_id: int, tariff_id: int) -> Tariff:
    """One tariff, about to be changed; a Problem when there is none."""
    return _there(await store.by_id(tx, workspace_id, tariff_id, hold=True), tariff_id)


def _there(found: Tariff | None, tariff_id: int) -> Tariff:
    if found is None:
        raise not_found("tariff", ids.show("tariff", tariff_id))
    return found


async def remove(ground: Ground, workspace_id: int, tariff_id: int, by: str) -> None:
    """Delete a tariff that no line names; a Problem that names the lines that do."""
    await ground.db.run(_remove, workspace_id, tariff_id, by, ground.clock.now())
    ground.fabric.wake(TOPIC)


async def _remove(tx: Transaction, workspace_id: int, tariff_id: int, by: str, now: int) -> None:
    found = await held(tx, workspace_id, tariff_id)
    used = await store.users(tx, workspace_id, found.name)
    if used:
        detail = f"These lines name it: {', '.join(used[:10])}. Give them another tariff first."
        raise Problem("in-use", "The tariff is used", status=409, detail=detail)
    await store.remove(tx, workspace_id, tariff_id)
    await _note(tx, workspace_id, tariff_id, "tariff.deleted", {"name": found.name}, by, now)


async def _note(
    tx: Transaction,
    workspace_id: int,
    tariff_id: int,
    action: str,
    details: Mapping[str, object],
    by: str,
    now: int,
) -> None:
    await audit.note(tx, workspace_id, by, action, ids.show("tariff", tariff_id), details, now)


async def check_named(tx: Transaction, workspace_id: int, name: str, currency: str) -> None:
    """A Problem unless a line with this currency may name this tariff; an empty name is no tariff."""
    if not name:
        return
    found = await store.by_name(tx, workspace_id, name)
    if found is None:
        raise invalid("tariff", "there is no such tariff", value=name, remedy="create it first")
    if found.currency != currency:
        remedy = f"{found.currency}, the currency of its tariff"
        raise invalid("currency", "is not that of its tariff", value=currency, remedy=remedy)


# ── price lists ──────────────────────────────────────────────────────────────────────────────────────


async def new_list(
    tx: Transaction, ground: Ground, workspace_id: int, tariff_id: int, given: ListInput, by: str
) -> Looked:
    """A draft of a price list, checked, with what it would change. All that is wrong is told at once."""
    now = ground.clock.now()
    found = await held(tx, workspace_id, tariff_id)
    if len(await store.lists(tx, workspace_id, tariff_id)) >= LISTS_MAX:
        raise invalid("rows", "are one list too many", value=LISTS_MAX, remedy="delete old drafts")
    rows = _rows(given)
    begins = _instant("valid_from", given.valid_from, found.zone) or 0
    ends = _instant("valid_until", given.valid_until, found.zone)
    _check_term(given, begins, ends, now)
    new = PriceList(ground.ids.mint(), tariff_id, ListState.DRAFT, begins, ends, len(rows), by, now, now)
    await store.add_list(tx, workspace_id, new, rows)
    told = {"list": ids.show("price_list", new.id), "rows": len(rows)}
    await _note(tx, workspace_id, tariff_id, "tariff.prices_drafted", told, by, now)
    return await _looked(tx, workspace_id, found, new, rows, now)


def _check_term(given: ListInput, begins: int, ends: int | None, now: int) -> None:
    if begins and begins < now:
        remedy = f"later than {iso(now)}, or leave it out"
        raise invalid("valid_from", "has passed", value=given.valid_from, remedy=remedy)
    if ends is not None and ends <= max(begins, now):
        problem = "has passed" if ends <= now else "is not after its beginning"
        remedy = f"later than {iso(max(begins, now))}, or leave it out"
        raise invalid("valid_until", problem, value=given.valid_until, remedy=remedy)


def _rows(given: ListInput) -> tuple[Row, ...]:
    if bool(given.rows) == bool(given.csv):
        raise invalid("rows", "give rows, or csv, and not both", remedy="one of rows, csv")
    if given.csv:
        read, wrong = tariffs_csv.read(given.csv)
    else:
        read = list(given.rows)
        wrong = [
            msgspec.structs.replace(flaw, field=f"rows[{place}].{flaw.field}")
            for place, flaw in tariffs.check(read)
        ][: tariffs_csv.ERRORS_MAX]
    if wrong:
        raise all_invalid("The price list is not valid", tuple(wrong))
    return tuple(read)


def _instant(field: str, text: str, zone: str) -> int | None:
    if not text:
        return None
    try:
        return tariffs.instant(text, zone)
    except (ValueError, OverflowError):
        remedy = "such as 2027-01-01T00:00 (in the tariff's zone) or 2027-01-01T00:00:00+03:30"
        raise invalid(field, "is not a time", value=text, remedy=remedy) from None


async def look(tx: Transaction, workspace_id: int, tariff_id: int, list_id: int, now: int) -> Looked:
    """A price list with its rows, and what it changes; a Problem when there is none."""
    found, one = await _one(tx, workspace_id, tariff_id, list_id)
    rows = (await store.rows_of(tx, workspace_id, [list_id]))[list_id]
    return await _looked(tx, workspace_id, found, one, rows, now)


async def lists(tx: Transaction, workspace_id: int, tariff_id: int) -> list[PriceList]:
    """The price lists of a tariff, oldest first; a Problem when there is no such tariff."""
    await get(tx, workspace_id, tariff_id)
    return await store.lists(tx, workspace_id, tariff_id)


async def _one(tx: Transaction, workspace_id: int, tariff_id: int, list_id: int) -> tuple[Tariff, PriceList]:
    found = await get(tx, workspace_id, tariff_id)
    one = await store.one_list(tx, workspace_id, tariff_id, list_id)
    if one is None:
        raise not_found("price list", ids.show("price_list", list_id))
    return found, one


async def _looked(
    tx: Transaction, workspace_id: int, found: Tariff, one: PriceList, rows: tuple[Row, ...], now: int
) -> Looked:
    begins = one.valid_from or now
    others = [other for other in await store.lists(tx, workspace_id, found.id) if other.id != one.id]
    before = at(others, begins - (one.state is ListState.IN_FORCE))
    old = (await store.rows_of(tx, workspace_id, [before.id]))[before.id] if before else ()
    return Looked(found, one, rows, tariffs.difference(old, rows))


def at(found: Sequence[PriceList], instant: int) -> PriceList | None:
    """The list that holds at an instant: of those in force the one that began last."""
    holding = [
        one
        for one in found
        if one.state is ListState.IN_FORCE
        and one.valid_from <= instant
        and (one.valid_until is None or instant < one.valid_until)
    ]
    return max(holding, key=lambda one: (one.valid_from, one.id), default=None)


async def put_in_force(ground: Ground, workspace_id: int, tariff_id: int, list_id: int, by: str) -> PriceList:
    """A draft holds from its instant on, or from now on; again changes nothing."""
    now = ground.clock.now()
    done = await ground.db.run(_put_in_force, workspace_id, tariff_id, list_id, by, now)
    ground.fabric.wake(TOPIC)
    return done


async def _put_in_force(
    tx: Transaction, workspace_id: int, tariff_id: int, list_id: int, by: str, now: int
) -> PriceList:
    await held(tx, workspace_id, tariff_id)
    _, one = await _one(tx, workspace_id, tariff_id, list_id)
    if one.state is ListState.IN_FORCE:
        return one
    if one.state is ListState.WITHDRAWN:
        raise Problem("not-a-draft", "The price list was withdrawn", status=409, detail="Make a new draft.")
    begins = max(one.valid_from, now)
    if one.valid_until is not None and one.valid_until <= begins:
        detail = f"It was to hold until {iso(one.valid_until)}, which has passed. Make a new draft."
        raise Problem("not-a-draft", "The price list has ended", status=409, detail=detail)
    return await _set(tx, workspace_id, one, ListState.IN_FORCE, begins, by, now)


async def withdraw(ground: Ground, workspace_id: int, tariff_id: int, list_id: int, by: str) -> None:
    """Delete a draft, or take back a list that has not begun; a Problem for one that holds or has held."""
    now = ground.clock.now()
    await ground.db.run(_withdraw, workspace_id, tariff_id, list_id, by, now)
    ground.fabric.wake(TOPIC)


async def _withdraw(
    tx: Transaction, workspace_id: int, tariff_id: int, list_id: int, by: str, now: int
) -> None:
    await held(tx, workspace_id, tariff_id)
    _, one = await _one(tx, workspace_id, tariff_id, list_id)
    if one.state is ListState.DRAFT:
        await store.drop_list(tx, workspace_id, list_id)
        told = {"list": ids.show("price_list", list_id)}
        await _note(tx, workspace_id, tariff_id, "tariff.prices_dropped", told, by, now)
    elif one.valid_from <= now:
        detail = f"It holds since {iso(one.valid_from)}; messages were billed by it. Put a new one in force."
        raise Problem("not-a-draft", "The price list has begun", status=409, detail=detail)
    else:
        await _set(tx, workspace_id, one, ListState.WITHDRAWN, one.valid_from, by, now)


async def _set(
    tx: Transaction, workspace_id: int, one: PriceList, state: ListState, begins: int, by: str, now: int
) -> PriceList:
    """Write what becomes of a list, and tell it."""
    await store.set_list(tx, workspace_id, one.id, state, begins, by, now)
    told = {"list": ids.show("price_list", one.id), "from": iso(begins), "by": by}
    kind = f"tariff.prices_{state.value}"
    await facts.append(tx, [Fact(workspace_id, kind, one.tariff_id, now, msgspec.json.encode(told))])
    await _note(tx, workspace_id, one.tariff_id, kind, told, by, now)
    return msgspec.structs.replace(one, state=state, valid_from=begins, by=by, updated_at=now)


# ── what is in force, at hand ────────────────────────────────────────────────────────────────────────


class Prices(msgspec.Struct, frozen=True):
    """What a line costs at an instant: its tariff and the list that holds."""

    tariff: Tariff
    list_id: int
    book: Book

    def counted_id(self, line_id: int) -> int:
        """Whose month counts."""
        return line_id if self.tariff.counts == "line" else self.tariff.id


class Known(msgspec.Struct):
    """The tariffs of one workspace, and their lists that are in force or will be."""

    tariffs: dict[str, Tariff]
    lists: dict[int, list[PriceList]]
    volumes: dict[store.Counted, int]


FOUND_KEPT = 1_000  # tariffs at instants; a batch has one instant


class Tariffs:
    """The tariffs of all workspaces, at hand without a query. A list never changes: it is compiled once."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._known: dict[int, Known] = {}
        self._books: dict[int, Book] = {}
        self._found: dict[tuple[int, str, int], Prices | None] = {}  # what a batch asks for again and again

    async def read(self, tx: Transaction, workspace_ids: Sequence[int]) -> None:
        """Read again what changes; the rows of a list only when it is new."""
        fresh: dict[int, Known] = {}
        for workspace_id in workspace_ids:
            own = await store.all_of(tx, workspace_id)
            if own:
                fresh[workspace_id] = await self._of(tx, workspace_id, own)
        self._known = fresh
        self._found = {}
        kept = {one.id for known in fresh.values() for lists in known.lists.values() for one in lists}
        self._books = {list_id: book for list_id, book in self._books.items() if list_id in kept}

    async def _of(self, tx: Transaction, workspace_id: int, own: Sequence[Tariff]) -> Known:
        now, by_tariff = self._ground.clock.now(), dict[int, list[PriceList]]()
        for one in await store.in_force(tx, workspace_id):
            by_tariff.setdefault(one.tariff_id, []).append(one)
        current = {
            one.id: [each for each in by_tariff.get(one.id, ()) if _matters(each, by_tariff[one.id], now)]
            for one in own
        }
        wanted = [one.id for lists in current.values() for one in lists if one.id not in self._books]
        for list_id, rows in (await store.rows_of(tx, workspace_id, wanted)).items():
            self._books[list_id] = tariffs.compile_rows(rows)
        months = sorted({tariffs.month_of(now, one.zone) for one in own})
        volumes = await store.volumes(tx, workspace_id, months)
        return Known({one.name: one for one in own}, current, volumes)

    def of(self, line: Line, now: int) -> Prices | None:
        """What a line costs now, by its tariff; None when it has none, or none of its lists holds."""
        if not line.tariff:
            return None
        key = line.workspace_id, line.tariff, now
        try:
            return self._found[key]
        except KeyError:
            if len(self._found) >= FOUND_KEPT:
                self._found.clear()
            found = self._found[key] = self._find(*key)
            return found

    def _find(self, workspace_id: int, name: str, now: int) -> Prices | None:
        known = self._known.get(workspace_id)
        tariff = known.tariffs.get(name) if known else None
        if known is None or tariff is None:
            return None
        holds = at(known.lists[tariff.id], now)
        return None if holds is None else Prices(tariff, holds.id, self._books[holds.id])

    def volume(self, workspace_id: int, counted: store.Counted) -> int:
        """What a month has come to, as it was when it was last looked at: enough to foretell a price."""
        known = self._known.get(workspace_id)
        return known.volumes.get(counted, 0) if known else 0

    def come_to(self, workspace_id: int, volumes: dict[store.Counted, int]) -> None:
        """What months have come to, after a commit."""
        known = self._known.get(workspace_id)
        if known is not None:
            known.volumes |= volumes


def _matters(one: PriceList, of_tariff: Sequence[PriceList], now: int) -> bool:
    """Whether a list holds now, or will."""
    return one.valid_from > now or one is at(of_tariff, now)
