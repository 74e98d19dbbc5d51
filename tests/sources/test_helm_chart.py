from __future__ import annotations

import asyncio
import io
import tarfile

import pytest
from sources_harness import CHART, GIT, Sources, condition

from hub.content import goyaml
from hub.dev.gitserver import Fault

FILES = {
    "chart/Chart.yaml": "apiVersion: v2\nname: hello\nversion: 1.0.0\n",
    "chart/values.yaml": "service: {type: ClusterIP}\nreplicas: 1\n",
    "chart/member1-values.yaml": "replicas: 2\n",
    "chart/member2-values.yaml": "replicas: 3\n",
    "chart/templates/cm.yaml": "kind: ConfigMap\n",
}
BOTH = ["./chart/values.yaml", "./chart/member1-values.yaml"]
SOURCE = {"kind": "GitRepository", "name": "app"}


@pytest.fixture
async def app(sources, git_server):
    """A ready GitRepository ``app`` with a chart."""
    await git_server.create("app")
    git_server.first = await git_server.commit("app", FILES)
    await sources.apply("GitRepository", "app", {"url": git_server.url("app")})
    await sources.ready(GIT, "app")
    return git_server


async def push(sources, server, files):
    """Push and have the source follow; return the revision."""
    revision = f"master@sha1:{await server.commit('app', files)}"
    await sources.request(GIT, "app")
    await sources.ready(GIT, "app", revision)
    return revision


async def package(sources, found):
    async with sources.session.get(found["status"]["artifact"]["url"]) as response:
        data = await response.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


async def test_a_chart_is_packaged_with_its_values_files(sources, app):
    spec = {"chart": "./chart", "sourceRef": SOURCE, "valuesFiles": BOTH, "reconcileStrategy": "Revision"}
    await sources.apply("HelmChart", "hello", spec)
    version = f"1.0.0+{app.first[:12]}.1"
    found = await sources.ready(CHART, "hello", version)
    status = found["status"]
    message = f"packaged 'hello' chart with version '{version}' and merged values files [{' '.join(BOTH)}]"
    for type_ in ("Ready", "ArtifactInStorage"):
        one = condition(found, type_)
        assert (one["status"], one["reason"], one["message"]) == ("True", "ChartPackageSucceeded", message)
    assert status["observedChartName"] == "hello"
    assert status["observedSourceArtifactRevision"] == f"master@sha1:{app.first}"
    assert status["artifact"]["path"] == f"helmchart/{sources.namespace}/hello/hello-{version}.tgz"
    packed = await package(sources, found)
    assert goyaml.load(packed["hello/values.yaml"]) == {"service": {"type": "ClusterIP"}, "replicas": 2}
    assert goyaml.load(packed["hello/Chart.yaml"])["version"] == version
    event = await sources.event("hello", "Normal", "ChartPackageSucceeded")
    assert event["message"] == message
    assert event["metadata"]["annotations"]["source.toolkit.fluxcd.io/revision"] == version


async def test_a_commit_reaches_the_charts_it_concerns_and_no_other(sources, app):
    for member in ("1", "2"):
        files = ["./chart/values.yaml", f"./chart/member{member}-values.yaml"]
        spec = {"chart": "./chart", "sourceRef": SOURCE, "valuesFiles": files, "reconcileStrategy": "Content"}
        await sources.apply("HelmChart", f"member{member}", spec)
    one, two = [await sources.ready(CHART, f"member{member}") for member in ("1", "2")]

    async def follow(revision):
        return [
            await sources.until(
                CHART, name, lambda found: found["status"]["observedSourceArtifactRevision"] == revision
            )
            for name in ("member1", "member2")
        ]

    new_one, new_two = await follow(await push(sources, app, {"chart/member1-values.yaml": "replicas: 9\n"}))
    assert new_one["status"]["artifact"]["revision"] != one["status"]["artifact"]["revision"]
    assert new_two["status"]["artifact"] == two["status"]["artifact"]
    last_one, last_two = await follow(await push(sources, app, {"README.md": "nothing to do with charts"}))
    assert last_one["status"]["artifact"] == new_one["status"]["artifact"]
    assert last_two["status"]["artifact"] == two["status"]["artifact"]
    common_one, common_two = await follow(
        await push(sources, app, {"chart/values.yaml": "service: {type: NodePort}\n"})
    )
    assert common_one["status"]["artifact"]["revision"] != new_one["status"]["artifact"]["revision"]
    assert common_two["status"]["artifact"]["revision"] != two["status"]["artifact"]["revision"]


async def test_the_version_alone_makes_a_new_chart_by_default(sources, app):
    await sources.apply("HelmChart", "hello", {"chart": "chart", "sourceRef": SOURCE})
    before = await sources.ready(CHART, "hello", "1.0.0")
    revision = await push(sources, app, {"chart/templates/cm.yaml": "kind: Secret\n"})
    after = await sources.until(
        CHART, "hello", lambda found: found["status"]["observedSourceArtifactRevision"] == revision
    )
    assert after["status"]["artifact"] == before["status"]["artifact"]
    await push(sources, app, {"chart/Chart.yaml": FILES["chart/Chart.yaml"].replace("1.0.0", "1.1.0")})
    after = await sources.ready(CHART, "hello", "1.1.0")
    assert (await package(sources, after))["hello/templates/cm.yaml"] == b"kind: Secret\n"


async def test_a_new_spec_builds_again(sources, app):
    await sources.apply("HelmChart", "hello", {"chart": "chart", "sourceRef": SOURCE, "valuesFiles": BOTH})
    await sources.ready(CHART, "hello", "1.0.0+1")
    await sources.apply(
        "HelmChart",
        "hello",
        {
            "chart": "chart",
            "sourceRef": SOURCE,
            "valuesFiles": ["nope.yaml", *BOTH[1:]],
            "ignoreMissingValuesFiles": True,
        },
    )
    found = await sources.ready(CHART, "hello", "1.0.0+2")
    assert found["status"]["observedValuesFiles"] == BOTH[1:]
    assert goyaml.load((await package(sources, found))["hello/values.yaml"]) == {"replicas": 2}


async def test_equal_charts_are_built_once(sources, app):
    spec = {"chart": "./chart", "sourceRef": SOURCE, "valuesFiles": BOTH, "reconcileStrategy": "Content"}
    built = sources.root / "built"
    await sources.ready(GIT, SOURCE["name"])
    before = set(built.iterdir())  # the archive of the repository
    await asyncio.gather(*(sources.apply("HelmChart", f"c{i}", spec) for i in range(5)))
    found = [await sources.ready(CHART, f"c{i}") for i in range(5)]
    assert len({one["status"]["artifact"]["digest"] for one in found}) == 1
    assert len(set(built.iterdir()) - before) == 1


REFERENCE, VALUES = "invalid chart reference: ", "values files merge error: "


@pytest.mark.parametrize(
    ("bad", "spec", "reason", "message", "type_"),
    [
        pytest.param(
            {"chart/Chart.yaml": None},
            {},
            "InvalidChartReference",
            f"{REFERENCE}no Chart.yaml found in chart './chart'",
            "FetchFailed",
            id="no Chart.yaml",
        ),
        pytest.param(
            {"chart/Chart.yaml": "name: x\n"},
            {},
            "InvalidChartReference",
            f"{REFERENCE}Chart.yaml of chart './chart' is invalid: version is required",
            "FetchFailed",
            id="invalid Chart.yaml",
        ),
        pytest.param(
            {"chart/values.yaml": None},
            {"valuesFiles": BOTH},
            "ValuesFilesError",
            f"{VALUES}no values file found at path './chart/values.yaml'",
            "BuildFailed",
            id="values file missing",
        ),
        pytest.param(
            {"chart/values.yaml": "a: b: c"},
            {"valuesFiles": BOTH},
            "ValuesFilesError",
            f"{VALUES}cannot read values file './chart/values.yaml': yaml: line 1: mapping values are not allowed",
            "BuildFailed",
            id="values not YAML",
        ),
        pytest.param(
            {"chart/values.yaml": "- a"},
            {"valuesFiles": BOTH},
            "ValuesFilesError",
            f"{VALUES}cannot read values file './chart/values.yaml': a mapping is expected, not a list",
            "BuildFailed",
            id="values not a mapping",
        ),
        pytest.param(
            {
                "chart/Chart.yaml": FILES["chart/Chart.yaml"]
                + "dependencies: [{name: x, repository: 'http://127.0.0.1:9'}]\n"
            },
            {},
            "DependencyBuildError",
            "dependency build error: cannot get 'x' from 'http://127.0.0.1:9': ",
            "BuildFailed",
            id="dependency elsewhere",
        ),
    ],
)
async def test_a_broken_commit_is_told_and_the_next_one_mends_it(*, sources, app, bad, spec, reason, message, type_):
    spec = {"chart": "./chart", "sourceRef": SOURCE, "reconcileStrategy": "Revision"} | spec
    await sources.apply("HelmChart", "hello", spec)
    before = await sources.ready(CHART, "hello")
    await push(sources, app, bad)
    found = await sources.failed(CHART, "hello", reason)
    text = condition(found, "Ready")["message"]
    assert text.startswith(message)
    assert condition(found, type_)["message"] == text
    assert found["status"]["artifact"] == before["status"]["artifact"], "what was built stays"
    assert (await sources.event("hello", "Warning", reason))["message"] == text
    await push(sources, app, {name: FILES[name] for name in bad} | {"chart/x": "new"})
    found = await sources.ready(CHART, "hello")
    assert {one["type"] for one in found["status"]["conditions"]} == {"Ready", "ArtifactInStorage"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("./nope", "no chart found at path './nope' in the source", id="missing"),
        pytest.param("../chart", "the chart path '../chart' leaves the source", id="parent"),
        pytest.param("/chart", "the chart path '/chart' is absolute", id="absolute"),
        pytest.param("link", "no chart found at path 'link' in the source", id="symbolic link"),
    ],
)
async def test_bad_paths_stall(sources, app, tmp_path, path, message):
    await push(sources, app, {"link": tmp_path})
    await sources.apply("HelmChart", "hello", {"chart": path, "sourceRef": SOURCE})
    found = await sources.failed(CHART, "hello", "InvalidChartReference")
    stalled = condition(found, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "InvalidChartReference")
    assert stalled["message"].startswith(REFERENCE + message)
    assert found["status"]["observedGeneration"] == 1


async def test_a_chart_waits_for_its_source(sources, git_server):
    await sources.apply("HelmChart", "hello", {"chart": "./chart", "sourceRef": SOURCE})
    found = await sources.failed(CHART, "hello", "SourceUnavailable")
    where = f"{sources.namespace}/app"
    assert condition(found, "Ready")["message"] == f"failed to get source: GitRepository '{where}' not found"
    await git_server.create("app")
    git_server.faults["app"] = Fault.ERROR
    await sources.apply("GitRepository", "app", {"url": git_server.url("app")})
    await sources.failed(GIT, "app", "GitOperationFailed")
    await sources.request(CHART, "hello")
    found = await sources.failed(CHART, "hello", "NoSourceArtifact")
    assert condition(found, "Ready")["message"] == "no artifact available for GitRepository source 'app'"
    git_server.faults.clear()
    await git_server.commit("app", FILES)
    await sources.request(GIT, "app")
    await sources.ready(CHART, "hello", "1.0.0")


async def test_deletion_removes_the_package(sources, app):
    await sources.apply("HelmChart", "hello", {"chart": "./chart", "sourceRef": SOURCE})
    found = await sources.ready(CHART, "hello")
    file = sources.store.file(found["status"]["artifact"]["path"])
    assert file.exists()
    await sources.kubectl("delete", CHART, "hello", "--timeout=15s")
    assert not file.exists()


async def test_after_a_restart_nothing_is_built(clusters, namespace, tmp_path, git_server):
    await git_server.create("app")
    await git_server.commit("app", FILES)
    async with Sources(clusters.hub, namespace, tmp_path / "storage") as first:
        await first.apply("GitRepository", "app", {"url": git_server.url("app")})
        spec = {"chart": "./chart", "sourceRef": SOURCE, "valuesFiles": BOTH, "reconcileStrategy": "Content"}
        await first.apply("HelmChart", "hello", spec)
        before = await first.ready(CHART, "hello")
    async with Sources(clusters.hub, namespace, tmp_path / "storage") as again:
        async with asyncio.timeout(20):
            while len(again.reconciled) < 2:  # noqa: ASYNC110 - what runs has no event to wait for
                await asyncio.sleep(0.02)
        after = await again.ready(CHART, "hello")
        for found in (before, after):
            found["status"]["artifact"].pop("url")
        assert after["status"] == before["status"]
        assert not again.root.joinpath("trees").exists()
        await again.kubectl("delete", f"{GIT},{CHART}", "--all", "--timeout=15s")
