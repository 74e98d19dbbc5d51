from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from hub.content import chart as charts
from hub.content import digest as digests
from hub.content import goyaml, package, tarball
from hub.content.builder import ChartBuilder
from hub.content.helmignore import HelmIgnore
from hub.content.package import CONTENT, REVISION, ChartRequest
from hub.content.store import Store
from hub.content.tarball import writing
from hub.content.trees import Trees
from hub.errors import Stalled, Transient

COMMIT = "21a9daedc59819eeeca81a7314ce5cf56d0f74c6"
CHART = "apiVersion: v2\nname: hello\nversion: 1.0.0\nappVersion: '1.10'\ndescription: Says hello\n"
TEMPLATE = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello}\n"
    "data:\n  message: {{ .Values.message | quote }}\n  count: {{ .Values.count | quote }}\n"
    "  version: {{ .Chart.Version | quote }}\n"
)
SOURCE = {
    "chart/Chart.yaml": CHART,
    "chart/values.yaml": "message: default\ncount: 1\nlist: [1, 2]\n",
    "chart/member1-values.yaml": "message: one\nlist: [3]\n",
    "chart/member2-values.yaml": "message: two\n",
    "chart/templates/cm.yaml": TEMPLATE,
    "chart/README.md": "read me",
    "README.md": "of the repository",
}
BOTH = ("./chart/values.yaml", "./chart/member1-values.yaml")


def run_helm(binary: Path, home: Path, *args: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    ran = subprocess.run([binary, *args], check=False, capture_output=True, text=True, env=env)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def tree(root: Path, files: dict[str, str | bytes | Path]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, Path):
            path.symlink_to(data)
        else:
            path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


class Workshop:
    """A builder, and sources for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "store", "http://here")
        self.builder = ChartBuilder(self.store, Trees(root / "trees"))

    async def build(self, files, request, have=""):
        source = self.root / f"{digests.hex_of(digests.of_bytes(repr(files).encode()))}.tar.gz"
        if not source.exists():
            with writing(source) as writer:
                for name, data in sorted(files.items()):
                    writer.add(name, data.encode() if isinstance(data, str) else data)
        return await self.builder.build(source, digests.of_file(source), request, have)

    def packages(self) -> list[str]:
        return sorted(path.name for path in (self.store.root / "blobs").iterdir())


@pytest.fixture
async def workshop(tmp_path):
    made = Workshop(tmp_path)
    await made.store.prepare()
    return made


def content(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        pytest.param(ChartRequest("chart", generation=3, commit=COMMIT), "1.0.0", id="plain"),
        pytest.param(ChartRequest("chart", BOTH, generation=3, commit=COMMIT), "1.0.0+3", id="values files"),
        pytest.param(
            ChartRequest("chart", BOTH, strategy=REVISION, generation=1, commit=COMMIT),
            "1.0.0+21a9daedc598.1",
            id="both",
        ),
        pytest.param(
            ChartRequest("chart", strategy=REVISION, generation=1, commit=COMMIT), "1.0.0+21a9daedc598", id="revision"
        ),
        pytest.param(
            ChartRequest("./chart/", ("values.yaml",), ignore_missing_values_files=True, generation=3),
            "1.0.0",
            id="own values",
        ),
    ],
)
async def test_versions(workshop, request_, version):
    build, path = await workshop.build(SOURCE, request_)
    assert (build.name, build.version) == ("hello", version)
    assert goyaml.load(content(path)["hello/Chart.yaml"])["version"] == version


async def test_an_existing_suffix_is_replaced_and_the_rest_of_the_version_kept(workshop):
    source = SOURCE | {"chart/Chart.yaml": CHART.replace("1.0.0", "v1.2-rc.1+old")}
    build, _ = await workshop.build(source, ChartRequest("chart", strategy=REVISION, commit=COMMIT))
    assert build.version == "1.2.0-rc.1+21a9daedc598"


async def test_values_files_are_merged_in_order_into_the_charts_values(workshop):
    build, path = await workshop.build(SOURCE, ChartRequest("./chart", BOTH))
    packed = content(path)
    assert goyaml.load(packed["hello/values.yaml"]) == {"message": "one", "count": 1, "list": [3]}
    assert build.values_files == BOTH
    assert set(packed) == {f"hello/{name.partition('/')[2]}" for name in SOURCE if name.startswith("chart/")}
    _, path = await workshop.build(SOURCE, ChartRequest("./chart", ("./chart/member2-values.yaml",)))
    assert goyaml.load(content(path)["hello/values.yaml"]) == {"message": "two"}


async def test_missing_values_files_may_be_ignored(workshop):
    request = ChartRequest("chart", ("chart/values.yaml", "nope.yaml"), ignore_missing_values_files=True)
    build, _ = await workshop.build(SOURCE, request)
    assert build.values_files == ("chart/values.yaml",)
    _, path = await workshop.build(SOURCE, replace(request, values_files=("nope.yaml",)))
    assert content(path)["hello/values.yaml"] == SOURCE["chart/values.yaml"].encode()


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param({"README.md": "new"}, True, id="a file outside of the chart"),
        pytest.param({"chart/member2-values.yaml": "message: new\n"}, True, id="another member's values"),
        pytest.param({"chart/README.md": "new"}, True, id="a file that templates cannot reach"),
        pytest.param({"chart/member1-values.yaml": "# why\nmessage: one\nlist: [3]\n"}, True, id="a comment in values"),
        pytest.param({"chart/member1-values.yaml": "message: new\n"}, False, id="own values"),
        pytest.param({"chart/values.yaml": "message: default\ncount: 2\n"}, False, id="common values"),
        pytest.param({"chart/templates/cm.yaml": TEMPLATE + "  more: x\n"}, False, id="a template"),
        pytest.param({"chart/templates/new.yaml": ""}, False, id="a new template"),
        pytest.param({"chart/Chart.yaml": CHART + "icon: x\n"}, False, id="Chart.yaml"),
        pytest.param({"chart/crds/c.yaml": "x"}, False, id="a CRD"),
        pytest.param({"chart/values.schema.json": "{}"}, False, id="the schema"),
    ],
)
async def test_what_changes_a_content_version(workshop, changed, same):
    request = ChartRequest("chart", BOTH, strategy=CONTENT, generation=1, commit=COMMIT)
    before, first = await workshop.build(SOURCE, request)
    after, second = await workshop.build(SOURCE | changed, replace(request, generation=2, commit="f" * 40))
    assert before.version.startswith("1.0.0+")
    assert len(before.version) == len("1.0.0+") + 12
    assert (before.version == after.version) is same
    assert (first.read_bytes() == second.read_bytes()) is same


async def test_files_that_templates_do_reach_count(workshop):
    reaching = SOURCE | {"chart/templates/f.yaml": '{{ .Files.Get "README.md" }}'}
    request = ChartRequest("chart", BOTH, strategy=CONTENT)
    before, _ = await workshop.build(reaching, request)
    after, _ = await workshop.build(reaching | {"chart/README.md": "new"}, request)
    assert before.version != after.version


async def test_equal_inputs_are_packaged_once(workshop):
    requests = [
        ChartRequest(path, BOTH, strategy=CONTENT, generation=i) for i in range(20) for path in ("chart", "./chart/")
    ]
    built = await asyncio.gather(*(workshop.build(SOURCE, request) for request in requests))
    assert len({path for _, path in built}) == 1
    assert len(workshop.packages()) == 1
    # Another process, or the same one later, finds it again.
    later = Workshop(workshop.root)
    _, path = await later.build(SOURCE | {"README.md": "x"}, requests[0])
    assert path == built[0][1]


async def test_nothing_is_packaged_for_a_version_the_caller_has(workshop):
    request = ChartRequest("chart")
    build, path = await workshop.build(SOURCE, request, have="1.0.0")
    assert (build.version, path) == ("1.0.0", None)
    assert not workshop.packages()
    _, path = await workshop.build(SOURCE, request, have="0.9.0")
    assert path


def archive(*entries: tuple[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data.encode()))
    return out.getvalue()


async def test_a_packaged_chart_inside_the_source(workshop):
    packed = archive(
        ("hello/Chart.yaml", CHART), ("hello/values.yaml", "count: 1\n"), ("hello/templates/cm.yaml", TEMPLATE)
    )
    source = {"charts/hello.tgz": packed, "my.yaml": "message: mine\n"}
    build, path = await workshop.build(source, ChartRequest("./charts/hello.tgz", ("my.yaml",), generation=2))
    assert build.version == "1.0.0+2"
    assert set(content(path)) == {"hello/Chart.yaml", "hello/values.yaml", "hello/templates/cm.yaml"}
    assert goyaml.load(content(path)["hello/values.yaml"]) == {"message": "mine"}


REFERENCE = "invalid chart reference: "
VALUES = "values files merge error: "


@pytest.mark.parametrize(
    ("files", "request_", "reason", "message"),
    [
        pytest.param(
            {},
            ChartRequest("nope"),
            "InvalidChartReference",
            REFERENCE + "no chart found at path 'nope' in the source",
            id="path missing",
        ),
        pytest.param(
            {},
            ChartRequest("../chart"),
            "InvalidChartReference",
            REFERENCE + "the chart path '../chart' leaves the source",
            id="parent",
        ),
        pytest.param(
            {},
            ChartRequest("chart/../../x"),
            "InvalidChartReference",
            REFERENCE + "the chart path 'chart/../../x' leaves the source",
            id="parent inside",
        ),
        pytest.param(
            {},
            ChartRequest("/etc"),
            "InvalidChartReference",
            REFERENCE + "the chart path '/etc' is absolute",
            id="absolute",
        ),
        pytest.param(
            {"x/a": ""},
            ChartRequest("x"),
            "InvalidChartReference",
            REFERENCE + "no Chart.yaml found in chart 'x'",
            id="no Chart.yaml",
        ),
        pytest.param(
            {"chart/Chart.yaml": "a: b: c"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "cannot read Chart.yaml of chart 'chart': yaml: line 1: mapping values",
            id="Chart.yaml is not YAML",
        ),
        pytest.param(
            {"chart/Chart.yaml": "- a"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "cannot read Chart.yaml of chart 'chart': a mapping is expected",
            id="Chart.yaml is a list",
        ),
        pytest.param(
            {"chart/Chart.yaml": "version: 1.0.0"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: name is required",
            id="no name",
        ),
        pytest.param(
            {"chart/Chart.yaml": "name: x"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: version is required",
            id="no version",
        ),
        pytest.param(
            {"chart/Chart.yaml": "name: x\nversion: one"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: version 'one' is not a semantic version",
            id="bad version",
        ),
        pytest.param(
            {"chart/Chart.yaml": "name: ../x\nversion: 1.0.0"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: name '../x' is not allowed",
            id="bad name",
        ),
        pytest.param(
            {"chart/Chart.yaml": CHART + "type: tool"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: type must be",
            id="bad type",
        ),
        pytest.param(
            {"chart/Chart.yaml": CHART.replace("'1.10'", "1.10")},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: appVersion must be text",
            id="number",
        ),
        pytest.param(
            {"chart/Chart.yaml": CHART + "dependencies: [{name: a}, {name: a}]"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + "Chart.yaml of chart 'chart' is invalid: more than one dependency",
            id="dependency twice",
        ),
        pytest.param(
            {"x.tgz": "no"},
            ChartRequest("x.tgz"),
            "InvalidChartReference",
            REFERENCE + "chart 'x.tgz' is not a readable .tar.gz",
            id="damaged package",
        ),
        pytest.param(
            {"x.tgz": archive(("Chart.yaml", CHART))},
            ChartRequest("x.tgz"),
            "InvalidChartReference",
            REFERENCE + "chart 'x.tgz' holds 'Chart.yaml' outside of its folder",
            id="package without folder",
        ),
        pytest.param(
            {"x.tgz": archive(("a/../../x", CHART))},
            ChartRequest("x.tgz"),
            "InvalidChartReference",
            REFERENCE + "the file in chart 'x.tgz' path '../../x' leaves",
            id="package that leaves its folder",
        ),
        pytest.param(
            {"chart/.helmignore": "**/x"},
            ChartRequest("chart"),
            "InvalidChartReference",
            REFERENCE + ".helmignore of chart 'chart' is invalid: double-star",
            id="bad ignore file",
        ),
        pytest.param(
            {},
            ChartRequest("chart", ("nope.yaml",)),
            "ValuesFilesError",
            VALUES + "no values file found at path 'nope.yaml'",
            id="values file missing",
        ),
        pytest.param(
            {},
            ChartRequest("chart", ("../x.yaml",)),
            "ValuesFilesError",
            VALUES + "the values file path '../x.yaml' leaves the source",
            id="values file outside",
        ),
        pytest.param(
            {},
            ChartRequest("chart", ("/etc/passwd",)),
            "ValuesFilesError",
            VALUES + "the values file path '/etc/passwd' is absolute",
            id="values file absolute",
        ),
        pytest.param(
            {},
            ChartRequest("chart", ("chart",)),
            "ValuesFilesError",
            VALUES + "'chart' is a folder",
            id="values file is a folder",
        ),
        pytest.param(
            {"v.yaml": "a: b: c"},
            ChartRequest("chart", ("v.yaml",)),
            "ValuesFilesError",
            VALUES + "cannot read values file 'v.yaml': yaml: line 1",
            id="values not YAML",
        ),
        pytest.param(
            {"v.yaml": "[a]"},
            ChartRequest("chart", ("v.yaml",)),
            "ValuesFilesError",
            VALUES + "cannot read values file 'v.yaml': a mapping is expected, not a list",
            id="values not a mapping",
        ),
    ],
)
async def test_bad_charts(*, workshop, files, request_, reason, message):
    with pytest.raises(Stalled) as caught:
        await workshop.build(SOURCE | files, request_)
    assert caught.value.reason == reason
    assert caught.value.message.startswith(message)
    assert not list((workshop.store.root / "tmp").iterdir())


@pytest.mark.parametrize(
    ("files", "path"),
    [
        pytest.param({"link": Path("/etc")}, "link", id="the chart is a link out"),
        pytest.param({"a/link": Path("../..")}, "a/link/outside", id="a folder above is a link out"),
        pytest.param({"c/Chart.yaml": CHART, "c/x": Path("/etc/passwd")}, "c", id="a file of it is a link out"),
    ],
)
def test_links_that_leave_a_tree_are_refused(tmp_path, files, path):
    (tmp_path / "outside").mkdir()
    root = tree(tmp_path / "root", files)
    with pytest.raises(charts.ChartReferenceError, match="leaves the source through a symbolic link"):
        charts.load(root, path)


def dependency(name: str, version: str, repository: str = "") -> str:
    return CHART + f"dependencies:\n- name: {name}\n  version: '{version}'\n  repository: '{repository}'\n"


COMMON = {"common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 1.2.3\n", "common/templates/x.yaml": "x: 1\n"}
VENDORED = {f"chart/charts/{name}": data for name, data in COMMON.items()}


@pytest.mark.parametrize(
    ("files", "resolved"),
    [
        pytest.param(VENDORED | {"chart/Chart.yaml": dependency("common", "1.x")}, 0, id="vendored folder"),
        pytest.param(
            {
                "chart/charts/common-1.2.3.tgz": archive(*COMMON.items()),
                "chart/Chart.yaml": dependency("common", "1.x", "https://x"),
            },
            0,
            id="vendored package",
        ),
        pytest.param(
            COMMON | {"chart/Chart.yaml": dependency("common", "~1.2", "file://../common")}, 1, id="file in the source"
        ),
    ],
)
async def test_dependencies(workshop, files, resolved):
    build, path = await workshop.build(SOURCE | files, ChartRequest("chart"))
    assert build.dependencies == resolved
    assert any(name.startswith("hello/charts/common") for name in content(path))


DEPENDENCY = "dependency build error: "


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(
            {"chart/Chart.yaml": dependency("redis", "1.x", "https://charts.example.com")},
            "cannot get 'redis' from 'https://charts.example.com' here",
            id="remote, and nobody to fetch it",
        ),
        pytest.param(
            {"chart/Chart.yaml": dependency("redis", "1.x", "@stable")},
            "cannot get 'redis' from '@stable': repositories are http(s):// or oci:// addresses",
            id="an alias",
        ),
        pytest.param(
            {"chart/Chart.yaml": dependency("redis", "1.x")},
            "cannot get 'redis' that names no repository",
            id="nowhere",
        ),
        pytest.param(
            {"chart/Chart.yaml": dependency("a", "1.x", "file://../../a")},
            "cannot get 'a' from 'file://../../a': the chart path",
            id="outside",
        ),
        pytest.param(
            {"chart/Chart.yaml": dependency("a", "1.x", "file:///etc")},
            "cannot get 'a' from 'file:///etc': the chart path",
            id="absolute",
        ),
        pytest.param(
            COMMON | {"chart/Chart.yaml": dependency("common", "2.x", "file://../common")},
            "'common' at 'file://../common' has version 1.2.3, which is not within '2.x'",
            id="version",
        ),
        pytest.param(
            {"chart/Chart.yaml": dependency("hello", "1.x", "file://../chart")},
            "'hello' is nested more than 10 deep",
            id="circle",
        ),
    ],
)
async def test_dependencies_that_cannot_be_had(workshop, files, message):
    with pytest.raises(Transient) as caught:
        await workshop.build(SOURCE | files, ChartRequest("chart"))
    assert caught.value.reason == "DependencyBuildError"
    assert caught.value.message.startswith(DEPENDENCY + message)


@pytest.mark.parametrize(
    ("rules", "ignored", "kept"),
    [
        pytest.param("", ["templates/.x", "templates/.d/x"], [".x", "templates/x", "a/templates/.x"], id="default"),
        pytest.param("# no\n\n*.md\n", ["a.md", "b/c.md"], ["md"], id="by name anywhere"),
        pytest.param("/x\n", ["x", "x/y"], ["a/x"], id="from the root"),
        pytest.param("a/b\n", ["a/b", "a/b/c"], ["c/a/b", "a/c"], id="by path"),
        pytest.param("d/\n", ["d/x", "a/d/x"], ["d"], id="folders only"),
        pytest.param("x?\n[a-c]z\n[^a]q\n", ["x1", "az", "bq"], ["x", "dz", "aq"], id="patterns"),
        pytest.param("\\*\n", ["*"], ["a"], id="escape"),
        pytest.param(
            "!*.yaml\n", ["a.md", "templates/x.yaml"], ["a.yaml"], id="a negated rule leaves out what it misses"
        ),
    ],
)
def test_helmignore(rules, ignored, kept):
    ignore = HelmIgnore(rules)
    assert [name for name in ignored + kept if ignore.ignores(name)] == ignored


@pytest.mark.parametrize("rule", ["a/**", "[a", "a\\"])
def test_bad_helmignore(rule):
    with pytest.raises(ValueError):
        HelmIgnore(rule)


async def test_helm_loads_and_renders_the_package(workshop, helm_binary):
    source = (
        SOURCE
        | COMMON
        | {
            "chart/Chart.yaml": dependency("common", "1.x", "file://../common"),
            "chart/.helmignore": "README.md\n*-values.yaml\n",
        }
    )
    build, path = await workshop.build(source, ChartRequest("chart", BOTH, strategy=CONTENT))
    shutil.copy(path, workshop.root / "chart.tgz")

    shown = goyaml.load(run_helm(helm_binary, workshop.root, "show", "chart", str(workshop.root / "chart.tgz")))
    assert (shown["name"], shown["version"], shown["appVersion"]) == ("hello", build.version, "1.10")
    rendered = run_helm(helm_binary, workshop.root, "template", "x", str(workshop.root / "chart.tgz"))
    assert 'message: "one"' in rendered
    assert 'count: "1"' in rendered
    assert f'version: "{build.version}"' in rendered
    assert "# Source: hello/charts/common/templates/x.yaml" in rendered
    assert not [name for name in content(path) if name.endswith(("README.md", "-values.yaml"))]


@pytest.mark.parametrize("rules", ["*.md\n# no\n", "x*/\n/yy\n", "templates/a*\n", "[ab].txt\n?.md\n"])
async def test_helm_leaves_out_the_same_files(tmp_path, helm_binary, rules):
    names = [
        "a.md",
        "keep.md",
        "x1/a.txt",
        "yy",
        "z/yy",
        "templates/a.yaml",
        "templates/b.yaml",
        "a.txt",
        "c.txt",
        "b.md",
    ]
    root = tree(
        tmp_path / "t", {f"c/{name}": "x: 1\n" for name in names} | {"c/Chart.yaml": CHART, "c/.helmignore": rules}
    )
    probe = 'probe: yes\nfiles:\n{{ range $name, $_ := .Files.Glob "**" }}- {{ $name }}\n{{ end }}'
    tree(root, {"c/templates/probe.yaml": probe})
    shown = run_helm(helm_binary, tmp_path, "template", "x", str(root / "c"))
    theirs = {name for block in shown.split("---") if "probe" in block for name in goyaml.load(block)["files"]}
    ours = {name for name in charts.load(root, "c").files if not name.startswith("templates/") and name != "Chart.yaml"}
    assert ours == theirs
    package_ = tmp_path / "p.tgz"
    package.write(package_, charts.load(root, "c"), "1.0.0", package.MergedValues(None, ()), {})
    tarball.unpack(package_, tmp_path)
    assert json.dumps(sorted(ours)) == json.dumps(
        sorted(
            str(path.relative_to(tmp_path / "hello"))
            for path in (tmp_path / "hello").rglob("*")
            if path.is_file() and "templates" not in path.parts and path.name != "Chart.yaml"
        )
    )
