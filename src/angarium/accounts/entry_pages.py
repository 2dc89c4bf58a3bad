"""The HTML edge of getting in: password, passkey, second factor, invitation, a new password by a link."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, cast
from urllib.parse import quote

import msgspec

from angarium.accounts import factors, passkeys, passwords, people, session
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, ground_of, route
from angarium.accounts.entering import Entered, Reception, Visit
from angarium.accounts.limits import address_of
from angarium.accounts.pages import HtmlAnswer, door, form_of, redirect
from angarium.accounts.passkeys import Site
from angarium.accounts.session import Stage
from angarium.accounts.sessions import Signed
from angarium.accounts.store import people as store
from angarium.accounts.store.people import Invitation, Person
from angarium.core.clock import MICROS, to_datetime
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage.database import Conflict, Transaction

Text = Annotated[str, msgspec.Meta(max_length=2_000)]
STEPS = {Stage.FACTOR: "/sign-in/factor", Stage.ENROL: "/sign-in/enrol"}
SENTENCES = {  # what is often wrong, by the slug of the problem or by what is wrong with a field
    "code-not-good": "code.not_good",
    "passkey-not-good": "passkey.not_good",
    "sign-in-not-good": "password.not_yours",
    "is too short or too long": "password.too_long_or_short",
    "is one of the first that are tried": "password.common",
}
FORM_IS_WRONG = {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY}


class OnwardQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go on."""

    next: Text = "/"


class TokenQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link."""

    token: Text = ""


ONWARD, TOKEN = Shape(OnwardQuery), Shape(TokenQuery, secret=("token",))


# ── what these pages work with ───────────────────────────────────────────────────────────────────────


def reception_of(request: Call) -> Reception:
    """Who lets people in."""
    return cast("Reception", request.scope["litestar_app"].state.reception)


def site_of(request: Call) -> Site | None:
    """The site that passkeys are made for; None where there are none."""
    return passkeys.site_of(request.scope["litestar_app"].state.get("public_url", ""))


def signed_of(request: Call) -> Signed | None:
    """Whose session the browser brings, however far they have come."""
    return cast("Signed | None", cast("Mapping[str, Any]", request.scope).get("signed"))


def visit_of(request: Call) -> Visit:
    """The browser at the door."""
    scope = request.scope
    agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
    known = request.cookies.get(session.cookie_name(scope["scheme"], session.DEVICE), "")
    return Visit(address_of(scope), "".join(c for c in agent if c.isprintable()), known)


def let_in(request: Call, entered: Entered, onward: str) -> JsonAnswer:
    """On to where somebody wanted to go, or to the next step of getting in, with the new token."""
    scheme, now = request.scope["scheme"], ground_of(request).clock.now()
    left_s = (entered.session.ends_at - now) // MICROS
    headers = [session.cookie(scheme, entered.token, left_s)]
    if entered.known:
        headers.append(session.cookie(scheme, entered.known, session.DEVICE_S, session.DEVICE))
    where = session.local_path(onward) if entered.session.place_id else "/account"
    step = STEPS.get(Stage(entered.session.stage))
    return redirect(f"{step}?next={quote(where, safe='/')}" if step else where, *headers)


def said(problem: Problem) -> str:
    """What is wrong, as a form shows it: the name of a sentence of ours, else its own words and remedy."""
    one = problem.fields[0] if problem.fields else None
    key = one.problem if one else problem.slug
    return SENTENCES.get(key) or (f"{one.problem}: {one.remedy}" if one else problem.detail)


# ── the first factor ─────────────────────────────────────────────────────────────────────────────────


@route("POST /sign-in", Operation(summary="Sign in", scope=None, page=True))
async def sign_in(request: Call) -> Sent:
    """In with e-mail address and password; or on to the second factor."""
    form = form_of(request)
    email, onward = form.get("email", "")[:400], form.get("next", "/")
    try:
        entered = await reception_of(request).with_password(
            email, form.get("password", ""), visit_of(request)
        )
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return await door(request, onward, "sign_in.not_good", email)
    return let_in(request, entered, onward)


@route(
    "GET /sign-in/passkey", Operation(summary="Sign in with a passkey", scope=None, asks=ONWARD, page=True)
)
async def passkey_page(request: Call) -> Sent:
    """A question to the authenticator."""
    onward = ONWARD.read_query(request.scope["query_string"]).next
    return _passkey_form(request, onward, "")


def _passkey_form(request: Call, onward: str, wrong: str) -> HtmlAnswer:
    site = site_of(request)
    asked = passkeys.ask(ground_of(request), site, 0, []) if site else None
    facts = {"next": session.local_path(onward), "asked": asked, "wrong": wrong, "action": "/sign-in/passkey"}
    return HtmlAnswer("accounts/passkey.html", facts, status=401 if wrong else 200)


@route("POST /sign-in/passkey", Operation(summary="Signed in with a passkey", scope=None, page=True))
async def with_passkey(request: Call) -> Sent:
    """In, if the answer is good."""
    form, site = form_of(request), site_of(request)
    answer, sealed = form.get("answer", ""), form.get("challenge", "")
    try:
        if site is None:
            raise passkeys.not_good()
        entered = await reception_of(request).with_passkey(site, answer, sealed, visit_of(request))
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return _passkey_form(request, form.get("next", "/"), said(problem))
    return let_in(request, entered, form.get("next", "/"))


# ── the second ───────────────────────────────────────────────────────────────────────────────────────


def _on_the_way(request: Call, stage: Stage) -> Signed:
    """Whoever has come as far as this step; a 401 Problem for everybody else."""
    signed = signed_of(request)
    if signed is None or signed.session.stage != stage:
        raise Problem("not-entered", "Nobody has entered here", status=401, detail="Enter first.")
    return signed


@route("GET /sign-in/factor", Operation(summary="Second factor", scope=None, asks=ONWARD, page=True))
async def factor_page(request: Call) -> Sent:
    """A code, or a passkey."""
    onward = ONWARD.read_query(request.scope["query_string"]).next
    return await _factor_form(request, _on_the_way(request, Stage.FACTOR), onward, "")


async def _factor_form(request: Call, signed: Signed, onward: str, wrong: str) -> HtmlAnswer:
    ground, site = ground_of(request), site_of(request)
    keys = await ground.db.read(passkeys.of_person, signed.person.id)
    facts = {
        "next": session.local_path(onward),
        "asked": passkeys.ask(ground, site, signed.person.id, keys) if site and keys else None,
        "wrong": wrong,
        "code": signed.person.totp is not None,
    }
    return HtmlAnswer("accounts/factor.html", facts, status=401 if wrong else 200)


@route("POST /sign-in/factor", Operation(summary="Second factor shown", scope=None, page=True))
async def with_factor(request: Call) -> Sent:
    """In, if the code or the passkey is good."""
    form, signed = form_of(request), _on_the_way(request, Stage.FACTOR)
    try:
        entered = await _shown(request, signed, form)
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return await _factor_form(request, signed, form.get("next", "/"), said(problem))
    return let_in(request, entered, form.get("next", "/"))


async def _shown(request: Call, signed: Signed, form: Mapping[str, str]) -> Entered:
    reception, site = reception_of(request), site_of(request)
    if not form.get("answer"):
        return await reception.with_code(signed, form.get("code", "")[:100])
    if site is None:
        raise passkeys.not_good()
    return await reception.with_second_passkey(signed, site, form["answer"], form.get("challenge", ""))


@route(
    "GET /sign-in/enrol", Operation(summary="A second factor is wanted", scope=None, asks=ONWARD, page=True)
)
async def enrol_page(request: Call) -> Sent:
    """What is to be done first."""
    onward = ONWARD.read_query(request.scope["query_string"]).next
    _on_the_way(request, Stage.ENROL)
    return HtmlAnswer("accounts/enrol.html", {"next": session.local_path(onward), "secret": "", "wrong": ""})


@route("POST /sign-in/enrol", Operation(summary="Set up an app", scope=None, page=True))
async def enrol(request: Call) -> Sent:
    """A secret for an app; and with a code of it, recovery codes and in."""
    form, signed, ground = form_of(request), _on_the_way(request, Stage.ENROL), ground_of(request)
    if "code" not in form:
        secret = await ground.db.run(factors.ask, ground, signed.person)
        return _app_form(signed.person, secret, form.get("next", "/"), "")
    code, now = form["code"][:100], ground.clock.now()
    reception_of(request).count_code(signed.person)

    async def work(tx: Transaction) -> tuple[list[str], Entered] | None:
        codes = await factors.confirm(tx, ground, signed.person, code, now)
        if codes is None:
            return None
        return codes, await reception_of(request).further(tx, signed, signed.person)

    done = await ground.db.run(work)
    if done is None:
        secret = factors.asked(ground, signed.person) or ""
        return _app_form(signed.person, secret, form.get("next", "/"), "code.not_good")
    codes, entered = done
    onward = let_in(request, entered, form.get("next", "/"))
    facts = {"codes": codes, "next": session.local_path(form.get("next", "/"))}
    cookies = [one for one in onward.headers if one[0] == b"set-cookie"]
    return HtmlAnswer("accounts/codes.html", facts, headers=cookies)


def _app_form(person: Person, secret: str, onward: str, wrong: str) -> HtmlAnswer:
    facts = {
        "next": session.local_path(onward),
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "link": factors.link(secret, person) if secret else "",
        "wrong": wrong,
    }
    return HtmlAnswer("accounts/enrol.html", facts, status=401 if wrong else 200)


# ── an invitation ────────────────────────────────────────────────────────────────────────────────────


@route("GET /invitation", Operation(summary="Invitation", scope=None, asks=TOKEN, page=True))
async def invitation_page(request: Call) -> Sent:
    """Who is invited to what; and a form for whoever is new here."""
    token = TOKEN.read_query(request.scope["query_string"]).token
    return await _invitation_form(request, token, "", "")


async def _invitation_form(request: Call, token: str, name: str, wrong: str) -> HtmlAnswer:
    ground, now = ground_of(request), ground_of(request).clock.now()

    async def look(tx: Transaction) -> tuple[Invitation, str, bool]:
        found = await people.invitation_of(tx, token, now)
        if found is None:
            raise people.link_not_good()
        is_known = await store.by_email(tx, found.email) is not None
        return found, await people.workspace_name(tx, found.workspace_id), is_known

    found, workspace, is_known = await ground.db.read(look)
    facts = {
        "token_of_link": token,
        "email": found.email,
        "workspace": workspace,
        "role": found.role.value,
        "until": to_datetime(found.ends_at),
        "is_known": is_known,
        "name": name,
        "wrong": wrong,
    }
    return HtmlAnswer("accounts/invitation.html", facts, status=422 if wrong else 200)


@route("POST /invitation", Operation(summary="Accept an invitation", scope=None, page=True))
async def accept(request: Call) -> Sent:
    """In: somebody new with the password they choose, somebody known with the one they have."""
    form, ground, reception = form_of(request), ground_of(request), reception_of(request)
    token, name, visit = form.get("link", "")[:500], form.get("name", "")[:200], visit_of(request)
    found = await ground.db.read(people.invitation_of, token, ground.clock.now())
    if found is None:
        raise people.link_not_good()
    try:
        if await ground.db.read(store.by_email, found.email) is not None:
            entered = await reception.with_invitation(found, token, form.get("password", ""), visit)
        else:
            plain = passwords.check(form.get("password", ""), "password", found.email, name)
            hashed = await reception.passwords.hashed(plain)
            entered = await reception.newcomer(token, found, name, hashed, visit)
    except Conflict:
        raise people.link_not_good() from None
    except Problem as problem:
        if problem.status not in FORM_IS_WRONG:
            raise
        return await _invitation_form(request, token, name, said(problem))
    return let_in(request, entered, "/")


# ── a new password ───────────────────────────────────────────────────────────────────────────────────


@route("GET /reset", Operation(summary="Ask for a link", scope=None, page=True))
async def reset_page(request: Call) -> Sent:
    """Where a link can be asked for."""
    return HtmlAnswer("accounts/reset.html", {"asked": False})


@route("POST /reset", Operation(summary="A link was asked for", scope=None, page=True))
async def ask_for_link(request: Call) -> Sent:
    """The same answer for everybody; whoever is known here gets a letter, where letters can be sent."""
    email = form_of(request).get("email", "")[:400]
    await reception_of(request).send_link(email, visit_of(request))
    return HtmlAnswer("accounts/reset.html", {"asked": True})


@route("GET /reset/new", Operation(summary="Set a password", scope=None, asks=TOKEN, page=True))
async def new_password_page(request: Call) -> Sent:
    """A form, if the link is good."""
    token = TOKEN.read_query(request.scope["query_string"]).token
    return await _password_form(request, token, "")


async def _password_form(request: Call, token: str, wrong: str) -> HtmlAnswer:
    ground = ground_of(request)
    person = await ground.db.read(people.of_reset, token, ground.clock.now())
    if person is None:
        raise people.link_not_good()
    facts = {"token_of_link": token, "email": person.email, "wrong": wrong}
    return HtmlAnswer("accounts/password.html", facts, status=422 if wrong else 200)


@route("POST /reset/new", Operation(summary="A password was set", scope=None, page=True))
async def set_password(request: Call) -> Sent:
    """The password is set, the link is used up, every session has ended; enter with it."""
    form, ground = form_of(request), ground_of(request)
    token = form.get("link", "")[:500]
    person = await ground.db.read(people.of_reset, token, ground.clock.now())
    if person is None:
        raise people.link_not_good()
    try:
        plain = passwords.check(form.get("password", ""), "password", person.email, person.name)
    except Problem as problem:
        return await _password_form(request, token, said(problem))
    hashed = await reception_of(request).passwords.hashed(plain)
    await ground.db.run(people.reset, ground, token, hashed)
    return redirect(session.ENTRANCE)


HANDLERS = (
    sign_in,
    passkey_page,
    with_passkey,
    factor_page,
    with_factor,
    enrol_page,
    enrol,
    invitation_page,
    accept,
    reset_page,
    ask_for_link,
    new_password_page,
    set_password,
)
