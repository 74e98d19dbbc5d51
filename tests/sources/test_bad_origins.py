"""Registries and chart repositories that lie, stall or cannot be trusted: what is told; the last artifact stays."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import tarfile

import pytest
from aiohttp import web
from git_kit import Authority
from repository_kit import ChartRepo, targz
from sources_harness import CHART, HELM, OCI, Sources, condition

from hub.content.oci.manifest import EMPTY_CONFIG, FLUX_CONTENT, MANIFEST
from hub.settings import SourceSettings

PULL = "OCIArtifactPullFailed"
DIGEST, FETCH = "failed to determine artifact digest: ", "failed to pull artifact from 'oci://{host}/app': "


def sha(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Origin:
    """A registry with one artifact under each tag, and an index of charts beside it, that can misbehave."""

    def __init__(self):
        self.fault = ""
        self.layer = targz({"a": "1"})
        self._released = asyncio.Event()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self.host = await self.listen()
        return self

    async def __aexit__(self, *_):
        self._released.set()
        await self._runner.cleanup()

    async def listen(self, pair=None, folder=None):
        """Listen at one more port; with a certificate and its key, over TLS."""
        context = None
        if pair is not None:
            for name, text in zip(("cert", "key"), pair, strict=True):
                (folder / name).write_text(text)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "cert", folder / "key")
        known = len(self._runner.addresses)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context).start()
        return f"127.0.0.1:{self._runner.addresses[known][1]}"

    def manifest(self):
        config = {"mediaType": EMPTY_CONFIG, "digest": sha(b"{}"), "size": 2}
        layer = {"mediaType": FLUX_CONTENT, "digest": sha(self.layer), "size": len(self.layer)}
        found = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        return json.dumps(found).encode()

    async def _serve(self, request):
        path = request.path
        if path.endswith("/index.yaml"):
            return web.Response(text="apiVersion: v1\nentries: {}\n")
        is_blob = "/blobs/" in path
        if self.fault == "html":
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        if (self.fault, is_blob) in {("stall", True), ("cut", True)}:
            response = web.StreamResponse(headers={"Content-Length": str(len(self.layer))})
            await response.prepare(request)
            await response.write(self.layer[:10])
            if self.fault == "stall":
                await self._released.wait()
            request.transport.abort()
            return response
        body = self.layer if is_blob else self.manifest()
        digest = sha(body)
        if self.fault == "digest of the manifest":
            digest = sha(b"other")
        if self.fault == "digest of the layer" and is_blob:
            body = bytes(len(body))
        return web.Response(body=body, content_type=MANIFEST, headers={"Docker-Content-Digest": digest})


@pytest.fixture
async def origin():
    async with Origin() as running:
        yield running


@pytest.fixture
async def sources(clusters, namespace, tmp_path):
    settings = SourceSettings(artifact_max_size=100_000)
    async with Sources(clusters.hub, namespace, tmp_path / "storage", settings) as running:
        yield running


async def test_registries_that_lie_or_stall(sources, origin):
    rows = {
        "html": (PULL, f"{DIGEST}{{host}} answers with a web page, not as a registry"),
        "digest of the manifest": (PULL, FETCH + "digest mismatch: "),
        "digest of the layer": (PULL, FETCH + "digest mismatch: "),
        "stall": (PULL, FETCH + "no complete answer within 0.7s (spec.timeout)"),
        "cut": (PULL, FETCH + "{host} closed the connection before its answer was complete"),
        "too large": (PULL, FETCH + "blob "),
    }
    given = {"url": f"oci://{origin.host}/app", "insecure": True, "timeout": "700ms"}
    await sources.apply("OCIRepository", "app", given)
    before = await sources.ready(OCI, "app")
    for number, (fault, (reason, template)) in enumerate(rows.items()):
        origin.fault = fault
        origin.layer = targz({"a": str(number)}) if fault != "too large" else bytes(200_000)
        message = template.format(host=origin.host)
        await sources.request(OCI, "app")
        found = await sources.until(
            OCI, "app", lambda found, message=message: condition(found, "Ready")["message"].startswith(message)
        )
        assert condition(found, "FetchFailed")["reason"] == reason
        assert found["status"]["artifact"] == before["status"]["artifact"], fault
    origin.fault, origin.layer = "", targz({"a": "good"})
    await sources.request(OCI, "app")
    await sources.ready(OCI, "app", f"latest@{sha(origin.manifest())}")


async def test_certificates_that_cannot_be_trusted(sources, origin, tmp_path):
    authority = Authority()
    await sources.secret("ca", **{"ca.crt": authority.pem})
    trusted = {"certSecretRef": {"name": "ca"}}
    rows = {
        "expired": (authority.issue(days=-2), trusted, "the certificate of {host} has expired"),
        "self-signed": (authority.as_server(), {}, "the certificate of {host} is signed by an unknown authority"),
        "another-host": (authority.issue("127.0.0.2"), trusted, "the certificate of {host} is for another host name"),
        "untrusted": (authority.issue(), {}, "the certificate of {host} is signed by an unknown authority"),
    }
    kinds = {
        OCI: ("OCIRepository", "oci://{host}/app", {"insecure": True}, PULL, DIGEST),
        HELM: (
            "HelmRepository", "{scheme}://{host}/charts", {}, "AuthenticationFailed",
            "failed to fetch Helm repository index: failed to fetch https://{host}/charts/index.yaml : ",
        ),
    }  # fmt: skip
    before = {}
    for row in rows:
        for plural, (kind, url, more, *_) in kinds.items():
            await sources.apply(kind, row, {"url": url.format(host=origin.host, scheme="http")} | more)
            before[row, plural] = await sources.ready(plural, row)
    for row, (pair, more, message) in rows.items():
        host = await origin.listen(pair, tmp_path)
        for plural, (kind, url, _, reason, what) in kinds.items():
            await sources.apply(kind, row, {"url": url.format(host=host, scheme="https"), "insecure": False} | more)
            found = await sources.failed(plural, row, reason)
            assert condition(found, "FetchFailed")["message"].startswith((what + message).format(host=host))
            assert found["status"]["artifact"] == before[row, plural]["status"]["artifact"]


def large(name):
    entry = tarfile.TarInfo(name)
    entry.size = 200 << 20  # what is said is believed: nothing has to be unpacked to find out
    return {name: entry}


CHART_YAML = {"web/Chart.yaml": json.dumps({"apiVersion": "v2", "name": "web", "version": "2.0.0"})}


async def test_packages_that_are_bombs_or_lead_elsewhere(sources):
    """Charts are packed anew for values files: that is where a package is read."""
    rows = {
        "bomb": (large("web/zeros"), "is larger than 104857600 bytes"),
        "outside": ({"web/../../x": "1"}, "leaves the source"),
        "absolute": ({"web//etc/x": "1"}, "is absolute"),
    }
    async with ChartRepo() as repo:
        repo.add()
        await sources.apply("HelmRepository", "charts", {"url": repo.url})
        spec = {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}, "valuesFiles": ["prod.yaml"]}
        for row in rows:
            await sources.apply("HelmChart", row, spec)
            await sources.ready(CHART, row)
        for number, (row, (entries, message)) in enumerate(rows.items()):
            repo.packages["web", f"2.0.{number}"] = targz(CHART_YAML | {"web/prod.yaml": "a: 1\n"} | entries)
            await sources.request(HELM, "charts")
            found = await sources.failed(CHART, row, "InvalidChartReference")
            assert message in condition(found, "Ready")["message"]
            assert found["status"]["artifact"]["revision"].startswith("1.0.0"), "the last good one stays"
