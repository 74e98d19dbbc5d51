"""Install the hub's kinds on a cluster: the generated files of ``crds/``."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import yaml

from hub.api.kind import Api
from hub.dev.cluster import ClusterFailed
from hub.dev.resources import resource

if TYPE_CHECKING:
    from hub.dev.progress import Progress
    from hub.kube.client import Client

_CRDS = Api("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
_DEADLINE = 30.0  # seconds until an API server serves a new kind
_POLL = 0.05


async def install_crds(client: Client, progress: Progress) -> None:
    """
    Apply every definition and wait until it is served.

    Raises:
        ClusterFailed: The API server does not serve one in time.
    """
    definitions = [yaml.safe_load(path.read_text()) for path in sorted(resource("crds").glob("*.yaml"))]
    await asyncio.gather(*(client.apply(_CRDS, definition) for definition in definitions))
    wanted = {definition["metadata"]["name"] for definition in definitions}
    deadline = time.monotonic() + _DEADLINE
    while missing := wanted - await _served(client):
        if time.monotonic() > deadline:
            raise ClusterFailed(f"{client.name}: the API server does not serve {', '.join(sorted(missing))}")
        await asyncio.sleep(_POLL)
    if wanted:
        progress.done(f"{client.name}: {len(wanted)} kinds installed")


async def _served(client: Client) -> set[str]:
    return {
        one["metadata"]["name"]
        for one in (await client.list(_CRDS)).items
        for condition in one.get("status", {}).get("conditions") or ()
        if condition["type"] == "Established" and condition["status"] == "True"
    }
