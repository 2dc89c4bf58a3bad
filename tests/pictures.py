"""`python tests/pictures.py`: the pictures of the README, taken anew of a demo that has run to its end.

It starts `angarium demo`, waits for its report, comes in as a person, lets a campaign run, and looks at the
console with the machine's Chromium. It takes three minutes, and needs a machine that is not busy.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from angarium.accounts import session
from angarium.client import Api
from angarium.core.clock import SystemClock
from angarium.demo.cast import LINKS
from support.screen import Look, chromium, screen

INTO = Path(__file__).parents[1] / "docs/pictures"
PATIENCE_S = 400.0
SETTLES_S = 4  # pieces of a page that are asked for by themselves
LOOKS = 120  # at a campaign, one a second
WHOLE = ["vk_notify", "viber_business", "smpp"]  # the longest way a message takes there
OWNER = {"name": "Mina Rahimi", "password": "correct horse battery staple"}


class Shop:
    """A demo that has ended its report and stays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> tuple[str, str]:
        """The address of its server, and its key."""
        arguments = ("-m", "angarium", "demo", "--folder", str(self._folder), "--port", "0")
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        assert self._process.stdout is not None
        url = ""
        async with asyncio.timeout(PATIENCE_S):
            async for line in self._process.stdout:
                said = line.decode().strip()
                if url:
                    return url, said
                told = re.match(r"The API: (\S+)/openapi\.json", said)
                url = told[1] if told else ""
        raise RuntimeError("the demo ended before it was ready")

    async def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            await self._process.communicate()


async def relayed(api: Api) -> str:
    """A message that went all the way, and was read at its end or delivered."""
    cursor = ""
    while True:
        found = await api.surely("GET", f"/v1/messages?label=order-shipped&state=delivered&limit=100{cursor}")
        for one in found["items"]:
            told = await api.surely("GET", f"/v1/messages/{one['id']}")
            if [attempt["channel"] for attempt in told["attempts"]] == WHOLE:
                return str(one["id"])
        cursor = f"&cursor={found['next']}"


async def campaign(api: Api) -> str:
    """One to everybody, that is over; its id."""
    described = {
        "name": "فروش زمستانی",
        "audience": {"everybody": True},
        "template": "winter-sale",
        "cascade": "viber-sms",
        "variables": {"link": LINKS["winter-sale"]},
    }
    made = await api.surely("POST", "/v1/campaigns", described)
    await api.surely("POST", f"/v1/campaigns/{made['id']}/start", {})
    told: dict[str, Any] = {"by_state": {"queued": 1}}
    for _ in range(LOOKS):
        await SystemClock().sleep(1)
        one = await api.surely("GET", f"/v1/campaigns/{made['id']}")
        told = await api.surely("GET", f"/v1/campaigns/{made['id']}/report")
        if one["state"] == "done" and told["by_state"].keys().isdisjoint(("queued", "sent", "scheduled")):
            break
    print("campaign:", told["by_state"])  # noqa: T201  what is not over yet is so in the picture
    return str(made["id"])


async def owner(browser: Browser, api: Api, url: str) -> str:
    """Somebody who comes in by an invitation; their cookie."""
    asked = {"email": "mina@chaykhana.example", "role": "admin"}
    link = (await api.surely("POST", "/v1/invitations", asked))["link"]
    async with screen(browser, url) as window:
        page = window.page
        await page.goto(link)
        for name, value in OWNER.items():
            await page.fill(f"[name={name}]", value)
        async with window.leaves():
            await page.click("main form button")
        cookies = {one["name"]: one["value"] for one in await page.context.cookies()}
    return f"{session.COOKIE}={cookies[session.COOKIE]}"


async def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory(prefix="angarium-pictures-") as folder:
        shop = Shop(Path(folder) / "demo")
        try:
            url, key = await shop.open()
            async with Api(url, key, SystemClock()) as api, chromium() as browser:
                cookie, told = await owner(browser, api, url), await relayed(api)
                over = await campaign(api)
                for name, path, look, wait in (
                    ("home", "/home", Look(), ".chart canvas"),
                    ("message", f"/messages/{told}", Look(), ".relay"),
                    ("campaign-fa", f"/campaigns/{over}", Look("fa", "dark"), "#now"),
                    ("demo", "/phones", Look(), ".handset"),
                ):
                    async with screen(browser, url, cookie, look) as window:
                        assert await window.open(path) == 200, path
                        await window.page.wait_for_selector(wait)
                        await SystemClock().sleep(SETTLES_S)
                        await window.page.wait_for_selector(wait)
                        await window.page.screenshot(
                            path=INTO / f"{name}.png", clip=None, full_page=name != "demo"
                        )
        finally:
            await shop.close()


if __name__ == "__main__":
    asyncio.run(main())
