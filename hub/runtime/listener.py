"""An HTTP server on an address that a setting names: what all servers of the hub have in common."""

from __future__ import annotations

from aiohttp import web


class Listener:
    """
    Serves an application.

    Args:
        listen: ``host:port``; port 0 picks a free one.
        example: What such an address looks like, for who wrote another.

    Raises:
        ValueError: ``listen`` is no address.
    """

    def __init__(self, listen: str, example: str) -> None:
        host, _, port = listen.rpartition(":")
        if not port.isdecimal():
            raise ValueError(f"'{listen}' is not an address to listen on; it should look like {example}")
        self._host = host.strip("[]") or "127.0.0.1"
        self._port = int(port)
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """``host:port`` that is listened on; known after :meth:`start`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    async def start(self, app: web.Application) -> None:
        """
        Listen.

        Raises:
            OSError: The address is taken, or not ours.
        """
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2.0,
            auto_decompress=False,  # what was signed are the bytes that came, and a few of them must not become many
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._runner is not None:
            await self._runner.cleanup()
