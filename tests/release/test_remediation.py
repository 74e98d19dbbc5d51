"""What specs and counters say about failures."""

import pytest

from hub.api.helm import HelmRelease
from hub.release import remediation
from hub.release.plan import Action

AT = "2026-01-01T00:00:00Z"


def release(spec=None, status=None, annotations=None):
    return HelmRelease.parse(
        {
            "metadata": {"name": "r", "namespace": "n", "annotations": annotations or {}},
            "spec": spec or {},
            "status": status or {},
        }
    )


@pytest.mark.parametrize(
    ("block", "failures", "want"),
    [
        pytest.param({}, 1, True, id="no retries by default"),
        pytest.param({"retries": 2}, 2, False, id="as many retries as failures are left to try"),
        pytest.param({"retries": 2}, 3, True, id="one failure more than retries"),
        pytest.param({"retries": -1}, 99, False, id="negative is without end"),
    ],
)
def test_exhausted(block, failures, want):
    assert remediation.of_upgrade(release({"upgrade": {"remediation": block}})).exhausted(failures) is want


@pytest.mark.parametrize(
    ("block", "want"),
    [
        pytest.param({}, False, id="not by default"),
        pytest.param({"retries": 1}, True, id="by default with retries"),
        pytest.param({"retries": 1, "remediateLastFailure": False}, False, id="unless told otherwise"),
        pytest.param({"remediateLastFailure": True}, True, id="when told so"),
    ],
)
def test_upgrades_remediate_their_last_failure(block, want):
    assert remediation.of_upgrade(release({"upgrade": {"remediation": block}})).remediate_last is want


def test_installs_never_remediate_their_last_failure_by_default():
    assert not remediation.of_install(release({"install": {"remediation": {"retries": 3}}})).remediate_last


@pytest.mark.parametrize(
    ("action", "spec", "want"),
    [
        pytest.param(None, {}, None, id="nothing was tried"),
        pytest.param("install", {}, Action.UNINSTALL, id="installs are uninstalled"),
        pytest.param("upgrade", {}, Action.ROLLBACK, id="upgrades roll back"),
        pytest.param(
            "upgrade",
            {"upgrade": {"remediation": {"strategy": "uninstall"}}},
            Action.UNINSTALL,
            id="or are uninstalled",
        ),
    ],
)
def test_remedy(action, spec, want):
    assert remediation.policy(release(spec, {"lastAttemptedReleaseAction": action})).remedy is want


@pytest.mark.parametrize(
    ("annotations", "status", "want"),
    [
        pytest.param({}, {}, False, id="not asked"),
        pytest.param({remediation.FORCE_AT: AT}, {}, False, id="not without requestedAt"),
        pytest.param({remediation.FORCE_AT: AT, "reconcile.fluxcd.io/requestedAt": AT}, {}, True, id="asked"),
        pytest.param(
            {remediation.FORCE_AT: AT, "reconcile.fluxcd.io/requestedAt": AT},
            {"lastHandledForceAt": AT},
            False,
            id="handled",
        ),
        pytest.param(
            {remediation.FORCE_AT: AT, "reconcile.fluxcd.io/requestedAt": AT},
            {"lastHandledReconcileAt": AT},
            False,
            id="the request was handled without it",
        ),
    ],
)
def test_forced(annotations, status, want):
    assert remediation.forced(release(None, status, annotations)) is want


def test_retry_strategy_never_gives_up():
    block = remediation.of_upgrade(
        release({"upgrade": {"strategy": {"name": "RetryOnFailure", "retryInterval": "30s"}}})
    )
    assert block.retry
    assert block.retry_interval == 30
    assert not block.gives_up(100)
