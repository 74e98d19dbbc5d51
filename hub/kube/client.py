"""
The API client: verbs on raw objects, one connection pool per :class:`Client`.

Every method raises :class:`hub.errors.ApiError` (the server said no; its reason and message are kept) or
:class:`Unreachable` (there was no answer; the message says why and names host and port). Every call is bounded in time.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import aiohttp
from multidict import CIMultiDict

from hub import __version__
from hub.errors import Expired, NotFound, api_error
from hub.kube.library import Configuration, RESTClientObject
from hub.kube.tls import secret_file
from hub.kube.transport import Transport
from hub.kube.unreachable import Cause, Unreachable, explain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence

    from hub.api.meta import Api
    from hub.kube.config import ClusterConfig
    from hub.kube.credentials import Identity

__all__ = ["USER_AGENT", "Cause", "Client", "ObjectList", "Unreachable", "WatchEvent"]

PAGE = 500  # objects per list request, as kubectl asks
USER_AGENT = f"hub/{__version__}"

_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PATCH_TYPES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json"}
_APPLY = "application/apply-patch+yaml"  # JSON is YAML

_WATCH_SECONDS = (240, 360)  # a server ends a watch after this long; spread, so that they do not end together
_WATCH_SILENCE = 90.0  # bookmarks come every minute: a stream that is silent for longer is dead

# Never taken over from a request that is passed through: the connection's own business, or our identity.
_NOT_FORWARDED = frozenset({
    "host", "authorization", "connection", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "content-length",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectList:
    """Raw objects, and the resource version from which a watch goes on."""

    items: list[dict[str, Any]]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK (whose object only carries a resource version)."""

    type: str
    object: dict[str, Any]


class Client:
    """
    Verbs on one API server, as one user.

    Args:
        config: Where, and who we are there.
        name: What logs call this cluster.
        user_agent: As the audit log of the server shows it.
        impersonate: User to act as, e.g. ``system:serviceaccount:ns:name``.
        groups: Groups to act as a member of; only together with a user.
        timeout: Seconds for one call, retries included.
        connect_timeout: Seconds for TCP and TLS together.
    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        name: str = "hub",
        user_agent: str = USER_AGENT,
        impersonate: str | None = None,
        groups: Sequence[str] = (),
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
    ) -> None:
        self.config = config
        self.name = name
        self.address = config.address
        headers = CIMultiDict({"User-Agent": user_agent})
        if impersonate:
            headers["Impersonate-User"] = impersonate
            headers.extend([("Impersonate-Group", group) for group in groups])
        self._transport = Transport(config, headers, _open_pool, timeout=timeout, connect_timeout=connect_timeout)

    # Reading

    async def get(
        self, api: Api, name: str, namespace: str | None = None, *, metadata_only: bool = False
    ) -> dict[str, Any]:
        """Return one object, or only its metadata."""
        accept = _METADATA if metadata_only else _JSON
        return await self._transport.call("GET", api.path(name, namespace), accept=accept)

    async def list(
        self,
        api: Api,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        metadata_only: bool = False,
    ) -> ObjectList:
        """Return every object, read in pages; a list that grew too old on the way is read again in one piece."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        accept = _METADATA_LIST if metadata_only else _JSON
        try:
            return await self._pages(api.path(None, namespace), {**query, "limit": str(PAGE)}, accept)
        except Expired:
            return await self._pages(api.path(None, namespace), query, accept)

    async def _pages(self, path: str, query: dict[str, str | None], accept: str) -> ObjectList:
        items: list[dict[str, Any]] = []
        while True:
            page = await self._transport.call("GET", path, query=query, accept=accept)
            kind, version = str(page.get("kind", "")).removesuffix("List"), page.get("apiVersion", "")
            for item in page.get("items") or ():
                item.setdefault("kind", kind)  # a list says it once for all its items
                item.setdefault("apiVersion", version)
                items.append(item)
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return ObjectList(items, str(metadata.get("resourceVersion", "")))
            query = {**query, "continue": metadata["continue"]}

    async def read(self, path: str) -> dict[str, Any]:
        """Return the JSON document at a path that is no object: discovery, for one."""
        return await self._transport.call("GET", path)

    async def probe(self, path: str = "/readyz", timeout: float = 5.0) -> str:
        """Return the text of a health endpoint."""
        return (await self._transport.send("GET", path, timeout=timeout, accept="*/*")).decode("utf-8", "replace")

    # Writing

    async def create(
        self,
        api: Api,
        body: dict[str, Any],
        namespace: str | None = None,
        *,
        name: str | None = None,
        subresource: str | None = None,
    ) -> dict[str, Any]:
        """Create an object, or a ``subresource`` of the one of that ``name``; Conflict when it exists."""
        path = api.path(name, namespace or body.get("metadata", {}).get("namespace"), subresource)
        return await self._transport.call("POST", path, query={"fieldManager": "hub"}, body=body)

    async def apply(
        self,
        api: Api,
        body: dict[str, Any],
        *,
        force: bool = True,
        dry_run: bool = False,
        subresource: str | None = None,
        manager: str = "hub",
    ) -> dict[str, Any]:
        """Server-side apply: create the object or make the fields in ``body`` ours."""
        path = api.path(body["metadata"]["name"], body["metadata"].get("namespace"), subresource)
        query = {"fieldManager": manager, "force": str(force).lower(), "dryRun": "All" if dry_run else None}
        return await self._transport.call("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def patch(
        self,
        api: Api,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        subresource: str | None = None,
        kind: Literal["merge", "json"] = "merge",
    ) -> dict[str, Any]:
        """Change parts of an object: a merge patch (mapping) or a JSON patch (list of operations)."""
        path = api.path(name, namespace, subresource)
        return await self._transport.call(
            "PATCH", path, query={"fieldManager": "hub"}, body=body, content_type=_PATCH_TYPES[kind]
        )

    async def replace(self, api: Api, body: dict[str, Any]) -> dict[str, Any]:
        """Write a whole object; its resource version decides whether somebody was faster (Conflict)."""
        path = api.path(body["metadata"]["name"], body["metadata"].get("namespace"))
        return await self._transport.call("PUT", path, query={"fieldManager": "hub"}, body=body)

    async def delete(
        self,
        api: Api,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        uid: str | None = None,
    ) -> None:
        """Delete an object (only the one with ``uid`` when given); one that is gone already is fine."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if propagation:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self._transport.send("DELETE", api.path(name, namespace), body=options)
        except NotFound:
            return

    # Streaming

    async def watch(
        self,
        api: Api,
        namespace: str | None = None,
        *,
        resource_version: str | None = None,
        labels: str | None = None,
        metadata_only: bool = False,
    ) -> AsyncGenerator[WatchEvent]:
        """
        Yield what happens after ``resource_version``, for as long as the server plays along.

        Ends of a single stream are bridged. Raises :class:`hub.errors.Expired` when the resource version is too old
        (list again), :class:`Unreachable` when the connection is lost (go on from the last version seen).
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "labelSelector": labels}
        version = resource_version
        while True:
            query |= {"resourceVersion": version, "timeoutSeconds": str(random.randint(*_WATCH_SECONDS))}  # noqa: S311  # spreads load
            began = asyncio.get_running_loop().time()
            accept = _METADATA if metadata_only else _JSON
            async with aclosing(self._stream(api.path(None, namespace), query, accept)) as events:
                async for event in events:
                    version = event.object.get("metadata", {}).get("resourceVersion") or version
                    yield event
            if asyncio.get_running_loop().time() - began < 1.0:
                await asyncio.sleep(1.0)  # a server that ends every stream at once is not hammered

    async def _stream(self, path: str, query: Mapping[str, str | None], accept: str) -> AsyncGenerator[WatchEvent]:
        link = self._transport
        async with link.open("GET", link.url(path, query), {"Accept": accept}, silence=_WATCH_SILENCE) as response:
            if response.status != HTTPStatus.OK:
                link.refuse(response.status, await response.read(), path)
            try:
                async for line in _lines(response.content):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        status = event["object"]
                        raise api_error(
                            status.get("code", 500), status.get("reason", ""), status.get("message", ""), status
                        )
                    yield WatchEvent(event["type"], event["object"])
            except aiohttp.SocketTimeoutError:
                return  # silent for too long: the next stream goes on from the same version
            except (aiohttp.ClientError, OSError) as error:
                raise explain(error, self.address) from error

    @asynccontextmanager
    async def raw(
        self,
        method: str,
        path_and_query: str,
        *,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """
        Pass a request through with our identity and yield the answer as it came: any status, nothing unpacked.

        Only the caller's identity and hop-by-hop headers are held back. ``timeout`` bounds the whole exchange; None
        leaves it open once connected (watches). Errors while the body is read are the caller's to :func:`explain`.
        """
        passed = CIMultiDict((name, value) for name, value in headers.items() if _is_forwarded(name))
        url = self._transport.url(path_and_query)
        async with self._transport.open(method, url, passed, body, total=timeout, transparent=True) as response:
            yield response

    async def exchange(self, method: str, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send a request for a library that reads and releases the answer itself; ``url`` is path or full address."""
        path = url.removeprefix(self.config.server)
        return await self._transport.request(method, self._transport.url(path), headers, silence=_WATCH_SILENCE)

    async def aclose(self) -> None:
        """Close every connection; the client cannot be used afterwards."""
        await self._transport.aclose()


def _open_pool(config: ClusterConfig, identity: Identity) -> aiohttp.ClientSession:
    """Let ``kubernetes.aio`` build TLS and the session; it loads the credentials at once, from memory."""
    settings = Configuration(host=config.server)
    with ExitStack() as files:
        if identity.certificate:
            settings.cert_file = files.enter_context(secret_file(identity.certificate))
            settings.key_file = files.enter_context(secret_file(identity.key))
        settings.ca_cert_data = config.ca.decode("ascii") if config.ca else None
        settings.verify_ssl = not config.insecure_skip_tls_verify
        settings.disable_strict_ssl_verification = True  # Go accepts authorities without key identifiers; so do we
        settings.connection_pool_maxsize = 0  # unlimited: watches hold one each, callers bound themselves
        settings.client_session_kwargs = {
            "trust_env": False,  # or a .netrc would be read for every request; the proxy is taken from it once
            "cookie_jar": aiohttp.DummyCookieJar(),
        }
        rest: Any = RESTClientObject(settings)
    session: aiohttp.ClientSession = rest._create_pool_manager()  # noqa: SLF001  # documented as its factory
    return session


def _is_forwarded(header: str) -> bool:
    name = header.lower()
    return name not in _NOT_FORWARDED and not name.startswith("impersonate-")


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length (aiohttp's own reader refuses long ones)."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        if b"\n" not in chunk:
            rest += chunk
            continue
        *whole, tail = (bytes(rest) + chunk).split(b"\n")
        rest = bytearray(tail)
        for line in whole:
            if line:
                yield line
