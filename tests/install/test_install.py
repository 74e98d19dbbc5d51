"""``hubctl install``, ``check``, ``uninstall`` and helm itself on a real API server; Pods are simulated by kwok."""

from __future__ import annotations

import shutil

import pytest
import yaml
from install_kit import CHART, documents, run

from hub import __version__
from hub.api.registry import KINDS

pytestmark = pytest.mark.cluster
NS = "hub-system"
REPOSITORY = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "kept", "finalizers": ["finalizers.fluxcd.io"]},
    "spec": {"interval": "1h", "url": "https://git.example.com/kept.git"},
}


async def test_what_is_installed(installed):
    deployment = installed.cluster.get("deployment/hub", NS)
    assert deployment["status"]["readyReplicas"] == 2
    namespace = installed.cluster.get(f"namespace/{NS}", NS)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    served = installed.cluster.kubectl("get", "crds", "--output=name")
    for kind in KINDS:
        assert f"{kind.api.plural}.{kind.api.group}" in served


async def test_check_is_content_and_says_what_it_saw(installed):
    ran = await installed.hubctl("check")
    assert f"hub {__version__}, 2 of 2 replicas ready" in ran.err
    assert f"{len(KINDS)} kinds are installed" in ran.err


async def test_check_tells_of_a_hub_that_is_not_ready_and_of_kinds_of_another_version(installed):
    cluster = installed.cluster
    name = "helmcharts.source.toolkit.fluxcd.io"
    cluster.kubectl("scale", "deployment/hub", "--replicas=0", "--namespace", NS)
    crd = cluster.get(f"crd/{name}", NS)
    index = next(number for number, one in enumerate(crd["spec"]["versions"]) if one["name"] == "v1")
    path = f"/spec/versions/{index}/schema/openAPIV3Schema/properties/spec/properties/valuesFiles"
    cluster.kubectl("patch", "crd", name, "--type=json", "--patch", yaml.safe_dump([{"op": "remove", "path": path}]))
    try:
        ran = await installed.hubctl("check", check=False)
        assert ran.code == 1
        assert f"of another version: {name}; run 'hubctl install'" in ran.err
        assert "0 of 0 replicas ready" in ran.err
        await installed.hubctl("install", "--timeout=3m")
        assert "valuesFiles" in str(cluster.get(f"crd/{name}", NS)["spec"]["versions"][index])
        assert cluster.get("deployment/hub", NS)["status"]["readyReplicas"] == 2
    finally:
        cluster.kubectl("scale", "deployment/hub", "--replicas=2", "--namespace", NS)


async def test_check_before_an_installation(host):
    ran = await host.hubctl("check", "--pre")
    assert "you may create customresourcedefinitions" in ran.err
    assert "helm v4" in ran.err


async def test_export_is_what_install_applies(installed):
    ran = await installed.hubctl("install", "--export", "--set=replicas=3")
    objects = documents(ran.out)
    assert objects[0]["kind"] == "Namespace"
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 3
    assert installed.cluster.get("deployment/hub", NS)["spec"]["replicas"] == 2
    answer = await installed.cluster.kubectl_async(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename=-", input=ran.out
    )
    assert "deployment.apps/hub serverside-applied (server dry run)" in answer


async def test_a_mistyped_value_is_refused_before_anything_is_touched(installed):
    ran = await installed.hubctl("install", "--set=settings.concurency=3", check=False)
    assert ran.code == 1
    assert "concurency" in ran.err


def volume(name, storage_class):
    """Return a volume for one replica; nobody provisions any here."""
    spec = {
        "capacity": {"storage": "10Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": "/tmp/none"},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}


async def test_an_upgrade_from_the_version_before_keeps_data(clusters, namespace, tmp_path, host):
    """The version before: the same chart by another number, with a definition that lacks a field."""
    old = tmp_path / "hub"
    shutil.copytree(CHART, old)
    chart = yaml.safe_load((old / "Chart.yaml").read_text())
    (old / "Chart.yaml").write_text(yaml.safe_dump({**chart, "version": "0.0.9", "appVersion": "0.0.9"}))
    cluster = host.cluster
    where = (f"--namespace={namespace}", f"--kubeconfig={cluster.kubeconfig}", "--wait", "--timeout=3m")
    for number in range(2):
        cluster.kubectl("apply", "--filename=-", input=yaml.safe_dump(volume(f"{namespace}-{number}", namespace)))
    persistence = f"persistence.enabled=true,persistence.storageClassName={namespace}"
    flags = (f"--set={persistence},fullnameOverride=hub-before,crds.install=false", *where)
    ran = await run(clusters.helm, "upgrade", "before", old, "--install", *flags)
    assert ran.code == 0, ran.err
    claims = {one["metadata"]["name"]: one["metadata"]["uid"] for one in cluster.get("pvc", namespace)["items"]}
    assert set(claims) == {"data-hub-before-0", "data-hub-before-1"}
    ran = await run(clusters.helm, "upgrade", "before", CHART, *flags)
    assert ran.code == 0, ran.err
    workload = cluster.get("statefulset/hub-before", namespace)
    assert workload["metadata"]["labels"]["app.kubernetes.io/version"] == __version__
    assert {one["metadata"]["name"]: one["metadata"]["uid"] for one in cluster.get("pvc", namespace)["items"]} == claims
    ran = await run(
        clusters.helm, "uninstall", "before", f"--kubeconfig={cluster.kubeconfig}", f"--namespace={namespace}"
    )
    assert ran.code == 0, ran.err
    cluster.kubectl("delete", "pv", f"{namespace}-0", f"{namespace}-1", "--wait=false")


async def test_uninstall_keeps_objects_and_install_finds_them_again(installed, namespace):
    cluster = installed.cluster
    cluster.apply(namespace, REPOSITORY)
    uid = cluster.get("gitrepository/kept", namespace)["metadata"]["uid"]
    ran = await installed.hubctl("uninstall", "--yes")
    assert "objects and their definitions are kept" in ran.err
    assert not cluster.kubectl("get", "deployment", "--namespace", NS, "--output=name")
    assert not cluster.kubectl("get", "clusterrole", "hub", "--ignore-not-found")
    assert cluster.get("gitrepository/kept", namespace)["metadata"]["uid"] == uid
    ran = await installed.hubctl("check", check=False)
    assert (ran.code, "no hub in namespace hub-system; run 'hubctl install'" in ran.err) == (1, True)
    await installed.hubctl("install", "--timeout=3m")
    assert cluster.get("gitrepository/kept", namespace)["metadata"]["uid"] == uid
    cluster.kubectl(
        "patch", "gitrepository", "kept", "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}'
    )
