"""Read one object, or say that it is not there in the words of the flux CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.cli.failures import Failed, is_missing_kind
from hub.errors import NotFound

if TYPE_CHECKING:
    from hub.api.kind import Kind
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
        raise Failed(f"{kind.name} object '{name}' not found in {cluster.where}") from error
