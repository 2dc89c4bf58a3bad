"""Campaigns in the console: from an audience to a start, while it runs, and what came of it."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from playwright.async_api import Page, expect
from playwright.async_api import TimeoutError as TooLate

from angarium.campaigns import flows
from angarium.core import ids
from support.campaign_shop import Shop, cookie_of
from support.screen import Look, Screen, chromium, screen

pytestmark = pytest.mark.browser
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

# ── from an audience to a start ──────────────────────────────────────────────────────────────────────


@pytest.mark.turns(2, 0)
async def test_a_campaign_from_its_audience_to_its_report(shop: Shop) -> None:
    await shop.policy(confirm_members=2)
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        await write_by_mouse(window)
        state, given = await shop.newest()
        assert (state, given.template, given.line, given.variables) == (
            "draft",
            "sale",
            "sms",
            {"what": "tea"},
        )
        assert given.schedule.per_hour == 600
        await start_by_mouse(window)
        assert (await shop.newest())[0] == "building"
        await follow(window.page, shop)
        assert await window.faults() == []
        await see_it_end(window, shop)


async def write_by_mouse(window: Screen) -> None:
    """Through the pages of a draft; each shows at once what comes of what is chosen."""
    page = window.page
    await window.open("/campaigns")
    await page.click("main >> text=New campaign >> nth=0")
    await page.wait_for_url("**/campaigns/new")
    await page.fill("[name=name]", "Spring sale")
    await page.check("[name=whom][value=tags]")
    await page.fill("[name=tags]", "gold")
    await expect(page.locator("#count")).to_contain_text("4 people")
    assert await window.faults() == []
    await page.click("button[value=next]")
    await page.wait_for_url("**/words")
    await page.select_option("[name=template]", "sale")
    await page.select_option("[name=way]", "line:sms")
    await expect(page.locator("#look")).to_contain_text("what")
    await page.fill("[name='variable.what']", "tea")
    await expect(page.locator("#look .phone-text")).to_have_text("N1: tea half price. STOP to unsubscribe")
    await expect(page.locator("#look .campaign-phone footer")).to_contain_text("€0.04")
    assert await window.faults() == []
    await page.click("button[value=next]")
    await page.wait_for_url("**/schedule")
    await page.check("[name=pace][value=per_hour]")
    await page.locator("[name=per_hour]").press_sequentially("۶۰۰")  # as a Persian keyboard has it
    assert await window.faults() == []
    await page.click("button[value=next]")
    await page.wait_for_url("**/check")


async def start_by_mouse(window: Screen) -> None:
    """The forecast, and the number of people, which has to be typed."""
    page = window.page
    await expect(page.locator("#forecast")).to_contain_text("N1: tea half price")
    await expect(page.locator("#forecast")).to_contain_text("€0.16")
    assert await window.faults() == []
    await page.fill("[name=confirm]", "3")
    await page.click("#go button")
    await expect(page.locator("main .notice.bad")).to_contain_text("3 was typed")
    await page.fill("[name=confirm]", "4")
    await page.click("#go button")
    await page.wait_for_url("**/campaigns/cmp_*?done=started")


async def follow(page: Page, shop: Shop) -> None:
    """The page shows by itself that people are told: one every six seconds, so that there is news whenever
    it has begun to listen."""
    told = page.locator("#now").filter(has_text=re.compile("[123] told"))
    for _ in range(16):
        await shop.run()
        with suppress(TooLate):
            await told.wait_for(timeout=2_500)
            return
    raise AssertionError("the page does not follow what happens")


# The page renews itself, as when something has changed, and has done so.
RENEWED = """() => new Promise((done) => {
  document.addEventListener("htmx:finally:swap", done, {once: true});
  document.querySelector("#now").dispatchEvent(new Event("live"));
})"""


# By how much the table is wider than its place when somebody's name is one long word.
LONG = """() => {
  document.querySelector("table.recipients td bdi").textContent = "Ж".repeat(200);
  const place = document.querySelector(".table-responsive:has(table.recipients)");
  return place.scrollWidth - place.clientWidth;
}"""


# How a wide table fades at its end and at its beginning: as it is opened, and when it is scrolled to its end.
GOES_ON = """async () => {
  const place = document.createElement("div");
  place.className = "table-responsive";
  place.append("…".repeat(3000));
  place.style.whiteSpace = "nowrap";
  document.querySelector("main").append(place);
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const fade = (end) => getComputedStyle(place).getPropertyValue(`--fade-${end}`);
  await drawn();
  const opened = [fade("after"), fade("before")];
  place.scrollLeft = place.scrollWidth;
  await drawn();
  return [opened, [fade("after"), fade("before")]];
}"""


async def see_it_end(window: Screen, shop: Shop) -> None:
    """Paused, let go on, and stopped, which is asked twice while something changes; then who got what."""
    page = window.page
    await page.click("#deeds >> text=Pause")
    await expect(page.locator("#now .notice")).to_contain_text("It was paused")
    await page.click("#deeds >> text=Go on")
    await expect(page.locator("#deeds")).to_contain_text("Pause")
    await page.click("#deeds >> text=Stop")
    await page.evaluate(RENEWED)
    await page.click("#sure [data-go-on]")
    await expect(page.locator("#now")).to_contain_text("Stopped")
    assert (await shop.newest())[0] == "stopped"
    await page.click("main a[href$='/recipients']")
    await page.wait_for_url("**/recipients")
    await expect(page.locator("table.recipients tbody tr")).to_have_count(4)
    assert await window.faults() == []
    assert await page.evaluate(LONG) <= 0
    assert await page.evaluate(GOES_ON) == [["36px", "0px"], ["0px", "36px"]]


@pytest.mark.turns(2, 1)
async def test_by_keyboard_alone_from_right_to_left(shop: Shop) -> None:
    async with (
        chromium() as browser,
        screen(browser, shop.client.url, cookie_of(shop.marketer), Look("fa", "dark", 360)) as window,
    ):
        page = window.page
        await window.open("/campaigns")
        assert await window.faults() == []
        await page.keyboard.press("n")
        await page.wait_for_url("**/campaigns/new")
        await type_into(page, "[name=name]", HOSTILE[:100])
        await page.focus("[name=whom][value=segment]")
        for _ in range(3):
            await page.keyboard.press("ArrowDown")
        await expect(page.locator("#count")).to_contain_text("۸ نفر")
        await press(page, "button[value=next]")
        await page.wait_for_url("**/words")
        await choose(page, "[name=template]", "sale")
        await choose(page, "[name=way]", "sms")
        await type_into(page, "[name='variable.what']", "چای")
        await expect(page.locator("#look .phone-text")).to_contain_text("N0: چای")
        assert await window.faults() == []
        await press(page, "button[value=next]")
        await page.wait_for_url("**/schedule")
        assert await window.faults() == []
        await press(page, "button[value=next]")
        await page.wait_for_url("**/check")
        await expect(page.locator("#forecast")).to_contain_text("چای")
        assert await window.faults() == []
        await press(page, "#go button")
        await expect(page.locator("#sure")).to_be_visible()
        await page.focus("#sure [data-go-on]")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/campaigns/cmp_*?done=started")
        await expect(page.locator("h1")).to_have_text(HOSTILE[:100])
        await expect(page).not_to_have_title("owned")
        assert await window.faults() == []
    state, given = await shop.newest()
    assert (state, given.name, given.channel) == ("building", HOSTILE[:100], "smpp")


async def type_into(page: Page, selector: str, text: str) -> None:
    """Go to a field, and type."""
    await page.wait_for_selector(selector)
    await page.focus(selector)
    await page.keyboard.type(text)


async def choose(page: Page, selector: str, text: str) -> None:
    """Go to a list, and type what is wanted of it."""
    await page.focus(selector)
    await page.keyboard.type(text)
    await page.keyboard.press("Tab")


async def press(page: Page, selector: str) -> None:
    """Go to a button, and press it."""
    await page.focus(selector)
    await page.keyboard.press("Enter")


# ── what is saved, and who may ───────────────────────────────────────────────────────────────────────


@pytest.mark.turns(2, 1)
async def test_what_is_wrong_with_a_date_stands_at_its_field(shop: Shop) -> None:
    path = await shop.draft()
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        await window.open(f"{path}/schedule")
        await window.page.check("[name=begin][value=at]")
        await window.page.fill("[name=at]", "2020-01-01 10:00")
        await window.page.click("button[value=next]")
        await expect(window.page.locator("#f-at-says")).to_be_visible()
        await expect(window.page.locator("#f-at-says")).to_contain_text("has passed")


async def test_of_a_date_that_is_past_it_is_not_said_how_to_write_it(shop: Shop) -> None:
    path = await shop.draft()
    past = await shop.marketer.do(f"{path}/schedule", begin="at", at="2020-01-01T10:00")
    assert "has passed: later than" in past.words
    assert "Write it as" not in past.words
    unread = await shop.marketer.do(f"{path}/schedule", begin="at", at="tomorrow")
    assert "Write it as" in unread.words


async def test_bounds_stand_in_the_unit_of_the_field(shop: Shop) -> None:
    path = await shop.draft()
    wrong = await shop.marketer.do(f"{path}/schedule", pace="spread", spread="1000", spread_unit="hours")
    assert wrong.status == 422
    assert "to 744 hours" in wrong.words
    assert "2,678,400" not in wrong.words


async def test_names_and_sums_beside_one_another_keep_their_order_from_right_to_left(shop: Shop) -> None:
    steps = [{"line": "sms", "success": "delivered", "wait_s": 60}, {"channel": "smpp"}]
    made = await shop.client.ask("POST", "/v1/cascades", {"name": "two", "steps": steps})
    assert made.status < 300, made.json
    path = await shop.draft(line="", cascade="two")
    words = await shop.marketer.get(f"{path}/words")
    assert re.search(r"\u2068two\u2069 \(\u2068[^\u2069]+\u2069 → \u2068[^\u2069]+\u2069", words.text)
    forecast = await shop.marketer.get(f"{path}/forecast")
    assert re.search(r"<bdi>€0\.\d+</bdi> – <bdi>€0\.\d+</bdi>", forecast.text), forecast.words


async def test_a_draft_is_saved_at_every_step_and_keeps_what_was_typed(shop: Shop) -> None:
    page = await shop.marketer.do("/campaigns/new", name="Half", whom="", go="later")
    assert page.location == "/campaigns?done=saved"
    one = (await shop.campaigns())[0]
    path = f"/campaigns/{ids.show('campaign', one.id)}"
    assert (await shop.marketer.get(path)).location == f"{path}/audience"
    check = await shop.marketer.get(f"{path}/check")
    assert "Finish the draft" in check.words
    wrong = await shop.marketer.do(f"{path}/schedule", begin="at", at="", pace="per_hour", per_hour="many")
    assert wrong.status == 422
    assert "many" in wrong.values("value")
    assert (await shop.newest())[1].schedule.per_hour is None
    nameless = await shop.marketer.do("/campaigns/new", name=" ", whom="everybody")
    assert nameless.status == 422
    assert nameless.text.count('aria-invalid="true"') == 1
    gone = await shop.marketer.do("/campaigns/new", name="Gone", whom="segment", segment="seg_05a58xarj0000")
    assert "audience.segment" not in gone.words
    assert gone.says("Segment no such segment")
    unsaid = await shop.client.ask("POST", f"/v1{path}/start")
    assert unsaid.fields.keys() == {"audience", "template", "cascade"}
    await shop.marketer.do(f"{path}/audience", name="Half", whom="tags", tags="gold")
    assert (await shop.marketer.get(path)).location == f"{path}/words"


SEEN = re.compile(r'name="seen" value="(\w+)"')


async def test_what_somebody_else_has_saved_is_not_saved_over_unseen(shop: Shop) -> None:
    path = await shop.draft()
    ours: dict[str, dict[str, str]] = {
        "audience": {"name": "Ours", "whom": "tags", "tags": "gold"},
        "schedule": {"begin": "now", "pace": "per_hour", "per_hour": "700"},
    }
    theirs = {
        "audience": {"name": "Theirs", "whom": "everybody"},
        "schedule": {"begin": "now", "pace": "per_hour", "per_hour": "900"},
    }
    for page, said in ours.items():
        (seen,) = SEEN.findall((await shop.marketer.get(f"{path}/{page}")).text)
        await shop.marketer.do(f"{path}/{page}", seen=seen, **theirs[page])
        late = await shop.marketer.do(f"{path}/{page}", seen=seen, **said)
        assert (late.status, "has been saved meanwhile" in late.words) == (409, True), page
        assert {*said.values()} - {"tags", "now", "per_hour"} <= {*late.values("value")}
        (again,) = SEEN.findall(late.text)
        assert again != seen
        assert (await shop.marketer.do(f"{path}/{page}", seen=again, **said)).status == 303
    (_, given) = await shop.newest()
    assert (given.name, given.audience.tags, given.schedule.per_hour) == ("Ours", ("gold",), 700)
    (words,) = SEEN.findall((await shop.marketer.get(f"{path}/words")).text)
    await shop.marketer.do(f"{path}/audience", name="Half", whom="everybody")  # another page than that
    assert SEEN.findall((await shop.marketer.get(f"{path}/words")).text) == [words]


async def test_of_two_programs_that_change_a_draft_the_second_is_told(shop: Shop) -> None:
    path = f"/v1{await shop.draft()}"
    read = (await shop.client.ask("GET", path)).json
    first, second = ({**read["wanted"], "name": name} for name in ("First", "Second"))
    changed = await shop.client.ask("PUT", f"{path}?based_on={read['version']}", first)
    assert (changed.status, changed.json["version"]) == (200, read["version"] + 1)
    refused = await shop.client.ask("PUT", f"{path}?based_on={read['version']}", second)
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "version-conflict")
    assert (await shop.client.ask("GET", path)).json["wanted"]["name"] == "First"
    assert (await shop.client.ask("PUT", path, second)).status == 200


async def test_what_was_started_is_copied_and_not_changed(shop: Shop) -> None:
    path = await shop.draft()
    assert (await shop.marketer.do(f"{path}/start")).location == f"{path}?done=started"
    assert (await shop.marketer.get(f"{path}/words")).location == f"{path}?done=locked"
    late = await shop.marketer.do(f"{path}/audience", name="Other", whom="everybody")
    assert late.location == f"{path}?done=locked"
    assert "Make a copy" in (await shop.marketer.get(late.location)).words
    copied = await shop.marketer.do(f"{path}/copy")
    assert copied.location.endswith("/audience?done=copied")
    assert [flows.wanted(one).name for one in await shop.campaigns()] == ["Sale (copy)", "Sale"]


async def test_somebody_else_approves(shop: Shop) -> None:
    await shop.policy(approve=["promotional"])
    page = await shop.marketer.do("/campaigns/new", name="Sale", whom="everybody")
    path = page.location.removesuffix("/words")
    await shop.marketer.do(
        f"{path}/words", kind="one", template="sale", way="line:sms", **{"variable.what": "tea"}
    )
    told = await shop.marketer.get(f"{path}/forecast")
    assert "Ask for approval" in told.words
    refused = await shop.marketer.do(f"{path}/start")
    assert refused.status == 409
    assert (await shop.marketer.do(f"{path}/submit")).location == f"{path}?done=submitted"
    assert (await shop.marketer.do(f"{path}/approve")).status == 403
    assert "Approve and start" in (await shop.owner.get(f"{path}/forecast")).words
    assert (await shop.owner.do(f"{path}/refuse", why="")).status == 422
    assert (await shop.owner.do(f"{path}/refuse", why=HOSTILE)).location == f"{path}?done=refused"
    assert HOSTILE in (await shop.marketer.get(f"{path}/check")).words
    await shop.marketer.do(f"{path}/submit")
    read = (await shop.owner.get(f"{path}/forecast")).hidden("hash")
    await shop.marketer.do(f"{path}/refuse", why="One word more.")
    words = {"kind": "one", "template": "sale", "way": "line:sms", "variable.what": "everything"}
    await shop.marketer.do(f"{path}/words", **words)
    await shop.marketer.do(f"{path}/submit")
    unread = await shop.owner.do(f"{path}/approve", hash=read)  # on a page that was open all the time
    assert (unread.status, unread.says("These are not the words that were read")) == (409, True)
    read = (await shop.owner.get(f"{path}/forecast")).hidden("hash")
    assert (await shop.owner.do(f"{path}/approve", hash=read)).location == f"{path}?done=started"
    assert (await shop.newest())[0] == "building"


async def test_whoever_may_only_look_changes_nothing(shop: Shop) -> None:
    path = await shop.draft()
    listed, shown = await shop.reader.get("/campaigns"), await shop.reader.get(f"{path}/check")
    for page in (listed, shown):
        assert page.status == 200
        assert "New campaign" not in page.words
        assert f"{path}/start" not in page.text
    for where in ("/campaigns/new", f"{path}/words", f"{path}/schedule", f"{path}/audience"):
        assert (await shop.reader.get(where)).status == 403
    for deed in ("start", "test", "pause", "stop", "copy", "delete", "words"):
        assert (await shop.reader.do(f"{path}/{deed}")).status == 403
    without = await shop.marketer.post(f"{path}/start", {"token": "x"})
    assert (without.status, (await shop.newest())[0]) == (403, "draft")
