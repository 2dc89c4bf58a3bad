"""Tests stay at home, one that lacks its peer says so, groups are kept together: what conftest.py sees to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from house.tree import ROOT

NEEDS_A_PEER = """
import pytest

@pytest.mark.peers("no-such-program")
def test_talks_to_somebody():
    raise AssertionError("it was run without its peer")
"""


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])  # for documentation: RFC 5737, RFC 3849
def test_a_connection_that_leaves_the_machine_is_an_error(address: str) -> None:
    with pytest.raises(PermissionError, match="this machine only"):
        socket.create_connection((address, 25), timeout=1)


def test_the_machine_itself_can_be_talked_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()[:2], timeout=1).close()


@pytest.mark.parametrize(
    ("required", "said"),
    [
        pytest.param("", "1 skipped", marks=pytest.mark.turns(2, 0)),
        pytest.param("required", "no-such-program not found: apt-get install", marks=pytest.mark.turns(2, 1)),
    ],
)
def test_a_missing_peer_is_named(required: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "test_peer.py").write_text(NEEDS_A_PEER)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "conftest",
            "-c",
            ROOT / "pyproject.toml",
            "--rootdir",
            tmp_path,
            tmp_path,
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests"), "ANGARIUM_TEST_PEERS": required},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said in done.stdout
    assert (done.returncode == 0) is not bool(required)


@pytest.mark.xdist_group("house/conduct")
def test_what_is_of_a_group_says_so_to_whoever_shares_the_work_out(request: pytest.FixtureRequest) -> None:
    grouped = request.config.getoption("loadgroup", False)  # which xdist tells its workers
    assert request.node.nodeid.endswith("@house/conduct") is grouped
