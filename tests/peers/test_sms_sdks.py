"""Simulated operators of SMS against the operators' own SDKs for Python: what these send, and read of what is
answered and posted. Twilio's is in test_twilio_operator.py, Kavenegar's in test_npm_sdks.py.

Decision Telecom's ships a package named `tests`, which would stand in place of ours; TurboSMS, GMS, SMSC and
Melipayamak have none that installs without a compiler or a hundred others.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import Any

import africastalking
import pytest
from africastalking.Service import AfricasTalkingException
from sms_ir import SmsIr
from vonage_http_client import Auth, HttpClient, HttpRequestError
from vonage_jwt import verify_signature
from vonage_messages import Messages, Sms

from angarium.channels import kit
from angarium.simulators.faces import africastalking_sms as at
from angarium.simulators.faces import (
    infobip_sms,
    infobip_viber,
    messagebird_sms,
    sinch_sms,
    smsir_sms,
    vonage_sms,
)
from support.sdk import ask, moved, operator

TO, STRANGER = "+447700900100", "+447700900102"
TEXT = "سلام & hello"


@pytest.fixture
def infobip() -> Any:
    """Infobip's SDK. It takes seconds to import, so only the process does whose test it is; so below."""
    return import_module("infobip_api_client")


@pytest.mark.xdist_group("infobip")
@pytest.mark.turns(2, 1)
async def test_infobips_sdk_sends_and_reads_reports(infobip: Any) -> None:
    async with operator(infobip_sms.InfobipFace) as (face, ear):
        sdk = infobip.ApiClient(infobip.Configuration(host=face.url(), api_key=infobip_sms.API_KEY))
        message = infobip.SmsMessage(
            sender="Shop",
            destinations=[infobip.SmsDestination(to=TO.removeprefix("+"), message_id="att_1")],
            content=infobip.SmsMessageContent(infobip.SmsTextContent(text=TEXT)),
            options=infobip.SmsMessageOptions(validity_period=infobip.ValidityPeriod(amount=60)),
            webhooks=infobip.SmsWebhooks(
                delivery=infobip.SmsMessageDeliveryReporting(url=ear.url, intermediate_report=True),
                callback_data="att_1",
            ),
        )
        send = partial(infobip.SmsApi(sdk).send_sms_messages, infobip.SmsRequest(messages=[message]))
        [taken] = (await ask(send)).messages
        assert (taken.message_id, taken.status.name) == ("att_1", "PENDING_ACCEPTED")
        for name in ("PENDING_ENROUTE", "DELIVERED_TO_HANDSET"):
            [report] = kit.read_json((await ear.hear()).body, dict)["results"]
            read = infobip.SmsDeliveryReport.from_dict(report)
            assert (read.message_id, read.status.name, read.callback_data) == ("att_1", name, "att_1")
        [again] = (await ask(send)).messages
        assert again.status.name == "REJECTED_DUPLICATE_MESSAGE_ID"
        message.destinations = []
        with pytest.raises(infobip.exceptions.ApiException) as refused:
            await ask(send)
        assert refused.value.status == 400
        await face.send_inbound(TO, "STOP")
        inbound = infobip.SmsInboundMessageResult.from_json((await ear.hear()).body.decode())
        assert [(one.var_from, one.text) for one in inbound.results] == [("447700900100", "STOP")]
        sdk.rest_client.pool_manager.clear()


@pytest.mark.xdist_group("infobip")
async def test_infobips_sdk_sends_viber_and_reads_what_was_seen(infobip: Any) -> None:
    async with operator(lambda stage: infobip_viber.InfobipViber(stage).office) as (face, ear):
        sdk = infobip.ApiClient(infobip.Configuration(host=face.url(), api_key=infobip_viber.API_KEY))
        message = infobip.ViberMessage(
            sender=infobip_viber.SENDER,
            destinations=[infobip.ViberToDestination(to=TO.removeprefix("+"), message_id="att_1")],
            content=infobip.ViberOutboundTextContent(text=TEXT, type="TEXT"),
            webhooks=infobip.ViberWebhooks(
                delivery=infobip.ViberMessageDeliveryReporting(url=ear.url),
                callback_data="att_1",
                seen=infobip.ViberSeenStatusReporting(url=ear.url),
            ),
        )
        send = partial(infobip.ViberApi(sdk).send_viber_messages, infobip.ViberRequest(messages=[message]))
        sent = await ask(send)
        assert [one.message_id for one in sent.messages] == ["att_1"]
        for name in ("PENDING_ENROUTE", "DELIVERED_TO_HANDSET"):
            reports = infobip.ViberWebhookReportsResponse.from_json((await ear.hear()).body.decode())
            assert [(one.message_id, one.status.name) for one in reports.results] == [("att_1", name)]
        seen = infobip.ViberSeenReports.from_json((await ear.hear()).body.decode())
        assert [one.message_id for one in seen.results] == ["att_1"]
        await face.send_inbound(TO, "Thanks")
        inbound = infobip.ViberWebhookInboundReportResponse.from_json((await ear.hear()).body.decode())
        assert [one.message.text for one in inbound.results] == ["Thanks"]
        message.destinations = []
        with pytest.raises(infobip.exceptions.ApiException) as refused:
            await ask(send)
        assert refused.value.status == 400
        sdk.rest_client.pool_manager.clear()


async def test_vonages_sdk_sends_and_believes_what_is_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(vonage_sms.VonageFace) as (face, ear):
        moved(monkeypatch, "https://api.nexmo.com", face.url())
        sdk = Messages(
            HttpClient(Auth(application_id=vonage_sms.APPLICATION_ID, private_key=vonage_sms._key()))
        )
        sms = Sms(
            to=TO.removeprefix("+"),
            from_="Shop",
            text=TEXT,
            client_ref="att_1",
            ttl=60,
            webhook_url=ear.url,
            webhook_version="v1",
        )
        sent = await ask(sdk.send, sms)
        for status in ("submitted", "delivered"):
            raw = await ear.hear()
            told, token = kit.read_json(raw.body, dict), raw.headers["authorization"].removeprefix("Bearer ")
            assert (told["message_uuid"], told["client_ref"], told["status"]) == (
                sent.message_uuid,
                "att_1",
                status,
            )
            assert verify_signature(token, vonage_sms.SIGNATURE_SECRET)
            assert not verify_signature(token, "another secret of at least 32 octets")
        with pytest.raises(HttpRequestError) as refused:
            await ask(sdk.send, Sms(to="447700900100", from_="a sender that is far too long", text="x"))
        assert refused.value.response.status_code == 422
        sdk.http_client._session.close()


async def test_sinchs_sdk_sends_lists_and_reads_reports() -> None:
    from sinch import SinchClient
    from sinch.core.exceptions import SinchException

    async with operator(sinch_sms.SinchFace) as (face, ear):
        sdk = SinchClient(
            service_plan_id=sinch_sms.SERVICE_PLAN_ID, sms_api_token=sinch_sms.API_TOKEN, sms_region="eu"
        )
        sdk.configuration.sms_domain_with_service_plan_id = face.url()
        send = partial(
            sdk.sms.batches.send_sms,
            from_="Shop",
            client_reference="att_1",
            delivery_report="per_recipient",
            event_destination_target=ear.url,
        )
        sent = await ask(send, to=[TO], body=TEXT, expire_at=datetime.now(UTC) + timedelta(hours=1))
        events = sdk.sms.sinch_events(sinch_sms.WEBHOOK_SECRET)
        for status in ("Dispatched", "Delivered"):
            raw = await ear.hear()
            assert events.validate_authentication_header(raw.headers, raw.body)
            assert not events.validate_authentication_header(raw.headers, raw.body + b" ")
            report = events.parse_event(raw.body, raw.headers)
            assert (report.batch_id, report.status, report.client_reference) == (sent.id, status, "att_1")
        since = datetime.now(UTC) - timedelta(hours=1)
        listed = await ask(sdk.sms.batches.list, client_reference="att_1", start_date=since)
        assert [one.id for one in listed.content()] == [sent.id]
        with pytest.raises(SinchException):
            await ask(send, to=["no phone"], body="x")
        await face.send_inbound(TO, "STOP")
        raw = await ear.hear()
        assert events.validate_authentication_header(raw.headers, raw.body)
        heard = events.parse_event(raw.body, raw.headers)
        assert (heard.from_, heard.body) == ("447700900100", "STOP")
        sdk.configuration.transport.http_session.close()


@pytest.mark.turns(2, 0)
async def test_birds_sdk_sends_reads_and_unwraps_events() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of its own: a field shadows one of pydantic
        import bird
    async with operator(messagebird_sms.BirdFace) as (face, ear):
        sdk = bird.Bird(
            api_key=messagebird_sms.API_KEY,
            base_url=face.url(),
            webhook_secret=messagebird_sms.WEBHOOK_SECRET,
        )
        send = partial(
            sdk.sms.send, from_="+15557654321", text=TEXT, category="transactional", metadata={"ref": "att_1"}
        )
        sent = await ask(send, to=TO, options={"idempotency_key": "att_1"})
        again = await ask(send, to=TO, options={"idempotency_key": "att_1"})
        assert (again.id, sent.status, len(face.ledger.entries)) == (sent.id, "accepted", 1)
        for kind in ("sms.sent", "sms.delivered"):
            raw = await ear.hear()
            event = sdk.webhooks.unwrap(raw.body, raw.headers).root
            assert (event.type, event.data.sms_id, event.data.metadata) == (kind, sent.id, {"ref": "att_1"})
            with pytest.raises(bird.WebhookVerificationError):
                sdk.webhooks.unwrap(raw.body + b" ", raw.headers)
        assert (await ask(sdk.sms.get, sent.id)).status == "delivered"
        assert [one.id for one in await ask(lambda: list(sdk.sms.list(to=TO)))] == [sent.id]
        with pytest.raises(bird.APIStatusError) as refused:
            await ask(send, to="no phone")
        assert refused.value.status_code == 422
        await face.send_inbound(TO, "STOP")
        raw = await ear.hear()
        assert sdk.webhooks.unwrap(raw.body, raw.headers).root.data.text == "STOP"
        sdk.close()


async def test_africas_talkings_sdk_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(at.AfricasTalkingFace) as (face, _ear):
        moved(monkeypatch, "https://api.africastalking.com", face.url())
        africastalking.initialize(at.USERNAME, at.API_KEY)
        said = (await ask(africastalking.SMS.send, TEXT, [TO, STRANGER], "Shop"))["SMSMessageData"]
        assert [(one["number"], one["statusCode"]) for one in said["Recipients"]] == [
            (TO, 101),
            (STRANGER, 101),
        ]
        account = await ask(africastalking.Application.fetch_application_data)
        assert account["UserData"]["balance"].startswith("KES ")
        africastalking.initialize(at.USERNAME, "another")
        with pytest.raises(AfricasTalkingException):
            await ask(africastalking.SMS.send, TEXT, [TO])


async def test_sms_irs_sdk_sends_and_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(lambda stage: smsir_sms.SmsIr(stage).office) as (face, _ear):
        monkeypatch.setattr(SmsIr, "ENDPOINT", face.url())
        sdk = SmsIr(smsir_sms.API_KEY, smsir_sms.LINE)
        to, said = "9121234501", []
        said.append(await ask(sdk.send_sms, to, TEXT))
        said.append(await ask(sdk.send_verify_code, to, 100_000, [{"name": "CODE", "value": "48215"}]))
        said.append(await ask(sdk.report_today, 10, 1))
        assert [one.json()["status"] for one in said] == [1, 1, 1]
        assert len(said[2].json()["data"]) == 2
        refused = await ask(SmsIr("another", smsir_sms.LINE).send_sms, to, TEXT)
        assert (refused.status_code, refused.json()["status"]) == (401, 10)
