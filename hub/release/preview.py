"""
What an install or upgrade would do to the objects of a member, before it happens.

Each object of the new manifest is applied as a dry run, as helm would apply it; what the API server makes of it is
compared with what is there. So defaults, admission and other people's fields are as they will be, and an object that
the member refuses is known now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hub.errors import ApiError, NotFound
from hub.release import manifest
from hub.release.drift import MANAGER, as_applied, comparable
from hub.release.jsondiff import Operation, diff

if TYPE_CHECKING:
    from hub.kube.mapper import Mapper
    from hub.members.member import Member
    from hub.release.drift import Stamp
    from hub.release.names import Target

_KEEP = "helm.sh/resource-policy"

Verb = Literal["created", "changed", "deleted", "refused"]


@dataclass(frozen=True, slots=True)
class Effect:
    """
    What happens to one object.

    Attributes:
        before: The object as it is, without status; None when it is not there.
        operations: What changes in it, for ``changed``.
        problem: Why the member refuses it.
    """

    ref: manifest.ObjectRef
    verb: Verb
    before: dict[str, Any] | None = None
    operations: tuple[Operation, ...] = ()
    problem: str = ""


class Preview:
    """
    Finds out what a manifest would change.

    Args:
        member: Where.
        mapper: Its kinds.
        target: The release.
        stamp: What every object gets on its way.
    """

    def __init__(self, member: Member, mapper: Mapper, target: Target, stamp: Stamp) -> None:
        self._member = member
        self._mapper = mapper
        self._target = target
        self._stamp = stamp

    async def of(self, new: str, old: str) -> list[Effect]:
        """
        Return the effects of going from one manifest to another, in the order of the new one.

        Raises:
            HubError: The member could not be asked.
        """
        wanted = manifest.objects(new)
        effects = [await self._of_object(item) for item in wanted]
        kept = {self._identity(item) for item in wanted}
        gone = [item for item in manifest.objects(old) if self._identity(item) not in kept and not _stays(item)]
        effects += [Effect(self._ref(item), "deleted") for item in gone]
        return [effect for effect in effects if effect is not None]

    async def _of_object(self, item: dict[str, Any]) -> Effect | None:
        desired = as_applied(item, self._target, self._stamp)
        ref = manifest.ref(desired)
        try:
            api = await self._mapper.api(ref.api_version, ref.kind)
        except NotFound as error:
            return Effect(ref, "refused", problem=error.message)
        if not api.namespaced:
            desired["metadata"].pop("namespace", None)
            ref = manifest.ref(desired)
        try:
            live = await self._member.call(lambda client: client.get(api, ref.name, ref.namespace or None))
        except NotFound:
            live = None
        try:
            applied = await self._member.call(
                lambda client: client.apply(api, desired, force=True, dry_run=True, manager=MANAGER)
            )
        except NotFound:
            return Effect(ref, "created")  # its namespace comes with it, so nothing can be tried there yet
        except ApiError as error:
            return Effect(ref, "refused", problem=error.message)
        if live is None:
            return Effect(ref, "created")
        operations = diff(comparable(live), comparable(applied))
        return Effect(ref, "changed", comparable(live), tuple(operations)) if operations else None

    def _ref(self, item: dict[str, Any]) -> manifest.ObjectRef:
        ref = manifest.ref(item)
        return ref._replace(namespace=ref.namespace or self._target.namespace)

    def _identity(self, item: dict[str, Any]) -> tuple[str, str, str, str]:
        ref = self._ref(item)
        return ref.group, ref.kind, ref.namespace, ref.name


def _stays(item: dict[str, Any]) -> bool:
    """Whether a chart asked helm to leave an object behind."""
    return ((item.get("metadata") or {}).get("annotations") or {}).get(_KEEP) == "keep"
