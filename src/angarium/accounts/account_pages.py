"""The HTML edge of one's own account: password, second factors, passkeys, sessions, workspaces, proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from angarium.accounts import factors, flows, passkeys, people, session, sessions
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.entering import Entered, may_enter
from angarium.accounts.entry_pages import (
    FORM_IS_WRONG,
    ONWARD,
    let_in,
    reception_of,
    said,
    signed_of,
    site_of,
)
from angarium.accounts.flows import SELF
from angarium.accounts.pages import HtmlAnswer, form_of, provider_path, redirect
from angarium.accounts.sessions import Signed
from angarium.accounts.store import passkeys as passkey_store
from angarium.accounts.store import people as store
from angarium.accounts.store import providers
from angarium.accounts.store import sessions as session_store
from angarium.core import ids
from angarium.core.clock import to_datetime
from angarium.core.problems import Problem, invalid, not_found
from angarium.storage.database import Conflict, Transaction

ACCOUNT = "/account"


def _signed(request: Call) -> Signed:
    """Whoever has signed in; a 403 Problem for a key or a link."""
    flows.require_person(request.auth)
    signed = signed_of(request)
    assert signed is not None
    return signed


@route("GET /account", Operation(summary="One's own account", scope=SELF, page=True))
async def account(request: Call) -> Sent:
    """All of it on one page."""
    return await _account_page(request, _signed(request), "", "")


async def _account_page(request: Call, signed: Signed, wrong_at: str, wrong: str) -> HtmlAnswer:
    ground, person = ground_of(request), signed.person

    async def look(tx: Transaction) -> dict[str, Any]:
        own = await session_store.of_person(tx, person.id)
        places = [one for one in await store.places(tx, person.id) if may_enter(signed.session, one)]
        now = ground.clock.now()
        return {
            "providers": [
                {
                    "name": one.name,
                    "path": provider_path(one.workspace_id, one.id),
                }
                for one in await providers.of(tx, signed.session.place_id)
                if one.enabled
            ],
            "passkeys": [_passkey(one) for one in await passkeys.of_person(tx, person.id)],
            "codes_left": await store.codes_left(tx, person.id),
            "sessions": [
                {
                    "id": ids.show("session", one.id),
                    "device": session.device_name(one.device),
                    "address": one.address,
                    "began": to_datetime(one.created_at),
                    "seen": to_datetime(one.seen_at),
                    "this": one.id == signed.session.id,
                }
                for one in own
                if not sessions.has_ended(one, now)
            ],
            "places": [
                {
                    "id": ids.show("workspace", one.workspace_id),
                    "name": await people.workspace_name(tx, one.workspace_id),
                    "role": one.role.value,
                    "this": one.workspace_id == signed.session.place_id,
                }
                for one in places
            ],
        }

    facts = await ground.db.read(look)
    facts |= {
        "person": person,
        "has_password": person.password_hash is not None,
        "has_app": person.totp is not None,
        "can_have_passkeys": site_of(request) is not None,
        "wrong_at": wrong_at,
        "wrong": wrong,
    }
    return HtmlAnswer("accounts/account.html", facts, status=422 if wrong else 200)


def _passkey(one: passkey_store.Passkey) -> dict[str, Any]:
    used = None if one.last_used_at is None else to_datetime(one.last_used_at)
    made = to_datetime(one.created_at)
    return {"id": ids.show("passkey", one.id), "name": one.name, "made": made, "used": used}


@route("POST /account/password", Operation(summary="Change the password", scope=SELF, page=True))
async def change_password(request: Call) -> Sent:
    """Another password; every other session ends."""
    form, signed = form_of(request), _signed(request)
    try:
        entered = await reception_of(request).change_password(
            signed, form.get("old", ""), form.get("password", "")
        )
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return await _account_page(request, signed, "password", said(problem))
    return let_in(request, entered, ACCOUNT)


# ── an app, and recovery codes ───────────────────────────────────────────────────────────────────────


@route("POST /account/app", Operation(summary="Set up an app", scope=SELF, careful=True, page=True))
async def set_up_app(request: Call) -> Sent:
    """A secret for an app; and with a code of it, recovery codes."""
    form, signed, ground = form_of(request), _signed(request), ground_of(request)
    person = signed.person
    if "code" not in form:
        return _app_form(signed, await ground.db.run(factors.ask, ground, person), "")
    now, code = ground.clock.now(), form["code"][:100]
    reception_of(request).count_code(person)

    async def work(tx: Transaction) -> list[str] | None:
        codes = await factors.confirm(tx, ground, person, code, now)
        if codes is not None:
            await session_store.drop_others(tx, person.id, signed.session.id)
            await people.note_everywhere(tx, person, "person.app_added", now)
        return codes

    codes = await ground.db.run(work)
    if codes is None:
        return _app_form(signed, factors.asked(ground, person) or "", "code.not_good")
    return HtmlAnswer("accounts/codes.html", {"codes": codes, "next": ACCOUNT})


def _app_form(signed: Signed, secret: str, wrong: str) -> HtmlAnswer:
    facts = {
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "link": factors.link(secret, signed.person) if secret else "",
        "wrong": wrong,
    }
    return HtmlAnswer("accounts/app.html", facts, status=401 if wrong else 200)


@route("POST /account/app/off", Operation(summary="No app any more", scope=SELF, careful=True, page=True))
async def take_app_away(request: Call) -> Sent:
    """No codes any more, unless the workspace demands a second factor and there is no other."""
    signed, ground = _signed(request), ground_of(request)

    async def work(tx: Transaction) -> None:
        await _keep_a_second(tx, signed, len(await passkeys.of_person(tx, signed.person.id)))
        await factors.take_away(tx, signed.person)
        await people.note_everywhere(tx, signed.person, "person.app_taken_away", ground.clock.now())

    await ground.db.run(work)
    return redirect(ACCOUNT)


async def _keep_a_second(tx: Transaction, signed: Signed, left: int) -> None:
    member = signed.member
    if left or member is None:
        return
    if (await sessions.rules_of(tx, member.workspace_id)).wants_second(member.role):
        raise Problem(
            "second-factor-wanted",
            "This workspace demands a second factor",
            status=409,
            detail="It is the last one. Set up another one first.",
        )


@route("POST /account/codes", Operation(summary="New recovery codes", scope=SELF, careful=True, page=True))
async def renew_codes(request: Call) -> Sent:
    """New ones in the place of all there are; they are shown once."""
    signed, ground = _signed(request), ground_of(request)
    if signed.person.totp is None:
        raise invalid("codes", "are for whoever has an app", remedy="set one up first")
    codes = await ground.db.run(factors.renew_codes, ground, signed.person)
    return HtmlAnswer("accounts/codes.html", {"codes": codes, "next": ACCOUNT})


# ── passkeys ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /account/passkey", Operation(summary="A new passkey", scope=SELF, careful=True, page=True))
async def passkey_page(request: Call) -> Sent:
    """A question to the authenticator."""
    return await _passkey_form(request, _signed(request), "")


async def _passkey_form(request: Call, signed: Signed, wrong: str) -> HtmlAnswer:
    ground, site = ground_of(request), site_of(request)
    has = await ground.db.read(passkeys.of_person, signed.person.id)
    asked = passkeys.ask_for_new(ground, site, signed.person, has) if site else None
    status = 401 if wrong else 200
    facts = {"asked": asked, "wrong": wrong}
    return HtmlAnswer("accounts/new_passkey.html", facts, status=status)


@route("POST /account/passkey", Operation(summary="Keep a passkey", scope=SELF, careful=True, page=True))
async def add_passkey(request: Call) -> Sent:
    """It lets in from now on."""
    form, signed, ground, site = form_of(request), _signed(request), ground_of(request), site_of(request)

    async def work(tx: Transaction) -> None:
        if site is None:
            raise passkeys.not_good()
        answer, sealed, name = (form.get(field, "") for field in ("answer", "challenge", "name"))
        await passkeys.keep(tx, ground, site, signed.person, answer, sealed, name)
        await people.note_everywhere(tx, signed.person, "person.passkey_added", ground.clock.now())

    try:
        await ground.db.run(work)
    except (Conflict, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status not in FORM_IS_WRONG:
            raise
        detail = said(wrong) if isinstance(wrong, Problem) else said(passkeys.not_good())
        return await _passkey_form(request, signed, detail)
    return redirect(ACCOUNT)


@route("POST /account/passkey/drop", Operation(summary="No passkey", scope=SELF, careful=True, page=True))
async def drop_passkey(request: Call) -> Sent:
    """It lets nobody in any more."""
    form, signed, ground = form_of(request), _signed(request), ground_of(request)
    passkey_id = _id_in(form, "passkey")

    async def work(tx: Transaction) -> None:
        person = signed.person
        others = len(await passkeys.of_person(tx, person.id)) - 1 + (person.totp is not None)
        await _keep_a_second(tx, signed, others)
        if not await passkey_store.drop(tx, person.id, passkey_id):
            raise not_found("passkey", form["passkey"])
        await people.note_everywhere(tx, person, "person.passkey_taken_away", ground.clock.now())

    await ground.db.run(work)
    return redirect(ACCOUNT)


def _id_in(form: Mapping[str, str], noun: str) -> int:
    try:
        return ids.read(noun, form.get(noun, ""))
    except ValueError:
        raise not_found(noun, form.get(noun, "")[:80]) from None


# ── sessions and workspaces ──────────────────────────────────────────────────────────────────────────


@route("POST /account/sessions/end", Operation(summary="End sessions", scope=SELF, page=True))
async def end_sessions(request: Call) -> Sent:
    """One other session, or all others."""
    form, signed, ground = form_of(request), _signed(request), ground_of(request)
    if form.get("all"):
        await ground.db.run(session_store.drop_others, signed.person.id, signed.session.id)
    elif not await ground.db.run(session_store.drop, signed.person.id, _id_in(form, "session")):
        raise not_found("session", form["session"])
    return redirect(ACCOUNT)


@route("POST /account/place", Operation(summary="Another workspace", scope=SELF, page=True))
async def move(request: Call) -> Sent:
    """Look at another workspace, as far as its rules let one in; under another token."""
    form, signed, ground = form_of(request), _signed(request), ground_of(request)
    workspace_id, reception = _id_in(form, "workspace"), reception_of(request)

    async def work(tx: Transaction) -> Entered:
        async with tx.across_workspaces():  # what they are there, and how that one lets people in
            place = await store.membership(tx, workspace_id, signed.person.id)
            if place is None or not may_enter(signed.session, place):
                raise not_found("workspace", form["workspace"])
            moved = await reception.moved(tx, signed.person, signed.session, place)
        return Entered(moved, await sessions.renew(tx, ground, moved))

    return let_in(request, await ground.db.run(work), form.get("next", "/"))


# ── proof ────────────────────────────────────────────────────────────────────────────────────────────


@route("GET /account/proof", Operation(summary="Prove that it is you", scope=SELF, asks=ONWARD, page=True))
async def proof_page(request: Call) -> Sent:
    """A code, a passkey or the password."""
    onward = ONWARD.read_query(request.scope["query_string"]).next
    return await _proof_form(request, _signed(request), onward, "")


async def _proof_form(request: Call, signed: Signed, onward: str, wrong: str) -> HtmlAnswer:
    ground, site = ground_of(request), site_of(request)
    keys = await ground.db.read(passkeys.of_person, signed.person.id)
    facts = {
        "next": session.local_path(onward),
        "asked": passkeys.ask(ground, site, signed.person.id, keys) if site and keys else None,
        "wrong": wrong,
        "code": signed.person.totp is not None,
        "password": signed.person.totp is None and signed.person.password_hash is not None,
    }
    return HtmlAnswer("accounts/proof.html", facts, status=401 if wrong else 200)


@route("POST /account/proof", Operation(summary="It is you", scope=SELF, page=True))
async def prove(request: Call) -> Sent:
    """Good for ten minutes."""
    form, signed, site = form_of(request), _signed(request), site_of(request)
    reception, onward = reception_of(request), form.get("next", "/")
    try:
        if form.get("answer") and site is not None:
            answer, sealed = form["answer"], form.get("challenge", "")
            entered = await reception.with_second_passkey(signed, site, answer, sealed)
        else:
            entered = await reception.again(signed, form.get("password", ""), form.get("code", "")[:100])
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return await _proof_form(request, signed, onward, said(problem))
    return let_in(request, entered, onward)


HANDLERS = (
    account,
    change_password,
    set_up_app,
    take_app_away,
    renew_codes,
    passkey_page,
    add_passkey,
    drop_passkey,
    end_sessions,
    move,
    proof_page,
    prove,
)
