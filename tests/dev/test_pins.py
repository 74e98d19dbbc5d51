import shutil

import pytest

from hub.dev.pins import EVERYTHING, TOOLS, cache_folder, fits, linker_flags, parse_version, pinned_version
from hub.dev.resources import resource


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        pytest.param("Kubernetes v1.36.3", (1, 36, 3), id="kube-apiserver"),
        pytest.param("etcd Version: 3.6.8\nGit SHA: x\nGo Version: go1.26.8", (3, 6, 8), id="etcd"),
        pytest.param("v4.3.1+g0000000", (4, 3, 1), id="helm"),
        pytest.param("kwok version v0.8.0 go1.26.8 (linux/amd64)", (0, 8, 0), id="kwok"),
        pytest.param("registry github.com/distribution/distribution/v3 v3.1.2", (3, 1, 2), id="registry"),
        pytest.param("Version  : v1.8.0\nBuild    : \n", (1, 8, 0), id="versitygw"),
        pytest.param("command not found", None, id="none"),
    ],
)
def test_parse_version(printed, version):
    assert parse_version(printed) == version


@pytest.mark.parametrize(
    ("name", "version", "pinned", "fit"),
    [
        pytest.param("helm", (4, 3, 1), "v4.3.1", True, id="the pinned one"),
        pytest.param("helm", (4, 0, 0), "v4.3.1", True, id="an older helm 4"),
        pytest.param("helm", (3, 19, 0), "v4.3.1", False, id="helm 3"),
        pytest.param("helm", (5, 0, 0), "v4.3.1", False, id="helm 5"),
        pytest.param("kube-apiserver", (1, 37, 0), "v1.36.3", True, id="a newer API server"),
        pytest.param("kube-apiserver", (1, 28, 4), "v1.36.3", False, id="a much older API server"),
        pytest.param("kubectl", (1, 32, 4), "v1.36.3", True, id="an older kubectl does"),
        pytest.param("etcd", None, "v3.6.8", False, id="one that does not tell"),
    ],
)
def test_fits(name, version, pinned, fit):
    assert fits(TOOLS[name], version, pinned) is fit


def test_every_tool_has_a_pin_in_its_module():
    pins = {name: pinned_version(TOOLS[name], resource("tools")) for name in TOOLS}
    assert pins["kube-apiserver"] == pins["kubectl"]
    assert all(parse_version(pin) for pin in pins.values())
    assert all(fits(TOOLS[name], parse_version(pin), pin) for name, pin in pins.items())


def test_raising_any_pin_changes_the_cache_folder(tmp_path):
    tools = shutil.copytree(resource("tools"), tmp_path / "tools")
    before = {name: cache_folder(TOOLS[name], tools) for name in EVERYTHING}
    assert before["etcd"] == before["kubectl"]
    with (tools / "helm/go.sum").open("a") as file:
        file.write("example.com/dependency v1.0.1 h1:x\n")
    after = {name: cache_folder(TOOLS[name], tools) for name in EVERYTHING}
    assert [name for name in EVERYTHING if before[name] != after[name]] == ["helm"]
    assert after["helm"].startswith("helm-v")


def test_the_version_is_written_into_the_binary():
    assert linker_flags(TOOLS["kube-scheduler"], "v1.36.3").split(" -X ") == [
        "-s -w",
        "k8s.io/component-base/version.gitVersion=v1.36.3",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=36",
        "k8s.io/client-go/pkg/version.gitVersion=v1.36.3",
    ]
    assert linker_flags(TOOLS["etcd"], "v3.6.8") == "-s -w"
