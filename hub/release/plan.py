"""
Decide the next helm action for one release. Pure: no I/O, no clock, no logging.

Every branch below is one row in ``tests/release/test_plan.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from hub.errors import Stalled


class Status(StrEnum):
    """What Helm's storage on the member says, compared with the desired chart and values."""

    ABSENT = "Absent"
    LOCKED = "Locked"
    UNMANAGED = "Unmanaged"
    OUT_OF_SYNC = "OutOfSync"
    DRIFTED = "Drifted"
    UNTESTED = "Untested"
    FAILED = "Failed"
    ROLLBACK_DUE = "RollbackDue"
    ROLLBACK_FAILED = "RollbackFailed"
    IN_SYNC = "InSync"


class Action(StrEnum):
    """One thing to do to a release; the words are those of the Reconciling condition."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    TEST = "test"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"
    UNLOCK = "unlock"
    CORRECT = "correct cluster drift"
    REVERT = "rollback on request"

    @property
    def kind(self) -> str:
        """The type of the action; each type happens at most once in a reconcile."""
        match self:
            case Action.INSTALL | Action.UPGRADE:
                return "release"
            case Action.ROLLBACK | Action.UNINSTALL:
                return "remediate"
            case Action.REVERT:
                return "revert"
            case _:
                return self.value


class Rollback(StrEnum):
    """Whether the revision that a rollback would return to can still be trusted."""

    READY = "ready"
    MISSING = "missing"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Policy:
    """The parts of a HelmRelease that steer the plan, read once from spec and status.

    Attributes:
        forced: Someone asked for one release action whatever the state (``forceAt``).
        correct_drift: Drift is to be undone, not only reported.
        install_exhausted: No retries are left for installing.
        upgrade_exhausted: No retries are left for upgrading.
        retry: The strategy is to try again instead of remediating.
        remedy: What undoes the last release action; None before the first one.
        failures: How often the last kind of release action failed for the desired state.
        remedy_exhausted: No retries are left for the last kind of release action.
        remediate_last: The last failure is remediated too.
        rollback_to: State of the revision that a rollback would return to.
    """

    forced: bool = False
    correct_drift: bool = False
    install_exhausted: bool = False
    upgrade_exhausted: bool = False
    retry: bool = False
    remedy: Action | None = None
    failures: int = 0
    remedy_exhausted: bool = False
    remediate_last: bool = False
    rollback_to: Rollback = Rollback.READY


def next_action(status: Status, policy: Policy) -> Action | None:
    """
    Return the next action, or None when the release has settled.

    Raises:
        Stalled: Retries are used up, or there is nothing to roll back to.
    """
    match status:
        case Status.IN_SYNC:
            return Action.UPGRADE if policy.forced else None
        case Status.LOCKED:
            return Action.UNLOCK
        case Status.ABSENT:
            _require_retries(policy, "install", exhausted=policy.install_exhausted)
            return Action.INSTALL
        case Status.UNMANAGED:
            return Action.UPGRADE
        case Status.OUT_OF_SYNC:
            _require_retries(policy, "upgrade", exhausted=policy.upgrade_exhausted)
            return Action.UPGRADE
        case Status.DRIFTED:
            return Action.CORRECT if policy.correct_drift else None
        case Status.UNTESTED:
            return Action.TEST
        case Status.FAILED:
            return _after_failure(policy)
        case Status.ROLLBACK_DUE:
            return Action.UPGRADE if policy.forced else Action.REVERT
        case Status.ROLLBACK_FAILED:
            if policy.forced:
                return Action.UPGRADE
            # Not again by itself: each try would cost a revision of Helm's history, in the end the one to go back to.
            raise Stalled("RollbackFailed", "the rollback that was asked for failed")
        case _:
            assert_never(status)


def _after_failure(policy: Policy) -> Action:
    if policy.retry or policy.remedy is None or policy.failures <= 0 or policy.forced:
        return Action.UPGRADE
    if policy.remedy_exhausted and not policy.remediate_last:
        raise Stalled("RetriesExceeded", "cannot remediate failed release")
    if policy.remedy is Action.ROLLBACK:
        if policy.rollback_to is Rollback.MISSING:
            raise Stalled("MissingRollbackTarget", "missing target release for rollback")
        if policy.rollback_to is Rollback.CHANGED:
            return Action.UPGRADE
    return policy.remedy


def _require_retries(policy: Policy, verb: str, *, exhausted: bool) -> None:
    if exhausted and not policy.forced:
        raise Stalled("RetriesExceeded", f"cannot {verb} release")
