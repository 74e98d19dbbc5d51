"""The fleet in numbers: sources and releases by state, members by their releases, and what is worst. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.api.helm import HelmRelease
from hub.api.meta import READY
from hub.api.registry import kind_for
from hub.cli.readiness import Stage, progress
from hub.cli.releases import member_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.api.meta import Resource

WORST = 5
_LOST = "MemberUnreachable"
_STATES = {
    Stage.READY: "ready",
    Stage.WORKING: "in progress",
    Stage.UNSEEN: "in progress",
    Stage.FAILED: "failing",
    Stage.SUSPENDED: "suspended",
}
ORDER = ("ready", "in progress", "failing", "unreachable", "suspended")
"""States, as they are listed."""


@dataclass(slots=True)
class MemberState:
    """One member, by its releases."""

    name: str
    states: Counter[str] = field(default_factory=Counter)
    lost_since: str = ""

    @property
    def is_fine(self) -> bool:
        """Nothing of it needs anybody."""
        return not (self.states["failing"] or self.states["unreachable"])


@dataclass(frozen=True, slots=True)
class Trouble:
    """A release or source that is not well."""

    what: str
    since: str
    message: str
    rank: tuple[int, str]


@dataclass(slots=True)
class Fleet:
    """All of it."""

    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    members: dict[str, MemberState] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)

    @classmethod
    def of(cls, objects: Iterable[dict[str, Any]]) -> Fleet:
        """Count objects of the hub's kinds."""
        fleet = cls()
        for raw in objects:
            kind = kind_for(raw["apiVersion"], raw["kind"])
            if kind is not None:
                fleet._count(kind.model.parse(raw))
        fleet.troubles.sort(key=lambda one: (one.rank, one.what))
        return fleet

    @property
    def ordered_members(self) -> list[MemberState]:
        """Members, those in trouble first."""
        return sorted(self.members.values(), key=lambda one: (one.is_fine, one.name))

    def _count(self, resource: Resource) -> None:
        state = state_of(resource)
        self.kinds.setdefault(resource.KIND.name, Counter())[state] += 1
        ready = resource.status.condition(READY)
        since = ready.last_transition_time if ready else ""
        if isinstance(resource, HelmRelease):
            name = member_name(resource)
            member = self.members.setdefault(name, MemberState(name))
            member.states[state] += 1
            if state == "unreachable":
                member.lost_since = min(filter(None, (member.lost_since, since)), default="")
        if state in ("failing", "unreachable") and ready is not None:
            # What is not retried comes first, then the other failures, then what only waits for a lost member.
            stalled = resource.status.condition("Stalled")
            weight = 0 if stalled and stalled.status == "True" else 2 if state == "unreachable" else 1
            what = f"{resource.KIND.name}/{resource.metadata.namespace}/{resource.metadata.name}"
            self.troubles.append(Trouble(what, since, ready.message, (weight, since)))


def state_of(resource: Resource) -> str:
    """Return the state of an object, one of :data:`ORDER`."""
    ready = resource.status.condition(READY)
    if ready is not None and ready.status == "False" and ready.reason == _LOST and not resource.spec.suspend:
        return "unreachable"
    if ready is None and type(resource.status).__name__ == "Status":
        return "ready"  # a kind without conditions of its own
    return _STATES[progress(resource).stage]
