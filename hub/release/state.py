"""
Compare what Helm stored on the member with what is desired: the only place that looks. Pure.

The order of the questions is Flux's (its ``DetermineReleaseState``); each answer carries the reason in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hub.errors import Transient
from hub.release import history
from hub.release.plan import Status
from hub.release.storage import UNLOCKED

if TYPE_CHECKING:
    from hub.api.helm import Snapshot
    from hub.release.hold import Hold
    from hub.release.storage import StoredRelease


class State(NamedTuple):
    """Classification of a release, and why."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What the release should become.

    Attributes:
        chart_name: Name in the chart.
        chart_version: Version in the packaged chart, with its build metadata.
        config_digest: Digest of the composed values.
        attempt: Identity of this very desired state; stored revisions carry it as a release label.
        owner: UID of the object; stored revisions carry it too.
        test: Helm tests are part of being ready.
        ignore_test_failures: A failed test does not make the release a failed one.
        changed: Fields beyond chart and values that differ from what was last applied, as reasons in words.
        post_renderers_digest: Digest of ``spec.postRenderers``; empty without.
        common_metadata_digest: Digest of ``spec.commonMetadata``; empty without.
        hold: The rollback that people asked for instead of all this; None without one.
        oci_digest: Digest of the chart's artifact in a registry; empty when it is from elsewhere.
    """

    chart_name: str
    chart_version: str
    config_digest: str
    attempt: str
    owner: str = ""
    test: bool = False
    ignore_test_failures: bool = False
    changed: str = ""
    post_renderers_digest: str = ""
    common_metadata_digest: str = ""
    hold: Hold | None = None
    oci_digest: str = ""


def classify(stored: StoredRelease | None, snapshots: list[Snapshot], desired: Desired) -> State:
    """
    Return the state of the release.

    Raises:
        Transient: Helm stored a status that no rule covers (reason ``StateError``).
    """
    if stored is None:
        return State(Status.ABSENT, "no release in storage for object")
    if stored.pending:
        return State(Status.LOCKED, f"release with status '{stored.status}'")
    if desired.hold is not None and (status := desired.hold.judge(stored)) is not None:
        return State(status, f"a rollback to revision {desired.hold.to} was asked for")
    if not snapshots:
        if stored.status == "uninstalled":
            return State(Status.ABSENT, "found uninstalled release in storage")
        return State(Status.UNMANAGED, "found existing release in storage")
    latest = snapshots[0]
    if (latest.name, latest.namespace, latest.version) != (stored.name, stored.namespace, stored.version):
        return _unrecorded(stored, latest, desired)
    if latest.api_version == "v2" and latest.digest != stored.digest_with(latest.oci_digest):
        return State(Status.UNMANAGED, "release digest verification error")
    match stored.status:
        case "failed":
            return State(Status.FAILED, "release is in a failed state")
        case "uninstalled":
            return State(Status.ABSENT, "found uninstalled release in storage")
        case "deployed":
            return _deployed(stored, latest, desired)
        case other:
            raise Transient("StateError", f"Could not determine release state: unsupported release status '{other}'")


def _unrecorded(stored: StoredRelease, latest: Snapshot, desired: Desired) -> State:
    """A revision we have not recorded: either an action of ours that a kill cut short, or somebody else's."""
    if latest.status == "failed" and stored.description == UNLOCKED.format("pending-rollback"):
        return State(Status.FAILED, "the rollback was interrupted")
    if stored.attempt == desired.attempt or (stored.owner and stored.owner == desired.owner and not stored.settled):
        return State(Status.OUT_OF_SYNC, "the last attempt was interrupted")
    return State(Status.UNMANAGED, "release not observed to be made for object")


def _deployed(stored: StoredRelease, latest: Snapshot, desired: Desired) -> State:
    if (stored.chart_name, stored.chart_version) != (desired.chart_name, desired.chart_version):
        return State(Status.OUT_OF_SYNC, "release chart changed")
    # What was made for this very desired state has its values, merged with older ones under preserveValues.
    if stored.config_digest != desired.config_digest and stored.attempt != desired.attempt:
        return State(Status.OUT_OF_SYNC, "release config values changed")
    if desired.changed:
        return State(Status.OUT_OF_SYNC, desired.changed)
    if desired.test:
        if not history.was_tested(latest):
            return State(Status.UNTESTED, "release has not been tested")
        if history.has_failed_test(latest) and not desired.ignore_test_failures:
            return State(Status.FAILED, "release has test in failed phase")
    return State(Status.IN_SYNC, "release is in sync")
