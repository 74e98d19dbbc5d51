"""The sources half of a hub on a real API server, in a namespace of its own, beside a real git server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest

from hub.api.registry import KINDS
from hub.content.builder import ChartBuilder
from hub.content.fetch import ArtifactReader
from hub.content.gitcache import GitCache
from hub.content.oci.client import Registries
from hub.content.store import Store
from hub.content.trees import Trees
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.runtime.cache import Cache
from hub.runtime.events import Recorder
from hub.runtime.origins import Origins
from hub.runtime.queue import Queue
from hub.runtime.secrets import SecretReader
from hub.runtime.serve import Server
from hub.runtime.watch import Watcher
from hub.runtime.worker import Worker
from hub.settings import SourceSettings
from hub.sources.controllers import SourceTools
from hub.sources.controllers import reconcilers as source_reconcilers
from hub.wiring import Wiring

GIT, CHART, HELM, OCI, BUCKET = (
    f"{kind}.source.toolkit.fluxcd.io"
    for kind in ("gitrepository", "helmchart", "helmrepository", "ocirepository", "bucket")
)


class Sources:
    """The running controllers, and what a test does from outside."""

    def __init__(self, cluster, namespace, root, settings=None, clouds=None):
        self.cluster = cluster
        self.settings = settings or SourceSettings()
        self.namespace = namespace
        self.root = root
        self.clouds = clouds
        self.reconciled = []

    async def __aenter__(self):
        config = load_kubeconfig(self.cluster.kubeconfig)
        self.client = Client(config)
        self.store = Store(self.root, "")
        await self.store.prepare()
        self.server = Server("127.0.0.1:0", self.root / "artifacts", lambda: "")
        await self.server.start()
        self.store.base_url = f"http://{self.server.address}"
        self.git, trees = GitCache(self.root / "git"), Trees(self.root / "trees")
        await self.git.prepare()
        await trees.prepare()
        self.session = aiohttp.ClientSession()
        self.recorder = Recorder(self.client)
        secrets = self.secrets = SecretReader(self.client, self.namespace)
        cache, queue = Cache(), Queue()
        self.cache = cache
        wiring = Wiring(cache, queue)
        secrets.subscribe(wiring.reference_changed)
        self.git.subscribe(wiring.repository_moved)
        artifacts = ArtifactReader(self.store, lambda: self.session)
        self.origins = Origins(self.client, secrets, Registries(lambda: self.session), self.clouds)
        tools = SourceTools(
            secrets,
            self.store,
            artifacts,
            ChartBuilder(self.store, trees),
            self.git,
            lambda: self.session,
            self.origins,
            self.settings,
        )
        reconcilers = source_reconcilers(self.client, cache, self.recorder, tools) | self.more()

        async def reconcile(key):
            try:
                return await reconcilers[key.kind].reconcile(key)
            finally:
                self.reconciled.append(key)

        kinds = [kind for kind in KINDS if kind.name in reconcilers]
        self.watcher = Watcher(config, kinds, namespaces=[self.namespace])
        self.worker = Worker(queue, reconcile)

        def feed(kind, event, raw):
            if event == "DELETED":
                cache.drop(next(k for k in list(cache.keys()) if k[2] == raw["metadata"]["name"] and k[0] == kind.name))
            else:
                cache.put(raw)

        self.jobs = [asyncio.create_task(job) for job in (self.watcher.run(feed), self.worker.run(), secrets.run())]
        await asyncio.wait_for(self.watcher.synced.wait(), 30)
        return self

    def more(self):
        """Return further reconcilers, for those who test them with sources."""
        return {}

    async def __aexit__(self, *_):
        await self.worker.drain(1.0)
        for job in self.jobs:
            job.cancel()
        await asyncio.gather(*self.jobs, return_exceptions=True)
        await self.recorder.aclose()
        await self.session.close()
        await self.server.stop()
        self.git.close()
        self.store.close()
        await self.client.aclose()

    async def kubectl(self, *args, **more):
        return await self.cluster.kubectl_async("-n", self.namespace, *args, **more)

    async def apply(self, kind, name, spec, **metadata):
        body = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace} | metadata,
            "spec": {"interval": "10m"} | spec,
        }
        await self.kubectl("apply", "-f", "-", input=json.dumps(body))

    async def secret(self, name, **data):
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": data,
        }
        await self.kubectl("apply", "-f", "-", input=json.dumps(body))

    async def get(self, kind, name):
        return json.loads(await self.kubectl("get", kind, name, "-o", "json"))

    async def request(self, kind, name):
        """Ask for a reconcile as ``flux reconcile`` does, and return the token."""
        token = datetime.now(tz=UTC).isoformat()
        await self.kubectl("annotate", "--overwrite", kind, name, f"reconcile.fluxcd.io/requestedAt={token}")
        return token

    async def until(self, kind, name, holds, seconds=20.0):
        """Wait until ``holds(object)`` and return the object."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            found = await self.get(kind, name)
            try:
                if holds(found):
                    return found
            except (KeyError, StopIteration, TypeError):
                pass
            if loop.time() > deadline:
                pytest.fail(f"not within {seconds} s: {json.dumps(found.get('status'), indent=1)}")
            await asyncio.sleep(0.05)

    async def ready(self, kind, name, revision=None):
        """Wait until the object is ready (with a revision) and return it."""
        return await self.until(
            kind,
            name,
            lambda found: (
                condition(found, "Ready")["status"] == "True"
                and found["status"]["observedGeneration"] == found["metadata"]["generation"]
                and (revision is None or found["status"]["artifact"]["revision"] == revision)
            ),
        )

    async def failed(self, kind, name, reason):
        """Wait until Ready is False for a reason and return the object."""
        return await self.until(
            kind,
            name,
            lambda found: (
                (condition(found, "Ready")["status"], condition(found, "Ready")["reason"]) == ("False", reason)
                and condition(found, "Ready")["observedGeneration"] == found["metadata"]["generation"]
            ),
        )

    async def event(self, name, type_, reason, seconds=10.0):
        """Wait for an event about an object and return it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            items = json.loads(await self.kubectl("get", "events", "-o", "json"))["items"]
            mine = [item for item in items if item["involvedObject"]["name"] == name]
            for item in mine:
                if (item["type"], item["reason"]) == (type_, reason):
                    return item
            if loop.time() > deadline:
                pytest.fail(f"no {type_} {reason} but {[(i['type'], i['reason'], i['message']) for i in mine]}")
            await asyncio.sleep(0.05)


def condition(found, type_):
    return next(one for one in found["status"]["conditions"] if one["type"] == type_)
