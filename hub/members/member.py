"""One cluster that the hub reaches: its client, its health and its limits, shared by everything that runs there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hub.errors import ApiError, MemberUnreachable, Unauthorized
from hub.kube.client import Cause, Unreachable
from hub.kube.mapper import Mapper
from hub.members import metrics
from hub.members.breaker import State
from hub.members.discovery import DiscoveryCache
from hub.members.expiry import expiry_of
from hub.members.health import Health, Vitals
from hub.members.probe import watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime

    import aiohttp

    from hub.errors import Transient
    from hub.kube.client import Client
    from hub.members.breaker import Breaker
    from hub.members.records import Records
    from hub.members.slots import Slots, Turn
    from hub.members.throttle import Throttle

    Renew = Callable[["Member"], Awaitable[bool]]

__all__ = ["Health", "Member"]

T = TypeVar("T")

_SILENCE: Final = 5.0  # seconds without a byte of a stream, or anything else from the member, after which it is asked
_UNSURE: Final = frozenset({Cause.RESET, Cause.TIMEOUT, Cause.OTHER})
"""Causes that may be those of one request alone; the others mean that there is no way to the member."""


class Member:
    """
    A cluster, as one user.

    Attributes:
        name: ``<namespace>/<secret>`` of its kubeconfig, or ``hub`` for the hub's own cluster.
        client: Speaks to it; exchanged when the kubeconfig changes, so ask for it each time.
        digest: Of the kubeconfig that the client was made from.
        records: What Helm keeps there, whoever asks.
        expiry: When those credentials end; None when they do not say.
    """

    def __init__(
        self, name: str, client: Client, digest: str, *, health: Health, slots: Slots, records: Records, renew: Renew
    ) -> None:
        self.name = name
        self.client = client
        self.digest = digest
        self.slots = slots
        self.records = records
        self.discovery = DiscoveryCache()
        self.expiry = expiry_of(client.config)
        self._health = health
        self._renew = renew
        self._mapper: Mapper | None = None

    @property
    def lost(self) -> bool:
        """Whether it does not answer."""
        return self._health.state is Vitals.LOST

    @property
    def returned_at(self) -> datetime | None:
        """When it last answered again after it was lost; None when it never was."""
        return self._health.returned_at

    @property
    def breaker(self) -> Breaker:
        """Whether it is worth asking."""
        return self._health.breaker

    @property
    def throttle(self) -> Throttle:
        """How often it may be asked."""
        return self._health.throttle

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """
        Wait for a slot to run something here, and hold it.

        Raises:
            MemberUnreachable: It is lost, or gets lost while we wait.
        """
        await self.ensure_reachable()
        async with self.slots.turn(self.name) as turn:
            yield turn

    @property
    def mapper(self) -> Mapper:
        """The kinds that it serves; found out anew when the kubeconfig changes, which may lead elsewhere."""
        if self._mapper is None:
            self._mapper = Mapper(self._read)
        return self._mapper

    def replace_client(self, client: Client, digest: str) -> Client:
        """Use other credentials from now on; return the client that is not needed any more."""
        old, self.client, self.digest = self.client, client, digest
        self.discovery = DiscoveryCache()
        self.expiry = expiry_of(client.config)
        self._mapper = None
        self._health.renewed()
        return old

    async def ensure_reachable(self) -> None:
        """
        Return when it is worth asking; a member that was lost is probed, by one caller at a time, once it is due.

        Raises:
            MemberUnreachable: It is lost.
        """
        if not self.lost:
            return
        if self.breaker.state(asyncio.get_running_loop().time()) is State.HALF_OPEN:
            with suppress(Unreachable):
                await self._look()
        if self.lost:
            raise self.breaker.error()

    async def failed(self, error: Unreachable) -> Transient:
        """
        Find out what a request without an answer means, and return the error to raise.

        It is ``MemberUnreachable`` when the member is lost, and ``error`` itself when only this request failed.
        """
        if not self.lost and error.cause in _UNSURE:
            with suppress(Unreachable):
                await self._look()
                return error
        if not self.lost:
            self._health.lost(error, self._current)
        return self.breaker.error()

    async def call(self, operation: Callable[[Client], Awaitable[T]]) -> T:
        """
        Do something with the client; again, once, with new credentials when the old ones were refused.

        Raises:
            MemberUnreachable: There was no answer.
            ApiError: The server said no.
        """
        await self.ensure_reachable()
        client = self.client
        try:
            async with self._asking():
                return await operation(client)
        except (Unauthorized, MemberUnreachable) as error:
            if not _speaks_of_credentials(error) or not await self.renew(client):
                raise
        async with self._asking():
            return await operation(self.client)

    async def renew(self, refused: Client) -> bool:
        """Read the kubeconfig again, unless that just happened; True when ``refused`` is not the client any more."""
        return self.client is not refused or await self._renew(self)

    @asynccontextmanager
    async def raw(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """
        Pass one request through and yield its answer, within the member's rate and with its health in view.

        A connection that the server had just given up is replaced once where that cannot do a thing twice.

        Raises:
            MemberUnreachable: There was no answer.
        """
        await self.ensure_reachable()
        await self.throttle.acquire()
        client, again = self.client, method != "POST"
        while True:
            exchange = client.raw(method, target, headers=headers, body=body or None, timeout=timeout)
            began = asyncio.get_running_loop().time()
            try:
                async with watchdog(self._look):
                    response = await exchange.__aenter__()
                break
            except Unreachable as error:
                if error.cause is not Cause.RESET or not again:
                    metrics.requests(self.name, "helm", 0).inc()
                    raise await self.failed(error) from error
                again = False
        metrics.requests(self.name, "helm", response.status).inc()
        metrics.seconds(self.name).observe(asyncio.get_running_loop().time() - began)
        self._health.answered()
        try:
            yield response
        finally:
            await exchange.__aexit__(None, None, None)

    async def pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """
        Yield what comes of an answer that goes on and on; silence is fine as long as the member is there.

        Raises:
            Unreachable: It is not.
        """
        while True:
            async with watchdog(self._look_when_silent, _SILENCE):
                piece = await response.content.readany()
            if not piece:
                return
            self._health.answered()
            yield piece

    async def _look_when_silent(self) -> None:
        if asyncio.get_running_loop().time() - self._health.answered_at >= _SILENCE:
            await self._look()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Let the member's health learn how the body's requests end, and the body fail when the member hangs."""
        await self.throttle.acquire()
        try:
            async with watchdog(self._look):
                yield
        except Unreachable as error:
            metrics.requests(self.name, "hub", 0).inc()
            raise await self.failed(error) from error
        except ApiError as error:
            self._answered(error.status)
            raise
        self._answered(200)

    def _answered(self, status: int) -> None:
        metrics.requests(self.name, "hub", status).inc()
        self._health.answered()

    async def _read(self, path: str) -> dict[str, Any]:
        return await self.call(lambda client: client.read(path))

    async def _look(self) -> None:
        await self._health.look(self._current)

    def _current(self) -> Client:
        return self.client


def _speaks_of_credentials(error: Exception) -> bool:
    if isinstance(error, Unauthorized):
        return True
    cause = error.__cause__
    return isinstance(cause, Unreachable) and cause.cause in (Cause.TLS, Cause.CREDENTIALS)
