"""What a request path names."""

from __future__ import annotations

import pytest

from hub.members.paths import ResourcePath, is_discovery, parse

OBJECT = ResourcePath("apps", "v1", "deployments", "ns", "web")


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("/api/v1/pods", ResourcePath("", "v1", "pods"), id="all of a core kind"),
        pytest.param("/api/v1/namespaces/ns/pods", ResourcePath("", "v1", "pods", "ns"), id="those of a namespace"),
        pytest.param("/apis/apps/v1/namespaces/ns/deployments/web", OBJECT, id="one object of a group"),
        pytest.param(
            "/apis/apps/v1/namespaces/ns/deployments/web/scale",
            OBJECT._replace(subresource="scale"),
            id="a part of it",
        ),
        pytest.param("/api/v1/namespaces", ResourcePath("", "v1", "namespaces"), id="the namespaces"),
        pytest.param("/api/v1/namespaces/ns", ResourcePath("", "v1", "namespaces", "", "ns"), id="one namespace"),
        pytest.param(
            "/api/v1/namespaces/ns/status",
            ResourcePath("", "v1", "namespaces", "", "ns", "status"),
            id="a namespace's status is not a resource in it",
        ),
        pytest.param(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x",
            ResourcePath("rbac.authorization.k8s.io", "v1", "clusterroles", "", "x"),
            id="one that is cluster-wide",
        ),
        pytest.param("/api", None, id="legacy discovery"),
        pytest.param("/apis/apps/v1", None, id="discovery of a group"),
        pytest.param("/version", None, id="version"),
        pytest.param("/", None, id="root"),
    ],
)
def test_parse(path, want):
    assert parse(path) == want


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param("/version", True, id="version"),
        pytest.param("/apis", True, id="groups"),
        pytest.param("/apis/apps/v1", True, id="resources of a group"),
        pytest.param("/openapi/v3/apis/apps/v1", True, id="schemas"),
        pytest.param("/api/v1/pods", False, id="a list"),
        pytest.param("/readyz", False, id="health is not remembered"),
    ],
)
def test_is_discovery(path, want):
    assert is_discovery(path) is want


def test_a_path_reads_as_people_write_it():
    assert str(OBJECT) == "deployments/ns/web"
