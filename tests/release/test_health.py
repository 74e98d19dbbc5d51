"""Health by expressions."""

import pytest

from hub.api.appliers import HealthCheckExpr
from hub.errors import Stalled
from hub.release.health import Health, compile_checks
from hub.release.manifest import ObjectRef

READY = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"


def check(**fields):
    raw = {"apiVersion": "example.com/v1", "kind": "Database", "current": READY} | fields
    (made,) = compile_checks([HealthCheckExpr.parse(raw)])
    return made


def database(*, generation=1, **status):
    return {"metadata": {"name": "db", "generation": generation}, "status": status}


def condition(type_, status):
    return {"type": type_, "status": status}


@pytest.mark.parametrize(
    ("fields", "item", "want"),
    [
        pytest.param({}, database(conditions=[condition("Ready", "True")]), Health.CURRENT, id="current"),
        pytest.param({}, database(conditions=[condition("Ready", "False")]), Health.IN_PROGRESS, id="not yet"),
        pytest.param({}, database(), Health.IN_PROGRESS, id="no status yet"),
        pytest.param(
            {},
            database(generation=2, observedGeneration=1, conditions=[condition("Ready", "True")]),
            Health.IN_PROGRESS,
            id="current for an old spec",
        ),
        pytest.param({"failed": "status.phase == 'Broken'"}, database(phase="Broken"), Health.FAILED, id="failed"),
        pytest.param(
            {"inProgress": "status.phase == 'Broken'", "failed": "status.phase == 'Broken'"},
            database(phase="Broken"),
            Health.IN_PROGRESS,
            id="in progress speaks first",
        ),
    ],
)
def test_health(fields, item, want):
    assert check(**fields).health(item) is want


def test_covers_a_kind_or_a_group():
    db = ObjectRef("example.com/v2", "Database", "ns", "db")
    other = ObjectRef("example.com/v1", "User", "ns", "u")
    assert check().covers(db)
    assert not check().covers(other)
    assert check(kind="").covers(other)


@pytest.mark.parametrize(
    ("expressions", "why"),
    [
        pytest.param(
            [{"current": "status."}], "failed to parse healthCheckExprs of example.com/v1/Database", id="broken"
        ),
        pytest.param([{"current": "true"}, {"current": "true"}], "name example.com/Database twice", id="twice"),
    ],
)
def test_mistakes_are_terminal(expressions, why):
    base = {"apiVersion": "example.com/v1", "kind": "Database"}
    with pytest.raises(Stalled, match=why) as stop:
        compile_checks([HealthCheckExpr.parse(base | one) for one in expressions])
    assert stop.value.reason == "InvalidCELExpression"
