"""OpenID Connect as its client (Core 1.0, code with PKCE): ask, exchange, and look at what comes.

What a provider says is believed when its ID token is signed with a key that it publishes, by an algorithm
on our list (neither `none` nor a shared secret), for our client, with the nonce of this very browser, and
is not out of date (Core §3.1.3.7). Its addresses come from its own discovery document, whose issuer must be
the one that was set. Everything goes through the guarded client: no provider leads us into the inside of
the network.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from angarium.core.clock import MICROS, Clock
from angarium.core.problems import Problem
from angarium.protocols.answers import Answer, NoAnswer, NotSent
from angarium.protocols.http import Http

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
SCOPES = "openid email profile"
LEEWAY_S = 60
KEPT_S = 3_600.0  # how long discovery and keys are believed
AGAIN_S = 60.0  # how often at most keys are fetched anew, when a token names one that is not known
ANSWER_MAX_BYTES = 262_144
SUBJECT_MAX = 255  # Core §2


class Places(msgspec.Struct, frozen=True):
    """Where a provider is asked: its discovery document, as far as we need it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """What the token endpoint gives."""

    id_token: str


class Client(msgspec.Struct, frozen=True):
    """Who we are at a provider."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str


class Vouched(msgspec.Struct, frozen=True):
    """What a provider says of somebody."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    claims: dict[str, Any]


class Providers:
    """Asks providers; remembers for a while where they are and which keys they have."""

    def __init__(self, http: Http, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._places: dict[str, tuple[float, Places]] = {}
        self._keys: dict[str, tuple[float, KeySet]] = {}

    async def link(self, client: Client, state: str, nonce: str, verifier: str) -> str:
        """Where the browser is sent to."""
        places = await self._found(client.issuer)
        query = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": client.redirect_uri,
            "scope": SCOPES,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in places.authorization_endpoint else "?"
        return f"{places.authorization_endpoint}{joint}{urlencode(query)}"

    async def vouched(self, client: Client, code: str, nonce: str, verifier: str) -> Vouched:
        """What the provider says of whoever brought a code; a Problem when it is not to be believed."""
        places = await self._found(client.issuer)
        token = await self._exchanged(client, places, code, verifier)
        claims = await self._claims(places, token)
        now = self._clock.now() // MICROS
        wrong = fault(claims, client.issuer, client.client_id, nonce, now)
        if wrong:
            raise not_believed(wrong)
        return Vouched(
            issuer=client.issuer,
            subject=str(claims["sub"]),
            email=str(claims.get("email", "")),
            email_verified=claims.get("email_verified") is True,
            name=str(claims.get("name", ""))[:100],
            claims=claims,
        )

    async def _found(self, issuer: str) -> Places:
        until, places = self._places.get(issuer, (0.0, None))
        if places is not None and self._clock.monotonic() < until:
            return places
        answer = await self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        read: Places = _read(answer, Places)
        if read.issuer != issuer:  # Discovery §4.3
            raise not_believed(f"its discovery document is of another issuer, {read.issuer[:80]}")
        self._places[issuer] = (self._clock.monotonic() + KEPT_S, read)
        return read

    async def _exchanged(self, client: Client, places: Places, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if "client_secret_basic" in places.token_endpoint_auth_methods_supported:
            pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        answer = await self._asked("POST", places.token_endpoint, form=form, headers=headers)
        tokens: Tokens = _read(answer, Tokens)
        return tokens.id_token

    async def _claims(self, places: Places, token: str) -> dict[str, Any]:
        keys = await self._keys_of(places, KEPT_S)
        try:
            return _opened(token, keys)
        except (JoseError, ValueError):
            keys = await self._keys_of(places, KEPT_S - AGAIN_S)  # it may have changed its keys
        try:
            return _opened(token, keys)
        except (JoseError, ValueError) as error:
            raise not_believed(f"its token is not signed as it must be: {error}") from None

    async def _keys_of(self, places: Places, older_than_s: float) -> KeySet:
        """Its keys; fetched anew when they have been kept for `KEPT_S`, or may be older than is wanted."""
        until, keys = self._keys.get(places.jwks_uri, (0.0, None))
        left = until - self._clock.monotonic()
        if keys is not None and left > 0 and (older_than_s == KEPT_S or left > older_than_s):
            return keys
        answer = await self._asked("GET", places.jwks_uri)
        try:
            keys = KeySet.import_key_set(_read(answer, Any))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise not_believed(f"its keys cannot be read: {error}") from None
        self._keys[places.jwks_uri] = (self._clock.monotonic() + KEPT_S, keys)
        return keys

    async def _asked(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        try:
            answer = await self._http.request(
                method,
                url,
                form=form,
                headers={"Accept": "application/json", **(headers or {})},
                answer_max_bytes=ANSWER_MAX_BYTES,
            )
        except (NotSent, NoAnswer) as error:
            raise not_believed(f"it does not answer: {error}") from None
        if answer.status != 200:
            raise not_believed(f"it answers with {answer.status}")
        return answer


def _read(answer: Answer, kind: Any) -> Any:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise not_believed(f"its answer cannot be read: {error}") from None


def _opened(token: str, keys: KeySet) -> dict[str, Any]:
    return dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)


def challenge_of(verifier: str) -> str:
    """What goes ahead of a verifier (RFC 7636 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def fault(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: int) -> str:
    """Why the claims of an ID token are not to be believed (Core §3.1.3.7); empty when they are."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    subject, until, made = claims.get("sub"), claims.get("exp"), claims.get("iat")
    if claims.get("iss") != issuer:
        return "its token is of another issuer"
    if client_id not in audiences:
        return "its token is for somebody else"
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != client_id:
        return "its token was asked for by somebody else"
    if _time(until) + LEEWAY_S <= now:
        return "its token has run out"
    if not _time(made) or _time(made) - LEEWAY_S > now:
        return "its token is of the future"
    if not nonce or claims.get("nonce") != nonce:
        return "its token is not for this browser"
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MAX or "\0" in subject:
        return "its token names nobody"
    return ""


def _time(value: Any) -> float:
    """Seconds since 1970; 0 for what is no time."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def not_believed(why: str) -> Problem:
    """A provider cannot be asked, or what it says is not to be believed."""
    return Problem(
        "provider-not-believed",
        "The provider did not let you in",
        status=502,
        detail=f"The identity provider cannot be believed: {why[:300]}.",
    )
