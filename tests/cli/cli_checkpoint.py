"""What stands between ``hubctl`` and a real API server: it notes requests, and holds the one that a test names."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from aiohttp import web

from hub.kube.client import Client
from hub.kube.config import load_kubeconfig
from hub.members.exchange import kept_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Checkpoint:
    """
    Passes requests on.

    Attributes:
        met: Every request, as ``METHOD path``.
        arrived: The request that is held is there: before the server has seen it, or after it has answered.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.kubeconfig = folder / "checkpoint.kubeconfig"
        self.met: list[str] = []
        self.arrived = asyncio.Event()
        self._client = Client(load_kubeconfig(kubeconfig))
        self._held, self._after = "", False
        self._open = asyncio.Event()

    def hold(self, request: str, *, after: bool = False) -> None:
        """Hold the request that begins so until :meth:`release`."""
        self._held, self._after = request, after

    def release(self) -> None:
        self._open.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = f"http://127.0.0.1:{runner.addresses[0][1]}"
        context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
        cluster, user = {"name": "x", "cluster": {"server": server}}, {"name": "x", "user": {"token": "unused"}}
        config = {"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}
        self.kubeconfig.write_text(json.dumps(config))
        try:
            yield self
        finally:
            self.release()
            await runner.cleanup()
            await self._client.aclose()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.met.append(line)
        is_held = bool(self._held) and line.startswith(self._held)
        if is_held and not self._after:
            await self._wait()
        body = await request.read()
        passed = self._client.raw(request.method, request.raw_path, headers=request.headers, body=body or None)
        async with passed as answer:
            if is_held and self._after:
                await self._wait()
            response = web.StreamResponse(status=answer.status, headers=kept_headers(answer.headers))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    async def _wait(self) -> None:
        self.arrived.set()
        await self._open.wait()
