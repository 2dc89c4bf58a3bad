"""People for tests: somebody invited and in, in a browser of their own, on a house or without one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp

from angarium.accounts import people
from angarium.accounts.reach import WHOLE, Reach
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.assembly import House
from support.browsing import Browser, Page
from support.server import Client, Heard

PASSWORD = "four words that fit well"


@dataclass
class Surfer(Browser):
    """Somebody at a browser that keeps its cookies, and follows where it is led."""

    cookies: dict[str, str] = field(default_factory=dict)
    shown_code: str = ""  # by their app, when they set it up

    async def ask(self, method: str, path: str, fields: Any, headers: dict[str, str]) -> Page:
        """One request, with every cookie; those that come are kept."""
        self.cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        page = await super().ask(method, path, fields, headers)
        for cookie in page.cookies:
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0]
            if value:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return page

    async def follow(self, page: Page) -> Page:
        """Go where a page leads."""
        while page.status == 303:
            page = await self.get(page.location)
        return page

    async def sign_in(self, email: str, password: str = PASSWORD, next: str = "/account") -> Page:  # noqa: A002
        """Through the door with a password."""
        return await self.post("/sign-in", {"email": email, "password": password, "next": next})

    async def do(self, path: str, **fields: str) -> Page:
        """Send a form of somebody who is in, with the token of their session."""
        token = (await self.get("/account")).hidden("token")
        return await self.post(path, {"token": token, **fields})

    async def prove(self) -> None:
        """Prove with the password that it is still they."""
        assert (await self.do("/account/proof", password=PASSWORD, next="/account")).status == 303

    async def set_up_app(self) -> tuple[str, list[str]]:
        """An app that shows codes: its secret, and the recovery codes."""
        page = await self.do("/account/app")
        secret = secret_on(page)
        self.shown_code = code_of(secret)
        shown = await self.do("/account/app", code=self.shown_code)
        return secret, codes_on(shown)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Heard:
        """Call the JSON API as a script of our own pages does."""
        page = await self.get("/account")
        usual = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Sec-Fetch-Site": "same-origin",
            "X-Angarium-Token": page.hidden("token"),
        }
        client = Client(self.session, self.url, usual=usual)
        return await client.ask(method, path, body, **headers)

    async def call_before_in(self, path: str) -> Heard:
        """Call the JSON API with the cookie alone."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        client = Client(self.session, self.url, usual={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})
        return await client.ask("GET", path)

    def another(self) -> Surfer:
        """Another browser of the same machine."""
        return Surfer(self.session, self.url)


def secret_on(page: Page) -> str:
    """The key of an app that a page shows."""
    found = re.search(r"secret=([A-Z2-7]+)", page.text)
    assert found, page.words
    return found[1]


def codes_on(page: Page) -> list[str]:
    """The recovery codes that a page shows."""
    found = re.findall(r"<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>", page.text)
    assert len(found) == 10, page.words
    return found


def code_of(secret: str, later: int = 0, at: float | None = None) -> str:
    """The code that an app shows now, or some steps later; at another time if one is given."""
    import time

    step = int((time.time() if at is None else at) // 30) + later
    return pyotp.TOTP(secret).generate_otp(step)


async def invited(
    house: House, workspace_id: int, email: str, role: Role = Role.OWNER, reach: Reach = WHOLE
) -> str:
    """The token of a link for somebody."""
    ground = house.ground
    _, token = await ground.db.run(people.invite, ground, workspace_id, email, role, reach, "cli")
    return token


async def joined(
    house: House,
    surfer: Surfer,
    workspace_id: int,
    email: str,
    role: Role = Role.OWNER,
    reach: Reach = WHOLE,
) -> int:
    """Somebody accepts an invitation in a browser; the id of the person."""
    token = await invited(house, workspace_id, email, role, reach)
    fields = {"link": token, "name": email.partition("@")[0].title(), "password": PASSWORD}
    page = await surfer.post("/invitation", fields)
    assert page.status == 303, page.words
    person = await house.ground.db.read(store.by_email, email)
    assert person is not None
    return person.id


def surfer_of(client: Client) -> Surfer:
    """A browser at the server of a client."""
    return Surfer(client.session, client.url)


def token_in(link: str) -> str:
    """The token of a link."""
    return parse_qs(urlsplit(link).query)["token"][0]
