"""
The client of a registry (OCI distribution API), asyncio over aiohttp.

::

    registries = Registries(lambda: session)                       # one for the process: shares tokens
    registry = registries.open(repository, credentials, connection, insecure=False)
    names    = await registry.tags()                               # every page
    found    = await registry.resolve("1.2.3")                     # Descriptor; tag or digest; no body is read
    manifest = await registry.manifest("1.2.3")                    # Manifest: .is_chart .layers .manifests .annotations
    data     = await registry.read(manifest.config)                # small blobs: bytes
    await registry.fetch(manifest.layers[0], path, max_size=...)   # any blob: into a file, size and digest checked
    layer    = await registry.push(path, media_type)               # Descriptor
    pushed   = await registry.push_manifest(data, "1.2.3")         # Descriptor
    others   = await registry.referrers(pushed.digest)             # Descriptors of what refers to it

``repository`` is :func:`hub.content.oci.reference.parse_repository` of ``ghcr.io/org/app`` (``oci://`` may stand in
front, ``nginx`` is ``index.docker.io/library/nginx``). ``credentials`` are
``DockerConfig.parse(secret).find(repository)``, ``Credentials(username, password)`` or None; ``connection`` is
``hub.content.http.Connection(tls=, proxy=)``; ``insecure`` means plain HTTP. Nothing bounds the whole of a call: put
``asyncio.timeout(...)`` around it. A server that stalls for 30 s is given up.

Everything raises :class:`hub.content.oci.errors.RegistryError` (the tree is there), ``OSError`` when a file cannot be
written, and ``open`` the ``BadTlsError`` and ``BadProxyError`` of :mod:`hub.content.http` (both ``ValueError``).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from hub.content import digest as digests
from hub.content.http import Connection, TooLargeError, download, explain, retry_after
from hub.content.oci.challenge import Tokens, parse_challenge
from hub.content.oci.errors import (
    BadAnswer,
    BadContent,
    RegistryDenied,
    RegistryError,
    RegistryNotFound,
    RegistryUnreachable,
    TooManyRequests,
)
from hub.content.oci.manifest import INDEX, MANIFEST, MANIFEST_TYPES, Descriptor, Manifest, parse_manifest
from hub.content.oci.reference import is_digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hub.content.oci.credentials import Credentials
    from hub.content.oci.reference import Repository

MAX_BLOB = 512 << 20
"""Bytes of a blob, when the caller does not say."""
MAX_SMALL = 4 << 20
"""Bytes of a manifest or of a blob that is read into memory."""
MAX_TAGS = 200_000
_PAGE = 1000
_MAX_PAGE = 16 << 20  # bytes
_ACCEPT = ", ".join(MANIFEST_TYPES)
_PULL, _PUSH = "pull", "pull,push"


class Registries:
    """
    Opens registries; what they learn of logging in is shared.

    Args:
        session: Returns the HTTP session of this process.
    """

    def __init__(self, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._session = session
        self._tokens = Tokens(session)

    def open(
        self,
        repository: Repository,
        credentials: Credentials | None = None,
        connection: Connection | None = None,
        *,
        insecure: bool = False,
    ) -> Registry:
        """
        Return the client of one repository. Sends nothing.

        Raises:
            BadTlsError: The certificates cannot be used.
            BadProxyError: The proxy cannot be used.
        """
        return Registry(
            repository, self._session, self._tokens, credentials, connection or Connection(), insecure=insecure
        )


class Registry:
    """One repository of one registry, as one user. :class:`Registries` makes them."""

    def __init__(
        self,
        repository: Repository,
        session: Callable[[], aiohttp.ClientSession],
        tokens: Tokens,
        credentials: Credentials | None,
        connection: Connection,
        *,
        insecure: bool,
    ) -> None:
        self.repository = repository
        self._session = session
        self._tokens = tokens
        self._credentials = credentials
        self._options = connection.options()
        self._plain = insecure
        self._base = f"{'http' if insecure else 'https'}://{repository.host}/v2/{repository.path}/"

    async def tags(self) -> list[str]:
        """Return the name of every tag. Raises ``RegistryError``."""
        names: list[str] = []
        url = f"{self._base}tags/list?n={_PAGE}"
        while url:
            async with self._request("GET", url) as response:
                found = _json(await self._body(response, _MAX_PAGE))
                page = found.get("tags") or []
                if not isinstance(page, list):
                    raise BadAnswer(f"{self.repository.registry} sent a list of tags that is none")
                names += [name for name in page if isinstance(name, str)]
                link = response.links.get("next")
            if len(names) > MAX_TAGS:
                raise BadAnswer(f"{self.repository} has more than {MAX_TAGS} tags")
            url = self._same_host(str(link["url"]), "its next page of tags") if link and page else ""
        return names

    async def resolve(self, reference: str) -> Descriptor:
        """Return the descriptor of what a tag or digest stands for. Raises ``RegistryError``."""
        async with self._request("HEAD", self._manifest_url(reference), headers={"Accept": _ACCEPT}) as response:
            digest = response.headers.get("Docker-Content-Digest", reference if is_digest(reference) else "")
            if is_digest(digest) and response.content_length is not None:
                return Descriptor(response.content_type, digest, response.content_length)
        return (await self.manifest(reference)).descriptor

    async def manifest(self, reference: str) -> Manifest:
        """Return the manifest that a tag or digest stands for. Raises ``RegistryError``."""
        async with self._request("GET", self._manifest_url(reference), headers={"Accept": _ACCEPT}) as response:
            data = await self._body(response, MAX_SMALL)
            digest = digests.of_bytes(data)
            for promised in (response.headers.get("Docker-Content-Digest", ""), reference):
                if is_digest(promised) and promised != digest:
                    raise BadContent(f"digest mismatch: {promised} was expected, the manifest has {digest}")
            return parse_manifest(data, digest, response.content_type)

    async def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return what refers to a manifest: signatures and the like. Raises ``RegistryError``."""
        try:
            async with self._request("GET", f"{self._base}referrers/{digest}") as response:
                data = await self._body(response, MAX_SMALL)
                return parse_manifest(data, digests.of_bytes(data), INDEX).manifests
        except RegistryNotFound:
            pass  # an older registry: whoever pushes keeps the list under a tag
        try:
            return (await self.manifest(digest.replace(":", "-"))).manifests
        except RegistryNotFound:
            return ()

    async def read(self, descriptor: Descriptor, *, max_size: int = MAX_SMALL) -> bytes:
        """Return a small blob. Raises ``RegistryError``."""
        if descriptor.size > max_size:
            raise BadContent(f"blob {descriptor.digest} is larger than {max_size} bytes")
        async with self._request("GET", self._blob_url(descriptor.digest)) as response:
            data = await self._body(response, descriptor.size, html=True)
        _check(descriptor, len(data), digests.of_bytes(data))
        return data

    async def fetch(self, descriptor: Descriptor, target: Path, *, max_size: int = MAX_BLOB) -> None:
        """
        Write a blob into a file.

        Raises:
            RegistryError: It cannot be had, is larger than ``max_size`` or than it promised, or has another digest.
            OSError: It cannot be written.
        """
        if descriptor.size > max_size:
            raise BadContent(f"blob {descriptor.digest} of {descriptor.size} bytes is larger than {max_size} bytes")
        async with self._request("GET", self._blob_url(descriptor.digest)) as response:
            try:
                size, digest = await download(response, target, descriptor.size)
            except TooLargeError:
                what = f"the blob is larger than the {descriptor.size} bytes it promised"
                raise BadContent(f"{self.repository}: {what}") from None
        _check(descriptor, size, digest)

    async def push(self, source: Path, media_type: str, annotations: dict[str, str] | None = None) -> Descriptor:
        """Store a file as a blob, unless the registry has it. Raises ``RegistryError``, ``OSError``."""
        digest = await asyncio.to_thread(digests.of_file, source)
        size = (await asyncio.to_thread(source.stat)).st_size
        descriptor = Descriptor(media_type, digest, size, annotations or {})
        try:
            async with self._request("HEAD", self._blob_url(digest), actions=_PUSH):
                return descriptor
        except RegistryNotFound:
            pass
        async with self._request("POST", f"{self._base}blobs/uploads/", actions=_PUSH, accepted=(202,)) as response:
            location = urljoin(str(response.url), response.headers.get("Location", ""))
        location = self._same_host(location, "storing a blob")
        await self._put_blob(f"{location}{'&' if '?' in location else '?'}digest={digest}", source, size)
        return descriptor

    async def push_manifest(self, data: bytes, reference: str, media_type: str = MANIFEST) -> Descriptor:
        """Store a manifest under a tag or its digest. Raises ``RegistryError``."""
        headers = {"Content-Type": media_type}
        url = self._manifest_url(reference)
        async with self._request("PUT", url, actions=_PUSH, headers=headers, data=data, accepted=(200, 201)):
            return Descriptor(media_type, digests.of_bytes(data), len(data))

    async def _put_blob(self, url: str, source: Path, size: int) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with source.open("rb") as file:
            async with self._request("PUT", url, actions=_PUSH, headers=headers, data=file, accepted=(201, 202)):
                return

    def _same_host(self, url: str, what: str) -> str:
        """Return a URL that the registry names; not one of another host, where our login would go along."""
        if urlsplit(url)[:2] != urlsplit(self._base)[:2]:
            raise BadAnswer(f"{self.repository.registry} sends us to another host for {what}")
        return url

    def _manifest_url(self, reference: str) -> str:
        return f"{self._base}manifests/{reference}"

    def _blob_url(self, digest: str) -> str:
        return f"{self._base}blobs/{digest}"

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        *,
        actions: str = _PULL,
        headers: dict[str, str] | None = None,
        accepted: tuple[int, ...] = (200,),
        data: Any = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer to a request, logged in if need be. Raises ``RegistryError``."""
        scope = f"repository:{self.repository.path}:{actions}"
        key = (self._base.split("/v2/")[0], self._credentials, scope)
        held = self._tokens.held(key)
        async with self._send(method, url, headers, held, data) as response:
            if response.status != 401:
                await self._refuse(response, accepted)
                yield response
                return
            challenge = parse_challenge(response.headers.get("WWW-Authenticate", ""))
            if not challenge.scheme:
                await self._refuse(response, accepted)
        self._tokens.forget(key)
        login = await self._tokens.answer(key, challenge, scope, self._credentials, self._options, plain=self._plain)
        if hasattr(data, "seek"):
            data.seek(0)
        async with self._send(method, url, headers, login, data) as response:
            await self._refuse(response, accepted)
            yield response

    @asynccontextmanager
    async def _send(
        self, method: str, url: str, headers: dict[str, str] | None, login: str, data: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # Redirects are for blobs, which lie elsewhere; aiohttp leaves our login behind when the host changes.
        sent = {"Authorization": login} if login else {}
        follow = method in {"GET", "HEAD"}
        try:
            async with self._session().request(
                method, url, headers=(headers or {}) | sent, data=data, allow_redirects=follow, max_redirects=5,
                **self._options,
            ) as response:  # fmt: skip
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            # asyncio.timeout() of a caller arrives as a cancellation: this is aiohttp's own patience.
            raise RegistryUnreachable(explain(error, self.repository.host)) from error

    async def _refuse(self, response: aiohttp.ClientResponse, accepted: tuple[int, ...]) -> None:
        """Raise what an answer means, unless it is one of those that were wanted."""
        if response.status in accepted:
            return
        where, status = str(self.repository), response.status
        said = await self._said(response)
        if status == 401:
            what = "does not accept the credentials" if self._credentials else "wants credentials"
            raise RegistryDenied(f"{where}: the registry {what} (401 Unauthorized){said}", status)
        if status == 403:
            raise RegistryDenied(f"{where}: the credentials are not allowed to do this (403 Forbidden){said}", status)
        if status == 404:
            raise RegistryNotFound(f"{where}: not found{said}", status)
        if status == 429:
            raise TooManyRequests(f"{where}: too many requests{said}", retry_after(response))
        raise RegistryError(f"{where}: the registry answered {status}{said}", status)

    async def _said(self, response: aiohttp.ClientResponse) -> str:
        """Return the registry's own words about an error; nothing of an answer that is not in its format."""
        try:
            found = json.loads(await response.content.read(64 << 10))
            first = found["errors"][0]
            words = first.get("message") or first.get("code")
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError, aiohttp.ClientError):
            return ""
        return f": {str(words)[:200]}" if words else ""

    async def _body(self, response: aiohttp.ClientResponse, max_size: int, *, html: bool = False) -> bytes:
        if not html:
            self._refuse_page(response)
        data = bytearray()
        async for chunk in response.content.iter_chunked(64 << 10):
            data += chunk
            if len(data) > max_size:
                raise BadContent(f"{self.repository}: the answer is larger than {max_size} bytes")
        return bytes(data)

    def _refuse_page(self, response: aiohttp.ClientResponse) -> None:
        if response.content_type in {"text/html", "application/xhtml+xml"}:
            host = self.repository.host
            raise BadAnswer(f"{host} answers with a web page, not as a registry: check the host in the URL")


def _check(descriptor: Descriptor, size: int, digest: str) -> None:
    if size != descriptor.size:
        raise BadContent(f"blob {descriptor.digest} was cut: {size} of {descriptor.size} bytes arrived")
    if digest != descriptor.digest:
        raise BadContent(f"digest mismatch: {descriptor.digest} was expected, the content has {digest}")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("the registry does not answer in JSON: check the host in the URL") from error
    if not isinstance(found, dict):
        raise BadAnswer("the registry sent an answer of an unknown shape")
    return found
