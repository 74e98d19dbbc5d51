"""Selectors over objects, as drift rules and patches write them."""

import pytest

from hub.api.appliers import Selector
from hub.api.helm import Kustomize
from hub.release.selection import idle_patches, selects

WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "app", "labels": {"tier": "front"}, "annotations": {"a": "b"}},
}


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        pytest.param({}, True, id="an empty one means all"),
        pytest.param({"kind": "Deployment", "name": "web"}, True, id="kind and name"),
        pytest.param({"group": "apps", "version": "v1", "namespace": "app"}, True, id="group, version, namespace"),
        pytest.param({"name": "we"}, False, id="names are anchored"),
        pytest.param({"name": "w.*"}, True, id="names are expressions"),
        pytest.param({"labelSelector": "tier in (front)"}, True, id="labels"),
        pytest.param({"labelSelector": "tier!=front"}, False, id="other labels"),
        pytest.param({"annotationSelector": "a=b"}, True, id="annotations"),
        pytest.param({"kind": "Deployment", "annotationSelector": "a=c"}, False, id="all of it has to match"),
    ],
)
def test_selects(selector, meant):
    assert selects(Selector.parse(selector), WEB) is meant


def test_no_selector_means_all():
    assert selects(None, WEB)


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        pytest.param({"patches": [{"patch": "x", "target": {"kind": "Deployment"}}]}, [], id="there"),
        pytest.param({"patches": [{"patch": "x"}]}, [], id="without a target kustomize judges"),
        pytest.param(
            {"patches": [{"patch": "x"}, {"patch": "x", "target": {"kind": "Service", "name": "web"}}]},
            ["patches[1] (target kind=Service name=web)"],
            id="another kind",
        ),
        pytest.param(
            {"patchesJson6902": [{"patch": [], "target": {"kind": "Deployment", "name": "db"}}]},
            ["patchesJson6902[0] (target kind=Deployment name=db)"],
            id="the old field",
        ),
        pytest.param({"patches": [{"patch": "x", "target": {"name": "("}}]}, [], id="kustomize complains of it"),
        pytest.param({"patches": [{"patch": "x", "target": {"labelSelector": "%"}}]}, [], id="and of this"),
    ],
)
def test_idle_patches(changes, idle):
    assert idle_patches(Kustomize.parse(changes), [WEB]) == idle


def test_nobody_wrote_a_namespace():
    changes = Kustomize.parse({"patches": [{"patch": "x", "target": {"namespace": "default"}}]})
    assert idle_patches(changes, [{"kind": "Service", "metadata": {"name": "web"}}]) == []
