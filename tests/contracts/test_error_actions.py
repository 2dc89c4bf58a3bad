"""What the documented errors of each provider lead to: the whole way from a number to what the engine does.

Rows follow the tables of the providers and the practice of those who have run them for years. `line`:
another line of the step, and the one that said it rests. `next`: the next step, at once. `retry`: the same
step again. `stop`: the end for an advertisement, the next step for anything else.
"""

from __future__ import annotations

import pytest

from angarium.channels import (
    kavenegar_sms,
    melipayamak_sms,
    smpp,
    smsc_ru_sms,
    telegram_bot,
    vk_community,
    whatsapp_cloud,
)
from angarium.contacts.reachability import SILENT_ENDS
from angarium.core.values import MessageClass, Reason
from angarium.messaging.gate.reachability import SAYS
from angarium.messaging.retry import Action, action
from angarium.protocols import messenger
from angarium.protocols.smpp_numbers import Status

RETRY, LINE, NEXT, STOP = "retry", "line", "next", "stop"


def whatsapp(code: int) -> Reason:
    """Of an error's code, in an answer or in a status."""
    return whatsapp_cloud.ERRORS[code]


def of_page(code: int, subcode: int = 0) -> Reason:
    """Of an error of Messenger or Instagram."""
    return messenger.reason_of(messenger.Error(code, subcode))


WHATSAPP = [
    (131026, NEXT),
    (131047, NEXT),
    (131049, NEXT),
    (131050, STOP),
    (130472, NEXT),
    (131030, LINE),
    (131056, RETRY),
    *((code, RETRY) for code in (130429, 4, 80007, 131048, 133016)),
    (131064, LINE),
    *((code, NEXT) for code in (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016)),
    *((code, NEXT) for code in (131051, 131052, 131053)),
    *((code, LINE) for code in (131031, 368, 131042, 131045, 131037, 131005, 10, 190, 0, 200, 299)),
    (130497, NEXT),
    *((code, RETRY) for code in (131000, 131016, 131057, 1, 2)),
    *((code, NEXT) for code in (131062, 131063)),
    *((code, LINE) for code in (131008, 131009, 100)),
    (131021, NEXT),
]
PAGES = [
    ((10, 2018278), NEXT),
    ((10, 2534022), NEXT),
    ((551, 1545041), STOP),
    ((10, 1893063), LINE),
    ((613,), RETRY),
    ((4,), RETRY),
    ((32,), RETRY),
    ((190,), LINE),
]
TELEGRAM = [
    (429, "Too Many Requests: retry after 5", RETRY),
    (403, "Forbidden: bot was blocked by the user", STOP),
    (403, "Forbidden: user is deactivated", NEXT),
    (403, "Forbidden: bot can't initiate conversation with a user", NEXT),
    (400, "Bad Request: chat not found", NEXT),
    (400, "Bad Request: message is too long", NEXT),
    (400, "Bad Request: BUTTON_URL_INVALID", NEXT),
    (400, "Bad Request: Wrong HTTP URL specified", NEXT),
    (401, "Unauthorized", LINE),
]
VK = [
    *((code, NEXT) for code in (901, 18, 936)),
    *((code, STOP) for code in (902, 900)),
    *((code, RETRY) for code in (6, 9, 10)),
    *((code, LINE) for code in (5, 14)),
    (914, NEXT),
]
SMPP = [
    (Status.RSYSERR, RETRY),
    (Status.RINVSRCADR, LINE),
    (Status.RINVDSTADR, NEXT),
    (Status.RMSGQFUL, RETRY),
    (Status.RTHROTTLED, RETRY),
    (Status.RSUBMITFAIL, RETRY),
    (Status.RX_T_APPN, RETRY),
    (Status.RX_P_APPN, NEXT),
    (Status.RINVPASWD, LINE),
    (Status.RINVSYSID, LINE),
]
KAVENEGAR = [
    *((code, LINE) for code in (400, 401, 403, 407, 412, 416, 418, 426, 427, 501)),
    *((code, NEXT) for code in (411, 413, 420, 424, 428, 431, 432)),
    *((code, RETRY) for code in (409, 429, 451)),
]
SMSC_RU = [(1, LINE), (2, LINE), (3, LINE), (6, NEXT), (7, NEXT), (8, NEXT), (9, RETRY)]
MELIPAYAMAK = [(-1, LINE), (-2, LINE), (-3, LINE), (-4, NEXT), (-5, NEXT), (-6, RETRY), (-7, LINE)]

ROWS = [
    *(("whatsapp_cloud", str(code), whatsapp(code), does) for code, does in WHATSAPP),
    *(("messenger", str(numbers), of_page(*numbers), does) for numbers, does in PAGES),
    *(("telegram_bot", words, telegram_bot.reason_of(code, words), does) for code, words, does in TELEGRAM),
    *(("vk_community", str(code), vk_community.ERRORS[code], does) for code, does in VK),
    *(("smpp", status.name, smpp.STATUSES[status], does) for status, does in SMPP),
    *(("kavenegar_sms", str(code), kavenegar_sms.ERRORS[code], does) for code, does in KAVENEGAR),
    *(("smsc_ru_sms", str(code), smsc_ru_sms.ERRORS[code], does) for code, does in SMSC_RU),
    *(("melipayamak_sms", str(code), melipayamak_sms.ERRORS[code], does) for code, does in MELIPAYAMAK),
]


@pytest.mark.parametrize(
    ("channel", "code", "reason", "does"), ROWS, ids=[f"{row[0]} {row[1]}" for row in ROWS]
)
def test_what_is_done(channel: str, code: str, reason: Reason, does: str) -> None:
    promotional, service = (action(reason, one) for one in (MessageClass.PROMOTIONAL, MessageClass.SERVICE))
    if does == STOP:
        assert promotional is Action.STOP, reason
        assert service in (Action.NEXT, Action.STOP)
    else:
        assert {promotional, service} == {Action(does)}, reason


@pytest.mark.parametrize(
    "reason",
    [
        whatsapp(131026),
        vk_community.ERRORS[901],
        telegram_bot.reason_of(403, "Forbidden: bot can't initiate conversation with a user"),
        vk_community.ERRORS[902],
        telegram_bot.reason_of(403, "Forbidden: bot was blocked by the user"),
        of_page(551),
    ],
)
def test_what_makes_a_step_vain_is_remembered(reason: Reason) -> None:
    assert reason in SAYS or reason in SILENT_ENDS


def test_the_operator_s_blacklist_tries_a_service_line_for_service_and_nothing_for_advertising() -> None:
    (_, reason) = kavenegar_sms.STATUSES["14"]
    assert reason is Reason.OPERATOR_BLACKLIST
    assert action(reason, MessageClass.SERVICE) is Action.LINE
    assert action(reason, MessageClass.PROMOTIONAL) is Action.STOP
