"""
What deleting a HelmRelease means for its release, by the annotation ``hubctl.io/deletion-policy``. Pure.

=================================  =====================================================================================
``Delete`` (default)               Uninstall it; wait for a member that does not answer, for as long as it takes.
``Orphan``                         Leave it on the member.
``DeleteOrOrphanAfter=<duration>``  Uninstall it; leave it there when the member could not be reached for so long.
=================================  =====================================================================================
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.api.meta import Duration, parse_time
from hub.errors import MemberUnreachable, Stalled, Transient

if TYPE_CHECKING:
    from datetime import datetime

    from hub.api.helm import HelmRelease

POLICY: Final = "hubctl.io/deletion-policy"
REASON: Final = "InvalidDeletionPolicy"

_AFTER: Final = "DeleteOrOrphanAfter="
_WAY_OUT: Final = f"; to delete the object and leave the release on its member, annotate it with {POLICY}=Orphan"


class Policy(NamedTuple):
    """Whether to uninstall, and how many seconds to wait for a member that cannot be reached; None is for ever."""

    uninstall: bool = True
    patience: float | None = None


def policy_of(release: HelmRelease) -> Policy:
    """
    Return what the annotation asks for.

    Raises:
        Stalled: It is none of the policies (reason ``InvalidDeletionPolicy``).
    """
    match release.metadata.annotations.get(POLICY, "Delete").strip():
        case "Delete":
            return Policy()
        case "Orphan":
            return Policy(uninstall=False)
        case text if text.startswith(_AFTER):
            return Policy(patience=_seconds(text))
        case text:
            raise _invalid(text)


def gives_up(release: HelmRelease, policy: Policy, now: datetime) -> bool:
    """Whether a deleted object has waited long enough for its member."""
    if policy.patience is None or not release.metadata.deletion_timestamp:
        return False
    return now >= parse_time(release.metadata.deletion_timestamp) + timedelta(seconds=policy.patience)


def with_way_out(error: Transient) -> Transient:
    """Return an error about a member that keeps a deletion waiting, with what people can do about it."""
    message = error.message + _WAY_OUT
    if isinstance(error, MemberUnreachable):
        return MemberUnreachable(error.member, message)
    return Transient(error.reason, message)


def _seconds(text: str) -> float:
    try:
        return Duration(text.removeprefix(_AFTER)).seconds
    except ValueError as error:
        raise _invalid(text) from error


def _invalid(text: str) -> Stalled:
    known = f"'Delete', 'Orphan' or '{_AFTER}1h'"
    return Stalled(REASON, f"annotation {POLICY}: '{text}' is not known; write {known}")
