"""The demo's progress and report: our own sums beside the operators' ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from angarium.client import Api
from angarium.demo.cast import ANNOUNCEMENTS, CURRENCY

Document = dict[str, Any]

STATES = (
    "scheduled",
    "queued",
    "unknown",
    "sent",
    "delivered",
    "read",
    "failed",
    "refused",
    "expired",
    "cancelled",
)
FACE_OF = {"smpp": "smpp", "viber_business": "viber", "vk_notify": "vk"}  # whose ledger tells of a channel
COUNTED = ("tried", "accepted", "delivered", "read", "failed", "fell_back", "late")


class Report(msgspec.Struct, frozen=True):
    """Everything the demo found out."""

    seconds: float
    messages: dict[str, Document]
    channels: list[Document]
    cost: Document
    ledgers: dict[str, Document]
    csv: str

    def document(self) -> Document:
        """The report as JSON: money as decimal text, shares as they were counted."""
        document = msgspec.structs.asdict(self)
        del document["csv"]
        return document


async def draw(api: Api, ledgers: dict[str, Document], seconds: float) -> Report:
    """Draw the sums from the API; the ledgers are the operators' own."""
    reports = {a.name: await api.surely("GET", f"/v1/messages/report?label={a.name}") for a in ANNOUNCEMENTS}
    exports = [await api.text(f"/v1/messages/export?label={a.name}") for a in ANNOUNCEMENTS]
    sms_only = sum([await _sms_only(api, a.name) for a in ANNOUNCEMENTS], Decimal())
    return Report(
        seconds=round(seconds, 1),
        messages={a.name: _message(a.message_class, reports[a.name]) for a in ANNOUNCEMENTS},
        channels=_channels(list(reports.values())),
        cost={
            "actual": str(sum((_amount(r["cost"]) for r in reports.values()), Decimal())),
            "sms_only": str(sms_only),
            "currency": CURRENCY,
        },
        ledgers={
            name: {key: totals[key] for key in ("received", "unique_phones", "doubled")}
            for name, totals in ledgers.items()
        },
        csv=exports[0] + "".join(export.partition("\r\n")[2] for export in exports[1:]),
    )


async def _sms_only(api: Api, label: str) -> Decimal:
    """What it would have cost, had everybody who was sent anything been sent an SMS."""
    document = await api.surely("GET", f"/v1/messages/report/instead?label={label}&channel=smpp")
    return Decimal(document["cost"]["amount"])


def _message(message_class: str, report: Document) -> Document:
    return {
        "class": message_class,
        "total": report["total"],
        "by_state": report["by_state"],
        "refused": report["reasons"].get("refused", {}),
    }


def _amount(costs: Sequence[Document]) -> Decimal:
    return sum((Decimal(cost["amount"]) for cost in costs), Decimal())


def _channels(reports: Sequence[Document]) -> list[Document]:
    """What each line did, over all messages."""
    sums: dict[str, Document] = {}
    for line in (line for report in reports for line in report["lines"]):
        known = sums.setdefault(
            line["line"],
            {
                "channel": line["channel"],
                "line": line["line"],
                **dict.fromkeys(COUNTED, 0),
                "cost": Decimal(),
            },
        )
        for name in COUNTED:
            known[name] += line[name]
        known["cost"] += Decimal(line["cost"]["amount"])
    return [{**line, "cost": str(line["cost"])} for line in sums.values()]


# ── on the screen ────────────────────────────────────────────────────────────────────────────────────


def progress(reports: Sequence[Document], people: int, seconds: float) -> Group:
    """A bar and the states of each message."""
    rows = Table.grid(padding=(0, 2))
    for announcement, found in zip(ANNOUNCEMENTS, reports, strict=True):
        states = "  ".join(
            f"{state} {found['by_state'][state]}" for state in STATES if state in found["by_state"]
        )
        bar = ProgressBar(total=people, completed=found["finished"], width=30)
        done = f"{found['finished']}/{people}"
        rows.add_row(
            Text(announcement.name, "bold"), announcement.message_class, bar, done, Text(states, "dim")
        )
    return Group(rows, Text(f"{seconds:5.0f} s\n", "dim"))


def show(console: Console, report: Report) -> None:
    """The report as tables."""
    console.print(_messages_table(report))
    console.print(_channels_table(report))
    console.print(_ledgers_table(report))
    cost, currency = report.cost, report.cost["currency"]
    for difference in differences(report):
        console.print(f"[red]{difference}[/]", highlight=False)
    if not differences(report):
        console.print("[green]Our sums are what the operators' own ledgers say.[/]", highlight=False)
    said = f"Cost [bold]{cost['actual']} {currency}[/]; by SMS alone {cost['sms_only']} {currency}."
    console.print(said, highlight=False)
    console.print(f"{report.seconds:.0f} s from the first process to here.", highlight=False)


def differences(report: Report) -> list[str]:
    """Where our sums and the operators' ledgers do not say the same; none is as it should be."""
    found = []
    for face, totals in report.ledgers.items():
        ours = sum(line["accepted"] for line in report.channels if FACE_OF[line["channel"]] == face)
        if ours != totals["received"]:
            found.append(f"{face} received {totals['received']}, we know of {ours} that it accepted")
        if totals["doubled"]:
            found.append(f"{face} received {totals['doubled']} messages twice")
    return found


def _messages_table(report: Report) -> Table:
    table = Table("message", "class", "total", "states", "refused because", title="What was told")
    for name, found in report.messages.items():
        states = ", ".join(
            f"{state} {found['by_state'][state]}" for state in STATES if state in found["by_state"]
        )
        refused = ", ".join(f"{reason} {count}" for reason, count in found["refused"].items())
        table.add_row(name, found["class"], str(found["total"]), states, refused or "–")
    return table


def _channels_table(report: Report) -> Table:
    table = Table(
        "channel", "line", *(name.replace("_", " ") for name in COUNTED), "cost", title="Over which lines"
    )
    for line in report.channels:
        table.add_row(line["channel"], line["line"], *(str(line[name]) for name in COUNTED), line["cost"])
    return table


def _ledgers_table(report: Report) -> Table:
    table = Table("operator", "received", "phones", "doubled", title="What the operators' own ledgers say")
    for name, totals in report.ledgers.items():
        table.add_row(name, str(totals["received"]), str(totals["unique_phones"]), str(totals["doubled"]))
    return table
