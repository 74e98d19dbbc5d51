"""Names and namespaces of releases."""

import pytest

from hub.api.helm import HelmRelease
from hub.release.names import chart_key, full_name, short_name, target_of


def release(name="app", **spec):
    return HelmRelease.parse({"metadata": {"name": name, "namespace": "gitops"}, "spec": spec})


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({}, ("app", "gitops", "gitops"), id="all in the object's namespace"),
        pytest.param({"targetNamespace": "prod"}, ("prod-app", "prod", "gitops"), id="a target is part of the name"),
        pytest.param(
            {"targetNamespace": "prod", "releaseName": "web"},
            ("web", "prod", "gitops"),
            id="a given name is taken as it is",
        ),
        pytest.param({"storageNamespace": "helm"}, ("app", "gitops", "helm"), id="storage elsewhere"),
    ],
)
def test_target_of(spec, want):
    assert tuple(target_of(release(**spec))) == want


def test_long_names_are_shortened_as_flux_does():
    name = full_name(release("with-a-nice-object-name", targetNamespace="a-very-lengthy-target-namespace"))
    assert name == "a-very-lengthy-target-namespace-with-a-nice-object-name"
    assert short_name(name) == "a-very-lengthy-target-namespace-with-a-n-97af5d7f41f3"
    assert len(short_name(name)) == 53


def test_a_name_of_53_is_kept():
    assert short_name("x" * 53) == "x" * 53


def test_chart_key_is_in_the_namespace_of_the_source():
    chart = {"spec": {"chart": "c", "sourceRef": {"kind": "GitRepository", "name": "g", "namespace": "sources"}}}
    assert chart_key(release(chart=chart)) == ("sources", "gitops-app")
    del chart["spec"]["sourceRef"]["namespace"]
    assert chart_key(release(chart=chart)) == ("gitops", "gitops-app")
