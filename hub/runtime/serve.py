"""
What the hub serves over HTTP: artifacts as files, ``/healthz``, ``/readyz`` and ``/metrics``.

Artifacts are immutable under their URL, so they may be cached for ever. Nothing is listed. An artifact that another
replica built is passed on from there: whoever reaches one replica reaches all artifacts.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web
from yarl import URL

from hub.runtime import metrics
from hub.runtime.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_PASSED_ON: Final = "Hub-Passed-On"  # a request from another replica, which is not passed on again
_TIMEOUT: Final = aiohttp.ClientTimeout(total=120, sock_connect=2, sock_read=30)
_CACHED: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class Server:
    """
    The hub's HTTP server.

    Args:
        listen: ``host:port``; port 0 picks a free one.
        root: Folder of the artifacts.
        ready: Returns why the hub is not ready; the empty text when it is.
        others: Returns the addresses of replicas that may have what is not here.

    Raises:
        ValueError: ``listen`` is no address.
    """

    def __init__(
        self, listen: str, root: Path, ready: Callable[[], str], others: Callable[[], Sequence[str]] = tuple
    ) -> None:
        self._listener = Listener(listen, "127.0.0.1:9790")
        self._root = root
        self._ready = ready
        self._others = others

    @property
    def address(self) -> str:
        """``host:port`` that is listened on; known after :meth:`start`."""
        return self._listener.address

    async def start(self) -> None:
        """
        Listen.

        Raises:
            OSError: The address is taken, or not ours.
        """
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/{path:.+}", self._artifact)
        await self._listener.start(app)

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        await self._listener.stop()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why = self._ready()
        status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
        return web.Response(text=f"{why or 'ok'}\n", status=status)

    async def _metrics(self, _request: web.Request) -> web.Response:
        text = await asyncio.to_thread(metrics.exposed)
        return web.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE_LATEST})

    async def _artifact(self, request: web.Request) -> web.StreamResponse:
        path = await asyncio.to_thread(self._find, request.match_info["path"])
        if path is not None:
            return web.FileResponse(path, headers=_CACHED)
        others = () if _PASSED_ON in request.headers else self._others()
        if others and (response := await _passed_on(request, others)) is not None:
            return response
        raise web.HTTPNotFound(text="no such artifact\n")

    def _find(self, name: str) -> Path | None:
        """
        Return the file that a URL names; None when there is none, or when it is not below the root.

        Names that begin with a dot are the store's own (files being written).
        """
        parts = name.split("/")
        if any(not part or part.startswith(".") or "\0" in part for part in parts):
            return None
        path = self._root.joinpath(*parts)
        if not path.is_file() or not path.resolve().is_relative_to(self._root.resolve()):
            return None  # resolved: a link, also one among the folders, must not lead out
        return path


async def _passed_on(request: web.Request, others: Sequence[str]) -> web.StreamResponse | None:
    """Answer with the first replica that has the artifact; None when none does."""
    async with aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False) as session:
        for address in others:
            try:
                url = URL(f"http://{address}").with_path(request.path)
                async with session.get(url, headers={_PASSED_ON: "1"}) as answer:
                    if answer.status == HTTPStatus.OK:
                        return await _copied(request, answer)
            except (aiohttp.ClientError, OSError, TimeoutError):
                continue  # it may have gone: the next one
    return None


async def _copied(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(headers=_CACHED)
    response.content_type = answer.content_type
    response.content_length = answer.content_length
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except (aiohttp.ClientError, OSError, TimeoutError):
        if request.transport is not None:
            request.transport.close()  # the length was promised: a reader that gets less knows
        return response
    await response.write_eof()
    return response
