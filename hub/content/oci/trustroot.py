"""
The trusted root of keyless signatures: a file, or that of Sigstore's public instance, kept fresh over TUF.

TUF (The Update Framework) is what makes the public one safe to fetch: its metadata is signed, expires, and cannot be
rolled back; the first root comes with the library. The only module that imports ``tuf``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import quote

from hub.content.oci.signed import BadTrustError
from hub.content.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

PUBLIC = "https://tuf-repo-cdn.sigstore.dev"
"""Where Sigstore's public instance keeps its metadata."""
TARGET = "trusted_root.json"
_FRESH = 24 * 3600.0  # seconds until it is asked for again
_STALE = 7 * 24 * 3600.0  # seconds that it is good for while nobody answers
_PAUSE = 60.0  # seconds until somebody who did not answer is asked again


@dataclass(slots=True)
class _Held:
    data: bytes
    since: float


class TrustedRoots:
    """
    Gives the trusted root.

    Args:
        file: One's own, read at each use. None is the public one.
        folder: Where TUF keeps its metadata.
        url: A TUF repository, with its first root; for tests.
        clock: Seconds.
    """

    def __init__(
        self,
        file: Path | None,
        folder: Path,
        *,
        url: str = PUBLIC,
        bootstrap: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._folder = folder
        self._url = url
        self._bootstrap = bootstrap
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: _Held | None = None
        self._failed: tuple[float, str] | None = None

    async def get(self) -> bytes:
        """Return the JSON of the trusted root. Raises ``BadTrustError``."""
        if self._file is not None:
            try:
                return await asyncio.to_thread(self._file.read_bytes)
            except OSError as error:
                why = error.strerror or str(error)
                raise BadTrustError(f"the file of --sigstore-trusted-root cannot be read: {why}") from error
        async with self._lock:  # many who ask at once cost one look
            return await self._public()

    async def _public(self) -> bytes:
        now = self._clock()
        if self._held is not None and now - self._held.since < _FRESH:
            return self._held.data
        if self._failed is None or now - self._failed[0] >= _PAUSE:
            try:
                self._held = _Held(await in_thread(self._update), now)
                self._failed = None
                return self._held.data
            except Exception as error:  # noqa: BLE001  # its network, its files, its signatures: all mean the same
                self._failed = now, str(error) or type(error).__name__
                _log.warning("Cannot refresh the trusted root of signatures", extra={"why": self._failed[1]})
        if self._held is not None and now - self._held.since < _STALE:
            return self._held.data
        why = self._failed[1] if self._failed is not None else "it is too old"
        raise BadTrustError(
            f"cannot get the trusted root from {self._url}: {why}; without that network set --sigstore-trusted-root"
        )

    def _update(self) -> bytes:
        from tuf.ngclient.updater import Updater  # noqa: PLC0415  # few hubs need it

        metadata, targets = self._folder / "metadata", self._folder / "targets"
        for folder in (metadata, targets):
            folder.mkdir(parents=True, exist_ok=True)
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url=self._url,
            target_dir=str(targets),
            target_base_url=f"{self._url}/targets/",
            bootstrap=self._bootstrap or _first_root(),
        )
        updater.refresh()
        info = updater.get_targetinfo(TARGET)
        if info is None:
            raise BadTrustError(f"it has no {TARGET}")
        path = updater.find_cached_target(info) or updater.download_target(info)
        with open(path, "rb") as file:  # noqa: PTH123  # TUF's paths are texts
            return file.read()


def _first_root() -> bytes:
    return resources.files("sigstore._store").joinpath(quote(PUBLIC, safe=""), "root.json").read_bytes()
