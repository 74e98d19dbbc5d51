"""
The sentences of conditions and events about a release, exactly as Flux words them. Pure.

``revision`` is ``<namespace>/<release>.v<N>``, ``chart`` is ``<chart>@<version>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.release.plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


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


def reverted(revision: str, to: int, chart: str) -> Words:
    """A rollback that people asked for is done, and holds."""
    return Words(
        "RollbackSucceeded",
        f"Helm rollback on request succeeded: release {revision} is revision {to} with chart {chart} again, "
        "and stays so until chart, values or spec change",
    )


def not_reverted(revision: str, to: int, error: str) -> Words:
    """A rollback that people asked for failed."""
    return Words(
        "RollbackFailed",
        f"Helm rollback on request of release {revision} to revision {to} failed: {error}; "
        "it is tried again by another 'hubctl rollback', and given up by a change or 'hubctl reconcile hr --force'",
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


def orphaned(revision: str, why: str) -> Words:
    """The object goes, its release stays where it is."""
    return Words("ReleaseOrphaned", f"Helm release {revision} was left on its member: {why}")


def idle_patches(patches: Iterable[str]) -> Words:
    """Patches of post-renderers whose target is in no manifest."""
    return Words(
        "TargetNotFound",
        f"{', '.join(patches)} selects none of the rendered objects, and changes nothing; correct or remove the target",
    )


def taken(release: str, rival: str) -> Words:
    """Two objects want the same release: whoever made it keeps it, instead of both for ever undoing each other."""
    return Words(
        "ReleaseConflict",
        f"release {release} belongs to HelmRelease '{rival}': give one of the two another spec.releaseName or "
        "spec.targetNamespace, or delete one",
    )


def unlocked(revision: str, chart: str, status: str) -> Words:
    """A revision that a dead process left pending was freed."""
    return Words("PendingRelease", f"Unlocked Helm release {revision} with chart {chart} in {status} state")


def drifted(revision: str, changes: Iterable[object]) -> Words:
    """Objects are not as Helm left them; one line for each."""
    lines = "\n".join(str(change) for change in changes)
    return Words("DriftDetected", f"Cluster state of release {revision} has drifted from the desired state:\n{lines}")


def not_drifted() -> Words:
    """Everything is as Helm left it."""
    return Words("NoDriftDetected", "No drift detected against the cluster state")


def corrected(revision: str, changes: Iterable[object]) -> Words:
    """The drift was undone."""
    lines = "\n".join(str(change) for change in changes)
    return Words("DriftCorrected", f"Cluster state of release {revision} has been corrected:\n{lines}")


def not_corrected(revision: str, failures: Iterable[str], *, partially: bool) -> Words:
    """The drift, or part of it, could not be undone."""
    lines = "\n".join(failures)
    how = "partially " if partially else ""
    return Words("DriftCorrectionFailed", f"Failed to {how}correct cluster state of release {revision}:\n{lines}")


def superseded(newer: str) -> Words:
    """A run that only waited for the old revision to become ready was stopped for a newer one."""
    return Words("HealthCheckCanceled", f"New reconciliation triggered by {newer}")


def with_log(words: Words, log: Sequence[str]) -> Words:
    """What an event says of a failure: the condition's message, and what helm logged before it."""
    lines = "\n".join(log)
    return words._replace(message=f"{words.message}\n\nLast Helm logs:\n\n{lines}") if log else words


def running(action: Action, timeout: str) -> str:
    """What the Reconciling condition says while an action runs."""
    return f"Running '{action.value}' action with timeout of {timeout}"


def exhausted(action: str, attempts: int) -> str:
    """What the Stalled condition says when no retries are left."""
    return f"Failed to {action} after {attempts} attempt(s)"
