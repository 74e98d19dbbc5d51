"""
The server of webhooks: finds the Receiver that a call is for, checks the call, and has objects looked at.

Every replica answers, whoever leads: all know every Receiver, and what a call does, an annotation, can be done twice.
Answers are those of Flux (notification fact 20)::

    404  nobody is called so        503  suspended, not ready, or too many calls at a time
    400  the call is not valid      500  an object could not be asked         200  all were
    408  the body came too slowly   413  it was too large                     429  called too often

Nothing of a call, and no path, gets into the log.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import web
from prometheus_client import Counter

from hub.api.meta import READY, REQUESTED_AT
from hub.api.notification import Receiver
from hub.errors import HubError
from hub.notify import resources, rules, token, verify
from hub.notify.limits import Allowance
from hub.notify.triggers import path_of
from hub.notify.verify import Call, Refused
from hub.runtime import log
from hub.runtime.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.api.meta import Resource
    from hub.kube.client import Client
    from hub.notify.identity import Identities
    from hub.runtime.access import Access
    from hub.runtime.cache import Cache
    from hub.runtime.events import Recorder
    from hub.runtime.secrets import SecretReader

_log = logging.getLogger(__name__)
_INDEX: Final = "Receiver by path"
_LARGEST: Final = 5 << 20  # bytes of a body
_SLOWEST: Final = 10.0  # seconds that a body may take
_AT_A_TIME: Final = 16  # calls with a body in memory
_WRITES: Final = 8  # objects that are asked at a time
_BURST, _RATE = 60, 1.0  # calls of one Receiver: at once, and per second
_CALLS = Counter("hub_webhook_calls_total", "Calls of webhooks.", ("code",))


class _Answer(Exception):
    """The call ends here."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Tools(NamedTuple):
    """What calls are answered with."""

    client: Client
    cache: Cache
    recorder: Recorder
    secrets: SecretReader
    access: Access
    identities: Identities


class HookServer:
    """
    Serves ``/hook/...``.

    Args:
        listen: ``host:port``; port 0 picks a free one.
        tools: What calls are answered with.
        ready: Returns why Receivers are not known yet; the empty text when they are.

    Raises:
        ValueError: ``listen`` is no address.
    """

    def __init__(self, listen: str, tools: Tools, ready: Callable[[], str]) -> None:
        self._listener = Listener(listen, "127.0.0.1:9292")
        self._tools = tools
        self._ready = ready
        self._busy = 0
        self._room = asyncio.Semaphore(_WRITES)
        self._allowance = Allowance(asyncio.get_running_loop().time, burst=_BURST, rate=_RATE)
        tools.cache.add_index(_INDEX, Receiver.KIND, path_of)

    @property
    def address(self) -> str:
        """``host:port`` that is listened on; known after :meth:`start`."""
        return self._listener.address

    async def start(self) -> None:
        """Listen. Raises ``OSError`` when the address is taken, or not ours."""
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self._called)
        await self._listener.start(app)

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        await self._listener.stop()

    async def _called(self, request: web.Request) -> web.Response:
        try:
            await self._answer(request)
            status, text = 200, "ok"
        except _Answer as answer:
            status, text = answer.status, answer.text
        except web.HTTPRequestEntityTooLarge:
            status, text = 413, f"the body is larger than {_LARGEST} bytes"
        except Exception:  # noqa: BLE001  one call must not end the server's answers to others
            _log.exception("Webhook broke")
            status, text = 500, "failed"
        _CALLS.labels(str(status)).inc()
        return web.Response(status=status, text=f"{text}\n")

    async def _answer(self, request: web.Request) -> None:
        if self._ready():
            raise _Answer(503, "not ready yet")
        receiver, secret = await self._find(request.path)
        meta = receiver.metadata
        with log.bind(kind=receiver.KIND.name, namespace=meta.namespace, name=meta.name):
            if self._busy >= _AT_A_TIME:
                raise _Answer(503, "too many calls at a time")
            self._busy += 1
            try:
                await self._take(receiver, secret, request)
            finally:
                self._busy -= 1

    async def _find(self, path: str) -> tuple[Receiver, dict[str, bytes]]:
        """Return who is called so, with its Secret: a path that an older token gave counts no more."""
        cache = self._tools.cache
        for key in sorted(cache.lookup(_INDEX, path)):
            receiver: Receiver = cache.get(key)
            try:
                secret = await token.read(self._tools.secrets, receiver)
            except HubError as error:
                raise _Answer(503, "not ready") from error
            if hmac.compare_digest(path.encode(), token.path_for(receiver, token.token_of(secret)).encode()):
                return receiver, secret
        raise _Answer(404, "not found")

    async def _take(self, receiver: Receiver, secret: dict[str, bytes], request: web.Request) -> None:
        ready = receiver.status.condition(READY)
        if receiver.spec.suspend or receiver.deleted:
            raise _Answer(503, "suspended")
        if ready is None or ready.status != "True":
            raise _Answer(503, "not ready")
        try:
            # Again: the spec may be newer than the condition.
            await asyncio.to_thread(rules.check, receiver, self._tools.access)
        except HubError as error:
            raise _Answer(503, "not ready") from error
        call = Call(request.headers, await _body(request))
        variables = await self._checked(receiver, secret, call)
        if not self._allowance.take(receiver.key):
            raise _Answer(429, "called too often")
        await self._look(receiver, variables)

    async def _checked(self, receiver: Receiver, secret: dict[str, bytes], call: Call) -> dict[str, Any]:
        """Return what expressions can use of a call that is valid."""
        spec = receiver.spec
        try:
            claims = await self._tools.identities.claims(receiver, secret, call)
            verify.check(spec.type, call, token.token_of(secret), spec.events)
            filtered = spec.resource_filter or any(one.filter for one in spec.resources)
            return {"req": await asyncio.to_thread(call.json), "claims": claims} if filtered else {}
        except Refused as error:
            _log.warning("Webhook refused", extra={"why": str(error)})
            raise _Answer(400, str(error)) from error

    async def _look(self, receiver: Receiver, variables: dict[str, Any]) -> None:
        """Have the objects of a Receiver looked at; one that cannot be does not keep the others from it."""
        wanted: dict[object, Resource] = {}
        failed: list[HubError] = []
        for one in receiver.spec.resources:
            filters = [text for text in (receiver.spec.resource_filter, one.filter) if text]
            try:
                for resource in resources.named(receiver, one, self._tools.cache):
                    if not filters or await asyncio.to_thread(resources.passes, resource, filters, variables):
                        wanted[resource.key] = resource
            except HubError as error:
                failed.append(error)
        failed += await self._ask(wanted.values())
        _log.info("Webhook taken", extra={"objects": len(wanted), "failed": len(failed)})
        for why in failed:
            self._tools.recorder.warning(receiver, why.reason, f"unable to request reconciliation: {why.message}")
        if failed:
            raise _Answer(500, f"{len(failed)} of the resources could not be asked; see the events of the Receiver")

    async def _ask(self, wanted: Iterable[Resource]) -> list[HubError]:
        """Request a reconcile of each object, suspended or not, as a person would; return what went wrong."""
        asked = {"metadata": {"annotations": {REQUESTED_AT: _now()}}}

        async def ask(resource: Resource) -> HubError | None:
            meta = resource.metadata
            try:
                async with self._room:
                    await self._tools.client.patch(resource.KIND.api, meta.name, meta.namespace, asked)
            except HubError as error:
                return error
            return None

        results = await asyncio.gather(*map(ask, wanted))
        return [error for error in results if error is not None]


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_SLOWEST):
            return await request.read()
    except TimeoutError as error:
        raise _Answer(408, f"the body took longer than {_SLOWEST:g} seconds") from error
    except (web.RequestPayloadError, OSError) as error:
        raise _Answer(400, "the body cannot be read to its end") from error


def _now() -> str:
    """Return the time as Go prints one."""
    return datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
