"""
All clouds by the word that ``spec.provider`` has for them.

Every error is a :class:`hub.content.cloud.identity.NoToken` that says for whom, and why.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from hub.content.cloud.aws import Aws
from hub.content.cloud.azure import Azure
from hub.content.cloud.gcp import Gcp
from hub.content.cloud.identity import asking
from hub.content.oci.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.content.cloud.identity import Workload

CLOUDS = frozenset({"aws", "azure", "gcp"})


class Clouds:
    """
    One for the process: it holds tokens.

    Args:
        environ: Where the clouds' SDKs look; the environment of the process.
        clock: Seconds since the epoch.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time) -> None:
        self.aws = Aws(environ, clock)
        self.azure = Azure(environ, clock)
        self.gcp = Gcp(environ, clock)

    async def registry(
        self, provider: str, host: str, workload: Workload | None = None, proxy: str = "", *, plain: bool = False
    ) -> Credentials:
        """
        Return how to log in to a registry of a cloud.

        Args:
            provider: ``aws``, ``azure`` or ``gcp``.
            host: Of the registry; one that is not of this cloud is not logged in to.
            workload: None for the hub itself.
            proxy: URL of the proxy on the way.
            plain: The registry is spoken to without TLS.

        Raises:
            NoToken: Nobody gave one.
        """
        with asking(provider, workload):
            if provider == "aws":
                login = await self.aws.registry(host, workload, proxy)
            elif provider == "azure":
                login = await self.azure.registry(host, workload, proxy, plain=plain)
            else:
                login = await self.gcp.registry(host, workload, proxy)
        return Credentials(*login)
