"""
A rollback that somebody asked for, and for how long it holds. Pure.

``hubctl rollback`` writes the annotation :data:`hub.api.helm.ROLLBACK`: the revision to go back to, the newest one at
that time, and what was desired then. The rollback holds while all of that is as it was: a new chart, other values,
post-renderers or common metadata end it, and so does any revision that is not the rollback (a force, for one).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.api.helm import ROLLBACK
from hub.errors import Stalled
from hub.release.inputs import Inputs
from hub.release.plan import Status

if TYPE_CHECKING:
    from hub.api.helm import HelmRelease
    from hub.release.storage import StoredRelease

_FAILED = (
    'Rollback "',
    'Release "',
)  # how helm begins its verdict on a rollback that failed, or was waited for in vain
_INTERRUPTED = "Release unlocked from stale 'pending-rollback' state"


@dataclass(frozen=True, slots=True)
class Hold:
    """
    A rollback on request.

    Attributes:
        to: Revision to go back to.
        after: The newest revision when it was asked for.
        inputs: What was desired then.
    """

    to: int
    after: int
    inputs: Inputs

    def judge(self, stored: StoredRelease) -> Status | None:
        """Return the state of the release under this request; None when the request is past."""
        tries = stored.version - self.after
        if tries == 0:
            return Status.ROLLBACK_DUE
        if tries > 0 and stored.is_rollback_to(self.to):
            return Status.IN_SYNC
        if tries not in (1, 2) or stored.status != "failed":
            return None
        if stored.description == _INTERRUPTED:  # by a kill, or by a hook that failed: the second time is one too many
            return Status.ROLLBACK_DUE if tries == 1 else Status.ROLLBACK_FAILED
        return Status.ROLLBACK_FAILED if stored.description.startswith(_FAILED) else None

    def dump(self) -> str:
        """Return the value of the annotation."""
        return json.dumps({"to": self.to, "after": self.after, "while": self.inputs._asdict()}, separators=(",", ":"))


def requested(release: HelmRelease, inputs: Inputs) -> Hold | None:
    """
    Return the rollback that is asked for as long as ``inputs`` are desired; None without one, or after a change.

    Raises:
        Stalled: The annotation cannot be read.
    """
    text = release.metadata.annotations.get(ROLLBACK, "")
    if not text:
        return None
    hold = parse(text)
    return hold if hold.inputs == inputs else None


def parse(text: str) -> Hold:
    """
    Read the annotation.

    Raises:
        Stalled: It is not what ``hubctl rollback`` writes.
    """
    try:
        raw: Any = json.loads(text)
        inputs = Inputs(**{str(key): str(value) for key, value in raw["while"].items()})
        return Hold(int(raw["to"]), int(raw["after"]), inputs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"annotation {ROLLBACK} is not what 'hubctl rollback' writes; remove it, or run that again"
        raise Stalled("InvalidRollback", message) from error
