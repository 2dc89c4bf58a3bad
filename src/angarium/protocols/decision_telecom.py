"""The words of Decision Telecom that its Viber and its SMS share: who asks, and what is wrong.

Sources: en-api.decisiontele.com/viber-api and /sms-api (the vendor's pages, stored 2026);
github.com/IT-DecisionTelecom/DecisionTelecom-Python (29 January 2022: the header, errors with HTTP 200).
"""

from __future__ import annotations

from base64 import b64encode

import msgspec

from angarium.core.ports import Outcome, Refused, Unknown
from angarium.core.values import Reason

BASE_URL = "https://web.it-decision.com/v1/api"

ERRORS = {
    401: Reason.AUTH,
    402: Reason.NO_CREDIT,
    403: Reason.AUTH,
    429: Reason.THROTTLED,
}

# An error 400 names its parameter: "Invalid Parameter: source_addr". The SMS has other names for some.
PARAMETERS = {
    "source_addr": Reason.SENDER_INVALID,
    "sender": Reason.SENDER_INVALID,
    "destination_addr": Reason.BAD_ADDRESS,
    "phone": Reason.BAD_ADDRESS,
    "text": Reason.CONTENT_REJECTED,
    "image": Reason.MEDIA_INVALID,
    "button_caption": Reason.CONTENT_REJECTED,
    "button_action": Reason.CONTENT_REJECTED,
    "message_type": Reason.UNSUPPORTED,
}


class Error(msgspec.Struct, frozen=True):
    """What is wrong; `status` counts, whatever the HTTP status, because `code` 0 means two things."""

    name: str
    status: int
    message: str = ""


def headers(api_key: str) -> dict[str, str]:
    """Of every request: the key alone, as Basic."""
    return {"Authorization": f"Basic {b64encode(api_key.encode()).decode()}", "Accept": "application/json"}


def judge(error: Error) -> Outcome:
    """What an error comes to."""
    detail = f"{error.name}: {error.message}"
    if error.status >= 500:
        return Unknown(f"{detail} (the message may have been taken before it failed)")
    if error.status == 400:
        parameter = error.name.rpartition(":")[2].strip()
        return Refused(PARAMETERS.get(parameter, Reason.CONFIG), f"400 {parameter}", detail)
    return Refused(ERRORS.get(error.status, Reason.REJECTED), str(error.status), detail)
