"""Classification as a table: what Helm stored, what we recorded, what is desired."""

from dataclasses import replace

import pytest

from hub.api.helm import Snapshot
from hub.errors import Transient
from hub.release.hold import Hold
from hub.release.inputs import Inputs
from hub.release.plan import Status
from hub.release.state import Desired, classify
from hub.release.storage import UNLOCKED, StoredRelease

DESIRED = Desired(chart_name="hello", chart_version="1.0.0", config_digest="sha256:c", attempt="ours")
HOLD = Hold(to=1, after=2, inputs=Inputs("1.0.0", "sha256:c"))


def stored(
    status="deployed", *, version=2, digest="sha256:d", attempt="", description="", chart="1.0.0", config="sha256:c"
):
    raw = {
        "name": "r",
        "namespace": "apps",
        "version": version,
        "info": {"status": status, "description": description},
        "chart": {"metadata": {"name": "hello", "version": chart}},
    }
    return StoredRelease(raw, f"s.v{version}", "1", attempt=attempt, digest=digest, config_digest=config)


def snapshot(**fields):
    hooks = fields.pop("hooks", None)
    raw = {
        "apiVersion": "v2",
        "name": "r",
        "namespace": "apps",
        "version": 2,
        "digest": "sha256:d",
        "status": "deployed",
    }
    if hooks is not None:
        raw["testHooks"] = {str(index): {"phase": phase} for index, phase in enumerate(hooks)}
    return Snapshot.parse(raw | fields)


@pytest.mark.parametrize(
    ("found", "snapshots", "desired", "want"),
    [
        pytest.param(None, [], DESIRED, Status.ABSENT, id="nothing stored"),
        pytest.param(
            stored(), [snapshot()], replace(DESIRED, hold=HOLD), Status.ROLLBACK_DUE, id="a rollback was asked for"
        ),
        pytest.param(
            stored(version=3, description="Rollback to 1", chart="0.9.0"),
            [snapshot(version=3)],
            replace(DESIRED, hold=HOLD),
            Status.IN_SYNC,
            id="a rollback holds against another chart",
        ),
        pytest.param(
            stored(version=3, chart="0.9.0"),
            [snapshot(version=3)],
            replace(DESIRED, hold=HOLD),
            Status.OUT_OF_SYNC,
            id="a rollback that is past holds nothing",
        ),
        pytest.param(stored("pending-upgrade"), [snapshot()], DESIRED, Status.LOCKED, id="pending"),
        pytest.param(stored("uninstalled"), [], DESIRED, Status.ABSENT, id="uninstalled before we came"),
        pytest.param(stored(), [], DESIRED, Status.UNMANAGED, id="somebody else's"),
        pytest.param(stored(version=3), [snapshot()], DESIRED, Status.UNMANAGED, id="changed behind our back"),
        pytest.param(
            stored("failed", version=3, attempt="ours"),
            [snapshot()],
            DESIRED,
            Status.OUT_OF_SYNC,
            id="our own, cut short",
        ),
        pytest.param(
            stored("failed", version=3, description=UNLOCKED.format("pending-rollback")),
            [snapshot(status="failed")],
            DESIRED,
            Status.FAILED,
            id="our rollback, cut short",
        ),
        pytest.param(stored(digest="sha256:x"), [snapshot()], DESIRED, Status.UNMANAGED, id="edited revision"),
        pytest.param(
            stored(digest="sha256:x"),
            [snapshot(apiVersion="v1")],
            DESIRED,
            Status.IN_SYNC,
            id="old snapshots have no digest",
        ),
        pytest.param(stored("failed"), [snapshot()], DESIRED, Status.FAILED, id="failed"),
        pytest.param(stored("uninstalled"), [snapshot()], DESIRED, Status.ABSENT, id="uninstalled, history kept"),
        pytest.param(stored(chart="0.9.0"), [snapshot()], DESIRED, Status.OUT_OF_SYNC, id="another chart"),
        pytest.param(stored(config="sha256:o"), [snapshot()], DESIRED, Status.OUT_OF_SYNC, id="other values"),
        pytest.param(
            stored(config="sha256:merged", attempt="ours"),
            [snapshot()],
            DESIRED,
            Status.IN_SYNC,
            id="values merged with older ones for this very state",
        ),
        pytest.param(
            stored(),
            [snapshot()],
            replace(DESIRED, changed="postrenderers digest has changed"),
            Status.OUT_OF_SYNC,
            id="other",
        ),
        pytest.param(stored(), [snapshot()], DESIRED, Status.IN_SYNC, id="in sync"),
        pytest.param(stored(), [snapshot()], replace(DESIRED, test=True), Status.UNTESTED, id="never tested"),
        pytest.param(
            stored(), [snapshot(hooks=["Running"])], replace(DESIRED, test=True), Status.UNTESTED, id="tests still run"
        ),
        pytest.param(stored(), [snapshot(hooks=[])], replace(DESIRED, test=True), Status.IN_SYNC, id="no tests"),
        pytest.param(
            stored(),
            [snapshot(hooks=["Succeeded", "Failed"])],
            replace(DESIRED, test=True),
            Status.FAILED,
            id="a test failed",
        ),
        pytest.param(
            stored(),
            [snapshot(hooks=["Failed"])],
            replace(DESIRED, test=True, ignore_test_failures=True),
            Status.IN_SYNC,
            id="a test failed, who cares",
        ),
    ],
)
def test_classify(found, snapshots, desired, want):
    state = classify(found, snapshots, desired)
    assert state.status is want
    assert state.reason


def test_a_status_without_a_rule_is_an_error():
    with pytest.raises(Transient, match="unsupported release status 'uninstalling'") as error:
        classify(stored("uninstalling"), [snapshot()], DESIRED)
    assert error.value.reason == "StateError"
