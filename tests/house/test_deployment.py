"""What `deploy/` gives to those who run Angarium is sound, safe by default, and true to this version.

There is no container engine, no Kubernetes and no Helm here. What Helm made of the chart is kept beside it,
with the digest of what it was made of; `make deploy` renders it anew, and asks the tools that know these
files (`tests/deployment.py`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import yaml
from click import Group

from angarium.cli import main
from angarium.config import PREFIX, Settings
from house.tree import ROOT, none_of
from support.deploying import (
    DEPLOY,
    NATS_CONF,
    RENDERED,
    UNITS,
    chart_digest,
    compose,
    instructions,
    nats_environment,
    rendered,
    variables,
)

DOCKERFILE = DEPLOY / "container/Dockerfile"
ROLES = ("api", "worker", "console")
EXPOSED_MAX = 15  # of 100, as `systemd-analyze security` counts; what nothing was done about has 96
PLAIN_NAME = re.compile(r"[a-z0-9-]+:[\w.${}:-]+")  # no host of a registry, and a version
SETTINGS = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}
Document = dict[str, Any]


# ── the container ────────────────────────────────────────────────────────────────────────────────────


def told(word: str) -> list[str]:
    """What an instruction of the container file is given, each time."""
    return [given for name, given in instructions(DOCKERFILE) if name == word]


def test_the_container_is_installed_from_the_locks_and_nothing_else() -> None:
    installs = [
        part for run in told("RUN") for part in run.split("&&") if " install " in part and "pip" in part
    ]
    assert len(installs) == 3
    for install in installs:
        assert "--no-deps" in install
        assert "--require-hashes" in install or "--no-index wheels/" in install, install
    copied = [name for copy in told("COPY") if "--from" not in copy for name in copy.split()[:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    let_in = (DEPLOY / "container/Dockerfile.dockerignore").read_text()
    assert [name for name in copied if f"!{name}\n" not in let_in] == []


def test_the_container_runs_as_nobody_in_particular_and_keeps_what_it_writes_in_one_folder() -> None:
    (user,), (volume,) = told("USER"), told("VOLUME")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)  # numbers, so that Kubernetes can see who it is not
    last = [word for word, _ in instructions(DOCKERFILE)]
    assert last.index("USER") < last.index("ENTRYPOINT")
    given = dict(re.findall(r"(\w+)=(\S+)", " ".join(told("ENV"))))
    assert {name for name in given if name.startswith(PREFIX)} <= SETTINGS
    assert all(f"{volume}/" in given[f"ANGARIUM_{name}"] for name in ("DATABASE", "KEY_FILE"))
    assert told("EXPOSE") == [given["ANGARIUM_PORT"]]
    assert "/health/live" in told("HEALTHCHECK")[0]


def test_names_of_images_are_plain() -> None:
    images = [given.split()[0] for given in told("FROM")]
    images += [service["image"] for service in compose()["services"].values()]
    none_of(
        (name for name in images if not PLAIN_NAME.fullmatch(name)), "Name an image and its version only:"
    )


# ── Compose ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_compose_file_is_what_is_published_of_such_files() -> None:
    schema = msgspec.json.decode((ROOT / "tests/support/published/compose-spec.json").read_bytes())
    found = jsonschema_rs.validator_for(schema).iter_errors(compose())
    none_of((f"{list(error.instance_path)}: {error.message}" for error in found), "Mend compose.yaml:")


def ours() -> Iterator[tuple[str, Document]]:
    """Those of the Compose file that are Angarium."""
    yield from (
        (name, one) for name, one in compose()["services"].items() if one["image"].startswith("angarium:")
    )


def test_both_ways_of_the_compose_file_hold_what_they_promise() -> None:
    services = compose()["services"]
    ways = {
        way: {name for name in services if way in services[name]["profiles"]} for way in ("one", "cluster")
    }
    assert ways["one"] == {"postgres", "server"}
    assert ways["cluster"] == {"postgres", "migrate", *ROLES, "proxy", "nats-1", "nats-2", "nats-3"}
    assert [services[role]["command"] for role in ROLES] == [["serve", "--roles", role] for role in ROLES]
    replicas = [services[role].get("deploy", {}).get("replicas", 1) for role in ROLES]
    assert replicas == [2, 3, 1]
    for one in services.values():
        assert set(one.get("depends_on", ())) <= services.keys()
        for port in one.get("ports", ()):
            assert port.startswith("${LISTEN:-127.0.0.1:")


def test_nothing_of_the_compose_file_may_more_than_it_must() -> None:
    for name, one in compose()["services"].items():
        assert one["security_opt"] == ["no-new-privileges:true"], name
    for name, one in ours():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert isinstance(main, Group)
        assert one.get("command", ["serve"])[0] in main.commands, name


def test_no_secret_stands_in_a_file_of_deploy() -> None:
    text = (DEPLOY / "compose/compose.yaml").read_text()
    given = [pair for one in compose()["services"].values() for pair in one.get("environment", {}).items()]
    secrets = [value for name, value in given if name.endswith("PASSWORD")]
    assert len(secrets) >= 8
    assert [value for value in secrets if not re.fullmatch(r"\$\{\w+:\?.*\}", value)] == []
    assert [value for _, value in given if re.search(r"://\w+:[^$]", value)] == []
    example = (DEPLOY / "compose/env.example").read_text()
    assert re.findall(r"^\w*PASSWORD=(.*)$", example, re.MULTILINE) == ["", ""]
    assert not [one for one in rendered() if one["kind"] == "Secret"]
    asked = set(re.findall(r"\$\{(\w+)", text))
    assert asked - {"ANGARIUM_VERSION", "TRUSTED_PROXIES"} == set(
        re.findall(r"^(\w+)=", example, re.MULTILINE)
    ) - {"COMPOSE_PROFILES"}


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_that_deploy_names_is_one() -> None:
    found = {*variables(compose()), *variables(rendered())}
    assert len(found) >= 5
    none_of(found - SETTINGS - {"ANGARIUM_VERSION"}, "These are not settings of this version:")


# ── NATS ─────────────────────────────────────────────────────────────────────────────────────────────


def nats_commands() -> list[list[str]]:
    """What NATS is given by whoever starts it: systemd, and Compose."""
    unit = (DEPLOY / "systemd/nats.service").read_text()
    started = re.search(r"^ExecStart=/usr/local/bin/nats-server (.+)$", unit, re.MULTILINE)
    assert started
    return [started[1].split(), compose()["services"]["nats-1"]["command"]]


@pytest.mark.parametrize("given", nats_commands(), ids=["systemd", "compose"])
def test_nats_itself_takes_its_settings(given: list[str]) -> None:
    nats = Path(sys.executable).with_name("nats-server")
    done = subprocess.run(
        [nats, "-t", *(str(NATS_CONF) if one.endswith("/nats.conf") else one for one in given)],
        env=nats_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nats_keeps_what_was_acknowledged() -> None:
    text = NATS_CONF.read_text()
    assert "sync_interval: always" in text  # else two minutes of receipts are lost with the power
    assert text.count("authorization {") == 2  # of clients, and of the three among themselves


def test_the_proxy_reads_what_it_imports_first() -> None:
    text = (DEPLOY / "compose/Caddyfile").read_text()
    assert text.index("(forward) {") < text.index("import forward")  # Caddy 2.6 does not look ahead


def test_the_role_of_angarium_is_no_superuser() -> None:
    service = compose()["services"]["postgres"]
    assert service["environment"]["POSTGRES_USER"] == "postgres"  # the image makes it a superuser
    assert "./postgres/role.sh:/docker-entrypoint-initdb.d/role.sh:ro" in service["volumes"]
    assert "CREATE ROLE angarium LOGIN PASSWORD" in (DEPLOY / "compose/postgres/role.sh").read_text()


def test_whoever_starts_nats_says_where_it_keeps() -> None:
    service = compose()["services"]["nats-1"]
    assert service["environment"]["NATS_STORE_DIR"] == service["volumes"][1].partition(":")[2]
    unit = (DEPLOY / "systemd/nats.service").read_text()
    assert "\nEnvironment=NATS_STORE_DIR=/var/lib/nats\n" in unit
    assert "\nStateDirectory=nats\n" in unit


# ── the chart ────────────────────────────────────────────────────────────────────────────────────────


def kind(name: str) -> list[Document]:
    """The manifests of one kind."""
    return [one for one in rendered() if one["kind"] == name]


def test_what_was_rendered_is_what_the_chart_renders_now() -> None:
    assert f"sha256:{chart_digest()}\n" in RENDERED.read_text(), "the chart has changed: make deploy"
    chart = yaml.safe_load((DEPLOY / "helm/angarium/Chart.yaml").read_text())
    project = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert project is not None
    assert chart["appVersion"] == project[1]


def test_each_role_has_servers_with_probes_and_a_budget_that_finds_them() -> None:
    servers = {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in kind("Deployment")}
    budgets = [one["spec"]["selector"]["matchLabels"] for one in kind("PodDisruptionBudget")]
    assert tuple(servers) == ROLES
    for role, one in servers.items():
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert sum(budget.items() <= labels.items() for budget in budgets) == 1, role
        assert one["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        (container,) = one["spec"]["template"]["spec"]["containers"]
        asked = {
            probe: container[f"{probe}Probe"]["httpGet"]["path"]
            for probe in ("startup", "liveness", "readiness")
        }
        assert asked == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    for service in kind("Service"):
        assert service["spec"]["selector"]["app.kubernetes.io/component"] in ROLES


def test_no_pod_may_more_than_it_must() -> None:
    pods = [
        (one["kind"], one["spec"]["template"]["spec"])
        for one in rendered()
        if "template" in one.get("spec", {})
    ]
    assert len(pods) == 4
    for _, pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_the_database_is_brought_up_to_date_before_anything_new_starts() -> None:
    (job,) = kind("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    # What the chart itself makes is not there yet when it runs.
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert all("emptyDir" in volume for volume in job["spec"]["template"]["spec"]["volumes"])


# ── units ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.peers("systemd-analyze")
def test_systemd_takes_the_units_and_finds_little_exposed(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text()
        (tmp_path / unit.name).write_text(
            re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        )
        for command in (["verify"], ["security", "--offline=yes", f"--threshold={EXPOSED_MAX}"]):
            done = subprocess.run(
                ["systemd-analyze", *command, tmp_path / unit.name],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{unit.name}\n{done.stdout}{done.stderr}"
            assert command[0] != "verify" or not done.stderr, done.stderr
        assert UNITS
