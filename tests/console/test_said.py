"""What is wrong with a form is said in the language of who filled it: no English sentence is left."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from angarium.web.look import LANGUAGE
from support.databases import bring_up
from support.people import Surfer, joined, surfer_of
from support.server import Client, member, whole_house

# Where the page says that something is quoted: names, code, times, what was typed.
QUOTING = {"bdi", "code", "kbd", "pre", "script", "select", "style", "svg", "template", "textarea", "time"}
EMPTY = {"area", "br", "col", "hr", "img", "input", "link", "meta", "use", "wbr"}
ENGLISH_RUN = re.compile(r"[A-Za-z’']{2,}(?: [A-Za-z’']{2,}){2,}")
NAMES = {"SMS over SMPP"}  # of channels

# A form, and what is wrong in it.
FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/contacts/new", {"name": "x" * 201, "value-0": "12", "locale": "no such", "time_zone": "Moon"}),
    ("/contacts/fields", {"name": "9 lives", "kind": "choice", "choices": "", "label": "x" * 101}),
    ("/segments/new", {"name": ""}),
    (
        "/lines/new/smpp",
        {"name": "Bad name", "settings.host": "", "window": "0", "price": "x", "hours_from": "25:00"},
    ),
    ("/templates/new", {"name": "Bad name", "default_locale": "no such", "do": "save"}),
    ("/cascades/new", {"name": "Bad name", "do": "save"}),
    ("/campaigns/new", {"name": "", "segment": "seg_nothing"}),
    ("/lines/tariffs", {"name": "Bad name", "currency": "euro", "zone": "Moon"}),
    ("/settings/people/new", {"email": "nobody"}),
    ("/settings/keys/new", {"name": "", "ends": "someday"}),
    ("/settings/suppressions/new", {"address": "12", "source": "", "line": "none"}),
    ("/settings/providers/new", {"name": "", "issuer": "http://login", "domains": "", "claim": "groups"}),
    ("/settings", {"time_zone": "Moon"}),
)  # fmt: skip


class Forms(HTMLParser):
    """The forms of a page by their actions, and the text outside of what is quoted."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.words: list[str] = []
        self._form: dict[str, str] = {}
        self._quoting: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A form, a field of one, or an element that quotes."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.forms.setdefault(given.get("action", ""), {})
        if tag in {"input", "textarea", "select"} and given.get("name"):
            ticked = given.get("type") not in {"checkbox", "radio"} or "checked" in given
            if ticked:
                self._form.setdefault(given["name"], given.get("value", ""))
        if tag not in EMPTY and (
            self._quoting or tag in QUOTING or given.get("dir") == "ltr" or "lang" in given
        ):
            self._quoting.append(tag if tag != "html" else "")
        if tag == "html":
            self._quoting.clear()

    def handle_endtag(self, tag: str) -> None:
        """The end of one."""
        if self._quoting and self._quoting[-1] == tag:
            self._quoting.pop()

    def handle_data(self, data: str) -> None:
        """Text."""
        if not self._quoting and data.strip():
            self.words.append(data.strip())

    def english(self) -> list[str]:
        """Runs of three English words and more."""
        return [run for text in self.words for run in ENGLISH_RUN.findall(text) if run not in NAMES]


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[tuple[Surfer, Client]]:
    """The owner of a new workspace, and a key of it."""
    database_url = f"sqlite:///{tmp_path}/angarium.db"
    await bring_up(database_url)
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        surfer = surfer_of(client)
        await joined(house, surfer, client.workspace_id, "olena@shop.example")
        yield surfer, client


@pytest.mark.parametrize("language", ["fa", "ru"])
@pytest.mark.parts(2)
async def test_no_english_on_a_form_that_was_wrong(owner: tuple[Surfer, Client], language: str) -> None:
    surfer, _ = owner
    surfer.cookies[LANGUAGE] = language
    left = []
    for path, wrong in FORMS:
        seen = Forms((await surfer.get(path)).text)
        action = path.removesuffix("/new") if path.removesuffix("/new") in seen.forms else path
        assert action in seen.forms, (path, sorted(seen.forms))
        page = await surfer.post(action, {**seen.forms[action], **wrong})
        assert page.status in {400, 404, 409, 422}, (path, page.status, page.words)
        left += [f"{path}: {run}" for run in Forms(page.text).english()]
    assert not left, "\n".join(left)


async def test_a_script_of_a_page_is_told_in_its_language_and_a_key_in_english(
    owner: tuple[Surfer, Client],
) -> None:
    surfer, client = owner
    surfer.cookies[LANGUAGE] = "ru"
    wrong = {"addresses": [{"kind": "phone", "value": "12"}]}
    told = (await surfer.call("POST", "/v1/contacts", wrong)).json
    assert told["title"] == "В контакте что-то не так"
    assert not ENGLISH_RUN.search(" ".join(one["problem"] for one in told["errors"])), told
    by_key = (await client.ask("POST", "/v1/contacts", wrong)).json
    assert by_key["title"] == "The contact is not valid"
    assert [one["field"] for one in by_key["errors"]] == [one["field"] for one in told["errors"]]
