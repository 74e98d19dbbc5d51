"""What the hub says about the releases, followed by a watch as it happens, and what the members really have."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.process import BenchFailed
from hub.api.helm import HelmRelease
from hub.api.meta import DEPLOYMENTS, SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from hub.kube.client import Client

_API = HelmRelease.KIND.api


@dataclass(frozen=True, slots=True)
class Seen:
    """
    One release.

    Attributes:
        revision: Helm's, of the newest in the history; 0 before the first.
        generation: Of the spec.
        settled: Ready, for that generation.
        message: Of the Ready condition.
    """

    revision: int
    generation: int
    settled: bool
    message: str


class Fleet:
    """Follows the releases of one namespace: :meth:`follow` is a task of the caller."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._seen: dict[str, Seen] = {}
        self._changed = asyncio.Condition()

    async def follow(self) -> None:
        """Watch until cancelled."""
        listed = await self._client.list(_API, self._namespace)
        for item in listed.items:
            await self._note(item)
        async for event in self._client.watch(_API, self._namespace, resource_version=listed.resource_version):
            if event.type in ("ADDED", "MODIFIED"):
                await self._note(event.object)

    def revisions(self, source: str) -> dict[str, int]:
        """Return Helm's revision of each release of a source."""
        return {name: one.revision for name, one in self._seen.items() if _source_of(name) == source}

    async def until_past(self, before: Mapping[str, int], seconds: float) -> dict[str, float]:
        """
        Wait until each release is settled at a later revision than before.

        Returns:
            When each got there, on the monotonic clock.

        Raises:
            BenchFailed: Not all did in time.
        """
        return await self._until(before, lambda name, seen: seen.revision > before[name], seconds)

    async def until_seen(self, generations: Mapping[str, int], seconds: float) -> None:
        """Wait until each release is settled at a generation of its spec; raises as :meth:`until_past`."""
        await self._until(generations, lambda name, seen: seen.generation >= generations[name], seconds)

    async def _until(
        self, names: Collection[str], is_there: Callable[[str, Seen], bool], seconds: float
    ) -> dict[str, float]:
        moments: dict[str, float] = {}
        try:
            async with asyncio.timeout(seconds), self._changed:
                while True:
                    now = time.monotonic()
                    for name in set(names) - set(moments):
                        seen = self._seen.get(name)
                        if seen is not None and seen.settled and is_there(name, seen):
                            moments[name] = now
                    if len(moments) == len(names):
                        return moments
                    await self._changed.wait()
        except TimeoutError:
            raise BenchFailed(self._complaint(set(names) - set(moments), seconds)) from None

    def _complaint(self, missing: Collection[str], seconds: float) -> str:
        name = min(missing)
        said = self._seen[name].message if name in self._seen else "nothing"
        return f"after {seconds:g} s {len(missing)} releases are not there yet; {name} says: {said}"

    async def _note(self, raw: dict[str, Any]) -> None:
        async with self._changed:
            self._seen[raw["metadata"]["name"]] = _seen(raw)
            self._changed.notify_all()


def _seen(raw: dict[str, Any]) -> Seen:
    # Read from the raw object: parsing it into a model would take CPU time from the hub that is measured.
    status = raw.get("status", {})
    ready: dict[str, Any] = next((one for one in status.get("conditions", ()) if one["type"] == "Ready"), {})
    history = status.get("history") or [{}]
    generation = int(raw["metadata"]["generation"])
    settled = ready.get("status") == "True" and status.get("observedGeneration") == generation
    return Seen(int(history[0].get("version", 0)), generation, settled, str(ready.get("message", "")))


def _source_of(release: str) -> str:
    return release.rpartition("-")[0]


async def stamps(member: Client, namespace: str, source: str) -> set[str]:
    """Return what the Deployments of a source's releases on a member are stamped with."""
    listed = await member.list(DEPLOYMENTS, namespace)
    templates = [
        one["spec"]["template"]["metadata"]
        for one in listed.items
        if _source_of(one["metadata"]["labels"]["app.kubernetes.io/instance"]) == source
    ]
    return {str(metadata.get("annotations", {}).get("stamp", "")) for metadata in templates}


async def records(member: Client, namespace: str) -> dict[str, str]:
    """Return the version of each of Helm's records on a member: any run of helm that does something changes one."""
    listed = await member.list(SECRETS, namespace, labels="owner=helm", metadata_only=True)
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in listed.items}
