"""A chart repository over HTTP for tests, and packages to put into it and into registries."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import tarfile

from aiohttp import web

from hub.content.oci.client import Registries
from hub.content.oci.manifest import CHART_CONFIG, CHART_CONTENT, compose_manifest
from hub.content.oci.reference import parse_repository


def targz(files):
    """Return a ``.tar.gz`` of files, or of whole ``TarInfo`` entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            entry = tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else content.encode()
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def package(name="web", version="1.0.0", **more):
    """Return a packaged chart."""
    chart = {"apiVersion": "v2", "name": name, "version": version, **more}
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\ndata: {a: '{{ .Values.a }}'}\n"
    )
    return targz(
        {
            f"{name}/Chart.yaml": json.dumps(chart),
            f"{name}/values.yaml": "a: 1\n",
            f"{name}/prod.yaml": "a: 2\n",
            f"{name}/templates/a.yaml": template,
        }
    )


class ChartRepo:
    """Serves ``/charts/index.yaml`` and packages; may ask for a password, and misbehave."""

    def __init__(self, username="", password=""):
        self.packages = {}
        self.provenance = {}
        self.requests = []
        self.index = None
        self.wrong_digest = False
        self.stall = False
        self.login = f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}" if username else ""
        self._released = asyncio.Event()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/charts/{name}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/charts"
        return self

    async def __aexit__(self, *_):
        self._released.set()
        await self._runner.cleanup()

    def add(self, name="web", version="1.0.0", **more):
        self.packages[name, version] = package(name, version, **more)

    def _index(self):
        if self.index is not None:
            return self.index.encode()
        entries = {}
        for (name, version), data in self.packages.items():
            digest = "0" * 64 if self.wrong_digest else hashlib.sha256(data).hexdigest()
            one = {"name": name, "version": version, "urls": [f"{name}-{version}.tgz"], "digest": digest}
            entries.setdefault(name, []).append(one)
        return json.dumps({"apiVersion": "v1", "entries": entries}).encode()

    async def _serve(self, request):
        name = request.match_info["name"]
        if self.stall:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"apiVersion")
            await self._released.wait()
            return response
        if self.login and request.headers.get("Authorization") != self.login:
            self.requests.append((name, 401))
            return web.Response(status=401, text="who are you?")
        data = self._index() if name == "index.yaml" else self._package(name)
        tag = f'"{hashlib.sha256(data or b"").hexdigest()}"'
        status = 404 if data is None else 304 if request.headers.get("If-None-Match") == tag else 200
        self.requests.append((name, status))
        return web.Response(status=status, body=data if status == 200 else None, headers={"ETag": tag})

    def _package(self, file):
        if file.endswith(".prov"):
            return self.provenance.get(file.removesuffix(".prov"))
        found = (data for (name, version), data in self.packages.items() if file == f"{name}-{version}.tgz")
        return next(found, None)


class Pusher:
    """Pushes charts and artifacts into a registry."""

    def __init__(self, session, folder, credentials=None):
        self.registries = Registries(lambda: session)
        self.folder = folder
        self.credentials = credentials

    def open(self, repository):
        return self.registries.open(parse_repository(repository), self.credentials, insecure=True)

    async def push(
        self, repository, tag, data, media_type, *, config="application/x.config", annotations=None, more=()
    ):
        """Push an artifact of one layer, and ``more`` as pairs of type and content; return its digest."""
        registry = self.open(repository)
        (self.folder / "config").write_bytes(b"{}")
        (self.folder / "layer").write_bytes(data)
        layers = [await registry.push(self.folder / "layer", media_type)]
        for kind, content in more:
            (self.folder / "layer").write_bytes(content)
            layers.append(await registry.push(self.folder / "layer", kind))
        manifest = compose_manifest(await registry.push(self.folder / "config", config), layers, annotations or {})
        return (await registry.push_manifest(manifest, tag)).digest

    async def chart(self, repository, name="web", version="1.0.0", **more):
        """Push a chart as helm does: to ``repository/name``."""
        tag = version.replace("+", "_")
        data = package(name, version, **more)
        return await self.push(f"{repository}/{name}", tag, data, CHART_CONTENT, config=CHART_CONFIG)
