"""The bench itself, tiny: its books agree, its figures have their shape. No second is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from house.tree import ROOT
from support.memory import quick_folder

pytestmark = [pytest.mark.sqlite, pytest.mark.timeout(300)]  # beside others it takes its time
MESSAGES = 200
PATIENCE_S = 280.0
BOOKS = {
    "accepted by the API",
    "received by the operator",
    "reported delivered by the operator",
    "delivered in our report",
    "in our report",
}
FIGURES = {
    "messages",
    "seconds",
    "per_s",
    "accepted_s",
    "latency_p50_ms",
    "latency_p99_ms",
    "cpu_us",
    "sums_cpu_us",
    "cores_used",
    "operator_busy",
    "client_busy",
    "server_rss_mib",
    "database_bytes",
    "counters",
    "ledgers",
    "pages",
    "page_p50_ms",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one small bench writes."""
    folder = tmp_path_factory.mktemp("bench")
    command = [
        *(sys.executable, "-m", "bench", "--messages", str(MESSAGES), "--runs", "1", "--phones", "50"),
        *("--scenario", "batches", "--scenario", "single", "--scenario", "startup"),
        *("--folder", str(folder), "--json", str(folder / "bench.json")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    return document


@pytest.mark.xdist_group("e2e/bench")  # which runs once
@pytest.mark.parametrize(("scenario", "messages"), [("batches", 200), ("single", 50)])
@pytest.mark.turns(2, 1)
def test_every_book_has_every_message(found: dict[str, Any], scenario: str, messages: int) -> None:
    (run,) = found["scenarios"][scenario]["runs"]
    assert run.keys() == FIGURES
    assert run["ledgers"] == dict.fromkeys(BOOKS, messages)
    assert run["cpu_us"].keys() == {"server", "operator", "client"}
    assert found["scenarios"][scenario]["median"].keys() == FIGURES


@pytest.mark.xdist_group("e2e/bench")
@pytest.mark.turns(2, 1)
def test_the_conditions_and_the_ceilings_are_told(found: dict[str, Any]) -> None:
    assert found["conditions"]["synchronous"] == "FULL"
    assert found["conditions"].keys() >= {"cores", "processor", "python", "sqlite", "window", "messages"}
    assert found["ceilings"].keys() == {"client, batches", "client, single", "operator"}
    assert found["startup"]["median"].keys() == {"ready_s", "first_ready_s", "idle_rss_mib"}


@pytest.mark.xdist_group("e2e/bench")
@pytest.mark.turns(2, 1)
def test_a_page_and_plots_lie_beside_the_figures(found: dict[str, Any], tmp_path: Path) -> None:
    from bench.kept import keep

    written = keep(found, tmp_path / "one" / "bench.json")
    assert [file.name for file in written] == [
        *("bench.json", "bench.html", "bench-speed.svg", "bench-cpu.svg"),
    ]
    assert "batches" in written[1].read_text()


# With few models, so that most of the history is copies.
ON_ALL_WAYS = """
from bench import __main__, aged
aged.MODELS = 100
__main__.main()
"""
WAYS = ("batches-quiet", "batches-http", "batches-mail", "batches-postgres", "floor", "latency", "history")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_way_of_a_message_is_measured(open_folder: Path) -> None:
    result = open_folder / "bench.json"
    command = [
        *(sys.executable, "-c", ON_ALL_WAYS, "--messages", "200", "--runs", "1", "--phones", "50"),
        *("--history", "300", "--seconds", "1", "--json", str(result), "--folder", str(open_folder / "runs")),
        *(word for name in WAYS for word in ("--scenario", name)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(result.read_text())
    for name in WAYS[:4]:
        (run,) = found["scenarios"][name]["runs"]
        told = BOOKS if name in ("batches-http", "batches-postgres") else BOOKS - {"delivered in our report"}
        assert run["ledgers"] == dict.fromkeys(told, 200)
    assert found["scenarios"]["batches-postgres"]["median"]["cpu_us"].keys() >= {"database", "server"}
    floor = found["floor"]["median"]
    assert floor["ratio"] == pytest.approx(floor["whole_us"] / floor["floor_us"])
    assert floor["rows_of"].keys() >= {"message", "attempt", "part", "fact"}
    slow = found["latency"][0]
    assert (slow["per_s"], slow["requests"]) == (200.0, 200)
    history = found["history"]
    assert {one["status"] for one in history["pages"]} == {200}
    assert [run["ledgers"]["in our report"] for run in (*history["empty"], *history["aged"])] == [200, 200]


AGREED = {"accepted": 5, "received": 5, "delivered": 5, "doubled": 0, "report": 5, "total": 5}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, None),
        ({"accepted": 4}, "accepted by the API"),
        ({"received": 6}, "received by the operator"),
        ({"delivered": 4}, "reported delivered by the operator"),
        ({"doubled": 1}, "doubled 1"),
        ({"report": 4}, "delivered in our report"),
        ({"total": 6}, "in our report"),
    ],
)
def test_books_that_do_not_agree_are_no_measurement(
    wrong: dict[str, int], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.client import Sent
    from bench.scenarios import Mismatch, agreed
    from bench.simulator import Count

    books = AGREED | wrong
    sent = Sent(0.0, 1.0, 1, books["accepted"], [], 1.0, 1.0)
    ledger = Count(books["received"], books["doubled"], books["delivered"])
    report = {"by_state": {"delivered": books["report"]}, "total": books["total"]}
    if said is None:
        assert agreed(5, sent, ledger, report) == dict.fromkeys(BOOKS, 5)
    else:
        with pytest.raises(Mismatch, match=said):
            agreed(5, sent, ledger, report)


REQUEST = b'POST / HTTP/1.1\r\n\r\n{"messages":[{"text":"a"},{"text":"b"},{"text":"c"}]}'
FINE = b'{"index":0,"state":"queued","reason":""}'


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([FINE, FINE, FINE], None),
        (
            [FINE, b'{"index":1,"state":"refused","reason":"promotional"}', FINE],
            r"refused \(promotional\): b",
        ),
        ([FINE, FINE, b'{"index":2,"state":"queued","reason":"review"}'], r"queued \(review\): c"),
        ([b'{"index":0,"problem":{"detail":"no phone"}}', FINE, FINE], r"rejected \(no phone\): a"),
    ],
)
def test_a_message_that_will_not_be_sent_ends_the_run(
    results: list[bytes], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.client import Drive
    from bench.scenarios import Mismatch, taken
    from bench.traffic import Load

    drive = Drive(Load(0, "", 3, 3, 1, 0))
    body = b'{"accepted":3,"rejected":0,"results":[' + b",".join(results) + b"]}"
    drive.answered(REQUEST, bytearray(b"HTTP/1.1 202 Accepted\r\n\r\n" + body), 0.1)
    sent = drive.sent(0.0)
    if said is None:
        assert taken(3, sent) is sent
    else:
        with pytest.raises(Mismatch, match=said):
            taken(3, sent)


# At one speed of the line: each of the others is two more servers that start.
AT_ONE_SPEED = """
from bench import __main__, fairness
fairness.SPEEDS_PER_S = fairness.SPEEDS_PER_S[:1]
__main__.main()
"""


@pytest.mark.turns(4, 0)  # a minute and a half of a busy machine
def test_codes_are_measured_idle_and_behind_a_campaign(tmp_path: Path) -> None:
    command = [
        *(
            sys.executable,
            "-c",
            AT_ONE_SPEED,
            "--scenario",
            "fairness",
            "--messages",
            "180",
            "--phones",
            "50",
        ),
        *("--campaign", "300", "--json", str(tmp_path / "bench.json")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    runs = json.loads((tmp_path / "bench.json").read_text())["fairness"]
    assert [(run["speed_per_s"], run["queued"], run["codes"]) for run in runs] == [
        (100.0, 0, 3),
        (100.0, 300, 3),
    ]
    assert all(0 <= run["left"] <= run["queued"] for run in runs)
    assert all(run["asked"]["p50_ms"] <= run["asked"]["p99_ms"] <= run["asked"]["most_ms"] for run in runs)


@pytest.mark.parametrize(
    ("statuses", "codes", "said"),
    [
        ([202, 202], [(0, 10.1), (1, 10.3)], None),
        ([202, 503], [(0, 10.1), (1, 10.3)], "refused"),
        ([202, 202], [(0, 10.1)], "missing"),
        ([202, 202], [(0, 10.1), (1, 10.3), (1, 10.4)], "doubled 1"),
    ],
)
def test_a_code_that_is_lost_or_doubled_is_no_measurement(
    statuses: list[int], codes: list[tuple[int, float]], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.codes import Asked
    from bench.fairness import judged
    from bench.scenarios import Mismatch
    from bench.simulator import Seen

    asked = [Asked(number, 10.0, 10.2, status) for number, status in enumerate(statuses)]
    if said is not None:
        with pytest.raises(Mismatch, match=said):
            judged(asked, Seen(7, codes), 100.0, 20)
        return
    run = judged(asked, Seen(7, codes), 100.0, 20)
    assert (run.left, round(run.asked.p50_ms), round(run.asked.most_ms)) == (15, 300, 300)
    assert (round(run.accepted.most_ms), run.codes) == (100, 2)


@pytest.mark.turns(2, 1)
async def test_segments_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import segments

    both = await segments.measure(tmp_path, 300, 1)
    assert [one.database for one in both] == ["sqlite", "postgresql"]
    for one in both:
        assert (one.crowd.contacts, one.crowd.happened > 300) == (300, True)
        assert len(one.segments) == len(segments.SEGMENTS)
        assert all(0 <= segment.count <= 300 for segment in one.segments)
        assert sum(0 < segment.count < 300 for segment in one.segments) > 12


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder into which PostgreSQL's own user may look; that of pytest is closed to others."""
    with tempfile.TemporaryDirectory(prefix="angarium-bench-", dir=quick_folder()) as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_servers_that_work_together_are_held_against_one(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import report, workers
    from bench.stage import sow

    (open_folder / "seed").mkdir()
    seed = await sow(open_folder / "seed", 50, 200)
    alone, together = await workers.measure(seed, open_folder, 120, 50, 240, 1, "postgres", most=1)
    assert [(one.workers, one.messages) for one in (alone, together)] == [(0, 120), (1, 120)]
    assert together.cpu_us.keys() == {"operator", "client", "api", "workers", "database"}
    ours = sum(together.cpu_us[name] for name in ("api", "workers", "database"))
    assert together.server_cpu_us == pytest.approx(ours)
    assert 0 < together.database_share < 1
    assert report._workers_table([alone, together]).row_count == 2
