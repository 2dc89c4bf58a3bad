"""An HTTP client that asks once, says whether the question left, and never connects where it should not.

Rules:
1. Two failures, not one. `NotSent`: certainly no byte of the request left (address, DNS, connection, TLS,
   pool). `NoAnswer`: it may have gone out (timeout, reset, an answer that cannot be read). The line between
   the two is the moment a connection is in hand, which aiohttp's tracing tells exactly.
2. Nothing is asked twice. aiohttp repeats a GET when a kept-alive connection turns out to be dead (RFC 9112
   §9.3.1 allows it for idempotent methods); providers send messages by GET, so here it may not.
3. No redirects, no proxy from the environment, no cookies.
4. Every connection is checked at its socket, after DNS and however the address was written: only the web's
   ports of public addresses, and what the operator lists (OWASP ASVS 5.0 §1.3.6, §15.3.2).
5. The size of an answer is bounded before and after unpacking, and its whole time is.
"""

from __future__ import annotations

import errno
import socket
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from angarium.protocols.answers import Answer, Client, Heard, NoAnswer, NotSent

TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 4.0  # less than the 5 s after which Node.js and uvicorn servers close an idle connection
CONNECTIONS_MAX = 512
ANSWER_MAX_BYTES = 1 << 20
URL_MAX = 8_000  # characters; RFC 9110 §4.1 asks for at least 8000 octets
USER_AGENT = "Angarium"
PORTS = (80, 443)  # of the web; at others wait mail servers, databases, and whoever is to be scanned by us

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_IPV6 = IPv6Network("2000::/3")  # all that IANA has given out as global unicast

# Public by `ipaddress.is_global`, and yet a door to private IPv4 addresses or to nowhere.
SPECIAL_NETWORKS: tuple[tuple[Network, str], ...] = (
    (IPv4Network("192.88.99.0/24"), "a 6to4 relay"),  # RFC 7526
    (IPv6Network("::ffff:0:0/96"), "an IPv4-mapped address"),
    (IPv6Network("64:ff9b::/96"), "a NAT64 address"),  # RFC 6052
    (IPv6Network("64:ff9b:1::/48"), "a NAT64 address"),  # RFC 8215
    (IPv6Network("2002::/16"), "a 6to4 address"),  # RFC 3056
    (IPv6Network("2001::/32"), "a Teredo address"),  # RFC 4380
    (IPv6Network("3fff::/20"), "a documentation address"),  # RFC 9637
)


class Http(Client):
    """The client: one pool of connections, shared by all lines of a process.

    `allow_private` lists what may be reached although it is not public, or not at a port of the web: networks
    (`10.0.0.0/8`), addresses (`10.1.2.3`), or an address and a port (`127.0.0.1:8081`, `[::1]:8081`).
    ValueError for anything else.
    """

    def __init__(self, allow_private: Collection[str] = ()) -> None:
        self._guard = Guard(allow_private)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the pool."""
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S, socket_factory=self._guard.socket
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            trace_configs=[_tracing()],
        )

    async def stop(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        answer_max_bytes: int = ANSWER_MAX_BYTES,
        heard: Callable[[Heard], None] | None = None,
    ) -> Answer:
        """Ask once. The body is `json` encoded, or `form` encoded, or `body` as it is.

        Any status is an Answer, redirects too. Raises NotSent and NoAnswer, nothing else. `heard` is told
        what was asked and what came of it, secrets and all.
        """
        if self._session is None:
            raise NotSent("the HTTP client is not started")
        target = checked_url(url)
        media_type, data = _encoded(json, form, body)
        progress = _Progress()
        try:
            async with self._session.request(
                method,
                target,
                data=data,
                headers=_headers(media_type, headers or {}),
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
                allow_redirects=False,
                middlewares=(progress.once,),
                trace_request_ctx=progress,
            ) as response:
                packed = await _read(response, answer_max_bytes)
                plain = _unpacked(packed, response.headers.get("Content-Encoding", ""), answer_max_bytes)
                names = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(response.status, names, plain)
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError, zlib.error) as error:
            failure = _failure(error, progress, target, timeout_s)
            if heard is not None:
                heard(Heard(method, url, progress.headers, data, None, str(failure)))
            raise failure from error
        if heard is not None:
            heard(Heard(method, url, progress.headers, data, answer, ""))
        return answer


# ── the address ──────────────────────────────────────────────────────────────────────────────────────


def checked_url(url: str) -> URL:
    """The URL, when it is plain http or https with a host and no credentials; NotSent otherwise."""
    if len(url) > URL_MAX:
        raise NotSent(f"the URL is longer than {URL_MAX} characters", forbidden=True)
    if "\\" in url or any(character <= " " or character == "\x7f" for character in url):
        raise NotSent("the URL has a space, a control character or a backslash", forbidden=True)
    try:
        target = URL(url)
        host, port = target.host, target.port
    except ValueError as error:
        raise NotSent("the URL cannot be read", forbidden=True) from error
    if target.scheme not in ("http", "https"):
        raise NotSent("the URL is neither http nor https", forbidden=True)
    if not host or not port:
        raise NotSent("the URL names no host or port 0", forbidden=True)
    if target.user is not None or target.password is not None:
        raise NotSent("the URL carries a name or a password", forbidden=True)
    return target


class Guard:
    """Makes sockets to the web's ports of public addresses, and to what the operator lists."""

    def __init__(self, allow_private: Collection[str]) -> None:
        self._networks: list[Network] = []
        self._hosts: set[tuple[Address, int]] = set()
        for entry in allow_private:
            self._allow(entry)

    def socket(self, address_info: tuple[Any, ...]) -> socket.socket:
        """A socket for one resolved address, as aiohttp asks for it; OSError EACCES when it is refused."""
        family, kind, protocol, _, where = address_info
        address, port = ip_address(where[0].partition("%")[0]), where[1]
        why = refusal(address)
        why = f"{address} is {why}" if why else "" if port in PORTS else f"port {port} is neither 80 nor 443"
        if why and not self._allowed(address, port):
            raise OSError(errno.EACCES, f"{why}; list {address}:{port} in allow_private to reach it")
        return socket.socket(family=family, type=kind, proto=protocol)

    def _allow(self, entry: str) -> None:
        with suppress(ValueError):
            self._networks.append(ip_network(entry, strict=False))
            return
        host, _, port = entry.rpartition(":")
        try:
            self._hosts.add((ip_address(host.strip("[]")), int(port)))
        except ValueError as error:
            raise ValueError(
                f"allow_private: {entry!r} is no network, address or address:port (names are not taken)"
            ) from error

    def _allowed(self, address: Address, port: int) -> bool:
        return (address, port) in self._hosts or any(address in network for network in self._networks)


def refusal(address: Address) -> str:
    """What is wrong with connecting to this address: "" for a public one."""
    for network, why in SPECIAL_NETWORKS:
        if address in network:
            return why
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv6Address) and address not in GLOBAL_IPV6:
        return "not a public address"
    return "" if address.is_global else "not a public address"


# ── the request ──────────────────────────────────────────────────────────────────────────────────────


class _Progress:
    """How far one request has come."""

    def __init__(self) -> None:
        self.connected = False  # from here on, bytes may have left
        self._request: aiohttp.ClientRequest | None = None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Those of the request, as they leave; none when it was not made."""
        return () if self._request is None else tuple(self._request.headers.items())

    async def once(
        self,
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        """Rule 2, as aiohttp middleware: a repeated attempt comes through here a second time."""
        if self._request is not None:
            raise aiohttp.ClientError("the server closed a kept-alive connection")
        self._request = request
        return await handler(request)


def _tracing() -> aiohttp.TraceConfig:
    async def connected(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.connected = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(connected)
    tracing.on_connection_reuseconn.append(connected)
    return tracing


def _encoded(json: object, form: Mapping[str, str] | None, body: bytes) -> tuple[str, bytes]:
    try:
        if json is not None:
            return "application/json", msgspec.json.encode(json)
        if form is not None:
            return "application/x-www-form-urlencoded", urlencode(form).encode()
    except UnicodeEncodeError as error:
        raise NotSent("a text has half a surrogate pair and cannot be written", forbidden=True) from error
    return "application/octet-stream", body


def _headers(media_type: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Ours, then the caller's. Answers are small, so packed ones are not asked for."""
    for name, value in headers.items():
        if any(character < " " or character == "\x7f" for character in name + value):
            raise NotSent(f"header {name!r} has a control character", forbidden=True)
    return {
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "Content-Type": media_type,
        **headers,
    }


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > limit:
            raise ValueError(f"the answer is larger than {limit} bytes")
    return bytes(pieces)


def _unpacked(packed: bytes, coding: str, limit: int) -> bytes:
    """The plain bytes of an answer that was packed although nobody asked; never more than `limit`."""
    if coding.lower() in ("", "identity") or not packed:
        return packed
    if coding.lower() not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the answer is packed as {coding[:20]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS + 32)  # + 32: gzip or zlib, told by its first bytes
    plain = unpacker.decompress(packed, limit + 1)
    if len(plain) > limit:
        raise ValueError(f"the answer unpacks to more than {limit} bytes")
    if not unpacker.eof:
        raise ValueError("the packed answer is cut short")
    return plain


def _failure(error: Exception, progress: _Progress, target: URL, timeout_s: float) -> NotSent | NoAnswer:
    """One of the two failures. It names the host, never the path or the query, which may hold secrets."""
    host = f"{target.host}:{target.port}"
    if progress.connected:
        return NoAnswer(f"{host}: {_words(error, f'no whole answer within {timeout_s:g} s')}")
    forbidden = isinstance(error, OSError) and error.errno == errno.EACCES
    return NotSent(f"{host}: {_words(error, 'no connection in time')}", forbidden=forbidden)


def _words(error: Exception, when_late: str) -> str:
    if isinstance(error, TimeoutError):
        return when_late
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error) or type(error.os_error).__name__
    if isinstance(error, aiohttp.ClientResponseError):
        return f"not HTTP: {error.message.splitlines()[0]}" if error.message else "not HTTP"
    return str(error) or type(error).__name__
