"""
Artifacts by digest: from the store of this process when it has them, else over HTTP, verified.

The digest is checked before anything reads the bytes. A download is tried again for a second or two, not for half a
minute as Flux's consumers do: whoever wants it comes back by itself, at once when its source has stored it elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import aiohttp

from hub.content import digest as digests
from hub.content.shared import Shared
from hub.errors import Transient, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.content.store import Store

RETRIES = 4
MAX_SIZE = 512 << 20
"""Bytes; a larger artifact is refused before it fills the disk."""
_FIRST_DELAY = 0.1
_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=30)


class Fetchable(Protocol):
    """What of ``status.artifact`` is needed to get its bytes."""

    @property
    def digest(self) -> str:
        """``sha256:<hex>``."""

    @property
    def url(self) -> str:
        """Where it is served."""


class ArtifactReader:
    """Gives the bytes of artifacts as local files.

    Args:
        store: Looked into first; downloads are kept there.
        session: Returns the HTTP session of this process; asked once per download.
        retries: Further tries of a download.
    """

    def __init__(
        self,
        store: Store,
        session: Callable[[], aiohttp.ClientSession],
        *,
        max_size: int = MAX_SIZE,
        retries: int = RETRIES,
    ) -> None:
        self._store = store
        self._session = session
        self._max_size = max_size
        self._retries = retries
        self._downloads: Shared[Path] = Shared()

    async def open(self, artifact: Fetchable) -> Path:
        """
        Return a local file with the bytes of the artifact; many callers share one download.

        Raises:
            Waiting: The server does not have it (any more); its source will store it again.
            Transient: It could not be downloaded, is too large, or has another digest.
        """
        try:
            digests.hex_of(artifact.digest)
        except ValueError as error:
            raise Transient("ArtifactFailed", f"could not read artifact '{artifact.url}': {error}") from error
        if path := await self._store.read(artifact.digest):
            return path
        return await self._downloads.run(artifact.digest, lambda: self._download(artifact.url, artifact.digest))

    async def _download(self, url: str, digest: str) -> Path:
        delay = _FIRST_DELAY
        for attempt in range(self._retries + 1):
            try:
                return await self._download_once(url, digest)
            except (aiohttp.ClientError, TimeoutError, _ServerError) as error:
                if attempt == self._retries:
                    why = str(error) or type(error).__name__
                    raise Transient("ArtifactFailed", f"could not download artifact '{url}': {why}") from error
            await asyncio.sleep(delay)
            delay *= 2
            # Its source may have stored it again meanwhile: after a restart with another address, or an empty folder.
            if path := await self._store.read(digest):
                return path
        raise AssertionError("unreachable")

    async def _download_once(self, url: str, digest: str) -> Path:
        async with (
            self._store.workspace() as folder,
            self._session().get(url, timeout=_TIMEOUT, allow_redirects=False) as response,
        ):
            if response.status == 404:
                raise Waiting("ArtifactFailed", "Source not ready: artifact not found. Retrying in 30s", 30.0)
            if response.status >= 500 or response.status == 429:
                raise _ServerError(f"the server answered {response.status}")
            if response.status != 200:
                raise Transient("ArtifactFailed", f"could not download artifact '{url}': HTTP status {response.status}")
            target = folder / "artifact"
            await self._write(response, target, url)
            try:
                return await self._store.adopt(target, digest)
            except ValueError as error:
                raise Transient("ArtifactFailed", f"could not verify artifact '{url}': {error}") from error

    async def _write(self, response: aiohttp.ClientResponse, target: Path, url: str) -> None:
        size = 0
        with target.open("wb") as file:
            async for chunk in response.content.iter_chunked(1 << 20):
                size += len(chunk)
                if size > self._max_size:
                    raise Transient("ArtifactFailed", f"artifact '{url}' is larger than {self._max_size} bytes")
                await asyncio.to_thread(file.write, chunk)


class _ServerError(Exception):
    """The server is in trouble: worth another try."""
