"""
What the hub serves over HTTP: artifacts as files, ``/healthz`` and ``/readyz``.

Artifacts are immutable under their URL, so they may be cached for ever. Nothing is listed.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Server:
    """
    The hub's HTTP server.

    Args:
        listen: ``host:port``; port 0 picks a free one.
        root: Folder of the artifacts.
        ready: Returns why the hub is not ready; the empty text when it is.

    Raises:
        ValueError: ``listen`` is no address.
    """

    def __init__(self, listen: str, root: Path, ready: Callable[[], str]) -> None:
        host, _, port = listen.rpartition(":")
        if not port.isdecimal():
            raise ValueError(f"'{listen}' is not an address to listen on; it should look like 127.0.0.1:9790")
        self._host = host.strip("[]") or "127.0.0.1"
        self._port = int(port)
        self._root = root
        self._ready = ready
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """``host:port`` that is listened on; known after :meth:`start`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    async def start(self) -> None:
        """
        Listen.

        Raises:
            OSError: The address is taken, or not ours.
        """
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/{path:.+}", self._artifact)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        why = self._ready()
        status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
        return web.Response(text=f"{why or 'ok'}\n", status=status)

    async def _artifact(self, request: web.Request) -> web.StreamResponse:
        path = await asyncio.to_thread(self._find, request.match_info["path"])
        if path is None:
            raise web.HTTPNotFound(text="no such artifact\n")
        return web.FileResponse(path, headers={"Cache-Control": "public, max-age=31536000, immutable"})

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
