"""Passkeys with a real browser and its virtual authenticator: made, used, changed, taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from angarium.accounts.store import passkeys as store
from angarium.accounts.store.passkeys import Passkey
from angarium.assembly import House, application, assemble
from angarium.config import Settings
from angarium.processes import free_port
from angarium.web.server import Server
from support import together
from support.devtools import Tab, authenticator, chromium
from support.people import PASSWORD, invited
from support.server import create_workspace

pytestmark = pytest.mark.browser

EMAIL = "olena@shop.example"
PASSKEY_BUTTON = "form[data-options] button"


@dataclass
class Place:
    """A server that browsers know by a name, and a page with an authenticator."""

    house: House
    url: str
    tab: Tab
    authenticator_id: str

    async def keys(self) -> list[Passkey]:
        """Every passkey that is kept."""
        from angarium.accounts.store import people

        (person,) = await self.house.ground.db.read(people.everybody)
        return await self.house.ground.db.read(store.of_person, person.id)

    async def leave(self) -> None:
        """Out through the door."""
        await self.tab.open(f"{self.url}/account")
        await self.tab.submit("form[action='/leave'] button")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Somebody has accepted an invitation in the browser, and has made a passkey."""
    port = free_port()
    public_url = f"http://localhost:{port}"
    async with together.database_in(tmp_path) as url:
        met = together.settings_on(url)
        house = assemble(Settings(database=url, key_file=str(tmp_path / "k"), public_url=public_url, **met))
        await house.open()
        server = Server(application(house), "127.0.0.1", port)
        await server.start()
        workspace = await create_workspace(house.ground, "shop")
        try:
            async with chromium(tmp_path) as tab:
                place = Place(house, public_url, tab, await authenticator(tab))
                await tab.open(f"{public_url}/invitation?token={await invited(house, workspace.id, EMAIL)}")
                await tab.fill(name="Olena", password=PASSWORD)
                await tab.submit("main form button")
                await tab.open(f"{public_url}/account/passkey")
                await tab.fill(name="Laptop")
                await tab.submit(PASSKEY_BUTTON)
                yield place
        finally:
            await server.stop()
            await house.close()


@pytest.mark.turns(2, 0)
async def test_a_passkey_lets_in_without_a_name(place: Place) -> None:
    assert "Laptop passkey, made" in await place.tab.words()
    await place.leave()
    await place.tab.open(f"{place.url}/sign-in/passkey?next=%2Faccount")
    await place.tab.submit(PASSKEY_BUTTON)
    assert await place.tab.see("location.pathname") == "/account"
    assert "Laptop passkey, last used" in await place.tab.words()
    (key,) = await place.keys()
    assert key.sign_count > 0
    assert key.last_used_at is not None


@pytest.mark.turns(2, 1)
async def test_a_passkey_is_the_second_factor(place: Place) -> None:
    await place.leave()
    await place.tab.fill(email=EMAIL, password=PASSWORD)
    await place.tab.submit("main form button")
    assert await place.tab.see("location.pathname") == "/sign-in/factor"
    await place.tab.submit(PASSKEY_BUTTON)
    assert "Olena" in await place.tab.words()
    await place.tab.open(f"{place.url}/account/proof?next=%2Faccount")
    await place.tab.submit(PASSKEY_BUTTON)  # and it proves that it is still she
    assert await place.tab.see("location.pathname") == "/account"


@pytest.mark.turns(2, 0)
async def test_an_authenticator_that_does_not_see_who_it_is_lets_nobody_in_alone(place: Place) -> None:
    await place.leave()
    state = {"authenticatorId": place.authenticator_id, "isUserVerified": False}
    await place.tab.send("WebAuthn.setUserVerified", **state)
    await place.tab.open(f"{place.url}/sign-in/passkey")
    await place.tab.see(f"document.querySelector('{PASSKEY_BUTTON}').click()")
    shown = "new Promise((seen) => { const look = () => document.querySelector('[data-wrong]:not([hidden])')"
    assert await place.tab.see(f"{shown} ? seen(true) : requestAnimationFrame(look); look(); }})")
    assert await place.tab.see("location.pathname") == "/sign-in/passkey"


@pytest.mark.turns(2, 1)
async def test_a_passkey_that_is_taken_away_lets_nobody_in(place: Place) -> None:
    await place.tab.see("document.querySelector(\"form[action='/account/passkey/drop'] button\").click()")
    await place.tab.submit("#sure [data-go-on]")
    assert await place.keys() == []
    await place.leave()
    await place.tab.open(f"{place.url}/sign-in/passkey")
    await place.tab.submit(PASSKEY_BUTTON)
    assert "This passkey does not let you in" in await place.tab.words() or "not known here" in (
        await place.tab.words()
    )


# ── answers that were made otherwise ─────────────────────────────────────────────────────────────────

TAKEN = "document.querySelector('form[data-options]').elements.namedItem('answer').value"


async def answered(place: Place) -> tuple[dict[str, object], str]:
    """A good answer of the authenticator that has not been sent, and the challenge it is for."""
    await place.leave()
    await place.tab.open(f"{place.url}/sign-in/passkey")
    await place.tab.see(
        "HTMLFormElement.prototype.submit = function () { document.title = 'answered'; };"
        f"document.querySelector('{PASSKEY_BUTTON}').click()"
    )
    waiting = "new Promise((seen) => { const look = () => document.title === 'answered'"
    await place.tab.see(f"{waiting} ? seen(1) : requestAnimationFrame(look); look(); }})")
    answer = msgspec.json.decode(await place.tab.see(TAKEN))
    challenge = await place.tab.see("document.querySelector('[name=challenge]').value")
    return answer, str(challenge)


async def bring(place: Place, answer: object, challenge: str) -> int:
    """Send an answer as the page's form does; the status."""
    body = msgspec.json.encode([msgspec.json.encode(answer).decode(), challenge]).decode()
    return int(
        await place.tab.see(
            f"(async () => {{ const [answer, challenge] = {body};"
            "const body = new URLSearchParams({answer, challenge, next: '/account'});"
            "const asked = {method: 'POST', body, redirect: 'manual'};"
            "return (await fetch('/sign-in/passkey', asked)).status; })()"
        )
    )


def changed(answer: dict[str, object], field: str) -> dict[str, object]:
    """The same answer with one letter in the middle of a field another."""
    response = dict(answer["response"])  # type: ignore[call-overload]
    text = str(response[field])
    at = len(text) // 2
    response[field] = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    return {**answer, "response": response}


@pytest.mark.turns(2, 1)
async def test_answers_that_were_changed_or_come_twice_let_nobody_in(place: Place) -> None:
    answer, challenge = await answered(place)
    await place.tab.open(f"{place.url}/reset")  # a page whose policy lets a script of ours ask
    await place.tab.send("Page.setBypassCSP", enabled=True)
    await place.tab.open(f"{place.url}/reset")
    _, other = (
        answer,
        await place.tab.see(
            "fetch('/sign-in/passkey').then((a) => a.text())"
            '.then((t) => /name=.challenge. value=.([^"]+)/.exec(t)[1])'
        ),
    )
    for field in ("signature", "authenticatorData", "clientDataJSON"):
        assert await bring(place, changed(answer, field), challenge) == 401, field
    for bad in ({**answer, "id": "AAAA", "rawId": "AAAA"}, {}, [], "x", {"id": 7}):
        assert await bring(place, bad, challenge) == 401, bad
    assert await bring(place, answer, other) == 401  # an answer to another question
    assert await bring(place, answer, challenge + "x") == 401
    assert await bring(place, answer, challenge) in (0, 303)  # untouched it lets in: an opaque redirect
    assert await bring(place, answer, challenge) == 401  # and once only
