"""The pure parts of the bench: quantiles, what is sent to whom, what is no measurement, tables and plots."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import pytest
from bench.codes import Asked
from bench.ears import Book
from bench.http1 import message_end
from bench.latency import courses, judged, middle
from bench.page import page, plots
from bench.peers import kannel
from bench.peers.contest import Made, contenders
from bench.peers.contest import middle as middle_of_runs
from bench.plots import bars, quantiles
from bench.quantiles import Waits, waits
from bench.report_paths import beside_table, contest_table, floor_table, latency_table
from bench.rows import shares
from bench.scenarios import Mismatch
from bench.simulator import Seen
from bench.traffic import Load, number_of, requests, text_of


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ([0.002], (2, 2, 2, 2)),
        ([n / 1000 for n in range(1000)], (500, 990, 999, 999)),
        ([-0.5, 0.001], (1, 1, 1, 1)),  # what was there before its clock began waited for nothing
    ],
)
def test_quantiles(seconds: list[float], told: tuple[float, ...]) -> None:
    found = waits(seconds)
    assert (found.p50_ms, found.p99_ms, found.p999_ms, found.most_ms) == pytest.approx(told)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nSucce\r\n0\r\n\r\n"
COUNTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\nyes"


@pytest.mark.parametrize("answer", [CHUNKED, COUNTED])
def test_an_answer_ends_where_it_says(answer: bytes) -> None:
    assert message_end(answer + b"HTTP/1.1 200") == len(answer)
    assert not any(message_end(answer[:end]) for end in range(len(answer)))


def test_a_text_says_which_message_it_is() -> None:
    assert number_of(text_of(1234)) == 1234
    assert number_of("Your code is 1234") == -1


@pytest.mark.parametrize(
    ("to", "receipts", "path", "expected"),
    [
        ("kannel", 0, "/cgi-bin/sendsms", {"text": text_of(1), "coding": "0"}),
        (
            "kannel",
            77,
            "/cgi-bin/sendsms",
            {"text": text_of(1), "dlr-mask": "3", "dlr-url": "http://127.0.0.1:77/receipt?n=1"},
        ),
        ("jasmin", 0, "/send", {"content": text_of(1), "coding": "0"}),
        (
            "jasmin",
            77,
            "/send",
            {
                "content": text_of(1),
                "dlr": "yes",
                "dlr-level": "2",
                "dlr-url": "http://127.0.0.1:77/receipt?n=1",
            },
        ),
    ],
)
def test_others_are_asked_in_their_own_words(
    to: Any, receipts: int, path: str, expected: dict[str, str]
) -> None:
    made = requests(Load(1, "", 2, 0, 1, 50, to=to, receipts=receipts))
    target = urlsplit(made[1].split()[1].decode())
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert target.path == path
    assert query.items() >= {**expected, "to": "989120000017", "from": "Bench"}.items()
    assert ("dlr-url" in query) is bool(receipts)


def test_whoever_is_called_counts_each_message_once() -> None:
    book = Book(2)
    for call in (
        b"GET /receipt?n=0 HTTP/1.1",
        b"GET /receipt?n=0&level=2 HTTP/1.1",
        b"GET /receipt?n=7",
        b"GET /",
    ):
        book.write(call)
    assert (book.heard.messages, book.heard.doubled, book.heard.unclear) == (1, 1, 2)


# ── requests at fixed times ──────────────────────────────────────────────────────────────────────────

LOAD = Load(1, "", 2, 0, 1, 50)
IN_TIME = [Asked(0, 10.0, 10.2, 202), Asked(1, 10.1, 10.4, 202)]


@pytest.mark.parametrize(
    ("asked", "codes", "said"),
    [
        (IN_TIME, [(0, 10.1), (1, 10.5)], None),
        ([*IN_TIME[:1], Asked(1, 10.1, 10.4, 503)], [(0, 10.1), (1, 10.5)], "refused"),
        (IN_TIME, [(0, 10.1), (0, 10.5)], "missing"),
        (IN_TIME, [(0, 10.1), (1, 10.5), (1, 10.6)], "3 in the ledger"),
        (IN_TIME[:1], [(0, 10.1), (1, 10.5)], "1 answered"),
    ],
)
def test_a_request_that_is_lost_or_doubled_is_no_measurement(
    asked: list[Asked], codes: list[tuple[int, float]], said: str | None
) -> None:
    given = ("angarium", LOAD, asked, Seen(2, codes), 200.0, 0.0, 0.2, 1.5)
    if said is not None:
        with pytest.raises(Mismatch, match=said):
            judged(*given, receipts=True)
        return
    found = judged(*given, receipts=True)
    assert (found.asked.p50_ms, found.asked.most_ms) == pytest.approx((400, 400))
    assert found.accepted.most_ms == pytest.approx(100)
    assert found.cores_used == pytest.approx(0.5)  # 0.2 s of CPU in 0.4 s
    assert middle([found, found, found]) == found


def test_the_speeds_that_are_offered() -> None:
    assert courses(1000.0) == ((200.0, 0.0), (800.0, 0.8))


# ── tables and plots ─────────────────────────────────────────────────────────────────────────────────


def made(gateway: str, per_s: float, cpu_us: float) -> Made:
    """A run of a gateway."""
    return Made(
        gateway=gateway,
        receipts=True,
        messages=100,
        seconds=100 / per_s,
        per_s=per_s,
        accepted_s=0.05,
        latency_p50_ms=1.0,
        latency_p99_ms=2.0,
        cpu_us={gateway: cpu_us, "operator": 30.0},
        gateway_cpu_us=cpu_us,
        memory_mib=90.0,
        operator_busy=0.1,
        client_busy=0.2,
        load=0.5,
        ledgers={"accepted": 100},
    )


OURS = [made("angarium, single requests", speed, 100.0) for speed in (1_000.0, 3_000.0, 2_000.0)]
CONTEST = [
    {"about": "durable <all>", "runs": OURS, "median": middle_of_runs(OURS)},
    {"about": "spool", "runs": OURS, "median": middle_of_runs([made("kannel, spool", 500.0, 2_000.0)])},
]
WAITS = Waits(1.0, 20.0, 300.0, 400.0)


def test_the_median_of_runs_is_of_each_figure() -> None:
    middle_one = CONTEST[0]["median"]
    assert (middle_one["per_s"], middle_one["cpu_us"]["operator"]) == (2_000.0, 30.0)


def test_tables_have_a_row_or_a_column_for_each() -> None:
    assert len(contest_table(CONTEST, receipts=True).columns) == 3
    assert len(contest_table(CONTEST, receipts=False).columns) == 1
    (cell,) = beside_table(CONTEST, receipts=True).columns[1].cells
    assert cell == "4.0 ×; 0.05"
    course = judged(
        "angarium", LOAD, IN_TIME, Seen(2, [(0, 10.1), (1, 10.5)]), 1.0, 0.8, 0.2, 1.5, receipts=True
    )
    assert latency_table([course]).row_count == 1
    floor = {"messages": 5, "rows": 4.0, "whole_us": 150.0, "smpp_us": 20.0, "rows_us": 30.0}
    assert floor_table(floor | {"floor_us": 50.0, "ratio": 3.0}).row_count == 5


def test_plots_are_drawings_to_scale() -> None:
    root = ET.fromstring(bars("Speed & <more>", [("a <b>", 10.0), ("c", 5.0)]))
    assert root.get("aria-label") == "Speed & <more>"
    first, second = (float(one.get("width", "0")) for one in root.iter() if one.tag.endswith("rect"))
    assert first == pytest.approx(2 * second)
    dots = quantiles("Waits", [("a", {"p50": 1.0, "p99": 10.0}), ("b", {"p50": 10.0, "p99": 100.0})])
    found = [one for one in ET.fromstring(dots).iter() if one.tag.endswith("circle")]
    at = [float(one.get("cx", "0")) for one in found[:4]]
    assert at[1] == at[2]
    assert at[1] - at[0] == pytest.approx(at[3] - at[2], abs=0.2)
    assert bars("Nothing", [])
    assert quantiles("Nothing", [])


def test_a_page_says_all_and_asks_no_other_host() -> None:
    latency = {
        "gateway": "angarium",
        "receipts": True,
        "per_s": 200.0,
        "asked": {"p50_ms": 1.0, "p99_ms": 20.0, "p999_ms": 300.0, "most_ms": 400.0},
    }
    found = {
        "conditions": {"cores": 2},
        "contest": CONTEST,
        "latency": [latency],
        "ceilings": {"operator": 30_000.0},
    }
    text = page(found)
    assert {name for name, _ in plots(found)} == {
        "speed, with receipts",
        "cpu, with receipts",
        "latency, with receipts",
    }
    assert "durable &lt;all&gt;" in text
    assert "30,000" in text
    assert "<svg" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert page({"conditions": {}})


@pytest.mark.parametrize(("count", "parts"), [(10, 3), (0, 2), (2, 5)])
def test_rows_are_shared_out_whole(count: int, parts: int) -> None:
    rows = list(range(count))
    pieces = [rows[one] for one in shares(count, parts)]
    assert len(pieces) == parts
    assert [row for piece in pieces for row in piece] == rows


# ── how the others are set up ────────────────────────────────────────────────────────────────────────


def test_everybody_says_how_it_keeps_messages() -> None:
    names = [one.name for one in contenders(kannel.KANNELS, jasmin_too=True)]
    assert len(names) == len(set(names)) == 2 + len(kannel.KANNELS) + 1
    assert all("never synced" in kannel.about(one) for one in kannel.KANNELS)


@pytest.mark.parametrize("kind", kannel.KANNELS, ids=lambda kind: kind.name)
def test_kannel_is_set_up_as_it_says(kind: kannel.Kannel, tmp_path: Any) -> None:
    text, ports = kannel.configuration(kind, tmp_path, 2775, 100)
    assert f"store-type = {kind.store}\n" in text
    assert f"dlr-storage = {kind.receipts}\n" in text
    assert ("group = dlr-db" in text) is (kind.receipts == "sqlite3")
    assert ("store-dump-freq = 10" in text) is (kind.store == "file")
    assert len(set(ports.values())) == 3
