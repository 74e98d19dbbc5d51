"""What the fault tests share: releases over two members, how they settle, and what members must hold in the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

from hub.api.helm import HelmRelease
from hub.api.meta import SECRETS, Api
from hub.api.source import GitRepository
from hub.release.storage import decode

SETTLE = 240.0

CHART = {
    "chart/Chart.yaml": "{apiVersion: v2, name: stamp, version: 1.0.0}",
    "chart/values.yaml": "stamp: first\n",
    "chart/templates/all.yaml": """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {stamp: "{{ .Values.stamp }}"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}", stamp: "{{ .Values.stamp }}"}}
    spec: {containers: [{name: web, image: "example.com/web"}]}
""",
}
CONFIG_MAPS = Api("", "v1", "ConfigMap", "configmaps")


def objects(clusters, ns, url, releases):
    """Return a Git repository, the members' Secrets and the releases, one after the other on each member."""
    yield {
        "apiVersion": GitRepository.KIND.api.api_version,
        "kind": "GitRepository",
        "metadata": {"name": "charts"},
        "spec": {"interval": "10m", "url": url},
    }
    for member in clusters.members:
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": member.name},
            "stringData": {"value": member.kubeconfig.read_text()},
        }
    for number in range(releases):
        member = clusters.members[number % len(clusters.members)]
        yield {
            "apiVersion": HelmRelease.KIND.api.api_version,
            "kind": "HelmRelease",
            "metadata": {"name": f"r{number}"},
            "spec": {
                "interval": "10m",
                "maxHistory": 0,  # keep all: they are counted in the end
                "releaseName": f"{ns}-{number}",
                "kubeConfig": {"secretRef": {"name": member.name}},
                "install": {"createNamespace": True},
                "targetNamespace": ns,
                "chart": {
                    "spec": {
                        "chart": "./chart",
                        "reconcileStrategy": "Revision",
                        "sourceRef": {"kind": "GitRepository", "name": "charts"},
                    }
                },
            },
        }


async def settled(client, ns, commit):
    """Wait until every release is ready on a commit."""
    deadline, left = time.monotonic() + SETTLE, []
    while time.monotonic() < deadline:
        items = (await client.list(HelmRelease.KIND.api, ns)).items
        left = [item for item in items if not is_on(item, commit)]
        if not left:
            return
        await asyncio.sleep(0.3)
    raise AssertionError(f"{len(left)} releases did not settle on {commit}, e.g.\n{json.dumps(left[0], indent=1)}")


def is_on(item, commit):
    status = item.get("status", {})
    ready = [one["status"] for one in status.get("conditions", []) if one["type"] == "Ready"]
    history = status.get("history") or [{}]
    return ready == ["True"] and commit[:12] in history[0].get("chartVersion", "")


async def ask(client, ns):
    """Ask for a look at the repository, as ``hubctl reconcile source git`` does."""
    body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": str(time.time_ns())}}}
    await client.patch(GitRepository.KIND.api, "charts", ns, body)


async def check(site, ns, stamp):
    """Compare what a member has with what it should have: one deployed revision, no pending one, nothing made twice."""
    records = [decode(item) for item in (await site.list(SECRETS, ns, labels="owner=helm")).items]
    for name in {record.name for record in records}:
        revisions = sorted((one for one in records if one.name == name), key=lambda one: one.version)
        told = "\n".join(f"{one} {one.status} {one.attempt} {one.chart} {one.description}" for one in revisions)
        assert [one.status for one in revisions].count("deployed") == 1, told
        assert not any(one.pending for one in revisions), told
        # Helm calls a failed revision superseded too, once a newer one is deployed: its description still tells.
        good = Counter(one.chart_version for one in revisions if one.description.endswith("complete"))
        assert max(good.values()) == 1, told
    maps = [one for one in (await site.list(CONFIG_MAPS, ns)).items if one["metadata"]["name"].startswith(ns)]
    assert {one["data"]["stamp"] for one in maps} == {stamp}
