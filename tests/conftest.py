"""
Real clusters for the whole test session: one hub and two members.

``HUB_TEST_CLUSTERS=DIR`` keeps them up in DIR between runs (``hubctl dev down --dir DIR`` ends them); without it they
are made in a temporary folder and removed at the end, also when the session is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hub.api.meta import NAMESPACES
from hub.dev.binaries import Toolbox
from hub.dev.environment import Environment
from hub.dev.gitserver import GitServer
from hub.dev.progress import Progress
from hub.kube.client import Client
from hub.kube.config import load_kubeconfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hub.dev.cluster import Cluster

API_SERVER = "kube-apiserver"

# Before the first loop, pytest-asyncio asks for "the current loop" to put it back later. Python 3.11 then makes one
# that nobody closes, a ResourceWarning; it does not once somebody has said that there is none.
asyncio.set_event_loop(None)


LONGEST = ("test_bad_members.py", "test_killed.py", "test_folders.py", "test_bad_repositories.py")
"""Scenarios that take minutes: they begin first, so that workers end at about the same time."""


def pytest_collection_modifyitems(items):
    """Mark what needs the tools, and put the scenarios last: their hub watches every namespace until the end."""
    for item in items:
        if not {"clusters", "helm_binary"}.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda item: ("scenarios" in item.path.parts, item.path.name not in LONGEST))


@pytest.fixture(scope="session", autouse=True)
async def _loop():
    """Have the session's loop before the first plain test, or looptime makes one that nobody closes."""


class LiveCluster:
    """A running cluster, and what a test does to it."""

    def __init__(self, cluster: Cluster, kubectl: Path) -> None:
        self.cluster = cluster
        self.name = cluster.name
        self.kubeconfig = cluster.kubeconfig
        self._kubectl = kubectl

    @property
    def pids(self) -> dict[str, int | None]:
        return self.cluster.pids

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002  # as subprocess
        """Run kubectl, return what it prints. Blocks the event loop: with a hub in it, use :meth:`kubectl_async`."""
        command = [self._kubectl, "--kubeconfig", self.kubeconfig, *args]
        ran = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        if check and ran.returncode:
            raise AssertionError(f"kubectl {' '.join(args)} ended with {ran.returncode}: {ran.stderr}")
        return ran.stdout

    async def kubectl_async(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        return await asyncio.to_thread(self.kubectl, *args, input=input, check=check)

    def pause(self) -> None:
        """Let its API server hang: connections are taken, nothing answers."""
        self.cluster.signal(signal.SIGSTOP, API_SERVER)

    def resume(self) -> None:
        self.cluster.signal(signal.SIGCONT, API_SERVER)

    async def stop_apiserver(self) -> None:
        """Let connections be refused."""
        await self.cluster.stop_part(API_SERVER)

    async def start_apiserver(self) -> None:
        """Undo :meth:`stop_apiserver`; returns when it is ready."""
        await self.cluster.start_part(API_SERVER)

    def get(self, what: str, namespace: str) -> dict[str, Any]:
        """Return one object, e.g. ``deployment/web``, or a list of them, e.g. ``pods``."""
        found: dict[str, Any] = json.loads(self.kubectl("get", what, "--namespace", namespace, "--output", "json"))
        return found

    def apply(self, namespace: str, *objects: dict[str, Any]) -> None:
        """Apply objects to a namespace."""
        self.kubectl("apply", "--namespace", namespace, "--filename", "-", input=yaml.safe_dump_all(objects))

    def create_namespace(self, name: str) -> None:
        self.kubectl("create", "namespace", name)


@dataclass(frozen=True)
class Clusters:
    hub: LiveCluster
    members: list[LiveCluster]
    folder: Path
    helm: Path
    kubectl: Path

    @property
    def all(self) -> list[LiveCluster]:
        return [self.hub, *self.members]


@pytest.fixture(scope="session")
def toolbox(pytestconfig):
    """The tools of ``hubctl dev``; what is missing is built."""
    return Toolbox(Progress(functools.partial(_tell, pytestconfig.pluginmanager.getplugin("capturemanager"))))


@pytest.fixture(scope="session")
async def helm_binary(toolbox):
    """The real helm."""
    return (await toolbox.ensure("helm"))["helm"]


@pytest.fixture(scope="session")
async def clusters(tmp_path_factory, pytestconfig, toolbox):
    """The hub and two members. A test that harms one has to heal it."""
    kept = os.environ.get("HUB_TEST_CLUSTERS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("clusters", numbered=True)
    progress = Progress(functools.partial(_tell, pytestconfig.pluginmanager.getplugin("capturemanager")))
    environment = Environment(folder, progress=progress, toolbox=toolbox)
    guard = None if kept else _guard(folder)
    try:
        up = await environment.up(members=2)
        tools = await toolbox.ensure("helm", "kubectl")
        hub, *members = [LiveCluster(cluster, tools["kubectl"]) for cluster in up]
        yield Clusters(hub, members, folder, tools["helm"], tools["kubectl"])
    finally:
        if guard is not None:
            await environment.down(delete=True)
            guard.communicate()


@pytest.fixture
async def namespace(clusters):
    """
    The name of a namespace that was just made on the hub and on every member.

    Afterwards only the hub's goes, for a hub of later tests would find what is in it: to remove a namespace costs an
    API server more than most tests do.
    """
    name = f"test-{uuid.uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await asyncio.gather(
        *(_as_admin(cluster, lambda client: client.create(NAMESPACES, body)) for cluster in clusters.all)
    )
    yield name
    for cluster in clusters.all:
        cluster.resume()
    await _as_admin(clusters.hub, lambda client: client.delete(NAMESPACES, name))


async def _as_admin(cluster: LiveCluster, call: Callable[[Client], Awaitable[Any]]) -> None:
    """Ask an API server for something, by a connection of its own: it may have been stopped since the last one."""
    client = Client(load_kubeconfig(cluster.kubeconfig))
    try:
        await call(client)
    finally:
        await client.aclose()


@pytest.fixture(scope="session")
def eventually():
    """
    ``await eventually(check)``: call ``check`` (plain or async) until it returns something true, and return that.

    An AssertionError or a false value counts as "not yet"; at the deadline the last of them fails the test.
    """

    async def poll(check: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            problem = None
            try:
                result = check()
                if inspect.isawaitable(result):
                    result = await result
            except AssertionError as error:
                result, problem = None, error
            if result:
                return result
            if time.monotonic() > deadline:
                raise problem or AssertionError(f"not true within {seconds:g} s, last answer: {result!r}")
            await asyncio.sleep(0.1)

    return poll


@pytest.fixture
async def git_server(tmp_path):
    """A Git server on a port of its own, without repositories yet."""
    async with GitServer(tmp_path / "repositories") as server:
        yield server


def _tell(capture: Any, line: str) -> None:
    """Print past pytest's capturing: a first build takes minutes, and should not do so in silence."""
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print(f"\n{line}", end="", file=sys.stderr, flush=True)


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that ends the clusters when this one dies: its input closes then."""
    return subprocess.Popen(
        [sys.executable, "-m", "hub.dev.guard", folder], stdin=subprocess.PIPE, start_new_session=True
    )
