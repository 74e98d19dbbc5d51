"""What a run stands on: clusters, repositories, a Git server, the hub. It ends with the run, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench import manifests
from bench.fleet import Fleet
from bench.herd import Herd, HerdMember
from bench.process import HubUnderTest, git_server
from bench.repository import Repository
from hub.api.meta import NAMESPACES, SECRETS, Api
from hub.api.registry import KINDS
from hub.api.source import GitRepository
from hub.dev.environment import Environment
from hub.dev.progress import Progress
from hub.errors import NotFound
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.dev.cluster import Cluster

_AT_ONCE = 8
_NOT_MEASURED = ("kwok", "kube-scheduler", "kube-controller-manager")


class Site:
    """
    An async context manager.

    Args:
        members: How many.
        clusters: Folder of clusters that stay (as of ``hubctl dev up``); None makes new ones, and removes them.
        say: Takes a line about what goes on.
        herd: The members are API servers that share the etcd of the hub cluster.
    """

    def __init__(self, members: int, clusters: Path | None, say: Callable[[str], None], *, herd: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
        self.namespace = f"bench-{secrets.token_hex(3)}"
        self._count = members
        self._keep = clusters is not None
        self._herd = herd
        self._environment = Environment(clusters or self.folder / "clusters", progress=Progress(say))
        self._exit = AsyncExitStack()
        self._address = ""
        self.hub_client: Client
        self.clients: list[Client] = []
        self.clusters: list[Cluster | HerdMember] = []
        self.hub: HubUnderTest
        self.fleet: Fleet

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    @property
    def helm(self) -> Path:
        """The binary that the hub uses too."""
        return self._environment.bin / "helm"

    @property
    def kubeconfig(self) -> Path:
        """Of the hub cluster."""
        return self._environment.hub.kubeconfig

    @property
    def kubeconfigs(self) -> list[Path]:
        """Of the members."""
        return [cluster.kubeconfig for cluster in self.clusters]

    async def repository(self, name: str) -> Repository:
        """Make a repository with a chart, and the object that tells the hub of it."""
        made = Repository(self.folder, name, self._count)
        await made.create(self.helm)
        url = f"{self._address}/{name}.git"
        await self.apply(GitRepository.KIND.api, [manifests.repository(self.namespace, name, url)])
        return made

    async def ask(self, repository: str) -> None:
        """Do not wait for the interval: what ``hubctl reconcile source git`` does."""
        body = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": str(time.time())}}}
        await self.hub_client.patch(GitRepository.KIND.api, repository, self.namespace, body)

    async def apply(self, api: Api, bodies: Iterable[dict[str, Any]]) -> None:
        """Apply objects to the hub cluster."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(body: dict[str, Any]) -> None:
            async with limit:
                await self.hub_client.apply(api, body, manager="bench")

        await asyncio.gather(*map(one, bodies))

    async def _start(self) -> None:
        host, *self.clusters = await self._bring_up()
        self.hub_client = await self._client(host)
        self.clients = [await self._client(cluster) for cluster in self.clusters]
        self._address = await self._exit.enter_async_context(git_server(self.folder / "git"))
        if self._keep:
            self._exit.push_async_callback(self._remove_objects)
        await self.apply(NAMESPACES, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}])
        files = enumerate(self.kubeconfigs, 1)
        bodies = [manifests.kubeconfig_secret(self.namespace, one, file.read_bytes()) for one, file in files]
        await self.apply(SECRETS, bodies)
        self.hub = HubUnderTest(self.folder, self.kubeconfig, self._environment.bin, self.namespace)
        self._exit.push_async_callback(self.hub.stop)
        await self.hub.start()
        self.fleet = Fleet(self.hub_client, self.namespace)
        following = asyncio.create_task(self.fleet.follow())
        self._exit.callback(following.cancel)

    async def _bring_up(self) -> list[Cluster | HerdMember]:
        if self._herd:
            return await self._bring_up_herd()
        if self._keep:
            return list((await self._environment.up(self._count))[: self._count + 1])
        await self._guard()
        self._exit.push_async_callback(self._environment.down, delete=True)
        clusters = await self._environment.up(self._count)
        # Rolling out Pods is work of the members, on the same cores here, and none of the hub's.
        await asyncio.gather(*(cluster.stop_part(part) for cluster in clusters for part in _NOT_MEASURED))
        return list(clusters)

    async def _bring_up_herd(self) -> list[Cluster | HerdMember]:
        await self._guard()
        self._exit.push_async_callback(self._environment.down, delete=True)
        host, *_ = await self._environment.up(0)
        await asyncio.gather(*(host.stop_part(part) for part in _NOT_MEASURED))
        herd = Herd(host, self._count, self.folder)
        self._exit.push_async_callback(herd.stop)
        await herd.start()
        return [host, *herd.members]

    async def _guard(self) -> None:
        """Start what ends the clusters when this process is killed: its input closes then."""
        command = (sys.executable, "-m", "hub.dev.guard", str(self._environment.folder))
        guard = await asyncio.create_subprocess_exec(*command, stdin=PIPE, start_new_session=True)

        async def release() -> None:
            if guard.stdin is not None:
                guard.stdin.close()
            await guard.wait()

        self._exit.push_async_callback(release)

    async def _client(self, cluster: Cluster | HerdMember) -> Client:
        client = Client(load_kubeconfig(cluster.kubeconfig), name=cluster.name)
        self._exit.push_async_callback(client.aclose)
        return client

    async def _remove_objects(self) -> None:
        """Remove from clusters that stay what we put there; the hub has stopped, so nobody else drops finalizers."""
        for kind in reversed(KINDS):
            for item in (await self.hub_client.list(kind.api, self.namespace)).items:
                with contextlib.suppress(NotFound):
                    name = item["metadata"]["name"]
                    body = {"metadata": {"finalizers": None}}
                    await self.hub_client.patch(kind.api, name, self.namespace, body)
                    await self.hub_client.delete(kind.api, name, self.namespace)
        await self.hub_client.delete(NAMESPACES, self.namespace)
        for client in self.clients:
            for name in (self.namespace, f"{self.namespace}-yardstick"):
                await client.delete(NAMESPACES, name)

    async def _end(self) -> None:
        try:
            await self._exit.aclose()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
