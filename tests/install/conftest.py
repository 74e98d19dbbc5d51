"""The hub installed on member1 by ``hubctl install``, once for all tests of this folder."""

from __future__ import annotations

import contextlib
import os
from contextlib import asynccontextmanager

import pytest
from install_kit import Host
from scenario_hub import HubProcess
from scenario_scene import Scene, World
from scenario_site import Site


@pytest.fixture(scope="session")
async def host(clusters):
    path = f"{clusters.helm.parent}{os.pathsep}{os.environ['PATH']}"
    return Host(clusters.members[0], clusters.helm, {"PATH": path})


@pytest.fixture(scope="session")
async def installed(host):
    """The host, with the chart on it and the simulated replicas ready."""
    try:
        await host.hubctl("install", "--timeout=3m")
        yield host
    finally:
        await host.hubctl("uninstall", "--with-objects", "--yes", check=False)
        host.cluster.kubectl("delete", "namespace", "hub-system", "--wait=false", "--ignore-not-found")


@pytest.fixture
async def hub_with_rights(installed, clusters, git_server, tmp_path):
    """
    A function that makes a scene whose hub runs with a token of the chart's ServiceAccount.

    ``async with hub_with_rights("name", "--flag=...") as scene``; its members are ``member1`` and ``member2``.
    """

    @asynccontextmanager
    async def make(name, *flags, account="hub", namespace="hub-system"):
        config = await installed.token_kubeconfig(tmp_path, account, namespace)
        sites = {
            "hub": Site("hub", installed.cluster.kubeconfig),
            "member1": Site("member1", clusters.hub.kubeconfig),
            "member2": Site("member2", clusters.members[1].kubeconfig),
        }
        tools = clusters.helm.parent
        world = World(sites, HubProcess(tmp_path, config, tools, *flags), git_server, clusters.helm)
        try:
            async with contextlib.AsyncExitStack() as stack:
                scene = await stack.enter_async_context(Scene(world, name))
                flags = tuple(one.replace("${ns}", scene.names["ns"]) for one in flags)
                world.hub = HubProcess(tmp_path, config, tools, *flags)
                stack.push_async_callback(world.hub.stop)
                yield scene
        finally:
            for site in sites.values():
                await site.aclose()

    return make
