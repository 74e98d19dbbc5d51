"""
The gateway: a tool such as helm speaks to it on the loopback interface, and it speaks to the member.

The tool is given a kubeconfig that is good for one run and holds no credential of the member. What the gateway does
with a request on its way is in :mod:`hub.members.forward`; what a run did is in its :class:`Session`.

Cost, measured with helm 4.3.1 and a chart of three objects: an upgrade is 16 requests of helm (22 when an old
record has to go), of which 10 (15) reach the member, and 10 ms of CPU here, nearly all of it aiohttp's.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from hub.errors import HubError, MemberUnreachable
from hub.kube.unreachable import Unreachable, explain
from hub.members.exchange import Asked, kept_headers, refusal
from hub.members.forward import forward
from hub.members.session import RunPolicy, Session, Write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from hub.members.exchange import Answer
    from hub.members.member import Member
    from hub.members.slots import Turn

__all__ = ["Gateway", "RunPolicy", "Session", "Write"]

QUIET = 2.0  # seconds without a write after which a run counts as waiting
LARGEST_BODY = 16 << 20  # bytes; an API server takes 3 MiB

_log = logging.getLogger(__name__)


class Gateway:
    """
    Serves all members on one port.

    Args:
        folder: For the kubeconfigs; ours alone, emptied at the start because a kill leaves them behind.
        permitted: Whether a member, by its name, is still this replica's to change; asked for every request.
    """

    def __init__(self, folder: Path, permitted: Callable[[str], bool] = lambda _: True) -> None:
        self._folder = folder
        self._permitted = permitted
        self._sessions: dict[str, Session] = {}
        self._runner: web.ServerRunner | None = None
        self._address = ""
        self._made = 0

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        for left_behind in self._folder.glob("*.kubeconfig"):
            left_behind.unlink(missing_ok=True)
        # A tool that hangs up takes its request with it, or a watch would go on for ever.
        server = web.Server(self._serve, handler_cancellation=True, access_log=None, request_factory=_request)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._address = f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Hang up."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @asynccontextmanager
    async def session(self, member: Member, policy: RunPolicy, *, turn: Turn | None = None) -> AsyncIterator[Session]:
        """
        Let a tool reach the member for the body.

        With a ``turn``, the slot is given back while the run only waits, and taken again before it writes objects.
        """
        if self._runner is None:
            raise RuntimeError("the gateway is not started")
        self._made += 1
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # somebody may have emptied the storage folder
        session = Session(member, policy, self._folder / f"{self._made}.kubeconfig", self._address, turn)
        session.write_kubeconfig()
        self._sessions[session.secret] = session
        parking = asyncio.create_task(_park(session, turn)) if turn is not None else None
        try:
            yield session
        finally:
            del self._sessions[session.secret]
            session.kubeconfig.unlink(missing_ok=True)
            if parking is not None:
                parking.cancel()
                with suppress(asyncio.CancelledError):
                    await parking

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        _, secret, target = request.raw_path.split("/", 2) if request.raw_path.count("/") > 1 else ("", "", "")
        session = self._sessions.get(secret)
        if session is None:
            return _reply(refusal(403, "Forbidden", "this is the hub's gateway: the run is over, or was never there"))
        if not self._permitted(session.member.name):
            return _reply(
                refusal(403, "Forbidden", "this is the hub's gateway: another replica takes care of the member")
            )
        if "Upgrade" in request.headers or request.method == "CONNECT":
            return _reply(refusal(501, "NotImplemented", "the hub's gateway does not switch protocols"))
        asked = Asked.of(request.method, f"/{target}", request.headers, await request.read())
        try:
            if asked.streams:
                with session.watching():
                    return await _stream(session, asked, request)
            return _reply(await forward(session, asked))
        except MemberUnreachable as error:
            session.unreachable = error
            # Told at once and without Retry-After: helm gives up instead of hanging, and the slot is free again.
            return _reply(refusal(503, "ServiceUnavailable", error.message))
        except HubError as error:
            return _reply(refusal(502, "BadGateway", error.message))


async def _park(session: Session, turn: Turn) -> None:
    while True:
        await session.idle(QUIET)
        if turn.park():
            await session.busy()
        else:
            await asyncio.sleep(QUIET)


async def _stream(session: Session, asked: Asked, request: web.BaseRequest) -> web.StreamResponse:
    """Pass on an answer that goes on and on, piece by piece as it comes."""
    member = session.member
    async with member.raw(asked.method, asked.target, asked.headers, b"", None) as upstream:
        response = web.StreamResponse(status=upstream.status, headers=kept_headers(upstream.headers))
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for piece in member.pieces(upstream):
                await response.write(piece)
        except (aiohttp.ClientError, OSError, TimeoutError, Unreachable) as error:
            # The status is sent already: cutting the stream is all that can be told, and watchers start again.
            lost = error if isinstance(error, Unreachable) else explain(error, member.client.address)
            problem = await member.failed(lost)
            if isinstance(problem, MemberUnreachable):
                session.unreachable = problem
            if request.transport is not None:
                request.transport.close()
            return response
        await response.write_eof()
        return response


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """What aiohttp makes of its parts by default, with room for the records of a large release."""
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=LARGEST_BODY
    )


def _reply(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
