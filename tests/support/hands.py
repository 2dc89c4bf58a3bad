"""Two people at the console: one with a mouse, one with a keyboard alone, who always sees where they are.

Both do the same, so that a way through the console is written once and gone by both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from playwright.async_api import Locator, Page, expect

TABS_MAX = 120
# The element that has the focus, beside the one that is looked for.
WHERE = """(wanted) => {
  const one = document.activeElement;
  const nobody = !one || one === document.body;
  const same = one?.type === "radio" && wanted.type === "radio" && one.name === wanted.name;
  const follows = nobody || one.compareDocumentPosition(wanted) & Node.DOCUMENT_POSITION_FOLLOWING;
  const lit = (each) => {
    const style = each && getComputedStyle(each);
    return Boolean(each) && (style.outlineStyle !== "none" || style.boxShadow !== "none");
  };
  const box = one?.getBoundingClientRect();
  const inside = box && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const seen = lit(one) || lit(one?.nextElementSibling) || lit(one?.closest("label, .palette-field"));
  return {
    there: one === wanted || same,
    onward: Boolean(follows),
    wrong: nobody || one.tabIndex < 0 || (inside && seen) ? "" : `unseen: ${one.outerHTML.slice(0, 160)}`,
  };
}"""
AT_THE_TOP = "document.activeElement === document.body && !document.querySelector('dialog[open]')"
STEPS_TO = """(one, value) =>
  [...one.options].findIndex((each) => each.value === value) - one.selectedIndex"""


class Hand(Protocol):
    """What somebody does on a page. `what` is a selector of Playwright's."""

    page: Page

    async def new(self, path: str) -> None:
        """From anywhere to the form of a new one of what the side bar has under this path."""

    async def press(self, what: str) -> None:
        """Press a button, or follow a link."""

    async def write(self, what: str, text: str) -> None:
        """Write into a field, over what stands there."""

    async def choose(self, what: str, value: str) -> None:
        """One of a list."""

    async def tick(self, what: str) -> None:
        """One of some choices, or a box."""

    async def bring(self, what: str, file: Path) -> None:
        """A file from one's own machine."""


class Mouse:
    """Somebody who points."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def new(self, path: str) -> None:
        await self.page.click(f"a[data-go][href='{path}']")
        await self.page.wait_for_url(f"**{path}")
        await self.page.click("[data-new] >> nth=0")
        await self.page.wait_for_url(f"**{path}/new*")

    async def press(self, what: str) -> None:
        await self.page.click(what)

    async def write(self, what: str, text: str) -> None:
        await self.page.fill(what, text)

    async def choose(self, what: str, value: str) -> None:
        await self.page.select_option(what, value)

    async def tick(self, what: str) -> None:
        await self.page.check(what)

    async def bring(self, what: str, file: Path) -> None:
        await self.page.set_input_files(what, file)


class Keys:
    """Somebody without a mouse. Every place that Tab comes by must be seen, and the focus is never lost."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.on("filechooser", lambda _: None)  # from now on they are told of, and do not open

    async def to(self, what: str) -> Locator:
        """Go there: over the skip link from the top of a page, then from one to the next."""
        wanted = self.page.locator(what).first
        await wanted.wait_for(state="visible")
        if await self.page.evaluate(AT_THE_TOP):
            await self.page.keyboard.press("Tab")
            assert await self.page.evaluate("document.activeElement.matches('.skip')"), "no skip link"
            await self.page.keyboard.press("Enter")
        for _ in range(TABS_MAX):
            where = await wanted.evaluate(WHERE)
            assert where["wrong"] == "", where["wrong"]
            if where["there"]:
                return wanted
            await self.page.keyboard.press("Tab" if where["onward"] else "Shift+Tab")
        raise AssertionError(f"the keyboard does not come to {what}")

    async def new(self, path: str) -> None:
        link = self.page.locator(f"a[data-go][href='{path}']").first
        await self.page.evaluate("document.activeElement.blur()")
        await self.page.keyboard.press("g")
        await self.page.keyboard.press(str(await link.get_attribute("data-go")))
        await self.page.wait_for_url(f"**{path}")
        await self.page.keyboard.press("n")
        await self.page.wait_for_url(f"**{path}/new*")

    async def press(self, what: str) -> None:
        await self.to(what)
        await self.page.keyboard.press("Enter")

    async def write(self, what: str, text: str) -> None:
        await self.to(what)
        await self.page.keyboard.press("ControlOrMeta+A")
        await self.page.keyboard.type(text)

    async def choose(self, what: str, value: str) -> None:
        field = await self.to(what)
        by = await field.evaluate(STEPS_TO, value)
        for _ in range(abs(by)):
            await self.page.keyboard.press("ArrowDown" if by > 0 else "ArrowUp")
        await expect(field).to_have_value(value)

    async def tick(self, what: str) -> None:
        field = await self.to(what)
        if await field.get_attribute("type") == "radio":
            for _ in range(10):
                if await field.evaluate("(one) => one === document.activeElement"):
                    break
                await self.page.keyboard.press("ArrowDown")
        if not await field.is_checked():
            await self.page.keyboard.press("Space")
        await expect(field).to_be_checked()

    async def bring(self, what: str, file: Path) -> None:
        await self.to(what)
        async with self.page.expect_file_chooser() as asked:
            await self.page.keyboard.press("Enter")
        await (await asked.value).set_files(file)
