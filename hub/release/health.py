"""
``healthCheckExprs``: health of custom kinds by expressions of the user's, waited for once helm is content.

Helm itself waits for everything else; it knows no expressions. What it stored is corrected when an object fails or does
not become healthy in time, so that remediation sees a failed release.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.content.cel import BadExpression, Expression
from hub.errors import NotFound, Stalled, ToolFailed
from hub.release.dependencies import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hub.api.appliers import HealthCheckExpr
    from hub.api.meta import Api
    from hub.kube.client import Client
    from hub.kube.mapper import Mapper
    from hub.members.member import Member
    from hub.release.manifest import ObjectRef

_POLL = 2.0  # seconds between looks


class Health(StrEnum):
    """How an object is."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Check:
    """The expressions for one kind, or for all kinds of a group."""

    group: str
    kind: str
    current: Expression
    in_progress: Expression | None
    failed: Expression | None

    def covers(self, ref: ObjectRef) -> bool:
        """Whether it speaks of an object."""
        return self.group == ref.group and self.kind in ("", ref.kind)

    def health(self, item: dict[str, Any]) -> Health:
        """Return the health of an object; one that its controller has not seen yet is in progress."""
        observed = (item.get("status") or {}).get("observedGeneration")
        if observed is not None and observed != item["metadata"].get("generation"):
            return Health.IN_PROGRESS
        for expression, verdict in (
            (self.in_progress, Health.IN_PROGRESS),
            (self.failed, Health.FAILED),
            (self.current, Health.CURRENT),
        ):
            if expression is not None and _holds(expression, item):
                return verdict
        return Health.IN_PROGRESS


def compile_checks(expressions: Iterable[HealthCheckExpr]) -> list[Check]:
    """
    Compile ``spec.healthCheckExprs``.

    Raises:
        Stalled: An expression is none, or two speak of the same kind (reason ``InvalidCELExpression``).
    """
    checks: list[Check] = []
    for one in expressions:
        group = one.api_version.rpartition("/")[0]
        if any((check.group, check.kind) == (group, one.kind) for check in checks):
            raise _invalid(f"healthCheckExprs name {group or 'core'}/{one.kind or '*'} twice")
        try:
            checks.append(
                Check(
                    group=group,
                    kind=one.kind,
                    current=Expression(one.current),
                    in_progress=Expression(one.in_progress) if one.in_progress else None,
                    failed=Expression(one.failed) if one.failed else None,
                )
            )
        except BadExpression as error:
            raise _invalid(
                f"failed to parse healthCheckExprs of {one.api_version}/{one.kind or '*'}: {error}"
            ) from error
    return checks


@dataclass(frozen=True, slots=True)
class HealthChecks:
    """The checks of one release, on its member."""

    checks: Sequence[Check]
    member: Member
    mapper: Mapper

    async def wait(self, refs: Iterable[ObjectRef], namespace: str, timeout: float) -> None:
        """
        Wait until every object that a check covers is healthy.

        Args:
            refs: Objects of the release.
            namespace: Of those that do not say.
            timeout: Seconds.

        Raises:
            ToolFailed: One has failed, or time is up; the message names it.
        """
        waiting = [(ref, check) for ref in refs if (check := _check_of(self.checks, ref)) is not None]
        deadline = asyncio.get_running_loop().time() + timeout
        while waiting:
            left = []
            for ref, check in waiting:
                match await self._look(check, ref, namespace):
                    case Health.FAILED:
                        raise ToolFailed("health check", 1, f"{ref} is not healthy: its 'failed' expression is true")
                    case Health.IN_PROGRESS:
                        left.append((ref, check))
            if left and asyncio.get_running_loop().time() > deadline:
                names = ", ".join(str(ref) for ref, _ in left)
                raise ToolFailed("health check", 1, f"timeout waiting for: [{names} status: '{Health.IN_PROGRESS}']")
            if left:
                await asyncio.sleep(_POLL)
            waiting = left

    async def _look(self, check: Check, ref: ObjectRef, namespace: str) -> Health:
        api = await self.mapper.api(ref.api_version, ref.kind)
        where = (ref.namespace or namespace) if api.namespaced else None
        try:
            return check.health(await self.member.call(partial(_get, api=api, name=ref.name, namespace=where)))
        except NotFound:
            return Health.IN_PROGRESS


async def _get(client: Client, *, api: Api, name: str, namespace: str | None) -> dict[str, Any]:
    return await client.get(api, name, namespace)


def _check_of(checks: Sequence[Check], ref: ObjectRef) -> Check | None:
    """Return the check of the kind, else that of its group."""
    covering = [check for check in checks if check.covers(ref)]
    return next((check for check in covering if check.kind), covering[0] if covering else None)


def _holds(expression: Expression, item: dict[str, Any]) -> bool:
    try:
        return expression.holds(item)
    except ValueError:  # a field that is not there yet
        return False


def _invalid(why: str) -> Stalled:
    return Stalled("InvalidCELExpression", TERMINAL + why)
