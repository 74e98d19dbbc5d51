"""``Ready`` of a HelmRelease: the one function that decides it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hub.api.conditions import Conditions
    from hub.api.meta import Condition, ConditionStatus
    from hub.errors import HubError

TOLD_ELSEWHERE = frozenset({"RetriesExceeded", "MissingRollbackTarget", "ProgressingWithRetry"})
"""Reasons that say what is tried next, if anything: Stalled and Reconciling have them, Ready keeps what went wrong."""


class Ready(NamedTuple):
    """Status, reason and message of the Ready condition."""

    status: ConditionStatus
    reason: str
    message: str


def ready(conditions: Conditions, error: HubError | None, *, count_tests: bool) -> Ready | None:
    """
    Return what Ready says; None when nothing is known yet.

    A prerequisite that failed speaks first. Otherwise the newest of Remediated, TestSuccess and Released does, in that
    order within one generation; a remediated release is never ready, and its message keeps the failure it undid.
    """
    if error is not None and error.reason not in TOLD_ELSEWHERE and not _told(conditions, error):
        return Ready("False", error.reason, error.message)
    kinds = ["Remediated", "TestSuccess", "Released"] if count_tests else ["Remediated", "Released"]
    found = [condition for kind in kinds if (condition := conditions.get(kind)) is not None]
    if not found:
        return None
    newest = max(found, key=lambda condition: condition.observed_generation or 0)
    if newest.type != "Remediated":
        return Ready(newest.status, newest.reason, newest.message)
    return Ready("False", newest.reason, _with_cause(newest, conditions))


def _told(conditions: Conditions, error: HubError) -> bool:
    """Whether a condition already carries the error in full."""
    return any(
        condition.status == "False" and condition.reason == error.reason and condition.message == error.message
        for kind in ("Released", "TestSuccess", "Remediated")
        if (condition := conditions.get(kind)) is not None
    )


def _with_cause(remediated: Condition, conditions: Conditions) -> str:
    """Flux's text says only that it rolled back; people ask why, so the failure follows it."""
    for kind in ("TestSuccess", "Released"):
        cause = conditions.get(kind)
        if cause is not None and cause.status == "False" and cause.reason.endswith("Failed"):
            return f"{remediated.message}, after: {cause.message}"
    return remediated.message
