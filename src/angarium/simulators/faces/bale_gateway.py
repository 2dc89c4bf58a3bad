"""Bale's gateway for codes: `/auth/token` and `/send_otp`.

Shapes and numbers follow docs.bale.ai/gateway and what its clients read (see channels/bale_gateway.py).
"""

from __future__ import annotations

import time
from itertools import count

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire, e164, form_of, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "bale-gateway"
CLIENT_ID, CLIENT_SECRET = "bale-demo", "bale-demo-secret"
LIFE_S = 3_600
REFUSALS = {"not_a_user": (17, "user not found"), "throttled": (18, "rate limit exceeded")}
UNHEARD = (Behaviour.BLOCKED, Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)  # no word for it here


class BaleGateway:
    """Its counter; `tokens` are those that were given out and still open the door."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._ids = count(1)
        self.tokens: list[str] = []
        wire = Wire(means=_means, refusal=_refusal, callback=lambda _entry, _word: None)
        routes = [web.post("/auth/token", self._token), web.post("/send_otp", self._send)]
        self.office = Office(stage, NAME, port, routes, wire)

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        wanted = {"grant_type": "client_credentials", "scope": "read"}
        if any(form.get(name) != value for name, value in wanted.items()):
            return json_response({"error": "invalid_request"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return json_response({"error": "invalid_client"}, 401)
        self.tokens.append(f"demo-{next(self._ids)}")
        told = {
            "access_token": self.tokens[-1],
            "expires_in": LIFE_S,
            "scope": "read",
            "token_type": "Bearer",
        }
        return json_response(told)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return json_response({"message": "unauthorized"}, 401)
        asked = await json_object(request)
        phone, code = str(asked.get("phone", "")), asked.get("otp")
        if not (phone.isdigit() and phone.startswith("98") and len(phone) == 12):
            return json_response({"code": 8, "message": "invalid phone number"}, 400)
        if not isinstance(code, int) or not 100 <= code <= 99_999_999:
            return json_response({"code": 3, "message": "invalid otp"}, 400)
        entry = Entry(
            face=NAME, ref=str(next(self._ids)), recipient=e164(phone), text=str(code), at=time.time()
        )
        admission = self.office.admit(entry, None)
        if admission.refused:
            number, message = REFUSALS[admission.refused]
            return json_response({"code": number, "message": message}, 400)
        return await self.office.answer(request, json_response({"balance": 990}), [admission])


def make(stage: Stage, port: int = 0) -> Office:
    """The operator as the folder has it."""
    return BaleGateway(stage, port).office


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour in UNHEARD else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


OPERATOR = Operator(
    NAME,
    make,
    lambda url: {"base_url": url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
    recipient="+989121234501",
    content={"text": "Your code is 48215"},
    ends="sent",
)
