"""
One real cluster on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok for the nodes.

Everything is in one folder: ``etcd/`` data, ``pki/``, ``logs/``, ``run/`` (who runs), ``ports.json``. TLS and RBAC are
on, everything listens on the loopback address. The store skips fsync: a power cut may cost a development cluster its
data.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.api.kind import Api
from hub.dev.certs import write_private
from hub.dev.parts import PARTS, PORTS, Layout, commands
from hub.dev.ports import Ports
from hub.dev.process import Process
from hub.dev.progress import Progress
from hub.errors import ApiError, HubError
from hub.kube.client import Client, Unreachable
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

NODES = 3

_MARKER = "cluster.json"  # only a folder with this file in it is ever deleted
_START_DEADLINE = 90.0  # seconds from start to ready; a busy machine is slow
_PROBE = 2.0  # seconds for one question
_UNRESPONSIVE = 10.0  # seconds after which a running API server that does not answer is started anew
_POLL = 0.05
_PORT_TAKEN = "address already in use"
_NODES = Api("", "v1", "Node", "nodes", namespaced=False)
_SERVICE_ACCOUNTS = Api("", "v1", "ServiceAccount", "serviceaccounts")


class ClusterFailed(HubError):
    """A part of a cluster did not start; the message has the end of its log and says where the rest is."""

    def __init__(self, message: str) -> None:
        super().__init__("ClusterFailed", message)


@dataclass(frozen=True, slots=True)
class Health:
    """
    How one cluster is.

    Attributes:
        pids: Process id of each part, None for one that does not run.
        server: URL of the API server, empty before the first start.
        answer: Empty when it says that it is ready, else why not.
    """

    pids: dict[str, int | None]
    server: str
    answer: str

    @property
    def healthy(self) -> bool:
        """Whether all parts run and the API server is ready."""
        return not self.answer and all(self.pids.values())


class Cluster:
    """
    One cluster.

    Args:
        name: E.g. ``hub``; also its context in the kubeconfig.
        folder: Where it lives.
        kubeconfig: File that is written for people: cluster admin, certificate inline, 0600.
    """

    def __init__(self, name: str, folder: Path, kubeconfig: Path) -> None:
        self.name = name
        self.folder = folder.absolute()
        self.kubeconfig = kubeconfig.absolute()
        self._parts = {part: Process(part, self.folder) for part in PARTS}
        self._ports = Ports(self.folder / "ports.json", list(PORTS))
        self._started: list[str] = []  # by this object, in this up

    @property
    def pids(self) -> dict[str, int | None]:
        """The process id of each part; None for one that does not run."""
        return {name: process.pid for name, process in self._parts.items()}

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """Talk to its API server as cluster admin."""
        client = Client(load_kubeconfig(self.kubeconfig), name=self.name)
        try:
            yield client
        finally:
            await client.aclose()

    async def health(self) -> Health:
        """Ask how it is; never raises for a cluster that is not well."""
        pids = self.pids
        if not self.kubeconfig.exists():
            return Health(pids, "", "never started")
        async with self.client() as client:
            return Health(pids, client.config.server, await _unready(client))

    async def up(self, tools: Mapping[str, Path], progress: Progress | None = None) -> bool:
        """
        Bring it up: a healthy one is left alone, parts that died are started again, data is kept.

        Returns:
            Whether anything had to be started.

        Raises:
            ClusterFailed: A part does not start.
        """
        progress = progress or Progress()
        began = time.monotonic()
        self.signal(signal.SIGCONT)
        for remaining in (2, 1, 0):
            try:
                await self._start(tools, progress)
                break
            except _PortTakenError:  # by somebody who was faster: choose again
                if not remaining:
                    raise
        took = f"ready in {time.monotonic() - began:.1f} s" if self._started else "is up already"
        progress.done(f"{self.name}: {took}, {self.kubeconfig}")
        return bool(self._started)

    async def down(self) -> bool:
        """End its processes and no others, keep its data. Return whether any ran."""
        *others, etcd = reversed(PARTS)
        ended = await asyncio.gather(*(self._parts[part].stop() for part in others))
        return any([*ended, await self._parts[etcd].stop()])

    def delete(self) -> None:
        """Remove its folder and kubeconfig; call :meth:`down` before."""
        self.kubeconfig.unlink(missing_ok=True)
        if (self.folder / _MARKER).exists():
            shutil.rmtree(self.folder)

    def signal(self, number: signal.Signals, *parts: str) -> None:
        """Send a signal to some parts (default: all) that run."""
        for part in parts or PARTS:
            self._parts[part].signal(number)

    async def stop_part(self, part: str) -> None:
        """End one part, e.g. ``kube-apiserver``: connections are refused from then on."""
        await self._parts[part].stop(patience=1.0)

    async def start_part(self, part: str) -> None:
        """Start one part again as it ran last, and wait until the API server is ready."""
        self._started = [part]
        if self._parts[part].pid is None:
            self._parts[part].restart()
        async with self.client() as client:
            await self._until_ready(client)

    async def _start(self, tools: Mapping[str, Path], progress: Progress) -> None:
        """Start what does not run, in order."""
        self._started = []
        write_private(self.folder / _MARKER, b"{}\n")
        self._ports.settle(self._held_ports())
        layout = Layout(self.name, self.folder, {name: self._ports[name] for name in PORTS})
        layout.write(self.kubeconfig)
        wanted = commands(layout, tools)
        for part in reversed(PARTS):  # run by other rules than today's, e.g. because a port changed
            if self._parts[part].pid is not None and not self._parts[part].runs(wanted[part]):
                await self._parts[part].stop()
        async with self.client() as client:
            await self._start_server(wanted, client, progress)
            for part in PARTS[2:]:
                self._start_part(part, wanted)
            if self._started:
                await self._until_usable(client)

    async def _start_server(self, wanted: dict[str, list[str]], client: Client, progress: Progress) -> None:
        etcd, server = PARTS[:2]
        if self._start_part(etcd, wanted):
            await self._until_listening(etcd)
        if self._parts[server].pid is not None and not await self._answers(client):
            progress.failed(f"{self.name}: the API server does not answer, starting it anew")
            await self._parts[server].stop()
        if self._parts[server].pid is None:
            progress.begin(f"{self.name}: starting on port {self._ports[server]}")
            self._start_part(server, wanted)
            await self._until_ready(client)

    def _start_part(self, part: str, wanted: Mapping[str, list[str]]) -> bool:
        if self._parts[part].pid is not None:
            return False
        self._parts[part].start(wanted[part])
        self._started.append(part)
        return True

    def _held_ports(self) -> frozenset[str]:
        """The ports that our own processes listen on."""
        return frozenset(port for port, part in PORTS.items() if self._parts[part].pid is not None)

    async def _until_listening(self, part: str) -> None:
        async for _ in self._patience(f"{part} does not listen"):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._ports[part])
                writer.transport.abort()
                return

    async def _answers(self, client: Client) -> bool:
        deadline = time.monotonic() + _UNRESPONSIVE
        while await _unready(client):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)
        return True

    async def _until_ready(self, client: Client) -> None:
        async for _ in self._patience("the API server does not get ready"):
            if not await _unready(client):
                return

    async def _until_usable(self, client: Client) -> None:
        """Wait until Pods can be made and scheduled: nodes Ready and untainted, the service account there."""
        for number in range(1, NODES + 1):
            await client.apply(_NODES, _node(f"{self.name}-node{number}"))
        async for _ in self._patience("its nodes do not get ready"):
            nodes = (await client.list(_NODES)).items
            if len(nodes) >= NODES and all(_is_schedulable(node) for node in nodes):
                break
        async for _ in self._patience("kube-controller-manager makes no service account"):
            with contextlib.suppress(ApiError):
                await client.get(_SERVICE_ACCOUNTS, "default", "default")
                return

    async def _patience(self, complaint: str) -> AsyncIterator[None]:
        """
        Yield every moment until the deadline.

        Raises:
            ClusterFailed: The deadline passed, or a part that was started died.
        """
        deadline = time.monotonic() + _START_DEADLINE
        while time.monotonic() < deadline:
            yield
            self._raise_for_dead()
            await asyncio.sleep(_POLL)
        raise ClusterFailed(f"{self.name}: {complaint} within {_START_DEADLINE:g} s; see {self.folder / 'logs'}")

    def _raise_for_dead(self) -> None:
        for name in self._started:
            process = self._parts[name]
            if process.pid is None:
                tail = process.tail()
                message = f"{self.name}: {name} ended right after its start:\n{tail}\nthe whole log: {process.log}"
                raise _PortTakenError(message) if _PORT_TAKEN in tail else ClusterFailed(message)


class _PortTakenError(ClusterFailed):
    """A port was free when chosen and is not any more."""


async def _unready(client: Client) -> str:
    """Return why the API server is not ready, or nothing."""
    try:
        await client.probe("/readyz", timeout=_PROBE)
    except (ApiError, Unreachable) as error:
        return error.message.strip().splitlines()[-1] if error.message.strip() else error.reason
    return ""


def _node(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": os.uname().machine}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
    }


def _is_schedulable(node: dict[str, Any]) -> bool:
    """Whether Pods are put there: Ready, and the ``not-ready`` taint of a new node taken off."""
    conditions = node.get("status", {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not node.get("spec", {}).get("taints")
