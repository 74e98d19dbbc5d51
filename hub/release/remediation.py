"""
What a HelmRelease says about failures: retries, remedies, one-off requests. Pure.

Flux's rules: the last release action (install or upgrade) chooses which ``remediation`` block is active; retries are
used up when the failures of that action exceed them; upgrades remediate their last failure when they have retries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.api.meta import FORCE_AT, RESET_AT
from hub.release import history
from hub.release.plan import Action, Policy, Rollback

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease, InstallRemediation, Snapshot, Strategy


@dataclass(frozen=True, slots=True)
class Remediation:
    """One ``remediation`` block with Flux's defaults filled in; ``retries`` below zero means without end."""

    retries: int
    remediate_last: bool
    ignore_tests: bool
    remedy: Action
    retry_interval: float | None = None

    def exhausted(self, failures: int) -> bool:
        """Whether so many failures leave no retry."""
        return 0 <= self.retries < failures

    def gives_up(self, failures: int) -> bool:
        """Whether so many failures end the trying; under RetryOnFailure nothing does."""
        return not self.retry and self.exhausted(failures)

    @property
    def retry(self) -> bool:
        """Whether failures are answered by trying again instead of by undoing."""
        return self.retry_interval is not None


def of_install(release: HelmRelease) -> Remediation:
    """Return how a failed install is answered."""
    block = release.spec.install.remediation if release.spec.install else None
    return Remediation(
        retries=block.retries if block else 0,
        remediate_last=bool(block and block.remediate_last_failure),
        ignore_tests=_ignore_tests(release, block),
        remedy=Action.UNINSTALL,
        retry_interval=_retry_interval(release.spec.install.strategy if release.spec.install else None),
    )


def of_upgrade(release: HelmRelease) -> Remediation:
    """Return how a failed upgrade is answered."""
    block = release.spec.upgrade.remediation if release.spec.upgrade else None
    retries = block.retries if block else 0
    last = block.remediate_last_failure if block else None
    return Remediation(
        retries=retries,
        remediate_last=retries > 0 if last is None else last,
        ignore_tests=_ignore_tests(release, block),
        remedy=Action.UNINSTALL if block and block.strategy == "uninstall" else Action.ROLLBACK,
        retry_interval=_retry_interval(release.spec.upgrade.strategy if release.spec.upgrade else None),
    )


def active(release: HelmRelease) -> Remediation | None:
    """Return the block that the last release action chose; None before the first one."""
    match release.status.last_attempted_release_action:
        case "install":
            return of_install(release)
        case "upgrade":
            return of_upgrade(release)
        case _:
            return None


def failures(release: HelmRelease) -> int:
    """Return the failures of the last kind of release action."""
    if release.status.last_attempted_release_action == "install":
        return release.status.install_failures
    return release.status.upgrade_failures


def policy(release: HelmRelease, *, rollback_to: Rollback = Rollback.READY) -> Policy:
    """Return everything that steers the plan."""
    block = active(release)
    status = release.status
    drift = release.spec.drift_detection
    return Policy(
        forced=forced(release),
        correct_drift=bool(drift and drift.mode == "enabled"),
        install_exhausted=of_install(release).gives_up(status.install_failures),
        upgrade_exhausted=of_upgrade(release).gives_up(status.upgrade_failures),
        retry=bool(block and block.retry),
        remedy=block.remedy if block else None,
        failures=failures(release),
        remedy_exhausted=bool(block and block.exhausted(failures(release))),
        remediate_last=bool(block and block.remediate_last),
        rollback_to=rollback_to,
    )


def rollback_target(release: HelmRelease) -> Snapshot | None:
    """Return the snapshot that a rollback goes back to."""
    block = active(release)
    return history.previous(release.status.history, ignore_tests=bool(block and block.ignore_tests))


def forced(release: HelmRelease) -> bool:
    """Whether an unhandled ``forceAt`` asks for one release action, whatever the state."""
    return _pending(release, FORCE_AT, release.status.last_handled_force_at)


def reset_requested(release: HelmRelease) -> bool:
    """Whether an unhandled ``resetAt`` asks to forget the failures."""
    return _pending(release, RESET_AT, release.status.last_handled_reset_at)


def _pending(release: HelmRelease, annotation: str, handled: str) -> bool:
    """An annotation counts only together with ``requestedAt`` of the same value, and only once."""
    value = release.metadata.annotations.get(annotation, "")
    return bool(
        value and value == release.requested_at and value not in (handled, release.status.last_handled_reconcile_at)
    )


def _ignore_tests(release: HelmRelease, block: InstallRemediation | None) -> bool:
    if block and block.ignore_test_failures is not None:
        return block.ignore_test_failures
    return bool(release.spec.test and release.spec.test.ignore_failures)


def _retry_interval(strategy: Strategy | None) -> float | None:
    """Seconds between retries under RetryOnFailure (default five minutes); None under RemediateOnFailure."""
    if strategy is None or strategy.name != "RetryOnFailure":
        return None
    return strategy.retry_interval.seconds if strategy.retry_interval else 300.0
