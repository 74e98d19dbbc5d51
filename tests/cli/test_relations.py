import pytest

from hub.api.kind import Key
from hub.cli.inventories import entries
from hub.cli.relations import Relations
from hub.cli.tree import node_of


def made(kind, name, namespace="ns", spec=None, status=None):
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "x/v1", "kind": kind, "metadata": meta, "spec": spec or {}, "status": status or {}}


REF = {"sourceRef": {"kind": "GitRepository", "name": "repo"}}
REPO = made("GitRepository", "repo")
CHART = made("HelmChart", "ns-web", spec=REF)
WEB = made("HelmRelease", "web", spec={"chart": {"spec": REF}}, status={"helmChart": "ns/ns-web"})
NEW = made("HelmRelease", "new", spec={"chart": {"spec": REF}})
PINNED = made(
    "HelmRelease", "pinned", "other", {"chartRef": {"kind": "HelmChart", "name": "ns-web", "namespace": "ns"}}
)
ALL = Relations.of([REPO, CHART, WEB, NEW, PINNED])


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        pytest.param(WEB, ["HelmChart/ns/ns-web", "GitRepository/ns/repo"], id="over its chart"),
        pytest.param(NEW, ["GitRepository/ns/repo"], id="its chart is not there yet"),
        pytest.param(PINNED, ["HelmChart/ns/ns-web", "GitRepository/ns/repo"], id="a chart in another namespace"),
        pytest.param(REPO, [], id="an origin"),
    ],
)
def test_chain(raw, want):
    assert [str(key) for key in ALL.chain(raw)] == want


def test_made_from():
    charts = [Key("HelmChart", "ns", "ns-web"), Key("HelmRelease", "ns", "new")]
    assert ALL.made_from("GitRepository", "ns", "repo") == charts
    assert [key.name for key in ALL.made_from("HelmChart", "ns", "ns-web")] == ["web", "pinned"]


def test_objects_that_name_each_other_end():
    one = made("HelmChart", "one", spec={"sourceRef": {"kind": "HelmChart", "name": "two"}})
    two = made("HelmChart", "two", spec={"sourceRef": {"kind": "HelmChart", "name": "one"}})
    relations = Relations.of([one, two])
    assert [key.name for key in relations.chain(one)] == ["two", "one"]
    assert len(list(node_of(one, relations).lines())) == 3


@pytest.mark.parametrize(
    ("identity", "want"),
    [
        pytest.param("ns_web_apps_Deployment", "Deployment/ns/web", id="in a namespace"),
        pytest.param("_web_rbac.authorization.k8s.io_ClusterRole", "ClusterRole/web", id="in none"),
        pytest.param("ns_system__web_rbac.authorization.k8s.io_Role", "Role/ns/system:web", id="a colon"),
        pytest.param("ns_web__Service", "Service/ns/web", id="the core group"),
    ],
)
def test_entries(identity, want):
    raw = made("HelmRelease", "x", status={"inventory": {"entries": [{"id": identity, "v": "v1"}, {"id": "odd"}]}})
    assert [str(entry) for entry in entries(raw)] == [want]


def test_equal_names_on_another_cluster_are_not_our_objects():
    inventory = {"inventory": {"entries": [{"id": "ns_web_x_HelmRelease", "v": "v1"}]}}
    here = made("HelmRelease", "app", status=inventory)
    there = made("HelmRelease", "app", spec={"kubeConfig": {"secretRef": {"name": "m"}}}, status=inventory)
    inner = made("HelmRelease", "web", status={"inventory": {"entries": [{"id": "ns_x__Service", "v": "v1"}]}})
    assert [one.name for one in node_of(here, Relations.of([here, inner])).below[0].below] == ["x"]
    assert node_of(there, Relations.of([there, inner])).below[0].below == []
