"""
``hubctl`` on a laptop, from where the hub's artifacts are reached through the API server alone: its service proxy.

Artifact URLs name a Service. Its endpoint is a Pod with an address of this machine, where connections are handed on to
the hub: the API server refuses loopback addresses, and passes nothing on to what is no Pod.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, closing

import pytest
from cli_kit import Hubctl
from scenario_hub import HubProcess

from hub.api.kind import Api
from hub.api.meta import PODS
from hub.api.source import HelmChart
from hub.cli.artifacts import proxied

pytestmark = pytest.mark.cluster

READY = {"conditions": {"Ready": "True InstallSucceeded"}}
SERVICES = Api("", "v1", "Service", "services")
ENDPOINTS = Api("", "v1", "Endpoints", "endpoints")


def machine_address():
    """Return an address of this machine that is not the loopback interface's; nothing is sent."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.254", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback interface's, which no endpoint may have")
        return probe.getsockname()[0]


@asynccontextmanager
async def handing_on(address, target):
    """Take connections at an address of this machine, and hand them on; yield the port and how many came."""
    seen = []

    async def pump(reader, writer):
        with closing(writer):
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()

    async def serve(reader, writer):
        seen.append(writer.get_extra_info("peername"))
        host, _, port = target().rpartition(":")
        upstream = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer), return_exceptions=True)

    server = await asyncio.start_server(serve, address, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def test_diff(own_world, clusters, tmp_path, eventually, monkeypatch):
    address = machine_address()
    monkeypatch.setenv("PATH", f"{clusters.helm.parent}{os.pathsep}{os.environ['PATH']}")
    async with own_world("laptop") as scene:
        world, ns = scene.world, scene.names["ns"]
        flags = (f"--watch-namespace={ns}", f"--artifact-address=artifacts.{ns}.svc:9790")
        host = world.sites["hub"]
        world.hub = HubProcess(tmp_path, host.kubeconfig, clusters.helm.parent, *flags)
        async with handing_on(address, lambda: world.hub.address) as (port, seen):
            await scene.given("kind: HelmRelease\n")
            await world.hub.start()
            await serve_from(host.client, ns, address, port)
            await scene.expect({"HelmRelease/web": READY})
            await eventually(lambda: require_served(host.client, ns))

            hubctl = Hubctl(host.kubeconfig, ns)
            same = await hubctl("diff", "hr", "--all")
            await scene.step("patch HelmRelease/web", {"spec": {"suspend": True, "values": {"replicas": 4}}})
            changed = await hubctl("diff", "hr", "web")
            told = await hubctl("values", "explain", "hr/web", "replicas")
    assert same.code == 0, same.err
    assert same.out == f"member {ns}/member1: 0 of 1 release would change; no change\n"
    assert changed.code == 1, changed.err
    assert "spec.replicas: 1 → 4" in changed.out
    assert told.code == 0, told.err
    assert seen


async def serve_from(client, namespace, address, port):
    """Make the Service that artifact URLs name, and the Pod behind it: the API server passes nothing on without one."""
    pod = {"schedulerName": "nobody", "containers": [{"name": "hub", "image": "hub"}]}
    await client.create(PODS, {"metadata": {"name": "hub-0", "namespace": namespace}, "spec": pod})
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    await client.patch(PODS, "hub-0", namespace, {"status": status}, subresource="status")
    ports = [{"name": "http", "port": 9790}]
    body = {"metadata": {"name": "artifacts", "namespace": namespace}, "spec": {"ports": ports}}
    await client.create(SERVICES, body)
    behind = {"kind": "Pod", "name": "hub-0", "namespace": namespace}
    subsets = [{"addresses": [{"ip": address, "targetRef": behind}], "ports": [{"name": "http", "port": port}]}]
    body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "artifacts"}, "subsets": subsets}
    await client.create(ENDPOINTS, body, namespace)


async def require_served(client, namespace):
    """The way itself, so that what is wrong with it is told."""
    chart = await client.get(HelmChart.KIND.api, f"{namespace}-web", namespace)
    url = chart["status"]["artifact"]["url"]
    async with client.raw("GET", proxied(url), headers={}, timeout=30) as answer:
        assert answer.status == 200, f"{url} by {proxied(url)}: {answer.status} {await answer.text()}"
    return True
