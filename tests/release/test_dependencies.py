"""What a release waits for."""

import pytest

from hub.api.helm import HelmRelease
from hub.errors import Stalled, Waiting
from hub.release import dependencies


def release(name="app", depends_on=(), ready="True", **status):
    conditions = [{"type": "Ready", "status": ready, "reason": "R", "message": "m"}] if ready else []
    return HelmRelease.parse(
        {
            "metadata": {"name": name, "namespace": "ns", "generation": 2},
            "spec": {"dependsOn": list(depends_on)},
            "status": {"observedGeneration": 2, "conditions": conditions} | status,
        }
    )


@pytest.mark.parametrize(
    ("depends_on", "found", "want"),
    [
        pytest.param({"name": "db"}, release("db"), None, id="ready"),
        pytest.param({"name": "db"}, None, "unable to get 'ns/db' dependency: not found", id="not there"),
        pytest.param(
            {"name": "db", "namespace": "other"}, None, "unable to get 'other/db' dependency: not found", id="elsewhere"
        ),
        pytest.param({"name": "db"}, release("db", ready="False"), "dependency 'ns/db' is not ready", id="not ready"),
        pytest.param(
            {"name": "db"},
            release("db", observedGeneration=1),
            "dependency 'ns/db' is not ready",
            id="ready for an old spec",
        ),
        pytest.param(
            {"name": "db", "readyExpr": "dep.status.observedGeneration == 1"},
            release("db", ready="False", observedGeneration=1),
            None,
            id="an expression replaces the usual rule",
        ),
        pytest.param(
            {"name": "db", "readyExpr": "dep.status.lastAttemptedRevision == self.status.lastAttemptedRevision"},
            release("db"),
            "dependency 'ns/db' is not ready according to readyExpr eval",
            id="a field that is not there is not ready",
        ),
    ],
)
def test_check(depends_on, found, want):
    who = release(depends_on=[depends_on])
    if want is None:
        dependencies.check(who, lambda _key: found)
        return
    with pytest.raises(Waiting, match=f"^{want}$") as waits:
        dependencies.check(who, lambda _key: found)
    assert waits.value.reason == "DependencyNotReady"


def test_a_broken_expression_is_terminal():
    who = release(depends_on=[{"name": "gone"}, {"name": "db", "readyExpr": "dep."}])
    with pytest.raises(Stalled, match="configuration error: failed to parse readyExpr of dependency 'db'") as stop:
        dependencies.check(who, lambda _key: None)
    assert stop.value.reason == "InvalidCELExpression"


def test_who_brings_back_whom():
    who = release(depends_on=[{"name": "db"}, {"name": "mq", "readyExpr": "true"}])
    assert [key.name for key in dependencies.keys_of(who)] == ["db"]
    assert [key.name for key in dependencies.keys_by_expression(who)] == ["mq"]
    assert dependencies.became_ready(release(ready="False"), release())
    assert not dependencies.became_ready(release(), release())
    assert dependencies.changed(release(), release(failures=1))
    assert not dependencies.changed(release(), release())


@pytest.mark.parametrize(
    ("edges", "way"),
    [
        pytest.param({"app": ["app"]}, "ns/app -> ns/app", id="on itself"),
        pytest.param({"app": ["db"], "db": ["app"]}, "ns/app -> ns/db -> ns/app", id="on each other"),
        pytest.param(
            {"app": ["ok", "db"], "ok": [], "db": ["mq"], "mq": ["ok", "app"]},
            "ns/app -> ns/db -> ns/mq -> ns/app",
            id="over others",
        ),
    ],
)
def test_a_cycle_is_named(edges, way):
    with pytest.raises(Stalled, match=f"^dependency cycle: {way}; remove one of these from spec.dependsOn$") as stop:
        dependencies.check(*_graph(edges))
    assert stop.value.reason == "DependencyCycle"


@pytest.mark.parametrize(
    "edges",
    [
        pytest.param({"app": ["db"]}, id="chain with a missing end"),
        pytest.param({"app": ["a", "b"], "a": ["db"], "b": ["db"], "db": []}, id="diamond"),
        pytest.param({"app": ["db"], "db": ["mq"], "mq": ["db"]}, id="cycle of others"),
        pytest.param({"app": ["db"], "db": [{"name": "app", "readyExpr": "true"}]}, id="an expression may leave it"),
    ],
)
def test_no_cycle(edges):
    assert dependencies.cycle(*_graph(edges)) == []


def _graph(edges):
    releases = {
        name: release(name, [one if isinstance(one, dict) else {"name": one} for one in depends_on], ready="False")
        for name, depends_on in edges.items()
    }
    return releases["app"], lambda key: releases.get(key.name)
