"""What HTTP channels share: outcomes by status, a live line of requests, settings, careful reading."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta
from structlog.testing import capture_logs

from angarium import channels
from angarium.channels import kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Capabilities,
    Channel,
    Outcome,
    Raw,
    Refused,
    Send,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import Problem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason
from angarium.protocols.answers import Answer
from support.http_line import Heard, provider, submission, tools
from support.still import SeededChance, StillClock

NOW = 1_794_000_000 * MICROS  # 2026-11-06 21:20:00 UTC


# ── outcomes by status ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, Unknown),
        (202, {}, Unknown),
        (204, {}, Unknown),
        (301, {}, Reason.CONFIG),
        (302, {}, Unknown),
        (303, {}, Unknown),
        (307, {}, Reason.CONFIG),
        (308, {}, Reason.CONFIG),
        (400, {}, Reason.CONFIG),
        (401, {}, Reason.AUTH),
        (403, {}, Reason.AUTH),
        (404, {}, Reason.CONFIG),
        (408, {}, Unknown),
        (413, {}, Reason.CONFIG),
        (422, {}, Reason.CONFIG),
        (429, {}, Reason.THROTTLED),
        (429, {"retry-after": "5"}, Reason.THROTTLED),
        (500, {}, Unknown),
        (500, {"retry-after": "5"}, Unknown),
        (502, {}, Unknown),
        (503, {}, Unknown),
        (503, {"retry-after": "5"}, Reason.THROTTLED),
        (504, {}, Unknown),
        (599, {}, Unknown),
    ],
)
def test_what_a_status_alone_says(status: int, headers: dict[str, str], verdict: object) -> None:
    outcome = kit.by_status(Answer(status, headers, b"<html>"))
    assert (outcome.reason if isinstance(outcome, Refused) else type(outcome)) == verdict
    assert outcome.detail  # type: ignore[union-attr]  # no Accepted here


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("999999", 86_400.0),
        ("99999999999999999999", None),
        ("-1", None),
        ("1.5", None),
        ("٧", None),
        ("Fri, 06 Nov 2026 21:20:30 GMT", 30.0),
        ("Fri, 06 Nov 2026 21:19:30 GMT", 0.0),
        ("Fri, 06 Nov 2026 21:20:30", None),  # no zone: nobody knows when
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(value: str, wait_s: float | None) -> None:
    assert kit.retry_after_s(Answer(429, {"retry-after": value}, b""), NOW) == wait_s


async def test_a_request_that_did_not_leave_is_refused_for_now() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        async with tools("127.0.0.1") as given:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
            outcome = await kit.exchange(given, url, {}, {}, lambda _: None)
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.code) == (Reason.TEMPORARY, "not_sent")


async def test_an_address_we_may_not_reach_is_a_matter_of_settings() -> None:
    async with tools() as given:
        outcome = await kit.exchange(given, "http://169.254.169.254/", {}, {}, lambda _: None)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.CONFIG


async def test_an_answer_that_never_comes_is_unknown() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    async with tools("127.0.0.1") as given, server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        outcome = await kit.exchange(given, url, {}, {}, lambda _: None)
    assert isinstance(outcome, Unknown)


# ── a live line ──────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For the channel below."""

    key: Annotated[kit.Secret, Meta(title="Key", description="From the cabinet.")]
    url: Annotated[kit.WebAddress, Meta(title="Address", description="No slash.")] = "http://a.example"
    most: Annotated[int, Meta(title="Most", description="1 to 9.", ge=1, le=9)] = 5
    loud: Annotated[bool, Meta(title="Loud", description="Or not.")] = False


def channel(send: Send) -> Channel:
    """A channel that sends as a test tells it; it carries no promotional messages and 10 characters."""
    capabilities = Capabilities(
        receipts=frozenset(), classes=frozenset(MessageClass) - {MessageClass.PROMOTIONAL}, text_max=10
    )
    return Channel(
        kind="told",
        title="Told",
        address_kind=AddressKind.PHONE,
        settings=Settings,
        capabilities=capabilities,
        parse=lambda _settings, _raw: [],
        measure=lambda _settings, content: Measure(1, len(content.text), "characters", 0),
        send=send,
        lint=lambda _settings, content: tuple(kit.beyond(capabilities, content)),
    )


def short(attempt_id: int, **changes: Any) -> Submission:
    """A submission that the channel above carries."""
    return submission(attempt_id=attempt_id, content=Content("Hi"), **changes)


async def opened(send: Send, window: int = 10) -> tuple[kit.SendingConnection, Heard]:
    """A live line on it."""
    heard = Heard()
    given = Tools(clock=None, chance=None, http=None)  # type: ignore[arg-type]  # nothing here uses them
    connection = kit.connect(channel(send), given, Settings("k"), window, heard)
    assert isinstance(connection, kit.SendingConnection)
    assert connection.free() == 0
    await connection.open()
    return connection, heard


async def test_a_channel_that_breaks_is_told_of_without_the_text() -> None:
    async def send(_tools: Tools, _settings: Settings, _sent: Submission) -> Outcome:
        raise ZeroDivisionError

    with capture_logs() as said:
        connection, heard = await opened(send)
        connection.submit([short(1)])
        await heard.until(lambda: heard.outcomes)
        await connection.close(0)
    (line,) = said
    assert (line["log_level"], line["channel"], line["attempt_id"]) == ("error", "told", 1)
    assert "ZeroDivisionError" in line["stack"]
    assert "exc_info" not in line


async def test_each_submission_ends_in_one_outcome() -> None:
    async def send(_tools: Tools, _settings: Settings, sent: Submission) -> Outcome:
        if sent.attempt_id % 3 == 0:
            raise ZeroDivisionError
        await asyncio.sleep(0)
        return Accepted((str(sent.attempt_id),))

    connection, heard = await opened(send, window=100)
    connection.submit([short(number) for number in range(90)])
    assert connection.free() == 10
    await heard.until(lambda: len(heard.outcomes) == 90)
    await connection.close(1)
    assert sorted(number for number, _ in heard.outcomes) == list(range(90))
    outcomes = dict(heard.outcomes)
    assert outcomes[1] == Accepted(("1",))
    assert outcomes[3] == Unknown("the channel broke: ZeroDivisionError")
    assert heard.rooms == 91  # once for opening, once for each place that came free


async def test_what_carries_no_key_is_told_so() -> None:
    async def send(_tools: Tools, _settings: Settings, _sent: Submission) -> Outcome:
        return Unknown("no answer")

    heard = Heard()
    given = Tools(clock=None, chance=None, http=None)  # type: ignore[arg-type]  # nothing here uses them
    by_name = replace(channel(send), keyed=lambda _settings, sent: not sent.pattern)
    connection = kit.connect(by_name, given, Settings("k"), 10, heard)
    await connection.open()
    connection.submit([short(1), short(2, pattern="code")])
    await heard.until(lambda: len(heard.outcomes) == 2)
    await connection.close(1)
    assert dict(heard.outcomes) == {1: Unknown("no answer"), 2: Unknown("no answer", keyed=False)}


async def test_closing_waits_for_answers_and_then_gives_up() -> None:
    answers: dict[int, asyncio.Future[Outcome]] = {}

    async def send(_tools: Tools, _settings: Settings, sent: Submission) -> Outcome:
        answers[sent.attempt_id] = asyncio.get_running_loop().create_future()
        return await answers[sent.attempt_id]

    connection, heard = await opened(send)
    connection.submit([short(1), short(2)])
    assert connection.state() == "ready: 2 of 10 under way"
    await asyncio.sleep(0)
    answers[1].get_loop().call_later(0.05, answers[1].set_result, Accepted(("1",)))
    await connection.close(0.2)
    assert dict(heard.outcomes) == {
        1: Accepted(("1",)),
        2: Unknown("the line was closed before an answer came"),
    }
    assert (connection.free(), connection.state()) == (0, "closed")


async def test_closing_at_once_reports_what_had_not_begun() -> None:
    async def send(_tools: Tools, _settings: Settings, _sent: Submission) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    connection, heard = await opened(send)
    connection.submit([short(1)])
    await connection.close(0)
    assert [number for number, _ in heard.outcomes] == [1]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"message_class": MessageClass.PROMOTIONAL}, "Told does not carry promotional messages"),
        ({"content": Content("x" * 11)}, "text: 11 characters, at most 10"),
        (
            {"content": Content("x" * 11, html="<p>")},
            "text: 11 characters, at most 10; html: no HTML here",
        ),
    ],
)
async def test_what_the_channel_cannot_carry_never_reaches_it(changes: dict[str, Any], detail: str) -> None:
    async def send(_tools: Tools, _settings: Settings, _sent: Submission) -> Outcome:
        raise AssertionError("it was sent")

    connection, heard = await opened(send)
    connection.submit([submission(attempt_id=1, **changes)])
    await heard.until(lambda: heard.outcomes)
    assert heard.outcomes == [(1, Refused(Reason.UNSUPPORTED, detail=detail))]
    await connection.close(0)


def test_a_session_brings_its_own_connection() -> None:
    made = object()
    session = Channel(
        **{
            **{name: getattr(channel(refuse), name) for name in Channel.__dataclass_fields__},
            "send": None,
            "connect": lambda _tools, _settings, _window, _ears: made,
        }
    )
    assert kit.connect(session, None, None, 1, Heard()) is made  # type: ignore[arg-type]  # nothing uses them


async def refuse(_tools: Tools, _settings: Settings, _sent: Submission) -> Outcome:
    """A channel's send that says no."""
    return Refused(Reason.REJECTED)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_read_leniently() -> None:
    given = {"key": "k", "most": "7", "loud": "true", "url": "https://b.example/v1"}
    assert kit.decode_settings(channel(refuse), given) == Settings("k", "https://b.example/v1", 7, True)


def test_every_wrong_setting_is_named_and_no_secret_is_quoted() -> None:
    given = {"key": ["hunter2"], "most": 12, "url": "ftp://a.example", "loud": "perhaps", "kye": "hunter2"}
    with pytest.raises(Problem) as problem:
        kit.decode_settings(channel(refuse), given)
    fields = {field.field: field for field in problem.value.fields}
    assert set(fields) == {"key", "most", "url", "loud", "kye"}
    assert (fields["most"].value, fields["most"].remedy) == ("12", "1 to 9.")
    assert fields["kye"].remedy == "settings of told: key, url, most, loud"
    assert "hunter2" not in str(problem.value.document())


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://a.example", True),
        ("http://127.0.0.1:8081/v1/api", True),
        ("https://a.example/", False),
        ("a.example", False),
        ("https://", False),
        ("https://a.example/?x=1", False),
        ("https://a.example/a b", False),
    ],
)
def test_what_a_web_address_is(url: str, good: bool) -> None:
    with nullcontext() if good else pytest.raises(Problem) as problem:
        kit.decode_settings(channel(refuse), {"key": "k", "url": url})
    assert problem is None or [field.field for field in problem.value.fields] == ["url"]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (kit.digits, "+447700900123", "447700900123"),
        (kit.e164, "447700900123", "+447700900123"),
        (kit.e164, "+447700900123", "+447700900123"),
        (kit.e164, "US.1234", "US.1234"),
        (kit.e164, "٤٤", "٤٤"),
        (kit.clean, "a\x00b", "a\ufffdb"),
        (kit.read_form, b"a=1&b=%D8%B3&a=2&c=", {"a": "1", "b": "س", "c": ""}),
        (kit.read_form, b"a=1&" * 300, {}),
        (kit.pieces, b'[{"a":1}, 2]', [b'{"a":1}', b"2"]),
        (kit.pieces, b' {"a":1}', [b' {"a":1}']),
        (kit.pieces, b"[1,", [b"[1,"]),
        (kit.pieces, b"[]", [b"[]"]),
    ],
)
def test_small_readers(read: Callable[[Any], object], given: Any, expected: object) -> None:
    assert read(given) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b'{"status": []}', b"null"])
def test_json_of_another_shape_is_nothing(body: bytes) -> None:
    assert kit.read_json(body, Settings) is None


def test_json_too_deep_is_nothing() -> None:
    assert kit.read_json(b'{"a":' * 100_000, dict[str, Any]) is None


def test_a_query_is_added_to_any_address() -> None:
    assert kit.with_query("https://me.example/cb", ref="a b") == "https://me.example/cb?ref=a+b"
    assert kit.with_query("https://me.example/cb?x=1", ref="a") == "https://me.example/cb?x=1&ref=a"


def test_an_unreadable_piece_is_bounded() -> None:
    piece = kit.unreadable("x" * 1000, b"\x00\xff" * 100_000)
    assert len(piece.detail) <= 80
    assert len(piece.body) == kit.UNREADABLE_MAX
    assert "\x00" not in piece.body


@pytest.mark.parametrize(
    ("text", "smart", "measure"),
    [
        ("x" * 160, False, Measure(1, 160, "gsm7", 0)),
        ("x" * 161, False, Measure(2, 161, "gsm7", 145)),
        ("“" + "x" * 70, False, Measure(2, 71, "ucs2", 63)),
        ("“" + "x" * 70, True, Measure(1, 71, "gsm7", 89)),
        ("x" * 153 * 256, False, Measure(256, 153 * 256, "gsm7", 0)),
    ],
    ids=["one", "two", "typographic", "made plain", "beyond any"],
)
def test_a_text_is_measured_as_sms(text: str, smart: bool, measure: Measure) -> None:
    assert kit.short_messages(text, smart=smart) == measure


# ── the folder ───────────────────────────────────────────────────────────────────────────────────────


def test_two_files_may_not_claim_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = msgspec.structs  # any module that is not ours
    monkeypatch.setattr(twin, "CHANNEL", channels.load()["vk_notify"], raising=False)
    names = [type("Found", (), {"name": name}) for name in ("vk_notify", "twin")]
    monkeypatch.setattr(channels, "iter_modules", lambda _path: names)
    imported = {"angarium.channels.twin": twin}
    real = channels.import_module
    monkeypatch.setattr(channels, "import_module", lambda name: imported.get(name) or real(name))
    with pytest.raises(ValueError, match="claim the kind 'vk_notify'"):
        channels.load.__wrapped__()


async def test_a_provider_is_asked_once_and_by_name() -> None:
    async with provider(200, {"ok": True}, {}) as (url, asked), tools("127.0.0.1") as given:
        outcome = await kit.exchange(given, url, {"a": 1}, {"X-Key": "k"}, lambda _: Accepted(("1",)))
    assert outcome == Accepted(("1",))
    assert [(each.document, each.headers["user-agent"]) for each in asked] == [({"a": 1}, "Angarium")]


async def test_a_form_is_posted_as_one() -> None:
    async with provider(200, {"ok": True}, {}) as (url, asked), tools("127.0.0.1") as given:
        form = {"To": "+44 7700", "Body": "سلام & bye"}
        await kit.exchange(given, url, None, {}, lambda _: Accepted(("1",)), form=form)
    assert [(each.document, each.headers["content-type"]) for each in asked] == [
        (form, "application/x-www-form-urlencoded")
    ]


# ── listening ────────────────────────────────────────────────────────────────────────────────────────

Hear = Callable[[Raw], Awaitable[None]]


class Listener(Heard):
    """Ears that keep what arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.raws: list[Raw] = []

    async def arrived(self, raw: Raw) -> None:
        self.raws.append(raw)
        self._news.set()


def listening(listen: Any, ears: Listener) -> tuple[kit.SendingConnection, StillClock]:
    """A line whose channel listens so, on a clock that stands."""
    clock = StillClock()
    made = kit.connect(
        replace(channel(refuse), listen=listen), Tools(clock, SeededChance(1), None), None, 10, ears
    )
    assert isinstance(made, kit.SendingConnection)
    return made, clock


async def turns() -> None:
    """Let what can go on do so, on a clock that stands."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_line_listens_again_after_a_failure_until_it_is_closed() -> None:
    rounds: list[str] = []

    async def listen(_tools: Tools, _settings: Any, hear: Hear) -> None:
        rounds.append("begun")
        if len(rounds) == 1:
            raise ConnectionError("401 from the provider")
        try:
            await hear(Raw(b"{}"))
            await asyncio.Event().wait()
        finally:
            rounds.append("ended")

    ears = Listener()
    live, clock = listening(listen, ears)
    with capture_logs():
        await live.open()
        await turns()  # it fails, and waits
    assert live.state() == "ready: 0 of 10 under way; cannot listen: 401 from the provider"
    clock.advance(4)
    await ears.until(lambda: ears.raws)
    assert live.state() == "ready: 0 of 10 under way"
    await live.close(1.0)
    assert rounds == ["begun", "begun", "ended"]


async def test_a_line_whose_provider_posts_does_not_ask() -> None:
    rounds: list[str] = []

    async def listen(_tools: Tools, _settings: Any, _hear: Hear) -> None:
        rounds.append("begun")

    live, clock = listening(listen, Listener())
    await live.open()
    assert live._listening is not None
    await live._listening
    assert (rounds, clock._sleepers) == (["begun"], [])
    await live.close(1.0)
