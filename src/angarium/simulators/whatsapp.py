"""WhatsApp's Cloud API: `POST /{version}/{phone_number_id}/messages`, and signed webhooks.

Shapes follow Meta's pages (see channels/whatsapp_cloud.py). As with the real one, most failures come later by
webhook: a person who is not on WhatsApp, or who blocked the business, is 131026 either way. A message that
expires is dropped without a word. Webhooks go to `stage.webhooks["whatsapp"]`.
"""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols.signatures import hub_signature
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage, Webhook
from angarium.simulators.whatsapp_templates import TemplateDesk

NAME = "whatsapp"
ACCESS_TOKEN = "whatsapp-demo-token"  # noqa: S105 - the simulator's own, worth nothing
PHONE_NUMBER_ID = "106540352242922"
DISPLAY_NUMBER = "15550783881"
ACCOUNT_ID = "102290129340398"
TEXT_MAX, BODY_MAX, LABEL_MAX, OPAQUE_MAX = 4_096, 1_024, 20, 512

Words = Callable[[str, str], str | None]  # of a template: its name and language

BSUID = re.compile(r"[A-Z]{2}(\.ENT)?\.[0-9A-Za-z]{1,128}")
FILES = ("image", "audio", "video", "document")

STATUSES = {"sent": "sent", "delivered": "delivered", "read": "read"}

FAILURES = {
    "not_a_user": (131026, "Message undeliverable"),
    "blocked": (131026, "Message undeliverable"),
    "window_closed": (131047, "Re-engagement message"),
    "undelivered": (131000, "Something went wrong"),
}


class WhatsappFace:
    """Lines connect with `base_url = url()`. `templates` are texts by name: `{"code": "Your code {{1}}"}`."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        access_token: str = ACCESS_TOKEN,
        phone_number_id: str = PHONE_NUMBER_ID,
        display_number: str = DISPLAY_NUMBER,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        self._stage = stage
        self._auth = f"Bearer {access_token}"
        self._phone_number_id, self._display_number = phone_number_id, display_number
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns() // 1_000_000)
        self.desk = TemplateDesk(ACCOUNT_ID, self._auth, self._ids, _error)
        number = "/{version}/" + self._phone_number_id
        routes = [
            web.post("/{version}/{phone_number_id}/messages", self._send),
            web.get(number, self._profile),
            web.post(number, self._override),
            *self.desk.routes(),
        ]
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        self._office = Office(stage, NAME, port, routes, wire)
        self.ledger = self._office.ledger

    async def start(self) -> None:
        """Listen."""
        await self._office.start()

    async def heed(self) -> None:
        """Open or close the door."""
        await self._office.heed()

    def waiting(self) -> int:
        """What is still to happen."""
        return self._office.waiting()

    async def stop(self) -> None:
        """Close everything."""
        await self._office.stop()

    def url(self) -> str:
        """Where it listens."""
        return self._office.url()

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes, or a business-scoped id does; the id of it, once the webhook was taken."""
        message: dict[str, Any] = {
            **({} if _hides(sender) else {"from": sender.removeprefix("+")}),
            "id": self._wamid(),
            "timestamp": str(int(time.time())),
            "type": "text",
            "text": {"body": text},
        }
        if context_ref:
            message["context"] = {"from": self._display_number, "id": context_ref}
        message["from_user_id"] = _scoped(sender)
        callback = self._webhook({"contacts": [_contact(sender)], "messages": [message]})
        if callback is None:
            raise ValueError("stage.webhooks has no 'whatsapp': there is nobody to write to")
        await self._office.post(callback)
        return str(message["id"])

    async def prefer(self, person: str, value: str) -> None:
        """A person turns marketing from this business off ("stop") or on ("resume"); told and taken."""
        preference = {
            "wa_id": person.removeprefix("+"),
            "detail": f"User requested to {value} marketing messages",
            "category": "marketing_messages",
            "value": value,
            "timestamp": int(time.time()),
        }
        callback = self._webhook({"user_preferences": [preference]}, "user_preferences")
        assert callback is not None, "there is nobody to tell"
        await self._office.post(callback)

    async def review(
        self,
        name: str,
        language: str,
        event: str,
        reason: str = "NONE",
        explained: dict[str, str] | None = None,
    ) -> None:
        """Decide on a template that was handed in, and tell of it; returns once the webhook was taken."""
        told = self.desk.decide(name, language, event, reason, explained)
        await self.tell("message_template_status_update", told, int(time.time()))

    async def tell(self, field: str, value: dict[str, Any], at_s: int) -> None:
        """Tell of the account; returns once the webhook was taken."""
        callback = self._signed(
            [{"id": ACCOUNT_ID, "time": at_s, "changes": [{"field": field, "value": value}]}]
        )
        if callback is None:
            raise ValueError("stage.webhooks has no 'whatsapp': there is nobody to tell")
        await self._office.post(callback)

    async def verify(self, verify_token: str) -> bool:
        """Ask the webhook's address whether it is ours, as Meta does when it is set."""
        challenge = str(next(self._ids))
        query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
        return await self._office.ask(self._stage.webhooks[NAME].url, query) == (200, challenge)

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        if request.match_info["phone_number_id"] != self._phone_number_id:
            return _error(400, 100, "Unsupported post request. Object does not exist")
        document = await json_object(request)
        wrong = _wrong(document)
        if wrong:
            self.ledger.refused["100"] += 1
            return _error(400, 100, f"(#100) Invalid parameter: {wrong}")
        part = document.get("template", {})
        if part and not self.desk.may_go(part["name"], str(part["language"].get("code"))):
            self.ledger.refused["132001"] += 1
            return _error(404, 132001, "(#132001) Template name does not exist in the translation")
        entry = self._entry(document)
        admission = self._office.admit(entry, None)
        if admission.refused == Behaviour.THROTTLED:
            return _error(429, 130429, "(#130429) Rate limit hit")
        if admission.refused:
            return _error(400, int(admission.refused), "(#132015) Template is paused")
        to = _to(document)
        answer = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": to, "user_id" if _hides(to) else "wa_id": to}],
            "messages": [{"id": entry.ref, "message_status": "accepted"}],
        }
        return await self._office.answer(request, json_response(answer), [admission])

    async def _profile(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        known = {
            "id": self._phone_number_id,
            "verified_name": "Demo Shop",
            "display_phone_number": f"+{self._display_number}",
            "quality_rating": "GREEN",
            "messaging_limit_tier": "TIER_1K",
            "name_status": "APPROVED",
            "status": "CONNECTED",
        }
        return json_response({name: known[name] for name in request.query["fields"].split(",")})

    async def _override(self, request: web.Request) -> web.StreamResponse:
        """Another address for webhooks of this number, once it has shown that it knows the word."""
        if request.headers.get("Authorization") != self._auth:
            return _error(401, 190, "Invalid OAuth access token - Cannot parse access token")
        told = (await json_object(request)).get("webhook_configuration", {})
        url, before = str(told.get("override_callback_uri", "")), self._stage.webhooks.get(NAME)
        challenge = str(next(self._ids))
        query = {
            "hub.mode": "subscribe",
            "hub.verify_token": str(told.get("verify_token")),
            "hub.challenge": challenge,
        }
        if await self._office.ask(url, query) != (200, challenge):
            return _error(400, 2200, "(#2200) Callback verification failed")
        self._stage.webhooks[NAME] = Webhook(url, before.secret if before else "")
        return json_response({"success": True})

    def _entry(self, document: dict[str, Any]) -> Entry:
        kind = document["type"]
        text, image_url, buttons = _shown(document, self._words)
        return Entry(
            face=NAME,
            ref=self._wamid(),
            recipient=to if _hides(to := _to(document)) else e164(to),
            text=text,
            at=time.time(),
            sender=self._display_number,
            client_ref=document.get("biz_opaque_callback_data", ""),
            image_url=image_url,
            buttons=buttons,
            details={"type": kind, "sent": document[kind]},
        )

    def _words(self, name: str, language: str) -> str | None:
        """What a template says, as far as anybody told."""
        return self.desk.text(name, language) or self._templates.get(name)

    def _wamid(self) -> str:
        return "wamid." + urlsafe_b64encode(str(next(self._ids)).encode()).decode()

    # ── the webhook ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        status: dict[str, Any] = {
            "id": entry.ref,
            **({} if _hides(entry.recipient) else {"recipient_id": entry.recipient.removeprefix("+")}),
            "recipient_user_id": _scoped(entry.recipient),
            "timestamp": str(int(time.time())),
        }
        if entry.client_ref:
            status["biz_opaque_callback_data"] = entry.client_ref
        if word in FAILURES:
            code, title = FAILURES[word]
            status |= {"status": "failed", "errors": [{"code": code, "title": title, "message": title}]}
        elif word in STATUSES:
            status["status"] = STATUSES[word]
            status |= {} if word == "read" else {"pricing": _pricing(entry)}  # in the one or the other
        else:
            return None
        return self._webhook({"contacts": [_contact(entry.recipient)], "statuses": [status]})

    def _webhook(self, value: dict[str, Any], field: str = "messages") -> Callback | None:
        metadata = {"display_phone_number": self._display_number, "phone_number_id": self._phone_number_id}
        change = {
            "field": field,
            "value": {"messaging_product": "whatsapp", "metadata": metadata, **value},
        }
        return self._signed([{"id": ACCOUNT_ID, "changes": [change]}])

    def _signed(self, entries: list[dict[str, Any]]) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None:
            return None
        envelope = {"object": "whatsapp_business_account", "entry": entries}
        body = msgspec.json.encode(envelope)
        return Callback(webhook.url, body, {"X-Hub-Signature-256": hub_signature(webhook.secret, body)})


def _means(behaviour: Behaviour, entry: Entry) -> Behaviour:
    """A template needs no open window, and only a template can be paused."""
    template = entry.details["type"] == "template"
    elsewhere = Behaviour.WINDOW_CLOSED if template else Behaviour.TEMPLATE_PAUSED
    return Behaviour.DELIVERED if behaviour is elsewhere else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return "132015" if behaviour is Behaviour.TEMPLATE_PAUSED else ""


def _error(status: int, code: int, message: str) -> web.Response:
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "simulated"}
    return json_response({"error": error}, status)


def _hides(person: str) -> bool:
    """Whether this is a business-scoped id: of somebody who shows no phone."""
    return BSUID.fullmatch(person) is not None


def _scoped(person: str) -> str:
    """A person's business-scoped id: since 2026 webhooks have it beside the phone."""
    if _hides(person):
        return person
    return f"US.{int(sha256(person.removeprefix('+').encode()).hexdigest()[:12], 16)}"


def _contact(person: str) -> dict[str, Any]:
    shown = {} if _hides(person) else {"wa_id": person.removeprefix("+")}
    return {"profile": {"name": "Demo"}, **shown, "user_id": _scoped(person)}


def _pricing(entry: Entry) -> dict[str, Any]:
    """Templates are charged for by their category; an answer within the window is free."""
    template = entry.details["type"] == "template"
    category, kind = ("utility", "regular") if template else ("service", "free_customer_service")
    return {"billable": template, "pricing_model": "PMP", "category": category, "type": kind}


def _to(document: dict[str, Any]) -> str:
    return str(document.get("to") or document.get("recipient") or "")


def _wrong(document: dict[str, Any]) -> str:
    """The first field that is missing or out of bounds; "" when all are well."""
    recipient, kind = document.get("to"), document.get("type")
    hidden = "to" not in document and _hides(_to(document))
    if document.get("messaging_product") != "whatsapp":
        return "messaging_product"
    if not hidden and not (isinstance(recipient, str) and recipient.isascii() and recipient.isdigit()):
        return "to"
    if len(str(document.get("biz_opaque_callback_data", ""))) > OPAQUE_MAX:
        return "biz_opaque_callback_data"
    if kind not in ("text", "interactive", "template", *FILES) or not isinstance(document.get(kind), dict):
        return "type"
    return _wrong_part(kind, document[kind])


def _wrong_part(kind: str, part: dict[str, Any]) -> str:
    match kind:
        case "text":
            return "" if 1 <= len(str(part.get("body", ""))) <= TEXT_MAX else "text.body"
        case "image" | "audio" | "video" | "document":
            bare = kind == "audio" and "caption" in part
            well = str(part.get("link", "")).startswith("http") and len(part.get("caption", "")) <= BODY_MAX
            return "" if well and not bare else kind
        case "template":
            return "" if part.get("name") and isinstance(part.get("language"), dict) else "template"
        case _:
            words, choices = part.get("body", {}).get("text", ""), _choices(part)
            well = 1 <= len(words) <= BODY_MAX and _fit(part, choices)
            return "" if well else "interactive"


def _choices(part: dict[str, Any]) -> list[dict[str, str]]:
    """What can be pressed: an address, answers, or the rows of a list."""
    action = part.get("action", {})
    match part.get("type"):
        case "cta_url":
            pressed = action.get("parameters", {})
            return [{"label": pressed.get("display_text", ""), "url": pressed.get("url", "")}]
        case "button":
            found = [one.get("reply", {}) for one in action.get("buttons", [])]
        case "list":
            found = [row for section in action.get("sections", []) for row in section.get("rows", [])]
        case _:
            return []
    return [{"label": one.get("title", ""), "url": "", "id": one.get("id", "")} for one in found]


def _fit(part: dict[str, Any], choices: list[dict[str, str]]) -> bool:
    """Whether there are as many as there may be, each with its label and no two alike."""
    most, longest = {"cta_url": (1, LABEL_MAX), "button": (3, LABEL_MAX), "list": (10, 24)}[part["type"]]
    labels = [one["label"] for one in choices]
    named = all(one["url"] or one.get("id") for one in choices)
    opens = part["type"] != "list" or 1 <= len(part["action"].get("button", "")) <= LABEL_MAX
    each = all(1 <= len(label) <= longest for label in labels)
    return 1 <= len(choices) <= most and each and named and opens and len(set(labels)) == len(labels)


def _shown(document: dict[str, Any], words: Words) -> tuple[str, str, list[dict[str, str]]]:
    """What the phone shows: text, the address of a picture or another file, buttons."""
    part = document[document["type"]]
    match document["type"]:
        case "text":
            return part["body"], "", []
        case "image" | "audio" | "video" | "document":
            return part.get("caption", ""), part["link"], []
        case "template":
            return _shown_template(part, words)
        case _:
            shown = [{"label": one["label"], "url": one["url"]} for one in _choices(part)]
            return part["body"]["text"], _linked(part.get("header", {})), shown


def _linked(header: dict[str, Any]) -> str:
    """The address of what stands above the words."""
    return next((header[kind]["link"] for kind in FILES if kind in header), "")


def _shown_template(part: dict[str, Any], words_of: Words) -> tuple[str, str, list[dict[str, str]]]:
    picture = ""
    words: list[tuple[str, str]] = []
    buttons: list[dict[str, str]] = []
    for component in part.get("components", []):
        for parameter in component.get("parameters", []):
            if component["type"] == "body":
                words.append(
                    (parameter.get("parameter_name") or str(len(words) + 1), parameter.get("text", ""))
                )
            elif component["type"] == "header":
                picture = _linked(parameter)
            else:
                buttons.append({"label": f"button {component.get('index', '')}", "url": parameter["text"]})
    text = words_of(part["name"], str(part["language"].get("code")))
    if text is None:
        return " ".join(word for _, word in words), picture, buttons
    for name, word in words:
        text = text.replace("{{" + name + "}}", word)
    return text, picture, buttons
