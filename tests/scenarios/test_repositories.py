"""Releases on a real member whose charts come from a Helm repository with a password, a registry, and somebody else."""

from __future__ import annotations

import hashlib

import aiohttp
import pytest
from aiohttp import web
from repository_kit import ChartRepo, Pusher, targz
from scenario_scene import PROJECT, Scene
from scenario_site import APIS

from hub.content.oci.manifest import CHART_CONFIG, CHART_CONTENT
from hub.dev.registry import LocalRegistry

pytestmark = pytest.mark.cluster

CHART = PROJECT / "tests/scenarios/charts/web"
TYPES = {"mediaType": CHART_CONTENT, "operation": "copy"}
READY = {"conditions": {"Ready": "True InstallSucceeded"}}
UPGRADED = {"conditions": {"Ready": "True UpgradeSucceeded"}}


def packed(version, message="hello"):
    """Return the scenarios' chart as a package of a version."""
    files = {f"web/{path.relative_to(CHART)}": path.read_text() for path in sorted(CHART.rglob("*")) if path.is_file()}
    files["web/Chart.yaml"] = files["web/Chart.yaml"].replace("version: 1.0.0", f"version: {version}")
    files["web/values.yaml"] = files["web/values.yaml"].replace("message: hello", f"message: {message}")
    assert version in files["web/Chart.yaml"]
    return targz(files)


async def test_a_helm_repository_with_a_password(world):
    async with ChartRepo("user", "s3cret") as repo, Scene(world, "helm-repository") as scene:
        repo.packages["web", "1.0.0"] = packed("1.0.0")
        scene.names["charts_url"] = repo.url
        await scene.given(
            """
            source: false
            ---
            apiVersion: v1
            kind: Secret
            metadata: {name: login}
            stringData: {username: user, password: s3cret}
            ---
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: HelmRepository
            metadata: {name: charts}
            spec: {interval: 1h, url: '${charts_url}', secretRef: {name: login}}
            ---
            kind: HelmRelease
            spec:
              chart:
                spec: {chart: web, version: 1.x, reconcileStrategy: null, sourceRef: {kind: HelmRepository}}
            """.replace("\n            ", "\n")
        )
        await scene.expect({"HelmRelease/web": READY})
        await scene.expect({"HelmChart/${ns}-web": {"conditions": {"Ready": "True ChartPullSucceeded"}}})
        await scene.expect({"member1:ConfigMap/web": {"data": {"message": "hello"}}})
        repo.packages["web", "1.1.0"] = packed("1.1.0", "newer")
        await scene.step("reconcile HelmRepository/charts")
        await scene.expect({"HelmRelease/web": UPGRADED})
        await scene.expect({"member1:ConfigMap/web": {"data": {"message": "newer"}}})
        await scene.expect({"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]})


async def test_a_chart_ref_to_an_oci_repository(world, tmp_path):
    async with (
        LocalRegistry(tmp_path / "registry") as server,
        aiohttp.ClientSession() as session,
        Scene(world, "oci-repository") as scene,
    ):
        name = server.repository("charts/web")
        pusher = Pusher(session, tmp_path)
        digest = await pusher.push(name, "1.0.0", packed("1.0.0"), CHART_CONTENT, config=CHART_CONFIG)
        await scene.given(
            f"""
            source: false
            ---
            apiVersion: source.toolkit.fluxcd.io/v1
            kind: OCIRepository
            metadata: {{name: web}}
            spec: {{interval: 1h, url: 'oci://{name}', insecure: true, ref: {{tag: 1.0.0}}, layerSelector: {TYPES}}}
            ---
            kind: HelmRelease
            spec: {{chart: null, chartRef: {{kind: OCIRepository, name: web}}}}
            """.replace("\n            ", "\n")
        )
        short = digest.removeprefix("sha256:")[:12]
        await scene.expect({"HelmRelease/web": READY})
        await scene.expect({"HelmRelease/web": {"status": {"lastAttemptedRevisionDigest": digest}}})
        await scene.expect({"HelmRelease/web": {"status": {"lastAttemptedRevision": f"1.0.0+{short}"}}})
        await scene.expect({"HelmRelease/web": {"status": {"history": [{"ociDigest": digest}]}}})
        moved = await pusher.push(name, "1.0.0", packed("1.0.0", "moved"), CHART_CONTENT, config=CHART_CONFIG)
        await scene.step("reconcile OCIRepository/web")
        await scene.expect({"HelmRelease/web": UPGRADED})
        await scene.expect({"HelmRelease/web": {"status": {"lastAttemptedRevisionDigest": moved}}})
        await scene.expect({"member1:ConfigMap/web": {"data": {"message": "moved"}}})
        await scene.expect({"HelmRelease/web": {"status": {"history": [{"ociDigest": moved}, {"ociDigest": digest}]}}})
        await scene.step("reconcile HelmRelease/web")
        await scene.expect({"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]})
        wrong = await pusher.push(name, "1.0.0", packed("1.2.0"), CHART_CONTENT, config=CHART_CONFIG)
        assert wrong != moved
        await scene.step("reconcile OCIRepository/web")
        told = {"reason": "ChartMutateError", "message": "artifact revision 1.0.0 does not match chart version 1.2.0"}
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": {"status": "False", **told}}}})
        await scene.expect({"revisions member1:${ns}/web": ["1 superseded", "2 deployed"]})


async def test_a_chart_ref_to_an_external_artifact(world):
    data = packed("1.0.0", "external")

    async def serve(_request):
        return web.Response(body=data)

    app = web.Application()
    app.router.add_get("/web.tar.gz", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Scene(world, "external-artifact") as scene:
            await scene.given(
                """
                source: false
                ---
                apiVersion: source.toolkit.fluxcd.io/v1
                kind: ExternalArtifact
                metadata: {name: web}
                spec: {sourceRef: {apiVersion: example.com/v1, kind: Builder, name: web}}
                ---
                kind: HelmRelease
                spec: {chart: null, chartRef: {kind: ExternalArtifact, name: web}}
                """.replace("\n                ", "\n")
            )
            await scene.expect({"HelmRelease/web": {"conditions": {"Ready": {"reason": "SourceNotReady"}}}})
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            artifact = {
                "url": f"http://127.0.0.1:{runner.addresses[0][1]}/web.tar.gz",
                "path": "externalartifact/ns/web/web.tar.gz",
                "digest": digest,
                "revision": f"latest@{digest}",
                "lastUpdateTime": "2026-01-01T00:00:00Z",
            }
            await scene.world.sites["hub"].client.patch(
                APIS["ExternalArtifact"], "web", scene.names["ns"], {"status": {"artifact": artifact}},
                subresource="status",
            )  # fmt: skip
            await scene.expect({"HelmRelease/web": READY})
            await scene.expect({"member1:ConfigMap/web": {"data": {"message": "external"}}})
    finally:
        await runner.cleanup()
