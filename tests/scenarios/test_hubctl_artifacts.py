"""``hubctl diff`` of a release whose chart comes from an ExternalArtifact, that somebody else provides."""

from __future__ import annotations

import os

import pytest
from cli_kit import Hubctl

from hub.api.repositories import ExternalArtifact
from hub.api.source import HelmChart

pytestmark = pytest.mark.cluster

READY = {"conditions": {"Ready": "True InstallSucceeded"}}


async def test_diff(own_world, clusters, monkeypatch):
    monkeypatch.setenv("PATH", f"{clusters.helm.parent}{os.pathsep}{os.environ['PATH']}")
    async with own_world("by-reference") as scene:
        ns = scene.names["ns"]
        hubctl = Hubctl(scene.world.sites["hub"].kubeconfig, ns)
        await scene.given("kind: HelmRelease\n")
        await scene.world.hub.start()
        await scene.expect({"HelmRelease/web": READY})
        await by_reference(scene)
        same = await hubctl("diff", "hr", "--all")
        await scene.step("patch HelmRelease/external", {"spec": {"suspend": True, "values": {"replicas": 4}}})
        changed = await hubctl("diff", "hr", "external")
        folder = await hubctl("diff", "hr", "external", "--path", ".")
    assert (same.code, same.out) == (0, f"member {ns}/member1: 0 of 2 releases would change; no change\n"), same.err
    assert (changed.code, "spec.replicas: 1 → 4" in changed.out) == (1, True), changed.err
    assert (folder.code, "are for charts from a GitRepository" in folder.err) == (2, True)


async def by_reference(scene):
    """Release the same chart from an ExternalArtifact, as somebody else would provide it."""
    client, ns = scene.world.sites["hub"].client, scene.names["ns"]
    chart = await client.get(HelmChart.KIND.api, f"{ns}-web", ns)
    api = ExternalArtifact.KIND.api
    body = {"apiVersion": api.api_version, "kind": api.kind, "metadata": {"name": "web", "namespace": ns}}
    reference = {"apiVersion": "example.com/v1", "kind": "Builder", "name": "web"}
    await client.create(api, {**body, "spec": {"sourceRef": reference}})
    artifact = chart["status"]["artifact"]
    status = {"artifact": artifact | {"revision": f"latest@{artifact['digest']}"}}
    await client.patch(api, "web", ns, {"status": status}, subresource="status")
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "external"},
        "spec": {
            "interval": "1h",
            "releaseName": "external",
            "targetNamespace": "${ns}",
            "kubeConfig": {"secretRef": {"name": "member1"}},
            "chartRef": {"kind": "ExternalArtifact", "name": "web"},
        },
    }
    await scene.step("apply", [release])
    await scene.expect({"HelmRelease/external": READY})
