"""What verbs that only look print, to the letter: piped, and on a terminal. See the module ``cli_golden``."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from cli_golden import check, page
from cli_kit import Hubctl, Objects, artifact, snapshot, stored

from hub.api.helm import HelmRelease
from hub.api.meta import EVENTS, SECRETS
from hub.api.source import GitRepository, HelmChart
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

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
    "get-no-color": ["get", "hr", "--no-color"],
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
    "create-helm": ["create", "source", "helm", "x", "--url", "oci://ghcr.io/x", "--oci-provider", "aws", "--export"],
    "create-oci": [
        "create", "source", "oci", "x", "--url", "oci://ghcr.io/x/y", "--tag-semver", ">=1.0.0", "--secret-ref", "s",
        "--verify-provider", "cosign", "--insecure", "--export",
    ],
    "create-oci-keyless": [
        "create", "source", "oci", "x", "--url", "oci://ghcr.io/x/y", "--verify-provider", "cosign", "--verify-issuer",
        "^https://token.actions.githubusercontent.com$", "--verify-subject", "^https://github.com/x/.*$", "--cert-ref",
        "certs", "--layer-selector", "application/vnd.oci.image.layer.v1.tar+gzip,copy", "--export",
    ],
    "create-bucket": [
        "create", "source", "bucket", "x", "--bucket-name", "b", "--endpoint", "minio:9000", "--region", "eu",
        "--export",
    ],
    "create-chart": [
        "create", "source", "chart", "x", "--source", "HelmRepository/r", "--chart", "app", "--chart-version", "1.x",
        "--export",
    ],
    "create-image-repository": ["create", "image", "repository", "x", "--image", "ghcr.io/x/y", "--export"],
    "create-receiver": [
        "create", "receiver", "x", "--type", "github", "--event", "ping,push", "--secret-ref", "token",
        "--resource", "gitrepo/x", "--export",
    ],
    "create-image-policy": [
        "create", "image", "policy", "x", "--image-ref", "x", "--select-semver", ">=1.0.0", "--export",
    ],
    "create-image-update": [
        "create", "image", "update", "x", "--git-repo-ref", "r", "--git-repo-path", "./deploy", "--author-email",
        "bot@example.com", "--push-branch", "main", "--export",
    ],
    "create-unknown": ["create", "sauce", "git", "x"],
    "create-bad-interval": ["create", "source", "git", "x", "--url", "https://x/y", "--interval", "soon", "--export"],
    "create-without-url": ["create", "source", "git", "x"],
    "create-no-namespace": ["create", "source", "git", "x", "--url", "https://x/y", "-n", "nowhere"],
    "secret-git": ["create", "secret", "git", "x", "--username", "me", "--password", "pw", "--export"],
    "secret-helm": ["create", "secret", "helm", "x", "--username", "me", "--password", "pw", "--export"],
    "secret-oci": ["create", "secret", "oci", "x", "--url", "ghcr.io", "-u", "me", "-p", "pw", "--export"],
    "secret-githubapp": [
        "create", "secret", "githubapp", "x", "--app-id", "1", "--app-installation-id", "2", "--app-private-key",
        "/none",
    ],
    "secret-githubapp-whose": [
        "create", "secret", "githubapp", "x", "--app-id", "1", "--app-private-key", "/none",
    ],
    "suspend-external": ["suspend", "source", "external", "x"],
    "secret-tls": ["create", "secret", "tls", "x", "--ca-crt-file", "/none"],
    "secret-without-password": ["create", "secret", "git", "x", "--username", "me"],
    "secret-proxy": ["create", "secret", "proxy", "x", "--address", "http://proxy:3128", "--export"],
    "diff-missing": ["diff", "hr", "nobody"],
    "stats": ["stats"],
    "stats-json": ["stats", "-o", "json"],
    "values-explain-inline": ["values", "explain", "hr/valued"],
    "values-explain-missing": ["values", "explain", "hr/valeud"],
    "completion-bash": ["completion", "bash"],
    "completion-fish": ["completion", "fish"],
    "completion-unknown": ["completion", "tcsh"],
    "get-typo": ["get", "hr", "oen"],
    "get-namespace-typo": ["get", "hr", "-n", "defualt"],
    "no-kubeconfig": ["get", "hr", "--kubeconfig", "/none"],
    "no-context": ["get", "hr", "--context", "none"],
    "forbidden": ["suspend", "hr", "one", "--as", "jane"],
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
    found = {name: page(words, *await _run(hubctl, words), namespace) for name, words in CASES.items()}
    clusters.hub.kubectl("delete", "namespace", namespace, "--wait=false")
    return found


async def _run(hubctl, words):
    return await asyncio.gather(hubctl(*words), hubctl.on_a_terminal(*words))


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
    await objects.make(RELEASE, "valued", {"conditions": ready}, values={"image": {"tag": "v1"}, "replicas": 2})
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


@pytest.mark.parametrize("name", CASES)
def test_page(pages, name):
    check(name, pages[name])
