"""The simulated Mailgun against Mailgun's own SDK for Python: what it sends and finds, and what it believes.

Postmark's and Amazon's are in test_npm_sdks.py; SMTP is spoken with by aiosmtpd, and DKIM verified by dkimpy.
"""

from __future__ import annotations

from functools import partial

import msgspec
from mailgun.client import Client
from mailgun.security import SecurityGuard

from angarium.simulators.faces import mailgun_email as mg
from support.sdk import ask, operator

TO = "anna.01@example.org"
MAIL = f"""From: {mg.SENDER}
To: {TO}
Subject: Order
Message-ID: <att_1@{mg.DOMAIN}>

It is ready
"""


async def test_mailguns_sdk_sends_finds_and_believes() -> None:
    async with operator(mg.Mailgun, mg.SIGNING_KEY) as (face, ear):
        sdk = Client(auth=("api", mg.API_KEY), api_url=face.url())
        file = {"message": ("message.mime", MAIL.encode())}
        send = partial(sdk.mimemessage.create, domain=mg.DOMAIN, files=file)
        sent = await ask(send, data={"to": TO, "v:client_ref": "att_1"})
        assert (sent.status_code, sent.json()["id"]) == (200, f"<att_1@{mg.DOMAIN}>")
        told = msgspec.json.decode((await ear.hear()).body)
        believes, event = partial(SecurityGuard.verify_webhook, **told["signature"]), told["event-data"]
        assert believes(signing_key=mg.SIGNING_KEY)
        assert not believes(signing_key="another")
        assert (event["event"], event["user-variables"]) == ("delivered", {"client_ref": "att_1"})
        found = await ask(sdk.events.get, domain=mg.DOMAIN, filters={"message-id": f"att_1@{mg.DOMAIN}"})
        assert [one["event"] for one in found.json()["items"]] == ["accepted", "delivered"]
        wrong = await ask(send, data={"to": "nobody"})
        assert wrong.status_code == 400
        sdk._session.close()
