"""Receivers and their webhooks on a real API server, beside sources and a real Git server."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from sources_harness import Sources

from hub.api.meta import Key
from hub.notify.hooks import HookServer, Tools
from hub.notify.identity import Identities
from hub.notify.receiver import ReceiverReconciler
from hub.runtime.access import Access


class Hooked(Sources):
    """Sources with a server of webhooks."""

    access = Access(same_namespace_only=True)
    google_keys = "http://127.0.0.1:1"

    def more(self):
        return {
            "Receiver": ReceiverReconciler(
                self.client, self.cache, self.recorder, secrets=self.secrets, access=self.access
            )
        }

    async def __aenter__(self):
        await super().__aenter__()
        identities = Identities(lambda: self.session, google_keys=self.google_keys)
        tools = Tools(self.client, self.cache, self.recorder, self.secrets, self.access, identities)
        self.hooks = HookServer("127.0.0.1:0", tools, lambda: "" if self.watcher.synced.is_set() else "not synced yet")
        await self.hooks.start()
        return self

    async def __aexit__(self, *args):
        await self.hooks.stop()
        await super().__aexit__(*args)

    async def apply(self, kind, name, spec, **metadata):
        await super().apply(kind, name, spec, **metadata)
        async with asyncio.timeout(20):
            while self.cache.get(Key(kind, self.namespace, name)) is None:  # noqa: ASYNC110  a cache has no events
                await asyncio.sleep(0.02)

    async def receiver(self, name, spec, version="v1"):
        body = {
            "apiVersion": f"notification.toolkit.fluxcd.io/{version}",
            "kind": "Receiver",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        await self.kubectl("apply", "-f", "-", input=json.dumps(body))

    async def path(self, name):
        """Wait until a Receiver is ready and return its path."""
        return (await self.ready("receiver", name))["status"]["webhookPath"]

    async def call(self, path, body=b"{}", method="POST", **headers):
        """Call a webhook; return status and text."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{self.hooks.address}{path}", data=body, headers=named) as answer,
        ):
            return answer.status, await answer.text()

    async def asked(self, kind, name):
        """Return the annotation that asks for a look; None without one."""
        found = await self.get(kind, name)
        return found["metadata"].get("annotations", {}).get("reconcile.fluxcd.io/requestedAt")


@pytest.fixture
async def hooked(clusters, namespace, tmp_path):
    async with Hooked(clusters.hub, namespace, tmp_path / "storage") as running:
        yield running


@pytest.fixture
async def repo(git_server):
    """A git server with the repository ``app``; ``repo.first`` is its first commit."""
    await git_server.create("app")
    git_server.first = await git_server.commit("app", {"a.txt": "1"}, message="Begin")
    return git_server
