"""
Sources without a usable chart: what is told, what goes on as before, and how it heals.

``web`` on member1 comes from the scenario's repository, ``other`` on member2 from one that stays as it is. Each row
pushes something or changes the chart that ``web`` names, sees what the HelmChart or the release says, sees that what
runs is not touched and that ``other`` upgrades meanwhile, takes the change back and sees ``web`` upgrade.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scenario_match import Re
from scenario_scene import PROJECT, Scene

from hub.errors import Invalid

pytestmark = pytest.mark.cluster

GIVEN = """
namespaces: {member1: ['${ns}', '${target}'], member2: ['${ns}', '${target}']}
---
kind: GitRepository
metadata: {name: calm}
spec: {url: '${calm}'}
---
kind: HelmRelease
---
kind: HelmRelease
metadata: {name: other}
spec:
  kubeConfig: {secretRef: {name: member2}}
  chart: {spec: {sourceRef: {name: calm}}}
"""
CHART = PROJECT / "tests/scenarios/charts/web"
FILES = {f"web/{path.relative_to(CHART)}": path.read_text() for path in CHART.rglob("*") if path.is_file()}
UNDONE = dict.fromkeys(("chartRef", "valuesFrom", "postRenderers", "healthCheckExprs"))
SPEC = {
    "chart": "./web",
    "reconcileStrategy": "Content",
    "valuesFiles": None,
    "ignoreMissingValuesFiles": None,
    "version": None,
}


@dataclass
class Row:
    """What is spoilt, and who says what.

    Attributes:
        push: Files to push.
        chart: Changes of ``spec.chart.spec`` of the release.
        spec: Changes of its ``spec``.
        reason: On the HelmChart, or on the release when ``by`` says so.
    """

    reason: str
    message: str
    push: dict[str, Any] = field(default_factory=dict)
    chart: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    by: str = "HelmChart"


class Bench:
    """The scene, its repository with links, and the version of the message that counts the rows."""

    def __init__(self, scene):
        self.scene = scene

    async def push(self, files):
        await self.scene.world.git.commit(self.scene.names["repository"], files)
        await self.scene.step("reconcile GitRepository/charts")

    async def spec(self, chart, more):
        await self.scene.step("patch HelmRelease/web", {"spec": {"chart": {"spec": chart}, **more}})

    async def repair(self, pushed, message):
        values = FILES["web/values.yaml"].replace("message: hello", f"message: {message!r}")
        gone = {path: None for path, content in pushed.items() if content is not None}
        await self.push(gone | FILES | {"web/values.yaml": values})
        await self.spec(SPEC | {"sourceRef": {"kind": "GitRepository", "name": "charts"}}, UNDONE)


@pytest.fixture(scope="class")  # not of the module: there is a limit to the events that one object may tell
async def bench(world):
    async with Scene(world, "bad-chart") as scene:
        calm = f"{scene.names['repository']}-calm"
        await world.git.create(calm, CHART.parent)
        scene.names["calm"] = world.git.url(calm)
        await scene.given(GIVEN)
        for name in ("web", "other"):
            await scene.expect({f"HelmRelease/{name}": {"conditions": {"Ready": "True InstallSucceeded"}}})
        yield Bench(scene)


REFERENCE = "InvalidChartReference"
PATHS = {
    "missing": Row(REFERENCE, r"^invalid chart reference: no chart found at path '\./gone'", chart={"chart": "./gone"}),
    "a file": Row(REFERENCE, "^invalid chart reference: .*web/values.yaml", chart={"chart": "./web/values.yaml"}),
    "leaves the repository": Row(
        REFERENCE, r"^invalid chart reference: .*\.\./", chart={"chart": "../../../../etc"}
    ),
    "absolute": Row(REFERENCE, "^invalid chart reference: .*/etc", chart={"chart": "/etc"}),
    "symbolic link": Row(
        REFERENCE,
        "^invalid chart reference: no chart found at path './link'.*symbolic links are not followed",
        push={"link": Path("/etc")},
        chart={"chart": "./link"},
    ),
    "source missing": Row(
        "SourceUnavailable",
        "^failed to get source: GitRepository '${ns}/gone' not found",
        chart={"sourceRef": {"name": "gone"}},
    ),
}  # fmt: skip
METADATA = {
    "missing": Row(REFERENCE, "Chart.yaml", push={"web/Chart.yaml": None}),
    "not YAML": Row(REFERENCE, "Chart.yaml", push={"web/Chart.yaml": "{a: b: c"}),
    "no name": Row(REFERENCE, "name", push={"web/Chart.yaml": "{apiVersion: v2, version: 1.0.0}"}),
    "no version": Row(REFERENCE, "version", push={"web/Chart.yaml": "{apiVersion: v2, name: web}"}),
    "no such version": Row(REFERENCE, "version", push={"web/Chart.yaml": "{apiVersion: v2, name: web, version: one}"}),
}
VALUES = {
    "missing": Row(
        "ValuesFilesError",
        "^values files merge error: no values file found at path './web/gone.yaml'",
        chart={"valuesFiles": ["./web/values.yaml", "./web/gone.yaml"]},
    ),
    "outside": Row("ValuesFilesError", r"\.\./", chart={"valuesFiles": ["../../../../../etc/passwd"]}),
    "absolute": Row("ValuesFilesError", "/etc/passwd", chart={"valuesFiles": ["/etc/passwd"]}),
    "symbolic link": Row(
        "ValuesFilesError",
        r"web/link\.yaml",
        push={"web/link.yaml": Path("/etc/passwd")},
        chart={"valuesFiles": ["web/link.yaml"]},
    ),
    "not YAML": Row(
        "ValuesFilesError",
        r"^values files merge error: cannot read values file 'web/broken.yaml': .*line 1",
        push={"web/broken.yaml": "{a: b: c"},
        chart={"valuesFiles": ["web/broken.yaml"]},
    ),
    "not a mapping": Row(
        "ValuesFilesError",
        r"^values files merge error: cannot read values file 'web/list.yaml': .*mapping",
        push={"web/list.yaml": "[a, b]"},
        chart={"valuesFiles": ["web/list.yaml"]},
    ),
}
PATCH = {"patch": "{apiVersion: apps/v1, kind: Deployment, metadata: {name: gone, labels: {a: b}}}"}
RELEASES = {
    "template error": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web with chart web@.*bad.yaml.*nil",
        push={"web/templates/bad.yaml": "{{ .Values.nothing.here }}"},
        by="HelmRelease",
    ),
    "template does not parse": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web with chart web@.*bad.yaml.*unclosed action",
        push={"web/templates/bad.yaml": "{{ .Values.nothing"},
        by="HelmRelease",
    ),
    "not YAML": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web with chart web@.*YAML parse error on web/templates/bad.yaml",
        push={"web/templates/bad.yaml": "a: b: c"},
        by="HelmRelease",
    ),
    "unknown kind": Row(
        "UpgradeFailed",
        '^Helm upgrade failed for release ${target}/web with chart web@.*no matches for kind "Unknown"',
        push={"web/templates/bad.yaml": "{apiVersion: example.com/v1, kind: Unknown, metadata: {name: x}}"},
        by="HelmRelease",
    ),
    "needs a newer Kubernetes": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web with chart web@.*chart requires kubeVersion: >=1.99.0",
        push={"web/Chart.yaml": FILES["web/Chart.yaml"] + "\nkubeVersion: '>=1.99.0'\n"},
        by="HelmRelease",
    ),
    "values break the schema": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web with chart web@.*values don't meet the .*replicas",
        push={"web/values.schema.json": '{"properties": {"replicas": {"type": "string"}}}'},
        by="HelmRelease",
    ),
    "values from nowhere": Row(
        "ValuesError",
        "^could not resolve ConfigMap chart values reference '${ns}/gone' with key 'values.yaml': resource not found",
        spec={"valuesFrom": [{"kind": "ConfigMap", "name": "gone"}]},
        by="HelmRelease",
    ),
    "patch that matches nothing": Row(
        "UpgradeFailed",
        "^Helm upgrade failed for release ${target}/web .*spec.postRenderers.0..kustomize: no resource matches .*/gone",
        spec={"postRenderers": [{"kustomize": {"patches": [PATCH]}}]},
        by="HelmRelease",
    ),
    "expression that does not compile": Row(
        "InvalidCELExpression",
        "^Reconciliation failed terminally due to configuration error: ",
        spec={"healthCheckExprs": [{"apiVersion": "v1", "kind": "ConfigMap", "current": "data."}]},
        by="HelmRelease",
    ),
}


async def see_it_through(bench, row, name):
    scene, told = bench.scene, Re(row.message)
    await scene.remember("member1:Deployment/web")
    if row.push:
        await bench.push(row.push)
    if row.chart or row.spec:
        await bench.spec(row.chart, row.spec)
    who = "HelmRelease/web" if row.by == "HelmRelease" else "HelmChart/${ns}-web"
    await scene.expect([
        {who: {"conditions": {"Ready": {"status": "False", "reason": row.reason, "message": told}}}},
        {f"events {who}": {"type": "Warning" if row.reason != "SourceUnavailable" else "Normal", "reason": row.reason,
                           "message": told}},
    ])  # fmt: skip
    if row.by == "HelmChart":
        words = told.value.removeprefix("^")
        ready = {"status": "False", "reason": "SourceNotReady", "message": Re(words)}
        await scene.expect({"HelmRelease/web": {"conditions": {"Ready": ready}}})
    await scene.step("patch HelmRelease/other", {"spec": {"values": {"message": name}}})
    await scene.expect([
        {"member2:ConfigMap/web": {"data": {"message": name}}},
        {"same member1:Deployment/web": ["metadata.uid", "metadata.resourceVersion"]},
    ])  # fmt: skip
    await bench.repair(row.push, name)
    await scene.expect([
        {"member1:ConfigMap/web": {"data": {"message": name}}},
        {"HelmRelease/web": {"conditions": {"Ready": "True UpgradeSucceeded"}}},
    ])  # fmt: skip


def rows(table):
    return pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in table.items()])


class TestPath:
    @rows(PATHS)
    async def test_wrong(self, bench, row, request):
        await see_it_through(bench, row, request.node.callspec.id)


class TestMetadata:
    @rows(METADATA)
    async def test_wrong(self, bench, row, request):
        await see_it_through(bench, row, request.node.callspec.id)


class TestValuesFiles:
    @rows(VALUES)
    async def test_wrong(self, bench, row, request):
        await see_it_through(bench, row, request.node.callspec.id)

    async def test_missing_ones_may_be_ignored(self, bench):
        files = ["./web/values.yaml", "./web/gone.yaml"]
        await bench.spec({"valuesFiles": files, "ignoreMissingValuesFiles": True}, {})
        await bench.scene.expect([
            {"HelmChart/${ns}-web": {"status": {"observedValuesFiles": ["./web/values.yaml"]}}},
            {"HelmRelease/web": {"conditions": {"Ready": "True"}}},
        ])  # fmt: skip


class TestRelease:
    @rows(RELEASES)
    async def test_wrong(self, bench, row, request):
        await see_it_through(bench, row, request.node.callspec.id)

    async def test_both_chart_and_reference(self, bench):
        with pytest.raises(Invalid, match="either chart or chartRef must be set"):
            await bench.spec({}, {"chartRef": {"kind": "HelmChart", "name": "charts"}})
