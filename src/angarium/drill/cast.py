"""Who takes part: three workspaces, and the lines of each at the simulated operators. Pure."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

WORKSPACES = ("bank", "shop", "post")
CURRENCY = "EUR"
WINDOW = 200
# How long a line waits for an answer: short where that can be set (not for HTTP), so that late ones are many.
ANSWER_S = {"smpp": 5.0, "smpp-hex": 5.0, "smtp": 5.0, "viber": 30.0, "vk": 30.0, "whatsapp": 30.0}
CHANNEL_OF = {
    "smpp": "smpp",
    "smpp-hex": "smpp",
    "smtp": "smtp",
    "viber": "viber_business",
    "vk": "vk_notify",
    "whatsapp": "whatsapp_cloud",
}
WHATSAPP_SECRET = "drill-app-secret"  # noqa: S105 - of the simulated operator, worth nothing
ACCOUNTS = {  # at both message centres
    "bank": "secret",
    "shop": "secret",
}
# Operator and account of lines that are dearer than the other: nothing is due on them while that one works.
SPARES = frozenset({("smpp-hex", "bank"), ("smpp", "shop")})


def lines(workspace: str, faces: dict[str, str], bounces: str) -> list[Document]:
    """The lines of a workspace, as the API takes them."""
    found = {
        "bank": [*_sms(faces, "bank", ["otp", "transactional"]), _whatsapp(faces)],
        "shop": [*_sms(faces, "shop", ["service", "promotional"]), _viber(faces), _vk(faces)],
        "post": [_mail(faces, bounces)],
    }[workspace]
    common = {"registration": "approved", "currency": CURRENCY, "window": WINDOW}
    return [{**common, **line} for line in found]


def _sms(faces: dict[str, str], account: str, classes: list[str]) -> list[Document]:
    """Two operators that give the same ids to different messages; one writes them in two ways."""
    dear = account == "shop"  # each operator is somebody's first choice
    return [
        _smpp(faces["smpp"], "sms-a", account, classes, "same", "0.042" if dear else "0.040"),
        _smpp(faces["smpp-hex"], "sms-b", account, classes, "hex_to_dec", "0.041"),
    ]


def _smpp(url: str, name: str, account: str, classes: list[str], base: str, price: str) -> Document:
    host, _, port = url.removeprefix("smpp://").rpartition(":")
    return {
        "name": name,
        "channel": "smpp",
        "settings": {
            "host": host,
            "port": int(port),
            "system_id": account,
            "password": ACCOUNTS[account],
            "source": "Drill",
            "response_timeout_s": ANSWER_S["smpp"],
            "reconnect_s": 0.5,
            "enquire_link_s": 5,
            "receipt_id_base": base,
        },
        "classes": classes,
        "price": price,
        "price_per": "part",
    }


def _viber(faces: dict[str, str]) -> Document:
    settings = {"api_key": "viber-demo-key", "sender": "Drill", "base_url": f"{faces['viber']}/v1/api"}
    return {
        "name": "viber",
        "channel": "viber_business",
        "settings": settings,
        "classes": ["service", "promotional"],
    }


def _vk(faces: dict[str, str]) -> Document:
    settings = {
        "api_key": "vk-demo-key",
        "service": "drill",
        "base_url": faces["vk"],
        "text_template": "plain_text",
        "text_variable": "text",
    }
    return {"name": "vk", "channel": "vk_notify", "settings": settings, "classes": ["service"]}


def _whatsapp(faces: dict[str, str]) -> Document:
    settings = {
        "phone_number_id": "106540352242922",
        "access_token": "whatsapp-demo-token",
        "app_secret": WHATSAPP_SECRET,
        "verify_token": "drill",
        "base_url": faces["whatsapp"],
    }
    return {
        "name": "whatsapp",
        "channel": "whatsapp_cloud",
        "settings": settings,
        "classes": ["transactional"],
    }


def _mail(faces: dict[str, str], bounces: str) -> Document:
    host, _, port = faces["smtp"].removeprefix("smtp://").rpartition(":")
    settings = {
        "host": host,
        "port": int(port),
        "security": "none",
        "sender_address": "post@drill.example",
        "bounce_domain": "bounce.drill.example",
        "bounce_listen": bounces,
        "final_timeout_s": ANSWER_S["smtp"],
    }
    return {"name": "mail", "channel": "smtp", "settings": settings, "classes": ["service", "promotional"]}
