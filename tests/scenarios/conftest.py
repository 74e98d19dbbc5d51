"""
Scenarios: one behaviour each, on real clusters, with real helm, git and a real hub process.

A scenario is a folder here; its name is the id of its test (``pytest tests/scenarios -k install-fail``)::

    install-fail/
      given.yaml    the objects of the hub's cluster; HelmReleases and GitRepositories are completed from defaults.yaml
      files/        files of its Git repository beside the chart (optional)
      when.yaml     a list of steps (optional)
      then.yaml     a list of expectations

Every scenario has namespaces (``${ns}`` on the hub and member1, ``${target}`` on member1 and 2, ``${storage}``: made by
nobody) and a Git repository (``${git}``) of its own, with the chart ``charts/web`` as its folder ``web``. Secrets
``member1`` and ``member2`` hold kubeconfigs. They run side by side: expect only what the scenario itself causes.

given.yaml: objects as documents. One document without ``kind`` may set::

    trees: {app: examples/app}            # more folders of the project to put into the repository, by their name there
    namespaces: {member1: ['${ns}']}      # namespaces that exist before, by cluster
    member1: [{...}]                      # objects on a member
    source: false                         # do not add the GitRepository 'charts'
    defaults: false                       # leave objects as they are written

when.yaml: steps, each ``verb [[cluster:]Kind/[namespace/]name]: argument``. The cluster is ``hub`` unless told; the
namespace is ``${ns}`` there, ``${target}`` on members::

    - push: {web/values.yaml: {replicas: 2}}       # a mapping is merged into the file, a text replaces it, null removes
    - push quietly: {...}                          # nobody tells the hub: it has to look by itself
    - patch HelmRelease/web: {spec: {suspend: true}}
    - apply: [{...}]                               # also 'apply member1'
    - annotate HelmRelease/web: {hubctl.io/x: y}
    - reconcile HelmRelease/web:                   # a new requestedAt, or the one that is given
    - delete member1:Deployment/web:
    - helm member1: [rollback, web, '1', -n, '${ns}']
    - remember member1:Deployment/web:             # for 'same' below
    - guard member1:Deployment/web: {status: {availableReplicas: 1}}    # has to hold from now to the end
    - expect: [...]                                # as in then.yaml, before the next step

then.yaml: expectations; each is waited for, and in the end all have to be true at once::

    - HelmRelease/web:                             # a part of the object; see scenario_match for !re, !absent, ...
        conditions:                                # by type: 'status reason', or a mapping
          Ready: True InstallSucceeded             # a text with True means settled too: nothing Reconciling or Stalled
          Released: {status: 'True', message: !re 'release ${target}/web.v1 with chart web@1.0.0'}
          Remediated: !absent
        status: {history: !len 1}
    - member1:Deployment/web: {spec: {replicas: 2}}
    - member1:Deployment/gone: !absent
    - same member1:Deployment/web: [metadata.uid]  # as it was when it was remembered; also 'changed'
    - events HelmRelease/web: [{type: Warning, reason: InstallFailed}, !not {reason: UpgradeFailed}]
    - revisions member1:${ns}/web: [1 superseded, 2 deployed]     # what Helm stored
    - helm member1: {run: [ls, -n, '${ns}'], prints: !re 'web.*deployed'}

The chart ``web`` (Deployment, Service, ConfigMap) can be told to misbehave: see its values.yaml.

What needs more than data is a test in ``test_*.py`` with the fixture ``world`` and :class:`scenario_scene.Scene`, whose
methods are these steps. One that kills a hub takes ``own_world``: a hub process of its own on a cluster of its own.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from scenario_hub import HubProcess
from scenario_scene import Scene, World
from scenario_site import Site

from hub.dev.crds import install_crds
from hub.dev.gitserver import GitServer
from hub.dev.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
async def scenario_git(tmp_path_factory):
    """One Git server for all scenarios."""
    async with GitServer(tmp_path_factory.mktemp("scenario-git")) as server:
        yield server


@pytest.fixture(scope="session")
async def world(clusters, scenario_git, tmp_path_factory):
    """The hub that the scenarios share. Do not harm it, nor the members: others are using them."""
    process = HubProcess(tmp_path_factory.mktemp("scenario-hub"), clusters.hub.kubeconfig, clusters.helm.parent)
    sites = {cluster.name: Site(cluster.name, cluster.kubeconfig) for cluster in clusters.all}
    world = World(sites, process, scenario_git, clusters.helm, keep_failed="HUB_TEST_CLUSTERS" in os.environ)
    try:
        await process.start()
        yield world
    finally:
        await process.stop()
        for site in sites.values():
            await site.aclose()


@pytest.fixture
async def own_world(clusters, scenario_git, tmp_path):
    """
    A function that makes a world whose hub may be killed: its objects are on member2, the shared hub sees none of them.

    ``async with own_world("name") as scene`` gives a scene; its hub (``scene.world.hub``) watches the scene's namespace
    alone and is not started yet. ``member1`` is the only member.
    """

    @asynccontextmanager
    async def make(name: str) -> AsyncIterator[Scene]:
        host, member = clusters.members[1], clusters.members[0]
        async with host.cluster.client() as client:
            await install_crds(client, Progress())
        sites = {"hub": Site("hub", host.kubeconfig), "member1": Site("member1", member.kubeconfig)}
        world = World(sites, HubProcess(tmp_path, host.kubeconfig, clusters.helm.parent), scenario_git, clusters.helm)
        scene = Scene(world, name)
        world.hub = HubProcess(
            tmp_path, host.kubeconfig, clusters.helm.parent, f"--watch-namespace={scene.names['ns']}"
        )
        try:
            async with scene:
                yield scene
        finally:
            await world.hub.stop()
            for site in sites.values():
                await site.aclose()

    return make
