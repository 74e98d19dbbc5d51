"""
``dependsOn``: the releases that must be ready first, by the usual rule or by an expression of the user's. Pure.

Whoever waits is brought back by the events of what it waits for; nothing is polled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.helm import HelmRelease
from hub.api.meta import READY, Key, Resource
from hub.content.cel import BadExpression, Expression
from hub.errors import Stalled, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.api.appliers import DependsOn

TERMINAL = "Reconciliation failed terminally due to configuration error: "


def check(release: HelmRelease, find: Callable[[Key], Any]) -> None:
    """
    Look whether everything that a release depends on is ready.

    Args:
        release: Who depends.
        find: Returns the object of a key, or None.

    Raises:
        Waiting: Something is not ready yet, or not there (reason ``DependencyNotReady``).
        Stalled: An expression is none (reason ``InvalidCELExpression``), or releases wait for each other in a circle
            (reason ``DependencyCycle``).
    """
    expressions = [_expression(one) for one in release.spec.depends_on]  # a mistake in the last one counts at once
    if circle := cycle(release, find):
        way = " -> ".join(f"{key.namespace}/{key.name}" for key in circle)
        raise Stalled("DependencyCycle", f"dependency cycle: {way}; remove one of these from spec.dependsOn")
    for dependency, expression in zip(release.spec.depends_on, expressions, strict=True):
        key = _key(release, dependency)
        found, where = find(key), f"{key.namespace}/{key.name}"
        if found is None:
            raise Waiting("DependencyNotReady", f"unable to get '{where}' dependency: not found")
        if expression is None:
            if not is_ready(found):
                raise Waiting("DependencyNotReady", f"dependency '{where}' is not ready")
        elif not _holds(expression, release, found):
            raise Waiting("DependencyNotReady", f"dependency '{where}' is not ready according to readyExpr eval")


def cycle(release: HelmRelease, find: Callable[[Key], Any]) -> list[Key]:
    """
    Return the way from a release over what it depends on back to itself, both ends included; empty without one.

    An expression may hold while its object is not ready, so that a circle with one in it can be left.
    """
    came_from: dict[Key, Key] = {}
    ahead = [(release.key, key) for key in keys_of(release)]
    while ahead:
        before, key = ahead.pop()
        if key in came_from:
            continue
        came_from[key] = before
        if key == release.key:
            way = [key, before]
            while way[-1] != release.key:
                way.append(came_from[way[-1]])
            return way[::-1]
        found = find(key)
        ahead.extend((key, after) for after in keys_of(found) if found is not None)
    return []


def is_ready(release: Resource | None) -> bool:
    """Whether an object is ready for its current generation."""
    if release is None:
        return False
    ready = release.status.condition(READY)
    return (
        ready is not None
        and ready.status == "True"
        and release.status.observed_generation == release.metadata.generation
    )


def keys_of(release: Resource) -> Iterable[Key]:
    """Return the keys of what a release depends on by the usual rule."""
    if isinstance(release, HelmRelease):
        yield from (_key(release, one) for one in release.spec.depends_on if not one.ready_expr)


def keys_by_expression(release: Resource) -> Iterable[Key]:
    """Return the keys of what a release depends on by an expression: it may ask about anything in them."""
    if isinstance(release, HelmRelease):
        yield from (_key(release, one) for one in release.spec.depends_on if one.ready_expr)


def became_ready(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event concerns those that wait by the usual rule."""
    return is_ready(new) and not is_ready(old)


def changed(old: Resource | None, new: Resource | None) -> bool:
    """Whether an event concerns those that wait by an expression."""
    if old is None or new is None:
        return new is not None
    return (old.spec, old.status, old.metadata.labels) != (new.spec, new.status, new.metadata.labels)


def _key(release: HelmRelease, dependency: DependsOn) -> Key:
    return Key("HelmRelease", dependency.namespace or release.metadata.namespace, dependency.name)


def _expression(dependency: DependsOn) -> Expression | None:
    try:
        return Expression(dependency.ready_expr) if dependency.ready_expr else None
    except BadExpression as error:
        message = f"{TERMINAL}failed to parse readyExpr of dependency '{dependency.name}': {error}"
        raise Stalled("InvalidCELExpression", message) from error


def _holds(expression: Expression, release: HelmRelease, found: Resource) -> bool:
    try:
        return expression.holds({"self": release.dump(), "dep": found.dump()})
    except ValueError:  # a field that is not there yet: not ready
        return False
