"""
What every verb prints, to the letter: piped, and on a terminal of 100 columns. ``HUB_GOLDEN=write`` writes it anew.

The pages are in ``golden/``, one for each case: the command, the exit code, stdout, stderr, then the terminal's. What
differs from run to run (names of namespaces, ports, versions, ages) is replaced by stand-ins.
"""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from pathlib import Path

import pytest
from cli_kit import Hubctl, Objects, artifact, snapshot

from hub.api.helm import HelmRelease
from hub.api.meta import EVENTS, SECRETS
from hub.api.source import GitRepository, HelmChart
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.release.storage import encode

pytestmark = pytest.mark.cluster

FOLDER = Path(__file__).parent / "golden"
RELEASE, GIT, CHART = HelmRelease.KIND, GitRepository.KIND, HelmChart.KIND
COMMIT = "master@sha1:" + "ab" * 20

CASES = {
    "get-hr": ["get", "hr"],
    "get-hr-wide": ["get", "hr", "-o", "wide", "--show-source"],
    "get-all": ["get", "all"],
    "get-sources-all": ["get", "sources", "all", "--no-header"],
    "get-status-selector": ["get", "hr", "--status-selector", "Ready=False"],
    "get-label-selector": ["get", "all", "-l", "app=web", "-o", "name"],
    "get-jsonpath": ["get", "hr", "-o", 'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.spec.suspend}{"\\n"}{end}'],
    "get-jsonpath-one": ["get", "hr", "one", "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'],
    "get-nothing": ["get", "hr", "-l", "app=none"],
    "get-bad-selector": ["get", "hr", "-l", "app in web"],
    "get-unknown": ["get", "helmrelase"],
    "get-no-namespace": ["get", "hr", "-n", "nowhere"],
    "get-missing": ["get", "hr", "nobody"],
    "status": ["status"],
    "tree-hr": ["tree", "hr", "one"],
    "tree-source": ["tree", "source", "git", "repo"],
    "tree-json": ["tree", "hr", "one", "-o", "json"],
    "trace": ["trace", "deployment", "web"],
    "trace-nothing": ["trace", "deployment/nobody"],
    "events": ["events", "--types", "warning"],
    "events-for": ["events", "--for", "hr/one"],
    "events-nothing": ["events", "--for", "hr/three"],
    "export": ["export", "hr", "one"],
    "export-credentials": ["export", "source", "git", "repo", "--with-credentials"],
    "history": ["history", "hr", "one"],
    "history-nothing": ["history", "hr", "three"],
    "why": ["why", "hr", "one"],
    "why-suspended": ["why", "hr", "two"],
    "why-unseen": ["why", "hr", "three"],
    "debug-status": ["debug", "hr", "one", "--show-history"],
    "rollback-suspended": ["rollback", "hr", "two"],
    "rollback-unreleased": ["rollback", "hr", "three"],
    "reconcile-suspended": ["reconcile", "hr", "two"],
    "reconcile-missing": ["reconcile", "hr", "nobody"],
    "suspend-missing": ["suspend", "hr", "nobody"],
    "logs-nothing": ["logs"],
    "version-client": ["version", "--client"],
    "create-git": [
        "create", "source", "git", "x", "--url", "https://example.com/x.git", "--branch", "main", "--label", "a=b",
        "--ignore-paths", "docs,*.md", "--interval", "10m", "--export",
    ],
    "create-hr": [
        "create", "hr", "x", "--source", "GitRepository/repo.other", "--chart", "./x", "--target-namespace", "apps",
        "--kubeconfig-secret-ref", "member1", "--depends-on", "a,b/c", "--values-from", "Secret/s", "--crds", "Create",
        "--create-target-namespace", "--export",
    ],
    "create-without-url": ["create", "source", "git", "x"],
    "create-no-namespace": ["create", "source", "git", "x", "--url", "https://x/y", "-n", "nowhere"],
    "secret-git": ["create", "secret", "git", "x", "--username", "me", "--password", "pw", "--export"],
    "secret-proxy": ["create", "secret", "proxy", "x", "--address", "http://proxy:3128", "--export"],
    "diff-missing": ["diff", "hr", "nobody"],
    "no-such-verb": ["reconsile", "hr", "one"],
    "no-verb-for-kind": ["history", "source", "git", "repo"],
}  # fmt: skip


@pytest.fixture(scope="module")
async def pages(clusters, forks):
    """The page of each case, as it is now: on a namespace whose objects' status is what a hub would have written."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    clusters.hub.create_namespace(namespace)
    client = Client(load_kubeconfig(clusters.hub.kubeconfig))
    await _fill(Objects(client, namespace))
    await client.aclose()
    hubctl = Hubctl(clusters.hub.kubeconfig, namespace, forks)
    found = {name: _page(name, *await _run(hubctl, words), namespace) for name, words in CASES.items()}
    clusters.hub.kubectl("delete", "namespace", namespace, "--wait=false")
    return found


async def _run(hubctl, words):
    return await asyncio.gather(hubctl(*words), hubctl.on_a_terminal(*words))


def _page(name, piped, shown, namespace):
    assert "\x1b" not in piped.out + piped.err
    assert shown.code == piped.code, shown.out
    parts = [f"$ hubctl {' '.join(CASES[name])!r}", f"exit code {piped.code}", "--- stdout", piped.out]
    return normal("\n".join([*parts, "--- stderr", piped.err, "--- terminal", shown.out]), namespace)


async def _fill(objects: Objects) -> None:
    ready = [("Ready", "True", "Succeeded", f"stored artifact for revision '{COMMIT}'")]
    await objects.make(
        GIT, "repo", {"conditions": ready, "artifact": artifact(COMMIT) | {"size": 2048}}, secretRef={"name": "login"}
    )
    packaged = {"conditions": [("Ready", "True", "ChartPackageSucceeded", "packaged 'hello' chart")]}
    await objects.make(
        CHART,
        f"{objects.namespace}-one",
        {**packaged, "artifact": artifact("1.0.0+5f0c7a91be02")},
        sourceRef={"kind": "GitRepository", "name": "repo"},
    )
    spec = {"sourceRef": {"kind": "GitRepository", "name": "repo"}, "chart": "./helm-chart"}
    done = {
        "conditions": [
            (
                "Ready",
                "True",
                "UpgradeSucceeded",
                "Helm upgrade succeeded for release app/app.v2 with chart hello@1.0.0",
            )
        ],
        "history": [snapshot(2, "1.0.0+5f0c7a91be02"), snapshot(1, "0.9.0")],
        "storageNamespace": objects.namespace,
        "inventory": {
            "entries": [
                {"id": f"{objects.namespace}_{name}__{kind}", "v": "v1"}
                for kind, name in (("ConfigMap", "web"), ("Secret", "web"))
            ]
            + [{"id": f"{objects.namespace}_web_apps_Deployment", "v": "v1"}]
        },
        "lastAttemptedRevision": "1.0.0+5f0c7a91be02",
        "helmChart": f"{objects.namespace}/{objects.namespace}-one",
    }
    await objects.make(RELEASE, "one", done, chart={"spec": spec})
    broken = {
        "conditions": [("Ready", "False", "UpgradeFailed", "it\nbroke"), ("Stalled", "True", "RetriesExceeded", "no")],
        "history": [snapshot(3, "1.1.0")],
    }
    await objects.make(RELEASE, "two", broken, suspend=True)
    await objects.make(RELEASE, "sick", broken)
    await objects.make(RELEASE, "three")
    labels = {"metadata": {"labels": {"app": "web"}}}
    await objects.client.patch(RELEASE.api, "one", objects.namespace, labels)
    await objects.client.create(
        SECRETS, {"metadata": {"name": "login"}, "stringData": {"username": "me"}}, objects.namespace
    )
    for version, status, chart in ((1, "superseded", "0.9.0"), (2, "deployed", "1.0.0+5f0c7a91be02")):
        await objects.client.create(SECRETS, stored(version, status, chart), objects.namespace)
    for number, told in enumerate(EVENTS_THERE):
        await objects.client.create(EVENTS, event(number, objects.namespace, told), objects.namespace)


EVENTS_THERE = (
    (GIT, "repo", "Normal", "NewArtifact", "stored artifact for commit 'x'"),
    (CHART, "{ns}-one", "Normal", "ChartPackageSucceeded", "packaged 'hello' chart"),
    (RELEASE, "one", "Warning", "UpgradeFailed", "Helm upgrade failed\nfor release"),
    (RELEASE, "sick", "Warning", "UpgradeFailed", "it broke"),
)


def event(number, namespace, told):
    kind, name, level, reason, text = told
    seen = f"2026-01-01T00:00:0{number}Z"
    name = name.format(ns=namespace)
    about = {"apiVersion": kind.api.api_version, "kind": kind.name, "name": name, "namespace": namespace}
    return {
        "metadata": {"name": f"event-{number}"},
        "involvedObject": about,
        "type": level,
        "reason": reason,
        "message": text,
        "firstTimestamp": seen,
        "lastTimestamp": seen,
        "count": 1,
        "source": {"component": "hub"},
    }


def stored(version, status, chart):
    """A revision as Helm stores it."""
    info = {"status": status, "description": "Upgrade complete", "last_deployed": "2026-01-01T00:00:00Z"}
    metadata = {"name": "hello-kubernetes", "version": chart, "appVersion": "1.10"}
    raw = {
        "name": "app-app",
        "namespace": "app",
        "version": version,
        "info": info,
        "chart": {"metadata": metadata},
        "manifest": "",
    }
    labels = {"owner": "helm", "name": "app-app", "version": str(version), "status": status}
    return {
        "metadata": {"name": f"sh.helm.release.v1.app-app.v{version}", "labels": labels}, "type": "helm.sh/release.v1",
        "data": {"release": encode(raw)},
    }  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_page(pages, name):
    path = FOLDER / f"{name}.txt"
    if os.environ.get("HUB_GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(pages[name])
    assert pages[name] == path.read_text()


def test_no_page_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


def normal(text: str, namespace: str) -> str:
    """Replace what differs from run to run by stand-ins of the same length where columns depend on it."""
    text = text.replace(namespace, "test-00000000").replace("\x1b", "\\e")
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"hubctl: v\S+", "hubctl: VERSION", text)
    aged, count = re.subn(r"(?<!: )(?<![\w.:+\[;-])\d+[smhd](\d+[smh])?(?![\w.:+-])", "AGE", text)
    # Columns are as wide as the ages that are gone now.
    return (re.sub(r"(?<=\S) {2,}", "  ", aged) if count else text) + "\n"
