"""
The hub's artifacts from where we are: addresses of Services are reached through the API server, which anybody with a
kubeconfig can reach; all others as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from hub.kube.client import Client

_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.[a-z0-9.-]+?)?\.?")
_TIMEOUT = 120.0


def proxied(url: str) -> str | None:
    """Return the path by which the API server passes a request on to a Service; None when the host is none."""
    parts = urlsplit(url)
    found = _SERVICE.fullmatch(parts.hostname or "")
    if found is None:
        return None
    port = f":{parts.port}" if parts.port else ""
    scheme = f"{parts.scheme}:" if parts.scheme == "https" else ""
    service = f"{scheme}{found['name']}{port}" if port or not scheme else f"{scheme}{found['name']}:"
    query = f"?{parts.query}" if parts.query else ""
    return f"/api/v1/namespaces/{found['namespace']}/services/{service}/proxy{parts.path}{query}"


class Detour:
    """
    An HTTP session, of which only GET is used, that knows the way into the cluster.

    Args:
        client: The API server.
        session: For everything else.
        base_url: Where the artifacts are served, when not where their addresses say.
    """

    def __init__(self, client: Client, session: aiohttp.ClientSession, base_url: str = "") -> None:
        self._client = client
        self._session = session
        self._base_url = base_url.rstrip("/")

    def get(self, url: str, **options: Any) -> Any:
        """Return the answer of a server as a context manager, as aiohttp does."""
        if self._base_url:
            return self._session.get(f"{self._base_url}{urlsplit(url).path}", **options)
        path = proxied(url)
        if path is None:
            return self._session.get(url, **options)
        return self._client.raw("GET", path, headers={}, timeout=_TIMEOUT)


def detour(client: Client) -> Callable[[aiohttp.ClientSession], Any]:
    """Return what puts the detour around a session."""
    return lambda session: Detour(client, session)
