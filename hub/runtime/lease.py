"""
Leases of our own, read and written; :mod:`hub.runtime.leader` decides what for.

A replica holds a Lease from the moment before it sent the write that the API server accepted. It works until
``renew_deadline`` after that moment and then ends what runs; others take the Lease over ``duration`` after they last
saw it change. Between the two is the time that helm has to be gone. Clocks of different machines are never compared.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hub.api.meta import LEASES
from hub.errors import Conflict, NotFound
from hub.runtime.shard import Record, lease_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.kube.client import Client

LEASE = "hub-leader"
GROUP_LABEL = "hubctl.io/election"
_ADDRESS = "hubctl.io/address"
_WANTED = "hubctl.io/wanted-by"


def boottime() -> float:
    """Return seconds on a clock that goes on while the machine sleeps: what slept for long has lost its Lease."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True)
class Timing:
    """
    The times of an election, in seconds.

    Attributes:
        duration: Others take a Lease over that has not changed for so long.
    """

    duration: float = 10.0

    @property
    def renew_deadline(self) -> float:
        """Who could not renew for so long stops working; the rest of ``duration`` is for helm to end."""
        return 0.6 * self.duration

    @property
    def retry(self) -> float:
        """Pause between two looks."""
        return 0.15 * self.duration


class Leases:
    """
    The Leases of one election on the API server.

    Args:
        client: Speaks to the host cluster.
        namespace: Of the Leases.
        group: Value of the label that they share: replicas with other objects to care for have another group.
        me: Our identity; no two processes have the same.
        count: Number of shards.
        timing: See :class:`Timing`.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        group: str,
        me: str,
        *,
        count: int = 1,
        timing: Timing | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self.me = me
        self.count = count
        self.names = lease_names(group, count)
        self.timing = timing or Timing()
        self.clock = clock
        self.address = ""
        self.records: dict[str, Record] = {}
        self._client = client
        self._namespace = namespace
        self._group = group
        self._raw: dict[str, dict[str, Any]] = {}
        self._renewals: dict[str, tuple[str, str | None]] = {}

    async def look(self) -> None:
        """Read all Leases of the group. Raises ``HubError``."""
        listed = await self._client.list(LEASES, self._namespace, labels=f"{GROUP_LABEL}={self._group}")
        gone = self.records.keys() - {raw["metadata"]["name"] for raw in listed.items}
        for name in gone:
            del self.records[name], self._raw[name], self._renewals[name]
        for raw in listed.items:
            self._remember(raw)

    async def hold(self, name: str, *, still_wanted: bool = False) -> bool:
        """
        Take or renew a Lease; False when somebody was faster. Raises ``HubError``.

        With ``still_wanted`` the wish of whoever asked for it stays on it.
        """
        record = self.records.get(name)
        return await self._write(name, holder=self.me, wanted=record.wanted if record and still_wanted else "")

    async def give_back(self, name: str) -> None:
        """Let others have a Lease at once; one that asked for it comes first. Raises ``HubError``."""
        record = self.records.get(name)
        if record is not None and record.holder == self.me:
            await self._write(name, holder="", wanted=record.wanted)

    async def ask_for(self, name: str) -> None:
        """Tell the holder of a Lease that we want it. Raises ``HubError``."""
        await self._write(name, holder=None, wanted=self.me)

    async def _write(self, name: str, *, holder: str | None, wanted: str) -> bool:
        raw = self._raw.get(name)
        try:
            if raw is None:  # NotFound means that there is no such namespace: whoever runs the hub has to know
                answer = await self._client.create(LEASES, self._changed(self._new(name), holder, wanted))
            else:
                answer = await self._replaced(self._changed(raw, holder, wanted))
        except Conflict:
            return False  # the next look tells who was faster
        self._remember(answer)
        return True

    async def _replaced(self, lease: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._client.replace(LEASES, lease)
        except NotFound as error:
            raise Conflict(409, error.reason, error.message) from error  # somebody deleted it

    def _new(self, name: str) -> dict[str, Any]:
        meta = {"name": name, "namespace": self._namespace, "labels": {GROUP_LABEL: self._group}}
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta}

    def _changed(self, raw: dict[str, Any], holder: str | None, wanted: str) -> dict[str, Any]:
        meta, spec = dict(raw["metadata"]), dict(raw.get("spec") or {})
        notes = dict(meta.get("annotations") or {})
        notes.pop(_WANTED, None)
        if wanted:
            notes[_WANTED] = wanted
        if holder is not None:
            now = datetime.now(tz=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            if holder and spec.get("holderIdentity") != holder:
                spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
                spec["acquireTime"] = now
            spec |= {"holderIdentity": holder, "renewTime": now}
            spec["leaseDurationSeconds"] = max(1, round(self.timing.duration))
            notes[_ADDRESS] = self.address if holder else ""
        meta["annotations"] = notes
        return {**raw, "metadata": meta, "spec": spec}

    def _remember(self, raw: dict[str, Any]) -> None:
        meta, spec = raw["metadata"], raw.get("spec") or {}
        name, notes = meta["name"], meta.get("annotations") or {}
        holder = str(spec.get("holderIdentity") or "")
        renewal = (holder, spec.get("renewTime"))
        seen = self.records[name].seen if self._renewals.get(name) == renewal else self.clock()
        self._raw[name], self._renewals[name] = raw, renewal
        self.records[name] = Record(
            name=name,
            holder=holder,
            duration=float(spec.get("leaseDurationSeconds") or self.timing.duration),
            seen=seen,
            address=str(notes.get(_ADDRESS) or ""),
            wanted=str(notes.get(_WANTED) or ""),
        )
