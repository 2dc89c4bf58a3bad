"""The simulated operators of a sandbox, as their admin address tells of them and is told.

Where they are only the settings say (`sandbox_url`), and that is an address of this machine; nothing that a
person sends changes it, and no answer is followed anywhere else.
"""

from __future__ import annotations

from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from angarium.core.problems import Problem, not_found
from angarium.protocols.answers import Answer, NoAnswer, NotSent
from angarium.protocols.http import Http

T = TypeVar("T")
ASK_WITHIN_S = 8.0


class Person(msgspec.Struct, frozen=True):
    """How somebody is played: the phone is off; not on these channels; the sender is blocked there."""

    off: bool = False
    absent: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Button(msgspec.Struct, frozen=True):
    """Something to tap under a message."""

    label: str = ""
    url: str = ""


class Came(msgspec.Struct, frozen=True):
    """A message that came to a phone, or is on its way."""

    number: int
    face: str
    ref: str
    sender: str
    subject: str
    text: str
    has_html: bool
    image_url: str
    buttons: list[Button]
    at: float
    state: str
    seen: bool
    system_id: str
    answers_to: str


class Said(msgspec.Struct, frozen=True):
    """Something its person wrote."""

    face: str
    sender: str
    recipient: str
    text: str
    at: float


class Phone(msgspec.Struct, frozen=True):
    """One number or address, what came to it, what its person said and how they are played."""

    key: str
    faces: list[str]
    habit: str
    count: int
    person: Person
    messages: list[Came]
    said: list[Said]
    all_faces: list[str] = []
    heard_on: list[str] = []


class Gallery(msgspec.Struct, frozen=True):
    """Some phones, the last one rung first."""

    total: int
    faces: list[str]
    phones: list[Phone]


class Operators:
    """A client of the address on which simulated operators are watched and steered."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = Http((urlsplit(self._url).netloc.replace("localhost", "127.0.0.1"),))

    async def start(self) -> None:
        """Open the pool of connections."""
        await self._http.start()

    async def stop(self) -> None:
        """Close it."""
        await self._http.stop()

    async def faces(self) -> dict[str, str]:
        """Where each operator listens."""
        return _read(await self._ask("GET", "/faces"), dict[str, str])

    async def gallery(self, words: str, face: str, offset: int, limit: int) -> Gallery:
        """Some of the phones."""
        asked = urlencode({"q": words, "face": face, "offset": offset, "limit": limit})
        return _read(await self._ask("GET", f"/gallery?{asked}"), Gallery)

    async def phone(self, key: str) -> Phone:
        """One phone, whole."""
        return _read(await self._ask("GET", f"/gallery/{quote(key, safe='')}"), Phone)

    async def play(self, key: str, person: Person) -> None:
        """From now on somebody is so."""
        await self._ask("PUT", f"/people/{quote(key, safe='')}", msgspec.to_builtins(person))

    async def write(self, key: str, came: Came, text: str) -> None:
        """Somebody answers a message, over the protocol of its operator."""
        said = {"sender": key, "recipient": came.answers_to, "text": text}
        said |= {"system_id": came.system_id, "context_ref": came.ref if came.face == "whatsapp" else ""}
        await self._ask("POST", f"/inbound/{quote(came.face, safe='')}", said)

    async def call_back(self, face: str, url: str, secret: str = "") -> None:
        """Where an operator posts what becomes of messages, and what people write."""
        await self._ask("PUT", f"/webhooks/{quote(face, safe='')}", {"url": url, "secret": secret})

    async def _ask(self, method: str, path: str, document: Any = None) -> Answer:
        try:
            answer = await self._http.request(
                method, self._url + path, json=document, headers={}, timeout_s=ASK_WITHIN_S
            )
        except (NotSent, NoAnswer) as failure:
            detail = f"The simulated operators at {self._url} do not answer: {failure}."
            raise Problem("sandbox-away", "The phones cannot be reached", status=502, detail=detail) from None
        if answer.status == 404:
            raise not_found("operator", path.rpartition("/")[2])
        if answer.status >= 300:
            told = answer.body.decode(errors="replace")[:300]
            raise Problem("sandbox-away", "The simulated operator refuses", status=502, detail=told)
        return answer


def _read(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError as error:
        detail = f"What the simulated operators say cannot be read: {error}."
        raise Problem("sandbox-away", "The phones cannot be reached", status=502, detail=detail) from None
