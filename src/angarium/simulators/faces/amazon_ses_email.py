"""Amazon SES: version 2 of its API with signed requests, and SNS with a topic that signs what it posts.

Shapes follow botocore's models of sesv2 and sns (see channels/amazon_ses_email.py); Python's own parser reads
the mail. The certificate is made when the first notification is. The last two characters before the @ decide
(`anna.01@example.org`).
"""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP, default
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from angarium.protocols import sigv4, sns
from angarium.simulators import mail as host
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _mail, _sms
from angarium.simulators.http_face import Callback, Office, Wire, form_of, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "amazon_ses"
REGION, SENDER = "eu-west-1", "shop@shop.example"
ACCESS_KEY, SECRET_KEY = "AKIASIMULATED", "ses-demo-secret"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:mail"
CERTIFICATE = "/SimpleNotificationService-0123456789abcdef.pem"
TOKEN = "2336412f37fb687f5d51e6e2425f004a"  # noqa: S105 - of a confirmation, worth nothing
ERRORS = {
    "UnrecognizedClientException": (403, "The security token included in the request is invalid."),
    "InvalidSignatureException": (403, "The request signature we calculated does not match the signature."),
    "BadRequestException": (400, "Missing final '@domain'"),
    "MessageRejected": (400, "Email address is not verified."),
    "ContentRejected": (400, "Message contains prohibited content."),
    "TooManyRequestsException": (429, "Maximum sending rate exceeded."),
}
BOUNCES = {
    "not_a_user": ("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"),
    "blocked": ("Permanent", "OnAccountSuppressionList", "5.1.1", "Amazon SES did not send the message"),
    "undelivered": ("Undetermined", "Undetermined", "", ""),
    "expired": ("Transient", "General", "4.4.7", "smtp; 554 4.4.7 message expired"),
}
SUBSCRIBED = '<SubscribeResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><SubscribeResult><SubscriptionArn>{}</SubscriptionArn></SubscribeResult></SubscribeResponse>'


class Seal:
    """A key and its certificate, as SNS has them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65_537, 2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(30))
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def signature(self, message: sns.Message) -> str:
        """Over its words, by the digest of its version."""
        digest = sns.DIGESTS[message.signature_version]
        words = sns.signed_words(message).encode()
        return b64encode(self._key.sign(words, padding.PKCS1v15(), digest)).decode()


class Ses:
    """Its counter, and the topic that speaks of it; people may write to it."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._ids = stage, count(time.time_ns())
        self.confirmed: set[str] = set()  # endpoints
        wire = Wire(means=self._means, refusal=_refusal, callback=self._callback)
        routes = [
            web.post("/v2/email/outbound-emails", self._send),
            web.get("/v2/email/account", self._account),
            web.post("/", self._subscribe),
            web.get("/", self._confirm),
            web.get(CERTIFICATE, self._certificate),
        ]
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    @cached_property
    def _seal(self) -> Seal:
        return Seal()

    async def send_inbound(self, sender: str, text: str, recipient: str = SENDER) -> str:
        """A person answers the last mail they got; returns the Message-ID once the notification was taken."""
        webhook = _sms.listener(self._stage, NAME)
        mail = host.letter(self.ledger, sender, recipient, text)
        if "In-Reply-To" in mail:
            mail.replace_header("In-Reply-To", f"{mail['In-Reply-To'].strip('>')}@{REGION}.amazonses.com>")
        told = {
            "notificationType": "Received",
            "mail": {"messageId": self._id(), "source": sender, "destination": [recipient]},
            "receipt": {"recipients": [recipient], "action": {"type": "SNS", "encoding": "BASE64"}},
            "content": b64encode(mail.as_bytes(policy=SMTP)).decode(),
        }
        await self._office.post(self._posted(webhook.url, msgspec.json.encode(told).decode()))
        return str(mail["Message-ID"]).strip("<>")

    # ── SES ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        wrong = await _unsigned(request, "ses")
        asked = {} if wrong else await json_object(request)
        wrong = wrong or _wrong(asked)
        if wrong:
            self.ledger.refused[wrong] += 1
            return _error(wrong)
        (to,) = asked["Destination"]["ToAddresses"]
        mail = message_from_bytes(b64decode(asked["Content"]["Raw"]["Data"]), policy=default)
        tags = {tag["Name"]: tag["Value"] for tag in asked.get("EmailTags", [])}
        set_name = asked.get("ConfigurationSetName", "")
        details = {"configuration_set": set_name, "dkim": str(mail["DKIM-Signature"] or "")}
        taken = _mail.entry(NAME, mail, to, tags.get("client_ref", ""), details)
        entry = msgspec.structs.replace(taken, ref=self._id())  # SES writes the Message-ID anew
        admission = self._office.admit(entry, None)
        if admission.refused:
            throttled = admission.refused == Behaviour.THROTTLED
            return _error("TooManyRequestsException" if throttled else admission.refused)
        return await self._office.answer(request, json_response({"MessageId": entry.ref}), [admission])

    async def _account(self, request: web.Request) -> web.Response:
        if wrong := await _unsigned(request, "ses"):
            return _error(wrong)
        quota = {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": len(self.ledger.entries)}
        told = {"EnforcementStatus": "HEALTHY", "SendingEnabled": True, "ProductionAccessEnabled": True}
        return json_response({**told, "SendQuota": quota})

    # ── SNS ──

    async def _subscribe(self, request: web.Request) -> web.Response:
        """Ask the endpoint to confirm; the answer waits until it was asked."""
        wrong = await _unsigned(request, "sns")
        form = await form_of(request)
        if wrong or form.get("TopicArn") != TOPIC or form.get("Action") != "Subscribe":
            code = wrong or "NotFound"
            error = f"<ErrorResponse><Error><Code>{code}</Code><Message>No</Message></Error></ErrorResponse>"
            return web.Response(text=error, status=403 if wrong else 404, content_type="text/xml")
        query = urlencode({"Action": "ConfirmSubscription", "TopicArn": TOPIC, "Token": TOKEN})
        self._pending = form["Endpoint"]
        more = {"token": TOKEN, "subscribe_url": f"{self.url()}/?{query}"}
        words = "You have chosen to subscribe to the topic"
        await self._office.post(self._posted(form["Endpoint"], words, sns.CONFIRMATION, **more))
        arn = SUBSCRIBED.format("pending confirmation")
        return web.Response(text=arn, content_type="text/xml")

    async def _confirm(self, request: web.Request) -> web.Response:
        asked = request.query
        if asked.get("Action") != "ConfirmSubscription" or asked.get("Token") != TOKEN:
            return web.Response(status=400)
        self.confirmed.add(self._pending)
        return web.Response(text=SUBSCRIBED.format(f"{TOPIC}:1"), content_type="text/xml")

    async def _certificate(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._seal.pem, content_type="application/x-pem-file")

    def _posted(self, url: str, words: str, kind: str = sns.NOTIFICATION, **more: str) -> Callback:
        """What SNS posts; signed by either version in turn."""
        number = next(self._ids)
        message = sns.Message(
            type=kind,
            message=words,
            message_id=str(UUID(int=number)),
            topic_arn=TOPIC,
            timestamp=_now(),
            signature="",
            signature_version="12"[number % 2],
            signing_cert_url=f"{self.url()}{CERTIFICATE}",
            **more,
        )
        sealed = msgspec.structs.replace(message, signature=self._seal.signature(message))
        told = {name: value for name, value in msgspec.to_builtins(sealed).items() if value is not None}
        headers = {"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind}
        return Callback(url, msgspec.json.encode(told), headers)

    # ── events ──

    def _id(self) -> str:
        return f"{next(self._ids):016x}-{UUID(int=next(self._ids))}-000000"

    def _means(self, _behaviour: Behaviour, entry: Entry) -> Behaviour:
        return _mail.means(self._stage, NAME, entry)

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        kinds = {"sent": "Send", "delivered": "Delivery", **dict.fromkeys(BOUNCES, "Bounce")}
        if webhook is None or word not in kinds:
            return None
        about: dict[str, Any] = {"timestamp": _now()}
        if word == "delivered":
            about |= {"recipients": [entry.recipient], "smtpResponse": "250 ok"}
        elif word in BOUNCES:
            kind, sub_type, status, words = BOUNCES[word]
            person = {"emailAddress": entry.recipient, "action": "failed", "diagnosticCode": words}
            about |= {"bounceType": kind, "bounceSubType": sub_type, "feedbackId": self._id()}
            about |= {"bouncedRecipients": [{**person, "status": status}]}
        mail: dict[str, Any] = {"timestamp": _now(), "messageId": entry.ref, "source": SENDER}
        mail |= {"destination": [entry.recipient]}
        if entry.client_ref:
            mail["tags"] = {"client_ref": [entry.client_ref]}
        told = {"eventType": kinds[word], "mail": mail, kinds[word].lower(): about}
        return self._posted(webhook.url, msgspec.json.encode(told).decode() + "\n")


async def _unsigned(request: web.Request, service: str) -> str:
    """What is wrong with the signature of a request; empty when it is right."""
    algorithm, _, rest = request.headers.get("Authorization", "").partition(" ")
    words = dict(pair.split("=", 1) for pair in rest.split(", ") if "=" in pair)
    if algorithm != sigv4.ALGORITHM or not words.get("Credential", "").startswith(f"{ACCESS_KEY}/"):
        return "UnrecognizedClientException"
    names = words.get("SignedHeaders", "").split(";")
    headers = {name: request.headers.get(name, "") for name in names}
    made = sigv4.signature(
        sigv4.Credentials(ACCESS_KEY, SECRET_KEY, REGION, service),
        request.method,
        str(request.url),
        headers,
        await request.read(),
        request.headers.get("X-Amz-Date", ""),
    )
    return "" if made == words.get("Signature") and "host" in names else "InvalidSignatureException"


def _wrong(asked: dict[str, Any]) -> str:
    try:
        (to,) = asked["Destination"]["ToAddresses"]
        b64decode(asked["Content"]["Raw"]["Data"], validate=True)
    except (KeyError, TypeError, ValueError):
        return "BadRequestException"
    if not isinstance(to, str) or to.count("@") != 1:
        return "BadRequestException"
    return "" if asked.get("FromEmailAddress") == SENDER else "MessageRejected"


def _error(name: str) -> web.Response:
    status, message = ERRORS[name]
    answer = json_response({"message": message}, status)
    answer.headers["x-amzn-ErrorType"] = "MessageRejected" if name == "ContentRejected" else name
    return answer


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return "ContentRejected" if behaviour is Behaviour.TEMPLATE_PAUSED else ""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


OPERATOR = Operator(
    NAME,
    Ses,
    lambda url: {
        "access_key_id": ACCESS_KEY,
        "secret_access_key": SECRET_KEY,
        "region": REGION,
        "sender_address": SENDER,
        "configuration_set": "angarium",
        "topic_arns": TOPIC,
        "base_url": url,
        "sns_url": url,
    },
    recipient="anna.01@example.org",
    content=_mail.content("amazon_ses_email"),
)
