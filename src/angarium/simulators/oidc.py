"""An OpenID Connect provider: discovery, keys, authorization code with PKCE, tokens; and bad ones on demand.

OpenID Connect Core 1.0 and Discovery 1.0, RFC 6749, RFC 7636. It signs with keys of its own, which it
changes when it is told to. It never asks anybody: whoever is sent here is `who`. `spoil` names what is
wrong with the next tokens.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "angarium", "a secret: of two"
LASTS_S = 300


def _claims(change: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {name: value for name, value in {**claims, **change}.items() if value is not None}


SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another issuer": _claims({"iss": "https://evil.example"}),
    "another audience": _claims({"aud": "somebody-else"}),
    "many audiences": _claims({"aud": ["angarium", "somebody-else"]}),
    "another party": _claims({"azp": "somebody-else"}),
    "run out": _claims({"exp": 1_000_000_000}),
    "no end": _claims({"exp": None}),
    "of the future": _claims({"iat": 9_000_000_000, "exp": 9_000_000_300}),
    "another nonce": _claims({"nonce": "of another browser"}),
    "no nonce": _claims({"nonce": None}),
    "no subject": _claims({"sub": None}),
    "a long subject": _claims({"sub": "x" * 300}),
}
FORGED = ("unsigned", "signed with the secret", "another key", "an unknown key", "cut", "no token", "no json")


def _new_key(kind: str) -> Any:
    made = RSAKey.generate_key(2048) if kind == "RSA" else ECKey.generate_key("P-256")
    options = {"kid": secrets.token_hex(4), "use": "sig"}
    return type(made).import_key({**made.as_dict(private=True), **options})


@cache
def _first_key() -> Any:
    """Of all providers of a process: to make one takes a quarter of a second."""
    return _new_key("RSA")


class OidcFace:
    """A provider. `issuer` is known once it runs."""

    def __init__(self) -> None:
        self.issuer = ""
        self.who: dict[str, Any] = {"sub": "1", "email": "igor@company.example", "email_verified": True}
        self.spoil = ""
        self.discovery: dict[str, Any] = {}  # what its document says otherwise
        self.asked: list[tuple[str, str]] = []  # method and path of every request
        self._codes: dict[str, dict[str, str]] = {}
        self._key = _first_key()
        self._runner: web.AppRunner | None = None

    def rotate(self, kind: str = "RSA") -> None:
        """Sign with another key from now on; the one before is published no more."""
        self._key = _new_key(kind)

    async def start(self) -> None:
        """Bind to a free port of this machine."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._discover),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.get("/jwks", self._jwks),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _discover(self, request: web.Request) -> web.Response:
        self.asked.append(("GET", request.path))
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
        return web.json_response(document | self.discovery)

    async def _jwks(self, request: web.Request) -> web.Response:
        self.asked.append(("GET", request.path))
        return web.json_response(KeySet([self._key]).as_dict(private=False))

    async def _authorize(self, request: web.Request) -> web.Response:
        """Send the browser back with a code (RFC 6749 §4.1.2)."""
        self.asked.append(("GET", request.path))
        query = request.query
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        if any(query.get(name) != value for name, value in wanted.items()):
            return web.Response(status=400, text=f"expected {wanted}")
        if "openid" not in query.get("scope", "").split() or not query.get("state"):
            return web.Response(status=400, text="expected the scope openid, and a state")
        code = secrets.token_urlsafe(16)
        names = ("redirect_uri", "nonce", "code_challenge")
        self._codes[code] = {name: query.get(name, "") for name in names}
        back = urlencode({"code": code, "state": query["state"], "iss": self.issuer})
        raise web.HTTPFound(f"{query['redirect_uri']}?{back}")

    async def _token(self, request: web.Request) -> web.Response:
        """A code for an ID token, once, for whom it was given to (RFC 6749 §4.1.3, RFC 7636 §4.6)."""
        self.asked.append(("POST", request.path))
        form = await request.post()
        if not self._is_client(request, {name: str(value) for name, value in form.items()}):
            return web.json_response({"error": "invalid_client"}, status=401)
        asked = self._codes.pop(str(form.get("code")), None)
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        if self.spoil == "no json":
            return web.Response(text="<html>", content_type="text/html")
        answer = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": LASTS_S}
        if self.spoil != "no token":
            answer["id_token"] = self._signed(asked["nonce"])
        return web.json_response(answer)

    def _is_client(self, request: web.Request, form: dict[str, str]) -> bool:
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = b64decode(pair).decode().partition(":")
            return (unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _signed(self, nonce: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + LASTS_S,
            "nonce": nonce,
            **self.who,
        }
        if self.spoil in SPOILED:
            claims = SPOILED[self.spoil](claims)
        return self._forged(claims) if self.spoil in FORGED else self._good(claims, self._key)

    def _good(self, claims: dict[str, Any], key: Any, kid: str = "") -> str:
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        header = {"alg": algorithm, "kid": kid or self._key.as_dict()["kid"]}
        return jwt.encode(header, claims, key, algorithms=[algorithm])

    def _forged(self, claims: dict[str, Any]) -> str:
        if self.spoil == "unsigned":
            return (
                self._good(claims, self._key)
                .rpartition(".")[0]
                .replace(self._good(claims, self._key).partition(".")[0], _segment(b'{"alg":"none"}'))
                + "."
            )
        if self.spoil == "signed with the secret":
            shared = OctKey.import_key(CLIENT_SECRET.encode().ljust(32, b"."))
            return jwt.encode({"alg": "HS256"}, claims, shared, algorithms=["HS256"])
        if self.spoil == "another key":
            return self._good(claims, RSAKey.generate_key(2048))
        if self.spoil == "an unknown key":
            return self._good(claims, RSAKey.generate_key(2048), "unknown")
        return self._good(claims, self._key)[:-6]


def _segment(text: bytes) -> str:
    return urlsafe_b64encode(text).decode().rstrip("=")
