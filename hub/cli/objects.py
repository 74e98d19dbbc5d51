"""Read one object, or say that it is not there in the words of the flux CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.api.meta import NAMESPACES
from hub.cli.failures import Failed, is_missing_kind
from hub.errors import Forbidden, NotFound

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
        raise Failed(f"{kind.name} object '{name}' not found in {cluster.where}") from error


async def require_namespace(cluster: Cluster) -> None:
    """
    Say so when the namespace itself is not there: asked only when nothing was found in it.

    Raises:
        Failed: It does not exist. Who may not look is told nothing.
    """
    if cluster.namespace is None:
        return
    try:
        await cluster.client.get(NAMESPACES, cluster.namespace, metadata_only=True)
    except NotFound as error:
        raise Failed(f'there is no namespace "{cluster.namespace}"; is this the right --context?') from error
    except Forbidden:
        return


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
