"""A connection to NATS, and the few things that are asked of JetStream over it, by its own API.

nats-py carries the bytes and connects again by itself. Of its JetStream layer nothing is used: what is asked
here is five requests of the server's own API (https://docs.nats.io/reference/reference-protocols/nats_api_reference),
and that layer does not know the markers of expired keys (`Nats-Marker-Reason`), nor how to read many keys at
once.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NoReturn

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from angarium.core.fabric import fabric_away
from angarium.core.problems import Problem
from angarium.fabric.place import Nats

log = structlog.get_logger()
# nats-py begins TLS on a connection whose protocol believes that there is none; asyncio says so of each that
# ends, to whoever reads our log or looks at what a command prints.
logging.getLogger("asyncio").addFilter(lambda told: not str(told.msg).startswith("returning true from eof"))

CONNECT_S = 5.0
LOOK_S = 2.0  # for who only looks whether somebody answers
ANSWER_S = 3.0
AGAIN_S = 0.25  # before another server is tried
PING_S = 2.0  # a server that is silent for two of them is left
LEAST_VERSION = (2, 11)  # messages with a time of their own to go, and markers where they were
NOT_FOUND, NO_STREAM, ALONE = 404, 10059, 10074  # code; err_code: no such stream, a server that is alone
WRONG_LAST = 10071  # somebody else has written since
WHERE = "Look whether one of them runs, and at nats_servers."
LOCKED_OUT = "Look at nats_user and nats_password (ANGARIUM_NATS_PASSWORD)."
NOBODY = "503"  # the status of an answer that says that there is nobody who answers
REPLICAS = 3


class Refused(Exception):
    """JetStream does not do it, and says why."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("description", error)))
        self.code: int = error.get("code", 0)
        self.err_code: int = error.get("err_code", 0)


class Kept(msgspec.Struct, frozen=True):
    """The newest message of a subject. Empty where a key was given up or has run out."""

    subject: str
    seq: int
    body: bytes
    at: str  # RFC 3339, by the clock of the servers


class Link:
    """One connection."""

    def __init__(self, place: Nats) -> None:
        self._place = place
        self._client: Client | None = None
        self._heard: set[str] = set()  # what went wrong since it was well: four times a second says no more

    async def open(self, name: str, within_s: float | None = None) -> None:
        """Connect. Problem when nobody answers in time, or whoever answers cannot do what is needed."""
        await self._find_one(name, CONNECT_S if within_s is None else within_s)
        client = self._client = Client()
        await client.connect(list(self._place.servers), **self._options(name), max_reconnect_attempts=-1)
        await self._check(client)

    async def _find_one(self, name: str, within_s: float) -> None:
        """Problem unless one of the addresses lets us in. A client that is to connect again by itself would
        try for ever, also with a wrong password. All are asked at once: one that swallows what is sent to it
        must not use up the time of the others."""
        tries = [asyncio.create_task(self._try(one, name, within_s)) for one in self._place.servers]
        said: list[str] = []
        try:
            for one in asyncio.as_completed(tries):
                if not (heard := await one):
                    return
                said.append(heard)
        finally:
            for one in tries:
                one.cancel()
        raise _nobody(said)

    async def _try(self, address: str, name: str, within_s: float) -> str:
        """Ask one address to let us in; what it said, or empty when it did."""
        client, heard = Client(), Heard()
        options = self._options(name) | {"error_cb": heard.hear}
        for ours in ("disconnected_cb", "reconnected_cb"):  # they tell of the connection that stays
            del options[ours]
        try:
            async with asyncio.timeout(within_s):
                await client.connect([address], **options, allow_reconnect=False)
            await client.close()
        except (OSError, NatsError) as error:  # a time that is up, and what TLS finds wrong, are OSErrors
            return f"{address}: {_in_words(heard.last or error)}"
        finally:
            there = client._transport  # noqa: SLF001  its own close() wants a connection that has come about
            if there is not None:
                there.close()  # type: ignore[no-untyped-call]  # nats-py gives none
        return ""

    async def look_round(self, name: str, within_s: float) -> dict[str, str]:
        """Ask every address, at once, to let us in: what each said, empty where it did."""
        addresses = self._place.servers
        said = await asyncio.gather(*(self._try(one, name, within_s) for one in addresses))
        if all(said):
            raise _nobody(said)
        return dict(zip(addresses, said, strict=True))

    async def has_leader(self) -> bool:
        """Whether its servers have a leader among them; where most are away they have none, and nothing is
        kept nor given out, while whoever is left still answers."""
        try:
            await self.api("INFO")
        except (Problem, Refused):
            return False
        return True

    async def close(self) -> None:
        """Say what waits to be said, and go."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _options(self, name: str) -> dict[str, Any]:
        place = self._place
        given: dict[str, Any] = {
            "name": name,
            "no_echo": True,
            "reconnect_time_wait": AGAIN_S,
            "connect_timeout": 2,
            "ping_interval": PING_S,
            "max_outstanding_pings": 2,
            "error_cb": self._hear_error,
            "disconnected_cb": self._hear_that_it_broke,
            "reconnected_cb": self._hear_that_it_is_back,
        }
        if place.user:
            given |= {"user": place.user, "password": place.password}
        if place.ca_file or place.certificate_file:
            context = ssl.create_default_context(cafile=place.ca_file or None)
            if place.certificate_file:
                context.load_cert_chain(place.certificate_file, place.key_file or None)
            given["tls"] = context
        return given

    async def _check(self, client: Client) -> None:
        version = client.connected_server_version
        if (version.major, version.minor) < LEAST_VERSION:
            await self._unfit(f"it is version {version.major}.{version.minor}; 2.11 is the least")
        try:
            with suppress(TimeoutError):  # a cluster that has just begun: it has one, and no leader yet
                await client.request("$JS.API.INFO", timeout=ANSWER_S)
        except NoRespondersError:
            await self._unfit("it has no JetStream: `jetstream {}` in its configuration gives it one")

    async def _unfit(self, why: str) -> NoReturn:
        url = self._client.connected_url.netloc if self._client and self._client.connected_url else "?"
        await self.close()
        raise Problem("nats-unfit", "This NATS cannot be worked with", detail=f"{url}: {why}.")

    async def _hear_that_it_broke(self) -> None:
        if self._client is not None:  # it was not we who closed it
            log.warning("the connection to NATS is broken: leases run out, nothing is lost")

    async def _hear_error(self, error: Exception) -> None:
        if repr(error) not in self._heard:
            self._heard.add(repr(error))
            log.info("NATS", said=repr(error))

    async def _hear_that_it_is_back(self) -> None:
        self._heard.clear()
        log.info("the connection to NATS is back")

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def log_max_bytes(self) -> int:
        """How much may wait in one log."""
        return self._place.log_max_bytes

    @property
    def up(self) -> bool:
        """Whether it is connected now, as far as it knows."""
        return self._client is not None and self._client.is_connected

    async def api(self, what: str, body: Any = None) -> dict[str, Any]:
        """A request of JetStream's API. Refused, or Problem when nobody answers in time."""
        data = b"" if body is None else msgspec.json.encode(body)
        return await self._asked(f"$JS.API.{what}", data, None)

    async def put(self, subject: str, body: bytes, headers: dict[str, str]) -> int:
        """Keep a message in the stream of its subject; its number there. Refused, or Problem when nobody
        answers in time: then it may be kept, or come to be."""
        return int((await self._asked(subject, body, headers))["seq"])

    async def last(self, stream: str, subject: str) -> Kept | None:
        """The newest of a subject, as the leader of the stream knows it."""
        try:
            found = (await self.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}))["message"]
        except Refused as refused:
            if refused.code != NOT_FOUND or refused.err_code == NO_STREAM:
                raise
            return None
        return Kept(subject, found["seq"], b64decode(found.get("data", "")), found["time"])

    async def lasts(self, stream: str, subjects: Sequence[str]) -> list[Kept]:
        """The newest of each subject that fits one of these, as any of the servers knows it."""
        found: list[Kept] = []
        async with self.answers() as answers:
            await answers.ask(f"$JS.API.DIRECT.GET.{stream}", {"multi_last": subjects})
            while True:
                answer = await answers.next(ANSWER_S)
                headers = (answer.headers if answer is not None else None) or {}
                if answer is None or headers.get("Status") == NOBODY:
                    raise fabric_away(f"NATS does not answer: {stream}")
                if "Status" in headers:
                    return found
                subject, seq = headers["Nats-Subject"], int(headers["Nats-Sequence"])
                found.append(Kept(subject, seq, answer.data, headers["Nats-Time-Stamp"]))

    async def make_stream(self, name: str, config: dict[str, Any]) -> dict[str, Any]:
        """A stream that is there, made where it was not: of three copies, or of one where the server is
        alone. What the servers say of it."""
        try:
            return await self.api(f"STREAM.INFO.{name}")
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise
        made = {"name": name, "storage": "file", "discard": "new", **config}
        try:
            return await self.api(f"STREAM.CREATE.{name}", {**made, "num_replicas": REPLICAS})
        except Refused as refused:
            if refused.err_code != ALONE:
                raise
        return await self.api(f"STREAM.CREATE.{name}", {**made, "num_replicas": 1})

    async def _asked(self, subject: str, data: bytes, headers: dict[str, str] | None) -> dict[str, Any]:
        client = self._there()
        if not client.is_connected:  # else it would be asked when nobody waits for the answer any more
            raise fabric_away("NATS cannot be reached")
        try:
            async with asyncio.timeout(ANSWER_S):  # nats-py's own, wait_for, can lose that we were cancelled
                ask = partial(client.request, timeout=None)  # type: ignore[arg-type]  # wait_for takes it
                answer = await ask(subject, data, headers=headers)
        except NoRespondersError as error:
            raise fabric_away(f"NATS has no leader for this now: {subject}") from error
        except TimeoutError as error:
            raise fabric_away(f"NATS does not answer within {ANSWER_S:.0f} s") from error
        except (NatsError, OSError) as error:
            raise fabric_away(f"NATS does not answer: {error!r}") from error
        said: dict[str, Any] = msgspec.json.decode(answer.data)
        if "error" in said:
            raise Refused(said["error"])
        return said

    # ── saying and hearing ───────────────────────────────────────────────────────────────────────────

    async def say(self, subject: str, body: bytes = b"", reply: str = "") -> None:
        """Say it to whoever listens now; while nobody can be reached it is lost, sooner or later."""
        try:
            await self._there().publish(subject, body, reply=reply)
        except (NatsError, OSError) as error:
            raise fabric_away(f"NATS does not take it: {error!r}") from error

    async def hear(self, subject: str, told: Callable[[Msg], Awaitable[None]] | None = None) -> Subscription:
        """Hear what is said on a subject, also after the connection has come back."""
        return await self._there().subscribe(subject, cb=told)

    async def heard(self) -> None:
        """Return when whatever is heard is known to the server, or nobody answers."""
        with suppress(NatsError, TimeoutError, OSError):
            await self._there().flush(int(ANSWER_S))

    @asynccontextmanager
    async def answers(self) -> AsyncIterator[Answers]:
        """Hear many answers to one question."""
        answers = Answers(self, self._there().new_inbox())
        subscription = await self.hear(f"{answers.inbox}.*", answers.arrived)
        try:
            yield answers
        finally:
            await leave(subscription)

    def _there(self) -> Client:
        if self._client is None:
            raise fabric_away("There is no connection to NATS")
        return self._client


class Answers:
    """What is answered, one after another; a number in the subject tells to which question."""

    def __init__(self, link: Link, inbox: str) -> None:
        self.inbox = inbox
        self._link = link
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._asked = 0

    async def arrived(self, answer: Msg) -> None:
        """One comes."""
        self._arrived.put_nowait(answer)

    async def ask(self, subject: str, body: Any) -> None:
        """Ask; what is still answered to an earlier question comes to an end unheard."""
        self._asked += 1
        await self._link.say(subject, msgspec.json.encode(body), f"{self.inbox}.{self._asked}")

    async def next(self, timeout_s: float) -> Msg | None:
        """An answer; None when none comes in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    answer = await self._arrived.get()
                    if not answer.subject.startswith(self.inbox) or answer.subject == self._here():
                        return answer
        except TimeoutError:
            return None

    def _here(self) -> str:
        return f"{self.inbox}.{self._asked}"


async def leave(subscription: Subscription) -> None:
    """Hear no more; where the connection is gone, so is what was heard over it."""
    with suppress(NatsError):
        await subscription.unsubscribe()


class Heard:
    """What was heard last by one who tries again and again: that its time was up says nothing."""

    def __init__(self) -> None:
        self.last: Exception | None = None

    async def hear(self, error: Exception) -> None:
        """Hear it."""
        self.last = error


def _in_words(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or repr(error)


def _nobody(said: Sequence[str]) -> Problem:
    if any("authorization" in one.lower() for one in said):
        return Problem("nats-away", "NATS lets nobody in", detail=f"{'; '.join(said)}. {LOCKED_OUT}")
    return Problem("nats-away", "No NATS can be reached", detail=f"{'; '.join(said)}. {WHERE}")
