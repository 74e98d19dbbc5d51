"""Several hub processes that share the work: by member, and by label as in Flux."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from scenario_hub import HubProcess
from scenario_scene import Scene, World
from scenario_site import Site

from hub.api.helm import HelmRelease
from hub.api.meta import LEASES
from hub.runtime.shard import shard_of

pytestmark = pytest.mark.cluster
ADDRESS = "hubctl.io/address"
KEY = "sharding.fluxcd.io/key"
NAMES = [f"m{number}" for number in range(6)]


@pytest.fixture
async def scene(installed, clusters, git_server, tmp_path):
    sites = {
        "hub": Site("hub", installed.cluster.kubeconfig),
        "member1": Site("member1", clusters.hub.kubeconfig),
    }
    none = HubProcess(tmp_path / "none", installed.cluster.kubeconfig, clusters.helm.parent)
    async with Scene(World(sites, none, git_server, clusters.helm), "shards") as scene:
        yield scene
    for site in sites.values():
        await site.aclose()


@pytest.fixture
async def start(scene, installed, clusters, tmp_path):
    """A function that starts a hub of the scene's namespace."""
    hubs = []

    async def start(*flags):
        folder = tmp_path / f"hub{len(hubs)}"
        ns = scene.names["ns"]
        flags = (f"--watch-namespace={ns}", "--leader-elect", f"--lease-namespace={ns}", *flags)
        hub = scene.world.hub = HubProcess(folder, installed.cluster.kubeconfig, clusters.helm.parent, *flags)
        hubs.append(hub)
        await hub.start()
        return hub

    async with contextlib.AsyncExitStack() as stack:
        yield start
        for hub in hubs:
            stack.push_async_callback(hub.stop)


def release(name, **labels):
    spec = {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "charts"}, "reconcileStrategy": "Content"}
    return {
        "apiVersion": HelmRelease.KIND.api.api_version,
        "kind": "HelmRelease",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "interval": "1h",
            "releaseName": name,
            "targetNamespace": "${target}",
            "kubeConfig": {"secretRef": {"name": name if name in NAMES else "member1"}},
            "chart": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def runs(hub, verb):
    """Return the releases that a hub process ran helm for, each as often as it did."""
    lines = hub.log('"Helm ended"', f'"verb": "{verb}"', lines=1000).splitlines()
    return sorted(word.removeprefix("name=") for line in lines for word in line.split() if word.startswith("name="))


async def test_replicas_share_the_members(scene, start, eventually):
    ns = scene.names["ns"]
    await scene.given("defaults: true")
    kubeconfig = {"value": scene.names["member1"]}
    for name in NAMES:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": kubeconfig}
        await scene.apply("hub", secret, release(name))
    # Longer than the default: on a busy machine no Lease shall change hands in the middle of the count.
    flags = ("--shards=2", "--lease-duration=20")
    hubs = await asyncio.gather(start(*flags), start(*flags))
    for name in NAMES:
        await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
    client = scene.world.sites["hub"].client

    async def shared():
        leases = (await client.list(LEASES, ns)).items
        holders = {one["metadata"]["name"][-6:]: one["metadata"]["annotations"].get(ADDRESS) for one in leases}
        return holders if len({*holders.values()} - {"", None}) == 2 else None

    holders = await eventually(shared, seconds=90.0)
    await scene.push({"web/values.yaml": {"replicas": 2}})
    for name in NAMES:
        await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True UpgradeSucceeded"}}})
    for part in range(2):
        (hub,) = [one for one in hubs if one.address == holders[f"{part}-of-2"]]
        assert runs(hub, "upgrade") == [name for name in NAMES if shard_of(f"{ns}/{name}", 2) == part]
    assert sorted(runs(hubs[0], "install") + runs(hubs[1], "install")) == NAMES


async def test_labels_choose_the_hub_as_in_flux(scene, start):
    await scene.given("defaults: true")
    source = {"kind": "GitRepository", "metadata": {"name": "charts", "labels": {}}}
    labelled = json.loads(json.dumps({**release("second", **{KEY: "shard1"})}))
    labelled["spec"]["chart"]["spec"]["sourceRef"]["name"] = "charts1"
    from scenario_scene import completed

    await scene.apply("hub", completed({**source, "metadata": {"name": "charts1", "labels": {KEY: "shard1"}}}))
    await scene.apply("hub", release("first"), labelled)
    main = await start(f"--watch-label-selector=!{KEY}")
    shard = await start(f"--watch-label-selector={KEY}=shard1")
    for name in ("first", "second"):
        await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
    assert (runs(main, "install"), runs(shard, "install")) == (["first"], ["second"])
