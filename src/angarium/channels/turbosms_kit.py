"""How the SMS and the Viber of TurboSMS hear what became of a message: webhooks, and asking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from angarium.channels import kit, sms_kit
from angarium.core.ports import Event, Inquiry, Raw, Tools, Unknown
from angarium.protocols import turbosms


class Settings(Protocol):
    """What both have in their settings."""

    @property
    def token(self) -> str: ...

    @property
    def webhook_secret(self) -> str: ...

    @property
    def base_url(self) -> str: ...

    @property
    def callback_networks(self) -> str: ...


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it is signed with the secret and comes from where the provider posts, as the line says."""
    listed = kit.listed_peer(settings.callback_networks, raw.peer)
    return listed and turbosms.genuine(settings.webhook_secret, raw.body)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One event: what has become of a message."""
    receipt = turbosms.receipt(raw.body)
    return [receipt or kit.unreadable("no state of a message that is in our table", raw.body)]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One POST to `message/status.json` for several messages: where the provider cannot reach us."""
    refs = [ref for one in inquiries for ref in one.refs]
    url, headers = f"{settings.base_url}/message/status.json", turbosms.headers(settings.token)
    answer = await sms_kit.posted(tools, url, {"messages": refs}, headers)
    if isinstance(answer, Unknown):
        return answer
    found = turbosms.states(answer.body)
    return [kit.unreadable("no list of states", answer.body)] if found is None else [*found]
