"""
The sentences of conditions and events about a release, exactly as Flux words them. Pure.

``revision`` is ``<namespace>/<release>.v<N>``, ``chart`` is ``<chart>@<version>``.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.release.plan import Action


class Words(NamedTuple):
    """Reason and message of a condition."""

    reason: str
    message: str


def succeeded(action: Action, revision: str, chart: str) -> Words:
    """An action did what it should."""
    match action:
        case Action.ROLLBACK:
            return Words(
                "RollbackSucceeded", f"Helm rollback to previous release {revision} with chart {chart} succeeded"
            )
        case Action.UNINSTALL:
            return Words(
                "UninstallSucceeded", f"Helm uninstall remediation for release {revision} with chart {chart} succeeded"
            )
        case _:
            return Words(
                f"{action.value.capitalize()}Succeeded",
                f"Helm {action.value} succeeded for release {revision} with chart {chart}",
            )


def failed(action: Action, revision: str, chart: str, error: str) -> Words:
    """An action failed; ``error`` is the tool's own sentence, redacted."""
    match action:
        case Action.ROLLBACK:
            return Words(
                "RollbackFailed", f"Helm rollback to previous release {revision} with chart {chart} failed: {error}"
            )
        case Action.UNINSTALL:
            return Words(
                "UninstallFailed",
                f"Helm uninstall remediation for release {revision} with chart {chart} failed: {error}",
            )
        case _:
            return Words(
                f"{action.value.capitalize()}Failed",
                f"Helm {action.value} failed for release {revision} with chart {chart}: {error}",
            )


def tested(revision: str, chart: str, hooks: int) -> Words:
    """Helm tests passed, or there were none."""
    what = f"{hooks} test hook{'' if hooks == 1 else 's'} completed successfully" if hooks else "no test hooks"
    return Words("TestSucceeded", f"Helm test succeeded for release {revision} with chart {chart}: {what}")


def awaiting_tests(revision: str, chart: str) -> Words:
    """A new revision whose tests have not run."""
    return Words("AwaitingTests", f"Helm release {revision} with chart {chart} is awaiting tests")


def uninstalled(revision: str, chart: str) -> Words:
    """The release was removed because its object was."""
    return Words("UninstallSucceeded", f"Helm uninstall succeeded for release {revision} with chart {chart}")


def not_uninstalled(revision: str, chart: str, error: str) -> Words:
    """The release could not be removed."""
    return Words("UninstallFailed", f"Helm uninstall failed for release {revision} with chart {chart}: {error}")


def not_found(revision: str) -> Words:
    """There was nothing to remove."""
    return Words("UninstallSucceeded", f"Release {revision} was not found, assuming it is uninstalled")


def unlocked(revision: str, chart: str, status: str) -> Words:
    """A revision that a dead process left pending was freed."""
    return Words("PendingRelease", f"Unlocked Helm release {revision} with chart {chart} in {status} state")


def running(action: Action, timeout: str) -> str:
    """What the Reconciling condition says while an action runs."""
    return f"Running '{action.value}' action with timeout of {timeout}"


def exhausted(action: str, attempts: int) -> str:
    """What the Stalled condition says when no retries are left."""
    return f"Failed to {action} after {attempts} attempt(s)"
