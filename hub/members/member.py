"""One cluster that the hub reaches: its client, its health and its limits, shared by everything that runs there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from hub.errors import MemberUnreachable, Unauthorized
from hub.kube.client import Cause, Unreachable
from hub.members.breaker import Breaker, State
from hub.members.discovery import DiscoveryCache
from hub.members.probe import probe, watchdog
from hub.members.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from hub.kube.client import Client
    from hub.members.slots import Slots, Turn

    Renew = Callable[["Member"], Awaitable[bool]]

T = TypeVar("T")


class Health:
    """What all users of one cluster share, whoever they are there."""

    def __init__(self, name: str, rate: int) -> None:
        self.breaker = Breaker(name)
        self.throttle = Throttle(rate)
        self.probing = asyncio.Lock()


class Member:
    """
    A cluster, as one user.

    Attributes:
        name: ``<namespace>/<secret>`` of its kubeconfig, or ``hub`` for the hub's own cluster.
        client: Speaks to it; exchanged when the kubeconfig changes, so ask for it each time.
        digest: Of the kubeconfig that the client was made from.
    """

    def __init__(self, name: str, client: Client, digest: str, *, health: Health, slots: Slots, renew: Renew) -> None:
        self.name = name
        self.client = client
        self.digest = digest
        self.slots = slots
        self.discovery = DiscoveryCache()
        self._health = health
        self._renew = renew
        self._parts: dict[Any, Any] = {}

    @property
    def breaker(self) -> Breaker:
        """Whether it is worth asking."""
        return self._health.breaker

    @property
    def throttle(self) -> Throttle:
        """How often it may be asked."""
        return self._health.throttle

    def turn(self) -> AbstractAsyncContextManager[Turn]:
        """Wait for a slot to run something here, and hold it."""
        return self.slots.turn(self.name)

    def storage(self, factory: Callable[[Client], T]) -> T:
        """Return what ``factory`` makes of the client; the same thing until the client changes."""
        made: T | None = self._parts.get(factory)
        if made is None:
            made = self._parts[factory] = factory(self.client)
        return made

    def replace_client(self, client: Client, digest: str) -> Client:
        """Use other credentials from now on; return the client that is not needed any more."""
        old, self.client, self.digest = self.client, client, digest
        self.discovery = DiscoveryCache()
        self._parts.clear()
        self.breaker.retry_soon()
        return old

    async def ensure_reachable(self) -> None:
        """
        Return when it is worth asking; a member that was lost is probed, by one caller at a time, once it is due.

        Raises:
            MemberUnreachable: It is lost.
        """
        if self.breaker.since is None:
            return
        async with self._health.probing:
            match self.breaker.state(_now()):
                case State.CLOSED:
                    return
                case State.OPEN:
                    raise self.breaker.error()
                case State.HALF_OPEN:
                    with self.guard():
                        await probe(self.client)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """
        Let the breaker learn how the body's requests end.

        Raises:
            MemberUnreachable: Instead of ``Unreachable``.
        """
        try:
            yield
        except Unreachable as error:
            raise self.lost(error) from error
        self.breaker.answered()

    def lost(self, error: Unreachable) -> MemberUnreachable:
        """Note that there was no answer, and return the error that says so."""
        self.breaker.lost(error.message, _now(), datetime.now(UTC))
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
            with self.guard():
                return await operation(client)
        except (Unauthorized, MemberUnreachable) as error:
            if not _speaks_of_credentials(error) or not await self.renew(client):
                raise
        with self.guard():
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
            try:
                async with watchdog(client):
                    response = await exchange.__aenter__()
                break
            except Unreachable as error:
                if error.cause is not Cause.RESET or not again:
                    raise self.lost(error) from error
                again = False
        self.breaker.answered()
        try:
            yield response
        finally:
            await exchange.__aexit__(None, None, None)


def _speaks_of_credentials(error: Exception) -> bool:
    if isinstance(error, Unauthorized):
        return True
    cause = error.__cause__
    return isinstance(cause, Unreachable) and cause.cause in (Cause.TLS, Cause.CREDENTIALS)


def _now() -> float:
    return asyncio.get_running_loop().time()
