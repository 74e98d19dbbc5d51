"""A registry that misbehaves, by the first word of the repository's name: what real ones do on bad days."""

from __future__ import annotations

import asyncio
import time
from typing import Self

from aiohttp import web

TAGS = [f"1.{minor}.{patch}" for minor in range(100) for patch in range(100)]
"""Ten thousand of them."""


class BadRegistry:
    """Async context manager; ``asked`` are the paths it was asked for, in order, ``times`` when."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.times: list[float] = []
        self.mended = False
        self._released = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v2/{fault}/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._released.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.times.append(time.monotonic())
        fault = "good" if self.mended else request.match_info["fault"]
        match fault:
            case "html":
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case "no-json":
                return web.Response(text="tags: many", content_type="application/json")
            case "no-list":
                return web.json_response({"name": "x", "tags": {"a": 1}})
            case "denied":
                return web.json_response(
                    {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]},
                    status=401,
                    headers={"WWW-Authenticate": 'Basic realm="x"'},
                )
            case "gone":
                return web.json_response({"errors": [{"code": "NAME_UNKNOWN", "message": "no such name"}]}, status=404)
            case "busy":
                return web.Response(status=429, headers={"Retry-After": "2"})
            case "hang":
                await self._released.wait()
                return web.Response(status=503)
            case "many":
                return self._page(request)
        return web.json_response({"name": "good", "tags": ["1.0.0", "0.9.0", "sha256-abc.sig"]})

    def _page(self, request: web.Request) -> web.Response:
        size, last = int(request.query["n"]), request.query.get("last", "")
        start = TAGS.index(last) + 1 if last else 0
        page = TAGS[start : start + size]
        headers = {}
        if start + size < len(TAGS):
            headers["Link"] = f'<{request.path}?n={size}&last={page[-1]}>; rel="next"'
        return web.json_response({"name": "many", "tags": page}, headers=headers)
