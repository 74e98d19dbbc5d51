"""Read one object, or say that it is not there in the words of the flux CLI."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hub.cli.failures import Failed, is_missing_kind
from hub.errors import ApiError, Forbidden, NotFound

if TYPE_CHECKING:
    from hub.api.kind import Kind
    from hub.api.meta import Resource
    from hub.cli.scope import Cluster


async def read(cluster: Cluster, kind: Kind, name: str) -> dict[str, Any]:
    """
    Return an object.

    Raises:
        Failed: There is none of that name.
        NotFound: The API server does not know the kind.
    """
    try:
        return await cluster.client.get(kind.api, name, cluster.namespace)
    except NotFound as error:
        if is_missing_kind(error):
            raise
        await require_namespace(cluster)
        hint = await _elsewhere(cluster, kind, name)
        raise Failed(f"{kind.name} object '{name}' not found in {cluster.where}{hint}") from error


async def _elsewhere(cluster: Cluster, kind: Kind, name: str) -> str:
    """Return what may have been meant: a name like it, else the namespace that has it."""
    try:
        names = await names_of(cluster, kind)
        if guess := get_close_matches(name, names, 1):
            return f"; did you mean '{guess[0]}'?"
        there = (await cluster.client.list(kind.api, fields=f"metadata.name={name}", metadata_only=True)).items
    except ApiError:
        return ""
    return f"; there is one in namespace {there[0]['metadata']['namespace']}" if there else ""


async def names_of(cluster: Cluster, kind: Kind) -> list[str]:
    """Return the names of all objects of a kind in the namespace, sorted."""
    listed = await cluster.client.list(kind.api, cluster.namespace, metadata_only=True)
    return sorted(item["metadata"]["name"] for item in listed.items)


async def require_namespace(cluster: Cluster) -> None:
    """
    Say so when the namespace itself is not there: asked only when nothing was found in it.

    Raises:
        Failed: It does not exist. Who may not look is told nothing.
    """
    from hub.api.meta import NAMESPACES

    if cluster.namespace is None:
        return
    try:
        await cluster.client.get(NAMESPACES, cluster.namespace, metadata_only=True)
    except NotFound as error:
        hint = await _namespace_like(cluster) or "is this the right --context?"
        raise Failed(f'there is no namespace "{cluster.namespace}"; {hint}') from error
    except Forbidden:
        return


async def _namespace_like(cluster: Cluster) -> str:
    from hub.api.meta import NAMESPACES

    try:
        listed = await cluster.client.list(NAMESPACES, metadata_only=True)
    except ApiError:
        return ""
    guess = get_close_matches(cluster.namespace or "", [one["metadata"]["name"] for one in listed.items], 1)
    return f"did you mean '{guess[0]}'?" if guess else ""


def require_there(resource: Resource) -> None:
    """
    Refuse an object whose deletion was asked for: nothing else can be asked of it.

    Raises:
        Failed: It is being deleted.
    """
    if resource.deleted:
        what = f"{resource.KIND.name} {resource.metadata.namespace}/{resource.metadata.name}"
        keepers = ", ".join(resource.metadata.finalizers) or "nothing"
        raise Failed(f"{what} is being deleted since {resource.metadata.deletion_timestamp}, kept by {keepers}")
