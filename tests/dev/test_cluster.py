"""What the clusters of the test session can do: the ground that every scenario stands on."""

import dataclasses
import socket
import time

import pytest

from hub.api.kind import Api
from hub.errors import ApiError
from hub.kube.client import Client, Unreachable
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

SECRETS = Api("", "v1", "Secret", "secrets")


def template(name, annotations, image="nginx:1", restart="Always"):
    metadata = {"labels": {"app": name}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"restartPolicy": restart, "containers": [{"name": "main", "image": image}]}}


def deployment(name, annotations=None, image="nginx:1"):
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template(name, annotations, image)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name, annotations=None):
    spec = {"backoffLimit": 0, "template": template(name, annotations, restart="Never")}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def state(cluster, namespace, name):
    """Return the state of the container of the only Pod of a workload."""
    pods = [one for one in cluster.get("pods", namespace)["items"] if one["metadata"]["labels"]["app"] == name]
    assert len(pods) == 1
    containers = pods[0]["status"].get("containerStatuses")
    return containers[0]["state"] if containers else None


async def test_deployments_become_available(clusters, namespace, eventually):
    for member in clusters.members:
        member.apply(namespace, deployment("web"))
    for member in clusters.members:
        await eventually(lambda m=member: m.get("deployment/web", namespace)["status"].get("availableReplicas") == 1)
        (pod,) = member.get("pods", namespace)["items"]
        assert pod["status"]["podIP"]
        assert pod["spec"]["nodeName"].startswith(member.name)


async def test_services_have_addresses_ports_and_endpoints(clusters, namespace, eventually):
    member = clusters.members[0]
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    member.apply(namespace, deployment("web"), service)
    spec = member.get("service/web", namespace)["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["ports"][0]["nodePort"] >= 30000
    await eventually(lambda: any(one["endpoints"] for one in member.get("endpointslices", namespace)["items"]))


async def test_jobs_complete_or_fail_as_their_annotation_says(clusters, namespace, eventually):
    member = clusters.members[0]
    member.apply(namespace, job("good"), job("bad", {"hubctl.io/kwok-fail": "true"}))
    await eventually(lambda: member.get("job/good", namespace)["status"].get("succeeded") == 1)
    await eventually(lambda: member.get("job/bad", namespace)["status"].get("failed") == 1)
    assert state(member, namespace, "good")["terminated"]["exitCode"] == 0
    assert state(member, namespace, "bad")["terminated"]["exitCode"] == 1


async def test_a_delayed_job_takes_its_time(clusters, namespace, eventually):
    member = clusters.members[0]
    began = time.monotonic()
    member.apply(namespace, job("slow", {"hubctl.io/kwok-delay": "1s"}))
    await eventually(lambda: member.get("job/slow", namespace)["status"].get("succeeded") == 1)
    assert time.monotonic() - began > 2  # once before it runs and once before it completes


@pytest.mark.parametrize(
    ("workload", "waits_for"),
    [
        pytest.param(deployment("one", {"hubctl.io/kwok-never-ready": "true"}), None, id="never ready"),
        pytest.param(job("one", {"hubctl.io/kwok-never-ready": "true"}), None, id="a job that never ends"),
        pytest.param(deployment("one", {"hubctl.io/kwok-fail": "true"}), "CrashLoopBackOff", id="crashes"),
        pytest.param(deployment("one", image="x.example/does-not-exist:1"), "ImagePullBackOff", id="no such image"),
    ],
)
async def test_pods_that_do_not_get_ready(clusters, namespace, eventually, workload, waits_for):
    member = clusters.members[0]
    member.apply(namespace, workload)
    found = await eventually(lambda: state(member, namespace, "one"))
    assert found["waiting"]["reason"] == waits_for if waits_for else "running" in found


async def test_nobody_gets_in_without_the_certificate(clusters):
    config = load_kubeconfig(clusters.hub.kubeconfig)
    anonymous = Client(dataclasses.replace(config, client_cert=b"", client_key=b""))
    nobody = Client(config, impersonate="nobody")
    try:
        for client in (anonymous, nobody):
            with pytest.raises(ApiError) as refused:
                await client.list(SECRETS)
            assert refused.value.status in {401, 403}
    finally:
        await anonymous.aclose()
        await nobody.aclose()


async def test_everything_listens_on_the_loopback_address_only(clusters):
    port = load_kubeconfig(clusters.hub.kubeconfig).server.rpartition(":")[2]
    outside = [one[4][0] for one in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for address in {one for one in outside if not one.startswith("127.")}:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, int(port)))


async def test_a_member_that_hangs_and_comes_back(clusters, namespace):
    member = clusters.members[1]
    client = Client(load_kubeconfig(member.kubeconfig))
    member.pause()
    try:
        with pytest.raises(Unreachable):
            await client.probe(timeout=0.5)
        health = await member.cluster.health()
        assert all(health.pids.values())
        assert health.answer
    finally:
        member.resume()
    await client.probe()
    await client.aclose()


async def test_a_member_that_refuses_connections_and_comes_back(clusters, namespace):
    member = clusters.members[1]
    before = load_kubeconfig(member.kubeconfig)
    await member.stop_apiserver()
    health = await member.cluster.health()
    assert health.pids["kube-apiserver"] is None
    assert "refused" in health.answer
    await member.start_apiserver()
    assert (await member.cluster.health()).healthy
    assert load_kubeconfig(member.kubeconfig) == before
    assert member.get(f"namespace/{namespace}", "default")["status"]["phase"] == "Active"
