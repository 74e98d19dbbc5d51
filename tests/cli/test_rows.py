from datetime import UTC, datetime, timedelta

import pytest

from hub.api.helm import HelmRelease
from hub.api.source import GitRepository, HelmChart
from hub.cli.rows import Layout, age

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHA = "21a9daedc59819eeeca81a7314ce5cf56d0f74c6"


def an_object(kind, spec=None, status=None, **metadata):
    meta = {"name": "app", "namespace": "ns", "creationTimestamp": "2026-01-02T03:03:05Z", **metadata}
    return {
        "apiVersion": kind.api.api_version,
        "kind": kind.name,
        "metadata": meta,
        "spec": spec or {},
        "status": status or {},
    }


def ready(status, message):
    return {"conditions": [{"type": "Ready", "status": status, "reason": "X", "message": message}]}


def snapshot(version, chart_version):
    return {
        "name": "app-app",
        "namespace": "app",
        "version": version,
        "chartName": "hello",
        "chartVersion": chart_version,
    }


RELEASE, GIT, CHART = HelmRelease.KIND, GitRepository.KIND, HelmChart.KIND


@pytest.mark.parametrize(
    ("kind", "raw", "want"),
    [
        pytest.param(
            RELEASE,
            an_object(RELEASE),
            ["app", "", "False", "False", "waiting to be reconciled"],
            id="nobody looked yet",
        ),
        pytest.param(
            RELEASE,
            an_object(
                RELEASE, status={**ready("True", "done"), "history": [snapshot(2, "1.0.1"), snapshot(1, "1.0.0")]}
            ),
            ["app", "1.0.1", "False", "True", "done"],
            id="a release shows the chart version of its newest revision",
        ),
        pytest.param(
            RELEASE,
            an_object(RELEASE, status={**ready("False", "no"), "lastAttemptedRevision": "1.0.2"}),
            ["app", "1.0.2", "False", "False", "no"],
            id="one that never was released shows what was tried",
        ),
        pytest.param(
            RELEASE,
            an_object(RELEASE, {"suspend": True}, ready("Unknown", "Running\n  'upgrade'")),
            ["app", "", "True", "Unknown", "Running 'upgrade'"],
            id="messages are one line",
        ),
        pytest.param(
            RELEASE,
            an_object(RELEASE, status=ready("True", f"chart hello@1.0.0+{SHA}")),
            ["app", "", "False", "True", f"chart hello@1.0.0+{SHA}"],
            id="hashes of a release stay whole",
        ),
        pytest.param(
            GIT,
            an_object(GIT, status={**ready("True", f"stored '{SHA}'"), "artifact": {"revision": f"master@sha1:{SHA}"}}),
            ["app", "master@sha1:21a9daed", "False", "True", "stored '21a9daed'"],
            id="hashes of a source are cut",
        ),
        pytest.param(
            CHART,
            an_object(CHART, status={**ready("True", "packaged"), "artifact": {"revision": "1.0.0+21a9daedc598.1"}}),
            ["app", "1.0.0+21a9daedc598.1", "False", "True", "packaged"],
            id="a chart shows its version",
        ),
    ],
)
def test_row(kind, raw, want):
    assert Layout().row(kind, raw, NOW) == want


def test_namespace_leads_and_kind_is_told_where_they_differ():
    layout = Layout(everywhere=True, prefixed=True)
    assert layout.header(GIT)[:2] == ["NAMESPACE", "NAME"]
    assert layout.row(GIT, an_object(GIT), NOW)[:2] == ["ns", "gitrepository/app"]


def test_wide_shows_where_a_release_goes():
    spec = {"kubeConfig": {"secretRef": {"name": "member1-kubeconfig"}}}
    raw = an_object(RELEASE, spec, {"history": [snapshot(2, "1.0.1")]})
    row = dict(zip(Layout(wide=True).header(RELEASE), Layout(wide=True).row(RELEASE, raw, NOW), strict=True))
    assert row["MEMBER"] == "member1-kubeconfig"
    assert row["CHART"] == "hello"
    assert row["RELEASE"] == "app/app-app.v2"
    assert row["AGE"] == "1m"


def test_wide_shows_the_printer_columns_of_the_kind():
    spec = {"chart": "./helm-chart", "sourceRef": {"kind": "GitRepository", "name": "git-repo"}}
    row = Layout(wide=True).row(CHART, an_object(CHART, spec), NOW)
    assert Layout(wide=True).header(CHART)[-6:] == ["CHART", "VERSION", "SOURCE KIND", "SOURCE NAME", "AGE", "MESSAGE"]
    assert row[-6:] == ["./helm-chart", "", "GitRepository", "git-repo", "1m", "waiting to be reconciled"]


def test_a_release_without_kubeconfig_is_on_the_hub():
    assert "(hub)" in Layout(wide=True).row(RELEASE, an_object(RELEASE), NOW)


@pytest.mark.parametrize(
    ("ago", "want"),
    [
        pytest.param(timedelta(seconds=0), "0s", id="now"),
        pytest.param(timedelta(seconds=-5), "0s", id="clocks differ"),
        pytest.param(timedelta(seconds=45), "45s", id="seconds"),
        pytest.param(timedelta(minutes=3, seconds=20), "3m20s", id="few minutes"),
        pytest.param(timedelta(minutes=30, seconds=20), "30m", id="many minutes"),
        pytest.param(timedelta(hours=2), "2h", id="whole hours"),
        pytest.param(timedelta(days=4, hours=5), "4d5h", id="few days"),
        pytest.param(timedelta(days=400), "400d", id="many days"),
    ],
)
def test_age(ago, want):
    assert age((NOW - ago).strftime("%Y-%m-%dT%H:%M:%SZ"), NOW) == want
