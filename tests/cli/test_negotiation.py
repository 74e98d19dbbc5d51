"""``hubctl`` on a cluster as Flux 2.2 left it: some kinds in their newest version, some not, some not at all."""

from __future__ import annotations

import uuid

import pytest
import yaml
from cli_checkpoint import Checkpoint
from cli_kit import Acting, Hubctl, Objects, artifact, snapshot

from hub.api.crds import crd
from hub.api.helm import HelmRelease
from hub.api.image import ImagePolicy, ImageRepository
from hub.api.meta import CONFIG_MAPS, EVENTS
from hub.api.repositories import Bucket, HelmRepository, OCIRepository
from hub.api.source import GitRepository, HelmChart
from hub.cli.negotiation import NegotiatingClient
from hub.kube.config import load_kubeconfig

pytestmark = pytest.mark.cluster

SERVED = {
    GitRepository.KIND: "v1",
    HelmRepository.KIND: "v1beta2",
    OCIRepository.KIND: "v1beta2",
    Bucket.KIND: "v1beta2",
    HelmChart.KIND: "v1beta2",
    HelmRelease.KIND: "v2beta2",
    ImageRepository.KIND: "v1beta2",
    ImagePolicy.KIND: "v1beta1",
}
RELEASE, GIT = HelmRelease.KIND, GitRepository.KIND
FETCHED = {"conditions": [("Ready", "True", "Succeeded", "stored")], "artifact": artifact("main@sha1:" + "ab" * 20)}
RELEASED = {"conditions": [("Ready", "True", "UpgradeSucceeded", "done")], "history": [snapshot(2, "1.1.0")]}


def old_definitions():
    """Our definitions, cut down to the version that an older Flux serves and stores."""
    for kind, version in SERVED.items():
        definition = crd(kind)
        versions = [one for one in definition["spec"]["versions"] if one["name"] == version]
        definition["spec"]["versions"] = [one | {"storage": True} for one in versions]
        yield definition


@pytest.fixture(scope="module")
async def old(clusters):
    """A cluster with Flux 2.2's kinds, and objects of them."""
    cluster, namespace = clusters.members[1], f"test-{uuid.uuid4().hex[:8]}"
    text = yaml.safe_dump_all(old_definitions())
    names = [f"crd/{kind.api.plural}.{kind.api.group}" for kind in SERVED]
    try:
        await cluster.kubectl_async("create", "namespace", namespace)
        await cluster.kubectl_async("delete", "-f", "-", "--ignore-not-found", input=text)  # a test may have left ours
        await cluster.kubectl_async("create", "-f", "-", input=text)
        await cluster.kubectl_async("wait", "--for=condition=Established", "--timeout=60s", *names)
        client = NegotiatingClient(load_kubeconfig(cluster.kubeconfig))
        objects = Objects(client, namespace)
        await objects.make(GIT, "git-repo", FETCHED)
        await objects.make(HelmChart.KIND, f"{namespace}-web", FETCHED)
        await objects.make(RELEASE, "web", RELEASED | {"helmChart": f"{namespace}/{namespace}-web"})
        yield objects
        await client.aclose()
    finally:
        await cluster.kubectl_async("delete", "-f", "-", "--ignore-not-found", input=text)
        await cluster.kubectl_async("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def hubctl(old, clusters, forks):
    return Hubctl(clusters.members[1].kubeconfig, old.namespace, forks)


async def test_what_is_there(hubctl, old):
    ran = await hubctl("get", "hr")
    assert [line.split()[:4] for line in ran.lines][1:] == [["web", "1.1.0", "False", "True"]], ran.err
    everything = await hubctl("get", "all", "-o", "name")
    assert everything.lines == [
        "gitrepository.source.toolkit.fluxcd.io/git-repo",
        f"helmchart.source.toolkit.fluxcd.io/{old.namespace}-web",
        "helmrelease.helm.toolkit.fluxcd.io/web",
    ]
    document = yaml.safe_load((await hubctl("get", "hr", "web", "-o", "yaml")).out)
    assert document["apiVersion"] == "helm.toolkit.fluxcd.io/v2beta2"
    exported = yaml.safe_load((await hubctl("export", "hr", "web")).out)
    assert exported["apiVersion"] == "helm.toolkit.fluxcd.io/v2beta2"


async def test_how_it_hangs_together(hubctl, old):
    tree = await hubctl("tree", "source", "git", "git-repo")
    assert [line.split()[-1] for line in tree.lines] == [
        f"GitRepository/{old.namespace}/git-repo",
        f"HelmChart/{old.namespace}/{old.namespace}-web",
        f"HelmRelease/{old.namespace}/web",
    ]
    labels = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": old.namespace}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}
    await old.client.create(CONFIG_MAPS, body, old.namespace)
    trace = await hubctl("trace", "cm", "x")
    assert ["HelmRelease:", "web"] in [line.split() for line in trace.lines]
    why = await hubctl("why", "hr", "web")
    assert why.lines[0].split()[:3] == ["✔", "source", f"GitRepository/{old.namespace}/git-repo"], why.err
    stats = {line.split()[0]: line.split()[1:4] for line in (await hubctl("stats")).lines}
    assert stats["HelmRelease"] == ["1", "0", "0"]
    status = await hubctl("status")
    assert status.code == 0, status.err


async def test_events(hubctl, old):
    about = {"apiVersion": "helm.toolkit.fluxcd.io/v2beta2", "kind": "HelmRelease", "name": "web"}
    about["namespace"] = old.namespace
    body = {
        "metadata": {"generateName": "e-"},
        "involvedObject": about,
        "type": "Normal",
        "reason": "X",
        "message": "m",
    }
    await old.client.create(EVENTS, body, old.namespace)
    ran = await hubctl("events", "--for", "hr/web")
    assert ran.lines[1].split()[-4:] == ["Normal", "X", "HelmRelease/web", "m"], ran.err


async def test_asking_for_something(hubctl, old):
    async with Acting(old, (RELEASE, GIT, HelmChart.KIND)) as flux:
        flux.answers = {"web": RELEASED, "git-repo": FETCHED, f"{old.namespace}-web": FETCHED}
        ran = await hubctl("reconcile", "hr", "web", "--with-source")
        assert ran.code == 0, ran.err
        assert ran.err.splitlines()[-1] == "✔ HelmRelease web: applied revision 1.1.0"
        assert (await hubctl("suspend", "hr", "web")).code == 0
        assert (await old.read(RELEASE, "web"))["spec"]["suspend"] is True
        resumed = await hubctl("resume", "hr", "web")
        assert resumed.err.splitlines()[-1] == "✔ HelmRelease web is ready, revision 1.1.0"


async def test_making_and_deleting(hubctl, old):
    made = await hubctl("create", "source", "oci", "x", "--url", "oci://ghcr.io/x/y", "--tag", "v1", "--no-wait")
    assert made.code == 0, made.err
    assert (await old.read(OCIRepository.KIND, "x"))["apiVersion"] == "source.toolkit.fluxcd.io/v1beta2"
    assert (await hubctl("delete", "source", "oci", "x", "--yes")).code == 0
    gone = await hubctl("get", "source", "oci", "x")
    assert (gone.code, "OCIRepository object 'x' not found" in gone.err) == (1, True)


async def test_what_is_not_there_at_all(hubctl):
    ran = await hubctl("get", "members")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "'hubctl install' installs" in ran.err


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param(["GET /apis/helm.toolkit.fluxcd.io/v2/namespaces/{ns}/helmreleases"], id="preferred"),
        pytest.param(
            [
                "GET /apis/helm.toolkit.fluxcd.io/v2/namespaces/{ns}/helmreleases",
                "GET /apis/helm.toolkit.fluxcd.io",
                "GET /apis/helm.toolkit.fluxcd.io/v2beta2",
                "GET /apis/helm.toolkit.fluxcd.io/v2beta2/namespaces/{ns}/helmreleases",
            ],
            id="older",
        ),
    ],
)
async def test_only_a_cluster_that_has_it_not_is_asked_what_it_has(clusters, old, forks, tmp_path, requests):
    cluster = clusters.hub if len(requests) == 1 else clusters.members[1]
    async with Checkpoint(cluster.kubeconfig, tmp_path).serving() as checkpoint:
        await Hubctl(checkpoint.kubeconfig, old.namespace, forks)("get", "hr", "-o", "json")
    assert checkpoint.met == [one.format(ns=old.namespace) for one in requests]
