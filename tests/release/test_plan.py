"""The plan as a table: every state, and every way a failure goes on."""

from contextlib import suppress

import pytest

from hub.errors import Stalled
from hub.release.plan import Action, Policy, Rollback, Status, next_action

ROLLBACK = {"remedy": Action.ROLLBACK, "failures": 1}


@pytest.mark.parametrize(
    ("status", "policy", "want"),
    [
        pytest.param(Status.IN_SYNC, Policy(), None, id="in sync settles"),
        pytest.param(Status.IN_SYNC, Policy(forced=True), Action.UPGRADE, id="a force upgrades what is in sync"),
        pytest.param(Status.LOCKED, Policy(), Action.UNLOCK, id="a pending release is unlocked first"),
        pytest.param(Status.ABSENT, Policy(), Action.INSTALL, id="absent installs"),
        pytest.param(
            Status.ABSENT,
            Policy(install_exhausted=True, forced=True),
            Action.INSTALL,
            id="a force installs without retries",
        ),
        pytest.param(Status.UNMANAGED, Policy(upgrade_exhausted=True), Action.UPGRADE, id="unmanaged is adopted"),
        pytest.param(Status.OUT_OF_SYNC, Policy(), Action.UPGRADE, id="out of sync upgrades"),
        pytest.param(
            Status.OUT_OF_SYNC, Policy(upgrade_exhausted=True, forced=True), Action.UPGRADE, id="a force upgrades again"
        ),
        pytest.param(Status.DRIFTED, Policy(), None, id="drift is only told"),
        pytest.param(Status.DRIFTED, Policy(correct_drift=True), Action.CORRECT, id="drift is corrected when asked"),
        pytest.param(Status.UNTESTED, Policy(), Action.TEST, id="untested tests"),
        pytest.param(Status.ROLLBACK_DUE, Policy(), Action.REVERT, id="people asked to go back"),
        pytest.param(Status.ROLLBACK_DUE, Policy(forced=True), Action.UPGRADE, id="a force is newer than going back"),
        pytest.param(Status.ROLLBACK_FAILED, Policy(forced=True), Action.UPGRADE, id="a force gives up going back"),
        pytest.param(Status.FAILED, Policy(), Action.UPGRADE, id="a failure without a remedy upgrades"),
        pytest.param(Status.FAILED, Policy(retry=True, **ROLLBACK), Action.UPGRADE, id="the retry strategy upgrades"),
        pytest.param(
            Status.FAILED,
            Policy(remedy=Action.ROLLBACK),
            Action.UPGRADE,
            id="a failure of another desired state upgrades",
        ),
        pytest.param(
            Status.FAILED, Policy(forced=True, **ROLLBACK), Action.UPGRADE, id="a force upgrades a failed one"
        ),
        pytest.param(Status.FAILED, Policy(**ROLLBACK), Action.ROLLBACK, id="a failed upgrade rolls back"),
        pytest.param(
            Status.FAILED,
            Policy(remedy=Action.UNINSTALL, failures=1),
            Action.UNINSTALL,
            id="a failed install is uninstalled",
        ),
        pytest.param(
            Status.FAILED,
            Policy(remedy_exhausted=True, remediate_last=True, **ROLLBACK),
            Action.ROLLBACK,
            id="the last failure is remediated when asked",
        ),
        pytest.param(
            Status.FAILED,
            Policy(rollback_to=Rollback.CHANGED, **ROLLBACK),
            Action.UPGRADE,
            id="an edited rollback target upgrades instead",
        ),
    ],
)
def test_next_action(status, policy, want):
    assert next_action(status, policy) == want


@pytest.mark.parametrize(
    ("status", "policy", "reason"),
    [
        pytest.param(Status.ABSENT, Policy(install_exhausted=True), "RetriesExceeded", id="no install retries left"),
        pytest.param(
            Status.OUT_OF_SYNC, Policy(upgrade_exhausted=True), "RetriesExceeded", id="no upgrade retries left"
        ),
        pytest.param(
            Status.FAILED, Policy(remedy_exhausted=True, **ROLLBACK), "RetriesExceeded", id="the last failure stays"
        ),
        pytest.param(
            Status.FAILED,
            Policy(rollback_to=Rollback.MISSING, **ROLLBACK),
            "MissingRollbackTarget",
            id="nothing to roll back to",
        ),
        pytest.param(Status.ROLLBACK_FAILED, Policy(), "RollbackFailed", id="going back is tried once"),
    ],
)
def test_next_action_gives_up(status, policy, reason):
    with pytest.raises(Stalled) as stop:
        next_action(status, policy)
    assert stop.value.reason == reason


@pytest.mark.parametrize("status", list(Status))
def test_every_state_has_an_answer(status):
    """A new state without a rule would raise AssertionError here."""
    with suppress(Stalled):
        next_action(status, Policy())
