"""The lines and the cascade that a sandbox begins with, at the addresses of its simulated operators. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from angarium.core.values import Json

# What the simulated operators expect; worth nothing anywhere else.
SMS_ACCOUNT, SMS_WORD = "angarium", "secret"
VK_KEY, WHATSAPP_TOKEN = "vk-demo-key", "whatsapp-demo-token"
GMS_CLIENT, GMS_LOGIN, GMS_PASSWORD = "2157", "angarium", "gms-demo-key"
WHATSAPP_NUMBER = "106540352242922"
TELEGRAM_TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"  # noqa: S105  shared with the simulator alone
WHATSAPP_SECRET = "sandbox"  # noqa: S105  shared with the simulator alone
SENDER = "Angarium"
CASCADE = "vk-viber-sms"
ALIKE: Json = {"registration": "approved", "currency": "EUR", "speed_per_s": 100, "window": 50}
TOLD = ["otp", "transactional", "service"]


def documents(faces: Mapping[str, str]) -> dict[str, Json]:
    """A line for each operator that is there, as the API takes it, by the name of its face."""
    makers = {
        "smpp": _sms,
        "gms": _viber,
        "vk": _vk,
        "whatsapp": _whatsapp,
        "telegram": _telegram,
        "smtp": _mail,
    }
    return {face: {**ALIKE, **make(faces[face])} for face, make in makers.items() if face in faces}


def _sms(url: str) -> Json:
    where = urlsplit(url)
    settings = {
        "host": where.hostname,
        "port": where.port,
        "system_id": SMS_ACCOUNT,
        "password": SMS_WORD,
        "source": SENDER,
    }
    return _line("sandbox-sms", "smpp", settings, "0.042", "part", promotional=True)


def _viber(url: str) -> Json:
    """By GMS, because people can answer there."""
    settings = {
        "client_id": GMS_CLIENT,
        "login": GMS_LOGIN,
        "password": GMS_PASSWORD,
        "sender": SENDER,
        "base_url": url,
    }
    return _line("sandbox-viber", "gms_viber", settings, "0.019", promotional=True)


def _vk(url: str) -> Json:
    settings = {
        "api_key": VK_KEY,
        "service": "angarium",
        "base_url": url,
        "text_template": "plain_text",
        "text_variable": "text",
    }
    return _line("sandbox-vk", "vk_notify", settings, "0.011")


def _whatsapp(url: str) -> Json:
    settings = {
        "phone_number_id": WHATSAPP_NUMBER,
        "access_token": WHATSAPP_TOKEN,
        "app_secret": WHATSAPP_SECRET,
        "verify_token": WHATSAPP_SECRET,
        "base_url": url,
    }
    return _line("sandbox-whatsapp", "whatsapp_cloud", settings, "0.03", promotional=True)


def _telegram(url: str) -> Json:
    """It asks for what people write, so that nobody has to reach us."""
    settings = {
        "token": TELEGRAM_TOKEN,
        "webhook_secret": "sandbox",
        "receive": "polling",
        "base_url": url,
    }
    return _line("sandbox-telegram", "telegram_bot", settings, "0", promotional=True)


def _mail(url: str) -> Json:
    where = urlsplit(url)
    settings = {
        "host": where.hostname,
        "port": where.port,
        "security": "none",
        "sender_address": "shop@angarium.example",
        "sender_name": SENDER,
    }
    return _line("sandbox-mail", "smtp", settings, "0.001", promotional=True)


def _line(
    name: str,
    channel: str,
    settings: Mapping[str, Any],
    price: str,
    per: str = "message",
    *,
    promotional: bool = False,
) -> Json:
    return {
        "name": name,
        "channel": channel,
        "settings": dict(settings),
        "classes": [*TOLD, "promotional"] if promotional else TOLD,
        "price": price,
        "price_per": per,
    }


def cascade(faces: Mapping[str, str]) -> Json:
    """VK, then Viber, then SMS, as far as they are there; it does not wait long, because somebody watches."""
    steps = [
        {"channel": "vk_notify", "success": "read", "wait_s": 20},
        {"channel": "gms_viber", "success": "delivered", "wait_s": 20},
        {"channel": "smpp", "success": "delivered", "wait_s": 60},
    ]
    there = {line["channel"] for line in documents(faces).values()}
    return {"name": CASCADE, "steps": [step for step in steps if step["channel"] in there]}
