"""
``hubctl migrate`` on a cluster as Flux left it: objects and Helm records that Flux wrote, adopted as they are.

The HelmRelease and the records are Flux's own (tests/release/data); only the commit in the chart's version is that of
this test's repository, and so the digests are made anew, as Flux makes them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from scenario_hub import HubProcess

from hub.api.source import HelmChart
from hub.errors import Waiting
from hub.release.chart import Charts
from hub.runtime.cache import Cache

pytestmark = pytest.mark.cluster

DATA = Path(__file__).parents[1] / "release" / "data"
OLD = "708a0b94ebdb"
FLUX = "http://source-controller.flux-system.svc.cluster.local./"
NS, TARGET = "b2", "apps"  # as in the data
SETTLED = {"observedGeneration": 1, "conditions": []}


def digest(stored):
    """Return the digest of a release as Flux computes it: its own fields in its own order, without test hooks."""
    hooks = [one for one in stored["hooks"] if "test" not in one["events"]]
    snapshot = {
        "name": stored["name"],
        "version": stored["version"],
        "info": stored["info"],
        "chartMetadata": stored["chart"]["metadata"],
        "config": stored.get("config") or None,
        "manifest": stored["manifest"],
        "hooks": hooks or None,
        "namespace": stored["namespace"],
    }
    text = json.dumps(snapshot, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return "sha256:" + hashlib.sha256(f"{text}\n".encode()).hexdigest()


def test_the_digest_is_that_of_flux():
    history = json.loads((DATA / "helmrelease.json").read_text())["status"]["history"]
    for one in history:
        assert digest(json.loads((DATA / f"release.v{one['version']}.json").read_text())) == one["digest"]


def chart_files(stored):
    """Return the chart's folder as it was in Git."""
    chart = stored["chart"]
    files = {one["name"]: one["data"] for one in (*chart["templates"], *chart["files"])}
    texts = {f"helm-chart/{name}": base64.b64decode(data).decode() for name, data in files.items()}
    texts["helm-chart/Chart.yaml"] = yaml.safe_dump({**chart["metadata"], "version": "1.0.0"})
    texts["helm-chart/values.yaml"] = yaml.safe_dump(chart["values"])
    return texts


def secret(raw, version, status):
    """Return Helm's record on the member; ``raw`` are the bytes of the release."""
    payload = base64.b64encode(base64.b64encode(gzip.compress(raw))).decode()
    labels = {"name": "r0", "owner": "helm", "status": status, "version": str(version), "modifiedAt": "1763712899"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {"name": f"sh.helm.release.v1.r0.v{version}", "labels": labels},
        "data": {"release": payload},
    }


def controller(name):
    """Return one of Flux' Deployments; kwok plays its Pods."""
    labels = {"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/component": name}
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "manager", "image": f"x/{name}"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


def source(kind, name, spec, artifact):
    owner = {"helm.toolkit.fluxcd.io/name": "r0", "helm.toolkit.fluxcd.io/namespace": NS}
    labels = owner if kind == "HelmChart" else {}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": kind,
        "metadata": {"name": name, "finalizers": ["finalizers.fluxcd.io"], "labels": labels},
        "spec": spec,
    }, {"artifact": artifact, "url": artifact["url"], **SETTLED}


def artifact(path, revision):
    return {
        "path": path,
        "url": f"{FLUX}{path}",
        "revision": revision,
        "digest": "sha256:" + "0" * 64,
        "lastUpdateTime": "2026-11-21T08:14:59Z",
        "size": 4096,
    }


class Flux:
    """What Flux left behind on a host and a member."""

    def __init__(self, host, member, commit):
        self.host, self.member, self.commit = host, member, commit
        self.records = {
            version: (DATA / f"release.v{version}.json").read_bytes().replace(OLD.encode(), commit[:12].encode())
            for version in (3, 4)
        }
        release = json.loads((DATA / "helmrelease.json").read_text().replace(OLD, commit[:12]))
        for one in release["status"]["history"]:
            one["digest"] = digest(json.loads(self.records[one["version"]]))
        self.release = release

    def write(self, url):
        for cluster, names in ((self.host, (NS, "flux-system")), (self.member, (TARGET,))):
            for name in names:
                cluster.create_namespace(name)
        self.host.apply("flux-system", controller("source-controller"), controller("helm-controller"))
        self.host.apply(
            NS,
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "member1"}, "stringData": self._kubeconfig()},
        )
        spec = self.release["spec"]["chart"]["spec"]
        revision = f"master@sha1:{self.commit}"
        chart = self.release["status"]["history"][0]["chartVersion"]
        objects = (
            source(
                "GitRepository",
                "app",
                {"interval": "10m", "url": url, "ref": {"branch": "master"}},
                artifact(f"gitrepository/{NS}/app/{self.commit}.tar.gz", revision),
            ),
            source(
                "HelmChart", f"{NS}-r0", spec, artifact(f"helmchart/{NS}/{NS}-r0/hello-kubernetes-{chart}.tgz", chart)
            ),
        )
        meta = {key: self.release["metadata"][key] for key in ("name", "finalizers", "labels")}
        release = {**{key: self.release[key] for key in ("apiVersion", "kind", "spec")}, "metadata": meta}
        status = {**self.release["status"], "observedGeneration": 1, "lastAttemptedGeneration": 1}
        for one in status["conditions"]:
            one["observedGeneration"] = 1
        objects[1][1]["observedChartName"] = "hello-kubernetes"
        for body, state in (*objects, (release, status)):
            self.host.apply(NS, body)
            name = f"{body['kind'].lower()}/{body['metadata']['name']}"
            patch = json.dumps({"status": state})
            self.host.kubectl("patch", name, "-n", NS, "--subresource=status", "--type=merge", "--patch", patch)
        self._write_member()

    def _kubeconfig(self):
        return {"value": self.member.kubeconfig.read_text()}

    def _write_member(self):
        manifest = [one for one in yaml.safe_load_all(json.loads(self.records[4])["manifest"]) if one]
        for one in manifest:
            owner = {"meta.helm.sh/release-name": "r0", "meta.helm.sh/release-namespace": TARGET}
            one["metadata"]["annotations"] = {**one["metadata"].get("annotations", {}), **owner}
        self.member.apply(TARGET, *manifest)
        self.member.apply(TARGET, secret(self.records[3], 3, "superseded"), secret(self.records[4], 4, "deployed"))

    def on_member(self):
        """Return what must not change there: records, and the identity and generation of workloads and their Pods."""
        records = self.member.get("secrets", TARGET)["items"]
        objects = [*self.member.get("deployments", TARGET)["items"], *self.member.get("pods", TARGET)["items"]]
        return (
            sorted((one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in records),
            sorted((one["metadata"]["uid"], one["metadata"].get("generation")) for one in objects),
        )

    def status(self):
        return self.host.get("helmrelease/r0", NS)["status"]

    def clean(self):
        for cluster, names in ((self.host, (NS, "flux-system")), (self.member, (TARGET,))):
            for kind in ("helmrelease", "helmchart", "gitrepository"):
                if cluster is self.host:
                    for name in cluster.kubectl("get", kind, "-n", NS, "-o", "name", check=False).split():
                        patch = '{"metadata":{"finalizers":[]}}'
                        cluster.kubectl("patch", name, "-n", NS, "--type=merge", "-p", patch, check=False)
            cluster.kubectl("delete", "namespace", *names, "--wait=false", "--ignore-not-found")


@pytest.fixture
async def flux(installed, clusters, git_server):
    url = git_server.url("migrated")
    await git_server.create("migrated")
    stored = json.loads((DATA / "release.v4.json").read_text())
    commit = await git_server.commit("migrated", chart_files(stored))
    flux = Flux(installed.cluster, clusters.members[1], commit)
    try:
        flux.write(url)
        yield flux
    finally:
        flux.clean()


def replicas(flux):
    return {
        one["metadata"]["name"]: one["spec"]["replicas"] for one in flux.host.get("deployments", "flux-system")["items"]
    }


async def test_over_and_back_without_an_upgrade(flux, installed, clusters, tmp_path, eventually):
    await eventually(lambda: len(flux.on_member()[1]) == 3)  # the Deployment and its two Pods
    before, history = flux.on_member(), flux.status()["history"]
    ran = await installed.hubctl("migrate", "--dry-run")
    assert "would stop flux-system/helm-controller" in ran.err
    assert replicas(flux) == {"source-controller": 1, "helm-controller": 1}
    ran = await installed.hubctl("check")
    assert "flux-system/source-controller of Flux runs" in ran.err

    ran = await installed.hubctl("migrate", "--yes", "--timeout=3m")
    assert "1 of 1 releases adopted as they were" in ran.err
    assert replicas(flux) == {"source-controller": 0, "helm-controller": 0}

    config = await installed.token_kubeconfig(tmp_path)
    hub = HubProcess(tmp_path, config, clusters.helm.parent, f"--watch-namespace={NS}")
    await hub.start()
    try:
        patch = json.dumps({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "after"}}})

        def built():
            chart = flux.host.get(f"helmchart/{NS}-r0", NS)["status"]
            url = (chart.get("artifact") or {}).get("url", "")
            return url and not url.startswith(FLUX) and chart["observedGeneration"] == 1

        await eventually(built, seconds=90.0)
        flux.host.kubectl("patch", "helmrelease/r0", "-n", NS, "--type=merge", "--patch", patch)
        await eventually(lambda: flux.status().get("lastHandledReconcileAt") == "after", seconds=90.0)
        status = flux.status()
        ready = next(one for one in status["conditions"] if one["type"] == "Ready")
        assert (ready["status"], ready["reason"]) == ("True", "UpgradeSucceeded"), hub.log()
        assert status["history"] == history
        assert flux.on_member() == before
        chart = flux.host.get(f"helmchart/{NS}-r0", NS)
        assert chart["status"]["artifact"]["revision"] == f"1.0.0+{flux.commit[:12]}.1"
        assert (chart["metadata"]["generation"], chart["metadata"]["finalizers"]) == (1, ["finalizers.fluxcd.io"])
    except BaseException:
        print(
            hub.log(lines=80), flux.host.kubectl("get", "gitrepository,helmchart,helmrelease", "-n", NS, "-o", "yaml")
        )
        raise
    finally:
        await hub.stop()

    await installed.hubctl("migrate", "--back", "--yes", "--timeout=3m")
    assert replicas(flux) == {"source-controller": 1, "helm-controller": 1}
    assert flux.host.get("deployment/hub", "hub-system")["spec"]["replicas"] == 0
    assert flux.status()["history"] == history
    assert flux.on_member() == before
    await installed.hubctl("install", "--timeout=3m")


async def test_a_chart_without_a_name_is_never_taken_for_another_chart():
    """Else the release would be uninstalled: what old versions of Flux wrote lacks the name."""
    cache, chart = Cache(), "1.0.0+abc.1"
    body, status = source("HelmChart", "web", {"chart": "./web"}, artifact("helmchart/b2/web/web.tgz", chart))
    body["metadata"] |= {"namespace": NS, "uid": "1", "resourceVersion": "1", "generation": 1}
    cache.put({**body, "status": status})
    charts = Charts(None, cache, None, None)
    (key,) = [one.key for one in cache.all(HelmChart.KIND)]
    with pytest.raises(Waiting, match="does not tell the name of its chart yet"):
        await charts.ready(key)
    body["metadata"] |= {"resourceVersion": "2"}
    cache.put({**body, "status": {**status, "observedChartName": "web"}})
    assert (await charts.ready(key)).name == "web"


async def test_a_kind_that_only_flux_knows_stands_in_the_way(installed, namespace):
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "floppies.source.toolkit.fluxcd.io"},
        "spec": {
            "group": "source.toolkit.fluxcd.io",
            "scope": "Namespaced",
            "names": {"kind": "Floppy", "plural": "floppies", "singular": "floppy"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    cluster = installed.cluster
    cluster.apply(namespace, crd)
    try:
        cluster.kubectl("wait", "--for=condition=Established", "crd/floppies.source.toolkit.fluxcd.io")
        floppy = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "Floppy", "metadata": {"name": "a"}}
        cluster.apply(namespace, floppy)
        ran = await installed.hubctl("migrate", check=False)
        assert ran.code == 1
        assert "no controller for 1 floppies.source.toolkit.fluxcd.io" in ran.err
    finally:
        cluster.kubectl("delete", "crd", "floppies.source.toolkit.fluxcd.io")
