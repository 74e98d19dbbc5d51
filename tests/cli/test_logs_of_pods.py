"""``hubctl logs`` of a real Pod: a kwok that plays its kubelet serves what a hub wrote."""

from __future__ import annotations

import asyncio
import json
import uuid
from importlib.resources import files

import pytest
import yaml

from hub.api.kind import Api
from hub.api.meta import PODS
from hub.dev.certs import Authority
from hub.dev.server import LocalServer

pytestmark = pytest.mark.cluster

NODES = Api("", "v1", "Node", "nodes", namespaced=False)
LINES = (
    {
        "ts": "2026-01-02T03:04:05Z",
        "level": "info",
        "kind": "HelmRelease",
        "name": "web",
        "msg": "Helm upgrade succeeded",
    },
    {
        "ts": "2026-01-02T03:04:06Z",
        "level": "error",
        "kind": "GitRepository",
        "name": "repo",
        "msg": "no route to host",
    },
)
READY = "addresses:\n      - {type: InternalIP"
PORT = "daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}\n      " + READY


class Kubelet(LocalServer):
    """A kwok for one node, whose Pods have the lines of a file as their logs."""

    tool = "kwok"

    def __init__(self, root, toolbox, kubeconfig, node, logs):
        super().__init__(root, tls=True, toolbox=toolbox)
        self._kubeconfig, self._node, self._logs = kubeconfig, node, logs

    def arguments(self):
        self.root.mkdir(parents=True, exist_ok=True)
        stages = files("hub.dev").joinpath("stages.yaml").read_text()
        assert READY in stages
        told = {"kind": "ClusterLogs", "apiVersion": "kwok.x-k8s.io/v1alpha1", "metadata": {"name": "all"}}
        told["spec"] = {"logs": [{"logsFile": str(self._logs), "follow": True}]}
        config = self.root / "kwok.yaml"
        config.write_text(f"{stages.replace(READY, PORT)}\n---\n{yaml.safe_dump(told)}")
        pair = Authority(self.root, "ca").server("kubelet", ["127.0.0.1"])
        return [
            f"--kubeconfig={self._kubeconfig}", f"--config={config}", f"--manage-single-node={self._node}",
            f"--server-address=127.0.0.1:{self.port}", f"--node-port={self.port}", "--node-ip=127.0.0.1",
            f"--tls-cert-file={pair.cert}", f"--tls-private-key-file={pair.key}",
        ]  # fmt: skip


def written(line, namespace):
    """A line as a container runtime keeps it."""
    return f"2026-01-02T03:04:05.000000000Z stdout F {json.dumps({**line, 'namespace': namespace})}\n"


@pytest.fixture
async def log(clusters, toolbox, objects, tmp_path, eventually):
    """The file that a Pod of a hub writes to."""
    node, file = f"node-{uuid.uuid4().hex[:8]}", tmp_path / "hub.log"
    file.write_text("".join(written(line, objects.namespace) for line in LINES))
    client = objects.client
    await client.create(NODES, {"metadata": {"name": node}, "spec": {"unschedulable": True}})
    async with Kubelet(tmp_path / "kubelet", toolbox, clusters.hub.kubeconfig, node, file):
        metadata = {"name": "hub-0", "labels": {"app.kubernetes.io/name": "hub"}}
        spec = {
            "nodeName": node,
            "containers": [{"name": "hub", "image": "hub"}],
            "tolerations": [{"operator": "Exists"}],
        }
        await client.create(PODS, {"metadata": metadata, "spec": spec}, objects.namespace)

        async def runs():
            return (await client.get(PODS, "hub-0", objects.namespace))["status"].get("phase") == "Running"

        await eventually(runs)
        yield file
        await client.delete(PODS, "hub-0", objects.namespace)
    await client.delete(NODES, node)


async def test_logs(log, hubctl, objects):
    home = ["--hub-namespace", objects.namespace]
    ran = await hubctl("logs", *home)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"2026-01-02T03:04:05Z info HelmRelease/web.{objects.namespace} - Helm upgrade succeeded",
        f"2026-01-02T03:04:06Z error GitRepository/repo.{objects.namespace} - no route to host",
    ]
    for words in (["--level", "error"], ["--kind", "gitrepository"], ["--name", "repo"], ["--tail", "1"]):
        assert (await hubctl("logs", *home, *words)).lines == ran.lines[1:], words
    async with hubctl.following("logs", *home, "--follow", "--name", "web") as printed:
        first = (await asyncio.wait_for(printed.readline(), 30)).decode()
        with log.open("a") as file:
            file.write(written(LINES[0] | {"msg": "again"}, objects.namespace))
        second = (await asyncio.wait_for(printed.readline(), 30)).decode()
    assert (first.rstrip(), second.split(" - ")[1]) == (ran.lines[0], "again\n")
