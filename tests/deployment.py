"""`make deploy`: Helm renders the chart, and the tools that know these files examine what `deploy/` holds.

Helm's own library renders and lints the chart with several values, every manifest is held against the
schemas of the oldest and the newest Kubernetes that are known, and hadolint reads the container file. What is
rendered with the chart's own values is written to `deploy/kubernetes/`, for those who have no Helm, and
for the tests, which have none either.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import helm_python as helm
import kubernetes_validate
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from support.deploying import CHART, DEPLOY, RENDERED, chart_digest  # tests are no package

VERSIONS = ("1.33", "1.37")  # of Kubernetes
INFORMATION = 1  # of Helm's severities

WELL: dict[str, dict[str, Any]] = {
    "its own": {},
    "everything": {
        "fabric": "nats",
        "nats": {"servers": ["tls://nats-0.nats:4222", "tls://nats-1.nats:4222"]},
        "publicUrl": "https://msg.example.com",
        "trustedProxies": ["10.0.0.0/8", "192.0.2.1"],
        "settings": {"log_level": "debug", "requests_per_s": 5000, "allow_private": ["10.0.0.7:2775"]},
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "image": {"repository": "registry.example/angarium", "tag": "1", "pullSecrets": ["pull"]},
        "api": {
            "autoscaling": {"enabled": True},
            "nodeSelector": {"disk": "fast"},
            "priorityClassName": "high",
        },
        "worker": {"replicas": 12, "tolerations": [{"key": "sending", "operator": "Exists"}]},
        "ingress": {"enabled": True, "host": "msg.example.com", "className": "nginx", "tlsSecret": "msg"},
        "serviceAccount": {"name": "mine"},
        "podLabels": {"team": "messages"},
    },
    "files elsewhere, no migration": {"files": {"existingClaim": "mine"}, "migrate": {"enabled": False}},
}
WRONG: dict[str, dict[str, Any]] = {
    "NATS that is nowhere": {"fabric": "nats"},
    "one server's fabric": {"fabric": "local"},
    "a word that is not there": {"api": {"replica": 2}},
    "an ingress without a name": {"ingress": {"enabled": True}},
    "too short a grace": {"terminationGracePeriodSeconds": 10},
    "a setting that is shouted": {"settings": {"LOG_LEVEL": "debug"}},
}


def main() -> None:
    """Examine everything; the first thing that is wrong ends it."""
    lint_container()
    for case, values in WELL.items():
        click.echo(f"{case}: {examine(values)} manifests, Kubernetes {' and '.join(VERSIONS)}")
    for case, values in WRONG.items():
        refuse(case, values)
    RENDERED.parent.mkdir(exist_ok=True)
    RENDERED.write_text(manifests())
    click.echo(f"written: {RENDERED.relative_to(DEPLOY.parent)}")


def lint_container() -> None:
    """hadolint, where nothing is worth saying."""
    hadolint = Path(sys.executable).with_name("hadolint")
    subprocess.run([hadolint, DEPLOY / "container/Dockerfile"], check=True)
    click.echo("container file: hadolint has nothing to say")


def examine(values: dict[str, Any]) -> int:
    """Lint and render with some values, and hold each manifest against its schema; how many there are."""
    said = helm.lint(CHART, values, strict=True)
    worse = [one for one in said["messages"] if one["severity"] > INFORMATION]
    assert not worse, worse
    assert not said["errors"], said["errors"]
    documents = [one for text in render(values).values() for one in yaml.safe_load_all(text) if one]
    for one in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
    return len(documents)


def refuse(case: str, values: dict[str, Any]) -> None:
    """Values that the chart's schema must not let in."""
    try:
        render(values)
    except helm.HelmError as error:
        click.echo(f"refused: {case}: {str(error).splitlines()[-1].strip()}")
    else:
        raise AssertionError(f"let in: {case}")


def render(values: dict[str, Any]) -> dict[str, str]:
    """Manifests by the name of their template."""
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        texts = chart.render(values, name="angarium", namespace="angarium")
    return {name: text for name, text in sorted(texts.items()) if name.endswith(".yaml") and text.strip()}


def manifests() -> str:
    """Everything with the chart's own values, as one file."""
    head = (
        "# The chart deploy/helm/angarium as Helm renders it with its own values, for `kubectl apply`.\n"
        "# Written by `make deploy`, and not by hand.\n"
        f"# Of sha256:{chart_digest()}\n"
    )
    return head + "".join(
        f"---\n{text.strip().removeprefix('---').strip()}\n" for text in render({}).values()
    )


if __name__ == "__main__":
    main()
