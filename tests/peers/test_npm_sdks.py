"""Simulated operators against SDKs from npm, each named: Kavenegar's, Postmark's, Amazon's (SES), MAX's, and
those of others for what SNS signs and for Web Push. What they do is in sdks.js.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.protocols import sns
from angarium.simulators.faces import amazon_ses_email as ses
from angarium.simulators.faces import kavenegar_sms, max_bot, postmark_email, web_push
from support.sdk import operator

pytestmark = pytest.mark.peers("node", "npm")

HERE = Path(__file__).parent
TEXT = "Your order is ready"
ANSWER_S = 60.0


async def sdk(name: str, face: Any, **options: Any) -> Any:
    """What an SDK makes of an operator."""
    given = json.dumps({"url": face.url(), **options})
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(
        "node", "sdks.js", name, given, cwd=HERE, stdout=pipe, stderr=pipe
    )
    out, wrong = await asyncio.wait_for(program.communicate(), ANSWER_S)
    assert program.returncode == 0, wrong.decode()
    return json.loads(out)


async def test_kavenegars_sdk() -> None:
    async with operator(lambda stage: kavenegar_sms.Kavenegar(stage).office) as (face, _ear):
        told = await sdk(
            "kavenegar",
            face,
            key=kavenegar_sms.API_KEY,
            to="09121234501",
            sender=kavenegar_sms.LINE,
            text=TEXT,
        )
        sent, looked = face.ledger.entries
        assert (sent.recipient, sent.text, looked.text) == ("+989121234501", TEXT, "48215")
        statuses = [told[name]["status"] for name in ("sent", "again", "looked", "status", "wrong")]
        assert statuses == [200, 200, 200, 200, 411]
        [first], [again], [asked] = (told[name]["entries"] for name in ("sent", "again", "status"))
        assert str(first["messageid"]) == str(again["messageid"]) == str(asked["messageid"]) == sent.ref


async def test_postmarks_sdk() -> None:
    async with operator(lambda stage: postmark_email.Postmark(stage).office) as (face, _ear):
        told = await sdk(
            "postmark",
            face,
            token=postmark_email.SERVER,
            sender=postmark_email.SENDER,
            to="anna.01@example.org",
            text=TEXT,
        )
        [entry] = face.ledger.entries
        assert (told["sent"]["MessageID"], told["sent"]["ErrorCode"]) == (entry.ref, 0)
        assert [one["MessageID"] for one in told["found"]["Messages"]] == [entry.ref]
        assert (told["wrong"]["code"], told["wrong"]["statusCode"]) == (400, 422)


async def test_amazons_sdk_signs_and_sends() -> None:
    mail = f"From: {ses.SENDER}\r\nTo: anna.01@example.org\r\nSubject: Order\r\n\r\n{TEXT}\r\n"
    async with operator(ses.Ses) as (face, _ear):
        told = await sdk(
            "ses",
            face,
            region=ses.REGION,
            key=ses.ACCESS_KEY,
            secret=ses.SECRET_KEY,
            sender=ses.SENDER,
            to="anna.01@example.org",
            mail=b64encode(mail.encode()).decode(),
        )
        [entry] = face.ledger.entries
        assert (told["sent"], entry.client_ref, entry.subject) == (entry.ref, "att_1", "Order")
        assert (told["account"], told["wrong"]) == (True, "InvalidSignatureException")


async def test_sns_validator_believes_what_the_simulated_topic_signs() -> None:
    at = {
        "signing_cert_url": "https://sns.example" + ses.CERTIFICATE,
        "timestamp": "2026-11-28T12:00:00.000Z",
    }
    usual = sns.Message(
        "Notification", '{"a": "b"}', "1", ses.TOPIC, signature="", signature_version="1", **at
    )
    subscription = {
        "type": "SubscriptionConfirmation",
        "token": "t",
        "subscribe_url": "https://sns.example/?a=b",
    }
    changes: list[dict[str, Any]] = [{}, {"signature_version": "2"}, {"subject": "Mail"}, subscription]
    async with operator(ses.Ses) as (face, _ear):
        made = [msgspec.structs.replace(usual, **change) for change in changes]
        signed = [msgspec.structs.replace(one, signature=face._seal.signature(one)) for one in made]
        forged = msgspec.structs.replace(signed[0], message="{}")
        told = await sdk("sns", face, messages=[_written(one) for one in (*signed, forged)])
        assert told == ["valid"] * 4 + ["The message signature is invalid."]


def _written(message: sns.Message) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(message).items() if value is not None}


async def test_web_push_is_read_and_refused_by_the_simulated_browser() -> None:
    async with operator(web_push.WebPushFace) as (face, _ear):
        told = await sdk(
            "web-push",
            face,
            site=web_push.SITE,
            key=web_push.SITE_KEY,
            keys={"p256dh": web_push.KEYS.p256dh, "auth": web_push.KEYS.auth},
            endpoint=f"{web_push.ORIGIN}/push/demo-1",
            gone=f"{web_push.ORIGIN}/push/demo-02",
            text=TEXT,
        )
        [entry] = face.ledger.entries
        assert (told, entry.text, entry.subject) == ([201, 410], TEXT, "Hi")
        assert (entry.details["ttl_s"], entry.details["urgency"], entry.details["topic"]) == (
            60,
            "high",
            "order",
        )


async def test_maxs_sdk_sends_and_polls() -> None:
    async with operator(max_bot.MaxFace) as (face, _ear):
        del face._stage.webhooks[face.name]
        await face.begin("5550001", "spring")
        await face.send_inbound("5550001", "Hello")
        told = await sdk("max", face, token=max_bot.TOKEN, to="5550001", blocked="5550003", text=TEXT)
        assert told["me"]["username"] == "demo_shop_bot"
        [entry] = face.ledger.entries
        assert (told["sent"]["body"]["mid"], told["sent"]["body"]["text"]) == (entry.ref, TEXT)
        assert told["refused"] == {"status": 403, "code": "chat.denied"}
        [said] = told["updates"]["updates"]  # without a marker the last alone
        assert (said["update_type"], said["message"]["body"]["text"]) == ("message_created", "Hello")
