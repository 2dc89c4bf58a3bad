"""What several channel files share: a live connection, settings, outcomes of HTTP, careful reading.

Functions, not a base class: a channel file takes what it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import cache, partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from traceback import format_exception
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
import structlog

from angarium.core.clock import MICROS, from_datetime
from angarium.core.ports import (
    Capabilities,
    Channel,
    Connection,
    Ears,
    Listen,
    Outcome,
    Raw,
    Refused,
    Submission,
    Tools,
    Unknown,
    Unreadable,
    media_misfit,
    secret_fields,
    unfit,
)
from angarium.core.problems import FieldProblem, Problem, invalid, shown
from angarium.core.values import Content, Measure, Price, Reason
from angarium.protocols import gsm, smpp_text
from angarium.protocols.answers import Answer, Client, HttpTape, NoAnswer, NotSent

log = structlog.get_logger()
T = TypeVar("T")

RETRY_AFTER_MAX_S = 86_400.0  # a provider that asks for more than a day is asked again tomorrow
AMOUNT_MAX = 10**12  # of any currency
FIELDS_MAX = 200  # of a form
LISTEN_AGAIN_S, LISTEN_AGAIN_MAX_S = 1.0, 60.0  # between two attempts to listen, before chance
UNREADABLE_MAX = 4_000  # characters kept beside the journalled bytes, for the eye
NOT_BEGUN = Refused(Reason.TEMPORARY, detail="not sent: the line was closed before", untried=True)


# ── a live connection ────────────────────────────────────────────────────────────────────────────────


def connect(channel: Channel, tools: Tools, settings: Any, window: int, ears: Ears) -> Connection:
    """A live line on any channel: its own session, or requests under way in a window of that size."""
    if channel.connect is not None:
        return channel.connect(tools, settings, window, ears)
    return SendingConnection(tools, channel, settings, window, ears)


class SendingConnection:
    """A request-and-answer channel as a Connection: a task for each submission, `window` of them at once."""

    def __init__(self, tools: Tools, channel: Channel, settings: Any, window: int, ears: Ears) -> None:
        self._tools = tools
        self._channel = channel
        self._settings = settings
        self._window = window
        self._ears = ears
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self._listening: asyncio.Task[None] | None = None
        self._deaf = ""  # why nothing can be heard just now
        self._open = False

    async def open(self) -> None:
        """Ready at once: each request connects by itself."""
        self._open = True
        if self._channel.listen is not None:
            self._listening = asyncio.create_task(self._listen(self._channel.listen))
        self._ears.room()

    def up(self) -> bool:
        """Until it is closed: there is no connection to lose."""
        return self._open

    def free(self) -> int:
        """Places left in the window; 0 while closed."""
        return max(self._window - len(self._under_way), 0) if self._open else 0

    def submit(self, batch: Sequence[Submission]) -> None:
        """Send them all at once; each ends in exactly one `ears.outcome`."""
        for submission in batch:
            tape = HttpTape(self._tools.http, self._tools.clock)
            tools = replace(self._tools, http=tape)
            task = asyncio.create_task(self._deliver(tools, submission))
            self._under_way.add(task)
            task.add_done_callback(partial(self._ended, submission, tape))

    async def close(self, grace_s: float) -> None:
        """Wait for answers up to `grace_s`, then give up on the rest: they end as Unknown."""
        self._open = False
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def state(self) -> str:
        """For the console."""
        if not self._open:
            return "closed"
        told = f"ready: {len(self._under_way)} of {self._window} under way"
        return f"{told}; cannot listen: {self._deaf}" if self._deaf else told

    async def _deliver(self, tools: Tools, submission: Submission) -> Outcome:
        if not self._ears.may_submit():
            return NOT_BEGUN
        return await deliver(tools, self._channel, self._settings, submission)

    async def _listen(self, listen: Listen) -> None:
        """Listen for as long as the line is open; after a failure again, with growing pauses."""
        pause_s = LISTEN_AGAIN_S
        while True:
            began = self._tools.clock.now()
            try:
                await listen(self._tools, self._settings, self._hear)
                return  # the provider posts: there is nothing to ask for
            except Exception as error:
                self._deaf = str(error) or type(error).__name__
                log.warning("cannot listen", channel=self._channel.kind, why=self._deaf)
            lasted_s = (self._tools.clock.now() - began) / MICROS
            pause_s = (
                LISTEN_AGAIN_S if lasted_s > LISTEN_AGAIN_MAX_S else min(2 * pause_s, LISTEN_AGAIN_MAX_S)
            )
            await self._tools.clock.sleep(pause_s * (1 + self._tools.chance.roll()))

    async def _hear(self, raw: Raw) -> None:
        self._deaf = ""
        await self._ears.arrived(raw)

    def _ended(self, submission: Submission, tape: HttpTape, task: asyncio.Task[Outcome]) -> None:
        self._under_way.discard(task)
        outcome = self._outcome(submission.attempt_id, task)
        if isinstance(outcome, Unknown) and not self._channel.keyed(self._settings, submission):
            outcome = msgspec.structs.replace(outcome, keyed=False)
        self._ears.outcome(submission.attempt_id, outcome, tape)
        self._ears.room()

    def _outcome(self, attempt_id: int, task: asyncio.Task[Outcome]) -> Outcome:
        if task.cancelled():
            return Unknown("the line was closed before an answer came")
        error = task.exception()
        if error is None:
            return task.result()
        log.error(
            "a channel raised instead of answering",
            channel=self._channel.kind,
            attempt_id=attempt_id,
            stack="".join(
                format_exception(error)
            ),  # not exc_info: a log may print locals, and with them a code
        )
        return Unknown(f"the channel broke: {type(error).__name__}")


async def deliver(tools: Tools, channel: Channel, settings: Any, submission: Submission) -> Outcome:
    """Send one submission, or refuse it loudly when the channel cannot carry it whole."""
    if submission.message_class not in channel.capabilities.classes:
        detail = f"{channel.title} does not carry {submission.message_class} messages"
        return Refused(Reason.UNSUPPORTED, detail=detail)
    if findings := channel.lint(settings, submission.content):
        return unfit(findings)
    assert channel.send is not None, f"{channel.kind} is a session"
    return await channel.send(tools, settings, submission)


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────

# The kinds of setting most channels have: `api_key: Annotated[Secret, Meta(title=…, description=…)]`.
Word = Annotated[str, msgspec.Meta(min_length=1)]
Secret = Annotated[str, msgspec.Meta(min_length=1, extra={"secret": True})]
WebAddress = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]*[^\s?#/]$")]  # no slash at its end
CallbackNetworks = Annotated[
    str,
    msgspec.Meta(
        title="Addresses of callbacks",
        description="Networks the provider posts from, with commas: 203.0.113.0/24, 198.51.100.7. "
        "Others are refused. Empty: whoever knows the secret path.",
    ),
]


def decode_settings(channel: Channel, given: Mapping[str, object]) -> Any:
    """The settings struct of a channel from a form or a file; Problem names every wrong field at once.

    Text is read leniently ("15" is a number, "true" a truth), because forms send text. A secret's value is
    never quoted back, nor is the value of an unknown field, which may be a secret misspelt.
    """
    fields = _fields(channel.settings)
    secrets = secret_fields(channel.settings)
    known = ", ".join(fields)
    wrong = [
        FieldProblem(
            field=name, problem="there is no such setting", remedy=f"settings of {channel.kind}: {known}"
        )
        for name in given
        if name not in fields
    ]
    values: dict[str, object] = {}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                wrong.append(FieldProblem(field=name, problem="is required", remedy=_help(field)))
            continue
        try:
            values[field.name] = msgspec.convert(given[name], type=field.type, strict=False)
        except msgspec.ValidationError as error:
            quoted = "" if name in secrets else shown(given[name])
            wrong.append(FieldProblem(field=name, problem=str(error), remedy=_help(field), value=quoted))
    if wrong:
        raise Problem("invalid", f"The settings of a {channel.title} line are not valid", fields=tuple(wrong))
    return channel.settings(**values)


@cache  # there are as many as there are channels
def _fields(settings: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(settings)}


def _help(field: msgspec.structs.FieldInfo) -> str:
    for note in getattr(field.type, "__metadata__", ()):
        if isinstance(note, msgspec.Meta) and note.description:
            return note.description
    return ""


# ── callbacks that are not signed ────────────────────────────────────────────────────────────────────


def check_networks(field: str, listed: str) -> None:
    """A Problem that names the field when an entry is no network."""
    try:
        _networks(listed)
    except ValueError as error:
        remedy = "networks such as 203.0.113.0/24, with commas between them"
        raise invalid(field, str(error), value=listed, remedy=remedy) from None


def listed_peer(listed: str, peer: str) -> bool:
    """Whether an address is in one of the networks; with none listed, any is."""
    if not listed:
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # as a socket on :: names an IPv4 peer
        address = address.ipv4_mapped
    return any(address in network for network in _networks(listed))


def _networks(listed: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry.strip()) for entry in listed.split(",")] if listed else []


# ── outcomes of HTTP ─────────────────────────────────────────────────────────────────────────────────


async def exchange(
    tools: Tools,
    url: str,
    document: object,
    headers: Mapping[str, str],
    judge: Callable[[Answer], Outcome | None],
    *,
    form: Mapping[str, str] | None = None,
    method: str = "POST",
    body: bytes = b"",
) -> Outcome:
    """Ask with JSON, a form or octets; the outcome is what `judge` reads, else what the status says."""
    try:
        answer: Answer = await tools.http.request(
            method, url, json=document, form=form, body=body, headers=headers
        )
    except NotSent as failure:
        reason = Reason.CONFIG if failure.forbidden else Reason.TEMPORARY
        return Refused(reason, code="not_sent", detail=str(failure))
    except NoAnswer as failure:
        return Unknown(str(failure))
    outcome = judge(answer) or by_status(answer)
    if isinstance(outcome, Refused) and outcome.reason is Reason.THROTTLED and outcome.retry_after_s is None:
        return msgspec.structs.replace(outcome, retry_after_s=retry_after_s(answer, tools.clock.now()))
    return outcome


async def asked(
    tools: Tools, url: str, headers: Mapping[str, str], *, form: Mapping[str, str] | None = None
) -> Answer | Unknown:
    """GET what a provider says of itself, or POST a form for it; Unknown when the answer is not a 200."""
    http: Client = tools.http
    try:
        answer = await http.request("GET" if form is None else "POST", url, form=form, headers=headers)
    except (NotSent, NoAnswer) as failure:
        return Unknown(str(failure))
    return answer if answer.status == 200 else Unknown(f"the provider answered with HTTP {answer.status}")


def money(amount: Decimal | float, currency: str) -> Price | Unknown:
    """An amount that a provider names, as we keep it; Unknown when it can be none."""
    amount = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    if not amount.is_finite() or abs(amount) > AMOUNT_MAX:
        return Unknown(f"{shown(str(amount))} is no amount")
    return Price(round(amount * MICROS), currency)


def by_status(answer: Answer) -> Outcome:
    """What an HTTP status alone says of a submission.

    Refused only where the status means that nothing was done: 4xx (but 408, which a gateway may say of a
    request it passed on), 503 with Retry-After (turned away at the door, RFC 9110 §10.2.3), and the
    redirects that ask for the same request elsewhere (§15.4.2, §15.4.8, §15.4.9). 500, 502, 504, a bare 503,
    303 and a 2xx that says nothing may all come after the message was taken: Unknown.
    """
    status, code = answer.status, str(answer.status)
    if status == 429 or (status == 503 and "retry-after" in answer.headers):
        return Refused(Reason.THROTTLED, code, "the provider asks to slow down")
    if status in (401, 403):
        return Refused(Reason.AUTH, code, "the provider does not accept these credentials")
    if status in (301, 307, 308):
        return Refused(
            Reason.CONFIG, code, "the address of the provider has moved; correct the line's settings"
        )
    if 400 <= status < 500 and status != 408:
        return Refused(Reason.CONFIG, code, f"the provider refused the request (HTTP {status})")
    kind = answer.headers.get("content-type", "no type")
    return Unknown(f"HTTP {status} with {len(answer.body)} bytes of {shown(kind)} that say nothing certain")


def retry_after_s(answer: Answer, now: int) -> float | None:
    """How long the provider asks us to wait, as seconds or a date (RFC 9110 §10.2.3); None if it does not."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), RETRY_AFTER_MAX_S)
    try:
        until = from_datetime(parsedate_to_datetime(value))
    except ValueError:
        return None
    return min(max((until - now) / MICROS, 0.0), RETRY_AFTER_MAX_S)


# ── content ──────────────────────────────────────────────────────────────────────────────────────────


def beyond(capabilities: Capabilities, content: Content) -> list[FieldProblem]:
    """Everything in the content that a channel with these capabilities cannot carry."""
    found = []
    size, most = len(content.text), capabilities.text_max
    if most is not None and size > most:
        found.append(too_long("text", content.text, most))
    if len(content.buttons) > capabilities.buttons_max:
        problem = f"{len(content.buttons)} buttons, at most {capabilities.buttons_max}"
        found.append(FieldProblem("buttons", problem, "take buttons away", str(len(content.buttons))))
    for place, button in enumerate(content.buttons):
        if button.kind not in capabilities.buttons:
            remedy = "one of " + ", ".join(sorted(capabilities.buttons))
            found.append(FieldProblem(f"buttons.{place}.kind", "no such buttons here", remedy, button.kind))
    if content.image_url and not capabilities.images:
        found.append(
            FieldProblem("image_url", "no pictures here", "leave it empty", shown(content.image_url))
        )
    if content.media is not None:
        misfit = media_misfit(capabilities, content.media)
        found += [misfit] if misfit else []
    if content.html and not capabilities.html:
        found.append(FieldProblem("html", "no HTML here", "write it as text", shown(content.html)))
    if content.subject and not capabilities.html:
        found.append(
            FieldProblem("subject", "no subject here", "put it into the text", shown(content.subject))
        )
    return found


def too_long(field: str, value: str, most: int) -> FieldProblem:
    """A text beyond its limit, in characters."""
    problem = f"{len(value)} characters, at most {most}"
    return FieldProblem(field, problem, f"shorten it by {len(value) - most}", shown(value))


def characters(content: Content, most: int) -> Measure:
    """The measure of a channel that sends any text as one part and counts characters."""
    return Measure(1, len(content.text), "characters", most - len(content.text))


def short_messages(
    text: str, *, smart: bool = False, alphabet: smpp_text.Alphabet = "gsm7", reference_bits: int = 8
) -> Measure:
    """The measure of a text that goes out as SMS; of one too long for any, what it would come to."""
    try:
        cut = smpp_text.cut(text, alphabet, reference_bits, smart)
    except gsm.TooLong as error:
        room = gsm.PER_PART[reference_bits][error.encoding]
        return Measure(ceil(error.units / room), error.units, error.encoding, 0)
    return Measure(len(cut.parts), cut.units, cut.encoding, cut.units_left)


# ── writing and reading ──────────────────────────────────────────────────────────────────────────────


def digits(phone: str) -> str:
    """`+447700900123` as providers write it: `447700900123`."""
    return phone.removeprefix("+")


def e164(text: str, country: str = "") -> str:
    """A provider's phone as ours: digits get their +, anything else stays as it is.

    With the code of a country, a number as it is dialled there (0…) gets it in place of its 0.
    """
    bare = text.removeprefix("+").removeprefix("00" if country else "")
    if country and bare.startswith("0"):
        bare = country + bare[1:]
    return f"+{bare}" if bare.isascii() and bare.isdigit() else text


def with_query(url: str, **parameters: str) -> str:
    """The URL with more parameters in its query."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def read_json(body: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """JSON as a struct, or None: cut short, of another shape, not UTF-8, or nested too deep."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError):
        return None


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form, of each the first value; {} when it has too many to be one."""
    try:
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        return {}
    return dict(reversed(fields))


def fields(raw: Raw) -> list[tuple[dict[str, str], bytes]]:
    """What a callback says as names and texts, and the bytes of each: JSON or a form, beside the query.

    For providers that do not tell which of them they post, or that let their customers choose.
    """
    found = []
    for piece in pieces(raw.body):
        document = read_json(piece, dict[str, Any])
        told_of = (
            {name: told(document, name) for name in document} if document is not None else read_form(piece)
        )
        found.append(({name: clean(text) for name, text in {**raw.query, **told_of}.items()}, piece))
    return found


def pieces(body: bytes) -> list[bytes]:
    """The elements of a JSON array, or the body itself: some providers batch, some do not."""
    if not body.lstrip().startswith(b"["):
        return [body]
    elements = read_json(body, list[msgspec.Raw])
    return [bytes(element) for element in elements] if elements else [body]


def batched(_settings: Any, raw: Raw) -> list[Raw]:
    """A callback that may be a JSON array, taken apart."""
    return [msgspec.structs.replace(raw, body=piece) for piece in pieces(raw.body)]


def told(document: object, *path: str) -> str:
    """The text or number at a path of nested objects; "" when there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return str(document) if isinstance(document, str | int | float) else ""


def clean(text: str) -> str:
    """Text that a database can hold: PostgreSQL refuses NUL."""
    return text.replace("\x00", "\ufffd")


def unreadable(detail: str, body: bytes | msgspec.Raw) -> Unreadable:
    """A piece of a callback that is kept and counted; its detail says which word was not understood."""
    text = bytes(body)[: UNREADABLE_MAX * 4].decode(errors="replace")
    return Unreadable(clean(shown(detail)), clean(text[:UNREADABLE_MAX]))
