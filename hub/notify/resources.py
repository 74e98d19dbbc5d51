"""Which objects a call means. Pure. Follows Flux notification facts 21 and 22."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.content.cel import Expression
from hub.errors import NotFound, Stalled, Transient
from hub.notify import rules

if TYPE_CHECKING:
    from hub.api.meta import Resource
    from hub.api.notification import ReceivedResource, Receiver
    from hub.runtime.cache import Cache


def named(receiver: Receiver, one: ReceivedResource, cache: Cache) -> list[Resource]:
    """
    Return the objects that an entry of ``spec.resources`` names.

    Raises:
        Stalled: The hub does not take care of their kind.
        NotFound: The object is not there.
    """
    kind = rules.kind_of(one)
    if kind is None:
        what = f"{one.kind} ({one.api_version})" if one.api_version else one.kind
        raise Stalled("UnknownKind", f"the hub does not take care of {what}; it cannot have '{one.name}' looked at")
    key = rules.key_of(receiver, one)._replace(kind=kind.name)
    if one.name == rules.EVERY:
        found = (other for other in cache.all(kind) if other.metadata.namespace == key.namespace)
        return sorted((other for other in found if _has(other, one.match_labels)), key=lambda other: other.key)
    resource: Resource | None = cache.get(key)
    if resource is None:
        raise NotFound(404, "NotFound", f"{kind.name} '{key.namespace}/{key.name}' is not there")
    return [resource]


def passes(resource: Resource, filters: list[str], variables: dict[str, Any]) -> bool:
    """
    Whether all filters are true for an object and what the caller sent.

    Raises:
        Transient: One of them cannot be evaluated.
    """
    shown = {
        "apiVersion": resource.KIND.api.api_version,
        "kind": resource.KIND.name,
        "metadata": resource.metadata.dump(),
    }
    try:
        return all(Expression(text).holds({**variables, "res": shown}) for text in filters)
    except ValueError as error:
        raise Transient("FilterFailed", f"the filter for {resource.key} cannot be evaluated: {error}") from error


def _has(resource: Resource, labels: dict[str, str]) -> bool:
    return all(resource.metadata.labels.get(name) == value for name, value in labels.items())
