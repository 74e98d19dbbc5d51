"""What Prometheus is told, read back with its own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.api.meta import Key
from hub.runtime import metrics
from hub.runtime.cache import Cache

RELEASE = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "web", "namespace": "metrics-test", "uid": "1", "resourceVersion": "1"},
    "spec": {
        "interval": "1m",
        "suspend": True,
        "chart": {"spec": {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "charts"}}},
    },
    "status": {
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "InstallFailed", "message": "no"},
            {"type": "Stalled", "status": "True", "reason": "RetriesExceeded", "message": "no"},
        ],
        "history": [{"chartName": "web", "chartVersion": "1.0.0+abc", "name": "web", "namespace": "x", "version": 1}],
    },
}
REPOSITORY = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "charts", "namespace": "metrics-test", "uid": "2", "resourceVersion": "1"},
    "spec": {"interval": "1m", "url": "https://example.com/charts"},
}


@pytest.fixture
def cache():
    cache = Cache()
    cache.put(RELEASE)
    cache.put(REPOSITORY)
    return cache


def samples(metric, **labels):
    families = text_string_to_metric_families(metrics.exposed().decode())
    return [
        (one.labels, one.value)
        for family in families
        for one in family.samples
        if one.name == metric and labels.items() <= one.labels.items()
    ]


@pytest.fixture
def registered(cache):
    gauges = {("hub_test_depth", "For the test."): lambda: 7.0}
    with metrics.registered(metrics.Objects(cache, lambda one: True, gauges)):
        yield


def test_the_state_of_an_object_under_the_names_of_flux(registered):
    (labels, value), *more = samples("gotk_resource_info", name="web")
    assert (value, more) == (1.0, [])
    assert labels == {
        "customresource_group": "helm.toolkit.fluxcd.io",
        "customresource_version": "v2",
        "customresource_kind": "HelmRelease",
        "exported_namespace": "metrics-test",
        "name": "web",
        "ready": "False",
        "suspended": "true",
        "revision": "1.0.0+abc",
        "url": "",
        "chart_name": "./web",
        "source_name": "charts",
    }
    ((labels, _),) = samples("gotk_resource_info", name="charts")
    assert (labels["url"], labels["ready"], labels["suspended"]) == ("https://example.com/charts", "Unknown", "false")


def test_conditions_and_suspension(registered):
    rows = {(row["type"], row["status"]): value for row, value in samples("gotk_reconcile_condition", name="web")}
    assert rows == {
        ("Ready", "True"): 0.0,
        ("Ready", "False"): 1.0,
        ("Ready", "Unknown"): 0.0,
        ("Stalled", "True"): 1.0,
    }
    assert [value for _, value in samples("gotk_suspend_status", name="web")] == [1.0]
    assert [value for _, value in samples("gotk_suspend_status", name="charts")] == [0.0]


def test_the_hub_itself(registered):
    assert samples("hub_test_depth") == [({}, 7.0)]
    assert len(samples("hub_build_info")) == 1


def test_a_replica_tells_only_of_what_it_works_on(cache):
    with metrics.registered(metrics.Objects(cache, lambda one: one.key.kind == "GitRepository", {})):
        assert [labels["name"] for labels, _ in samples("gotk_resource_info")] == ["charts"]


def test_durations_are_counted_also_of_failures_and_forgotten_with_the_object(cache):
    key = Key("HelmRelease", "metrics-test", "web")
    with pytest.raises(ValueError, match="broken"), metrics.timed(key):
        raise ValueError("broken")
    with metrics.timed(key):
        pass
    count = "gotk_reconcile_duration_seconds_count"
    assert [value for _, value in samples(count, name="web", namespace="metrics-test")] == [2.0]
    cache.subscribe(metrics.forget)
    cache.drop(key)
    assert samples(count, name="web", namespace="metrics-test") == []
