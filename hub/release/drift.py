"""
Drift: where the objects of a release are no longer as Helm left them, and how they become so again.

Each object of the stored manifest is applied server-side as a dry run, in Helm's name; what the API server would make
of it is compared with what is there. So defaults, admission and fields that others own do not count, only what Helm
said. A correction patches exactly the differences; it makes no new revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.errors import HubError, Invalid, MemberUnreachable, NotFound
from hub.release import jsondiff, manifest
from hub.release.selection import selects

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.api.appliers import IgnoreRule
    from hub.api.meta import Api
    from hub.kube.client import Client
    from hub.kube.mapper import Mapper
    from hub.members.member import Member
    from hub.release.jsondiff import Operation
    from hub.release.names import Target

MANAGER = "helm"
"""Field manager of helm's own server-side applies: differences are judged in its name."""
EXCLUDED = "helm.toolkit.fluxcd.io/driftDetection"
_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_SHOWN_FIELDS = 5


class Stamp(NamedTuple):
    """Labels and annotations that the hub puts on every object of a release."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One object that drifted; ``operations`` is None when the object is gone."""

    ref: manifest.ObjectRef
    api: Api
    desired: dict[str, Any]
    operations: tuple[Operation, ...] | None

    def __str__(self) -> str:
        """One line as Flux has it, with the first fields that differ; of Secrets only their names are shown."""
        if self.operations is None:
            return f"{self.ref} removed"
        count = {op: sum(one.op == op for one in self.operations) for op in ("add", "replace", "remove")}
        fields = [one.path.replace("/", ".").replace("~1", "/").replace("~0", "~") for one in self.operations]
        more = ", ..." if len(fields) > _SHOWN_FIELDS else ""
        return (
            f"{self.ref} changed ({count['add']} additions, {count['replace']} changes, {count['remove']} removals): "
            f"{', '.join(fields[:_SHOWN_FIELDS])}{more}"
        )


class Drift:
    """
    Finds and undoes drift of releases on one member.

    Args:
        member: Where.
        mapper: Its kinds.
        stamp: What every object got on its way.
    """

    def __init__(self, member: Member, mapper: Mapper, stamp: Stamp) -> None:
        self._member = member
        self._mapper = mapper
        self._stamp = stamp

    async def find(self, text: str, target: Target, rules: Iterable[IgnoreRule]) -> list[Change]:
        """
        Return what drifted, in the order of the manifest.

        Raises:
            HubError: The member could not be asked.
        """
        chosen = list(rules)
        changes = [await self._compare(item, target, chosen) for item in manifest.objects(text)]
        return [change for change in changes if change is not None]

    async def correct(self, changes: Iterable[Change]) -> list[str]:
        """Undo the changes; return a sentence for each that could not be undone."""
        failures = []
        for change in changes:
            try:
                await self._member.call(partial(_undo, change=change))
            except MemberUnreachable:
                raise
            except HubError as error:
                failures.append(f"{change.ref}: {error.message}")
        return failures

    async def _compare(self, item: dict[str, Any], target: Target, rules: list[IgnoreRule]) -> Change | None:
        desired = as_applied(item, target, self._stamp)
        if _is_excluded(desired):
            return None
        ref = manifest.ref(desired)
        api = await self._mapper.api(ref.api_version, ref.kind)
        if not api.namespaced:
            desired["metadata"].pop("namespace", None)
        ignored = [path for rule in rules if selects(rule.target, desired) for path in rule.paths]
        if "" in ignored:
            return None
        ref = manifest.ref(desired)
        try:
            live = await self._member.call(lambda client: client.get(api, ref.name, ref.namespace or None))
        except NotFound:
            return Change(ref, api, desired, None)
        if _is_excluded(live):
            return None
        wanted = await self._member.call(
            lambda client: client.apply(api, desired, force=True, dry_run=True, manager=MANAGER)
        )
        operations = jsondiff.diff(comparable(live), comparable(wanted), ignored)
        return Change(ref, api, desired, tuple(operations)) if operations else None


async def _undo(client: Client, *, change: Change) -> None:
    if change.operations is None:
        await client.apply(change.api, change.desired, force=True, manager=MANAGER)
        return
    patch: Any = [operation.dump() for operation in change.operations]
    try:
        await client.patch(change.api, change.ref.name, change.ref.namespace or None, patch, kind="json")
    except Invalid:
        # A list was changed meanwhile, and positions do not fit any more: applying the whole object always does.
        await client.apply(change.api, change.desired, force=True, manager=MANAGER)


def as_applied(item: dict[str, Any], target: Target, stamp: Stamp) -> dict[str, Any]:
    """Return an object as helm applies it: with its own marks, our stamp, and its namespace filled in."""
    meta = dict(item.get("metadata") or {})
    labels = {**(meta.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm", **stamp.labels}
    annotations = {
        **(meta.get("annotations") or {}),
        "meta.helm.sh/release-name": target.name,
        "meta.helm.sh/release-namespace": target.namespace,
        **stamp.annotations,
    }
    meta |= {"labels": labels, "annotations": annotations, "namespace": meta.get("namespace") or target.namespace}
    return item | {"metadata": meta}


def comparable(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its status and what the API server notes about it."""
    meta = {key: value for key, value in (item.get("metadata") or {}).items() if key not in _SERVER_FIELDS}
    return {key: value for key, value in item.items() if key != "status"} | {"metadata": meta}


def _is_excluded(item: dict[str, Any]) -> bool:
    meta = item.get("metadata") or {}
    return "disabled" in ((meta.get("labels") or {}).get(EXCLUDED), (meta.get("annotations") or {}).get(EXCLUDED))
