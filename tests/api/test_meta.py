"""Paths, keys, and what reading and writing of objects promise."""

import json

import pytest
import yaml

from hub.api.helm import HelmRelease, Snapshot
from hub.api.meta import (
    EVENTS,
    NAMESPACES,
    SECRETS,
    Api,
    Condition,
    Duration,
    Key,
    ObjectMeta,
)
from hub.api.source import GitRepository, HelmChart
from hub.errors import Invalid

RELEASES = HelmRelease.KIND.api


@pytest.mark.parametrize(
    ("api", "arguments", "path"),
    [
        pytest.param(SECRETS, {}, "/api/v1/secrets", id="core group, all"),
        pytest.param(SECRETS, {"namespace": "a"}, "/api/v1/namespaces/a/secrets", id="one namespace"),
        pytest.param(SECRETS, {"name": "b", "namespace": "a"}, "/api/v1/namespaces/a/secrets/b", id="one object"),
        pytest.param(NAMESPACES, {"name": "a"}, "/api/v1/namespaces/a", id="cluster-wide"),
        pytest.param(NAMESPACES, {"name": "a", "namespace": "x"}, "/api/v1/namespaces/a", id="namespace is ignored"),
        pytest.param(
            RELEASES,
            {"name": "b", "namespace": "a", "subresource": "status"},
            "/apis/helm.toolkit.fluxcd.io/v2/namespaces/a/helmreleases/b/status",
            id="subresource",
        ),
        pytest.param(
            Api("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False),
            {"name": "system:node"},
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
            id="colons stay",
        ),
        pytest.param(EVENTS, {"name": "a b?x=1#y"}, "/api/v1/events/a%20b%3Fx%3D1%23y", id="no query, no fragment"),
    ],
)
def test_path(api, arguments, path):
    assert api.path(**arguments) == path


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a%2fb"])
@pytest.mark.parametrize("argument", ["name", "namespace"])
def test_a_name_cannot_lead_elsewhere(name, argument):
    arguments = {"name": "b", "namespace": "a"} | {argument: name}
    if argument == "namespace" and not name:
        return  # no namespace means all of them
    with pytest.raises(Invalid, match="cannot be the name"):
        SECRETS.path(**arguments)


def test_api_version():
    assert SECRETS.api_version == "v1"
    assert RELEASES.api_version == "helm.toolkit.fluxcd.io/v2"


def test_key():
    release = HelmRelease.parse({"metadata": {"name": "app", "namespace": "a"}})
    assert release.key == Key("HelmRelease", "a", "app")
    assert str(release.key) == "HelmRelease/a/app"


def test_reading_is_lenient():
    chart = HelmChart.parse(
        {
            "metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"reconcileStrategy": "Never", "interval": "soon", "novelty": 1, "sourceRef": {"kind": "Carrier"}},
            "status": {"conditions": [{"type": "Ready"}]},
        }
    )
    assert chart.spec.reconcile_strategy == "Never"
    assert chart.spec.interval == "soon"
    assert chart.spec.source_ref.kind == "Carrier"
    assert chart.spec.source_ref.name == ""
    assert chart.status.condition("Ready").status == "Unknown"
    assert chart.status.condition("Stalled") is None


def test_reading_nothing_gives_defaults():
    repository = GitRepository.parse({})
    assert repository.spec.timeout.seconds == 60
    assert repository.spec.interval.seconds == 60
    assert repository.spec.suspend is False
    assert repository.status.observed_generation == -1
    assert repository.status.artifact is None
    assert repository.requested_at == ""
    assert not repository.deleted


def test_reading_another_json_type_is_refused():
    with pytest.raises(ValueError, match="interval"):
        HelmChart.parse({"spec": {"interval": {"minutes": 1}}})


def test_values_may_be_anything():
    assert HelmRelease.parse({"spec": {"values": ["a", None]}}).spec.values == ["a", None]


@pytest.mark.parametrize(
    ("model", "data"),
    [
        pytest.param(ObjectMeta(name="a", labels={}), {"name": "a", "labels": {}}, id="what was set is written"),
        pytest.param(ObjectMeta(name="a", namespace=""), {"name": "a"}, id="an empty optional text is not"),
        pytest.param(
            Condition(type="Ready", status="True", reason="Done", message=""),
            {"type": "Ready", "status": "True", "reason": "Done", "message": ""},
            id="an empty required text is",
        ),
        pytest.param(
            HelmRelease.parse({"spec": {"upgrade": {"force": False}}}).spec.upgrade,
            {"force": False},
            id="false was said",
        ),
        pytest.param(GitRepository().spec, {}, id="defaults are the server's"),
        pytest.param(GitRepository(kind="x").spec, {}, id="a part nobody touched"),
    ],
)
def test_dump(model, data):
    assert model.dump() == data


def test_dump_sees_changes_in_place():
    release = HelmRelease.parse({"metadata": {"name": "a"}})
    release.status.history.append(Snapshot(name="a", version=3))
    release.metadata.labels["x"] = "y"
    assert release.dump() == {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "a", "labels": {"x": "y"}},
        "status": {"history": [{"name": "a", "version": 3}]},
    }


def test_dump_is_plain_data():
    release = HelmRelease()
    release.spec.interval = Duration.from_seconds(90)
    assert yaml.safe_load(yaml.safe_dump(release.dump()))["spec"] == {"interval": "1m30s"}
    assert json.loads(json.dumps(release.dump()))["spec"] == {"interval": "1m30s"}


def test_old_versions_keep_their_version():
    assert HelmRelease.parse({"apiVersion": "helm.toolkit.fluxcd.io/v2beta1"}).dump()["apiVersion"].endswith("v2beta1")
